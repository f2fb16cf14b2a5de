"""Client secrets and keys of the API, in SQL.

An erased secret is not to be found in the file any more. SQLite's own DELETE only forgets where a row
was, so erasing runs with ``secure_delete``, which overwrites; and every connection runs with its
``FAST`` form, or else a row that was moved to another page would leave a copy behind. What the
write-ahead log still holds is ``database.fold``'s to remove, after the commit.
"""

import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence

from hookline.core.errors import Conflict, NotFound
from hookline.core.rotation import SignWith, Term
from hookline.core.scopes import Scope
from hookline.store.contract import ApiKey, SealedSecret
from hookline.store.sqlite.rows import fetch_rows

__all__ = [
    "add_api_key",
    "api_keys",
    "choose_secret",
    "erase_expired",
    "next_expiry",
    "revoke_api_key",
    "rotate_secret",
    "secrets_of",
]

Connection = sqlite3.Connection


@contextlib.contextmanager
def _erasing(connection: Connection) -> Iterator[None]:
    connection.execute("PRAGMA secure_delete = ON").fetchone()
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = FAST").fetchone()


def secrets_of(
    connection: Connection, integration_ids: Sequence[int]
) -> dict[int, tuple[SealedSecret, ...]]:
    """The secrets of integrations, those of each with the oldest first."""
    found: defaultdict[int, list[SealedSecret]] = defaultdict(list)
    ids = sorted(set(integration_ids))
    for row in fetch_rows(connection, "secrets", [(each,) for each in ids]):
        found[row[0]].append(SealedSecret(Term(row[1], row[2], row[3], bool(row[4])), row[5]))
    return {each: tuple(sorted(secrets)) for each, secrets in found.items()}


def rotate_secret(
    connection: Connection,
    integration_id: int,
    sealed: bytes,
    *,
    now: int,
    until: int,
    sign_with: SignWith,
) -> None:
    """Make a new secret the newest; the one before is valid until ``until``, older ones are erased."""
    _check_there(connection, integration_id)
    (before,) = connection.execute(
        "SELECT coalesce(max(id), 0) FROM secrets WHERE integration_id = ?", (integration_id,)
    ).fetchone()
    # Before anything is deleted: SQLite would give a deleted newest row's id again.
    connection.execute(
        "INSERT INTO secrets (integration_id, sealed, created_at) VALUES (?, ?, ?)",
        (integration_id, sealed, now),
    )
    oldest_to_keep = before if until > now else before + 1
    with _erasing(connection):
        connection.execute(
            "DELETE FROM secrets WHERE integration_id = ? AND id < ?",
            (integration_id, oldest_to_keep),
        )
    connection.execute(
        "UPDATE secrets SET expires_at = ?, chosen = ? WHERE id = ? AND integration_id = ?",
        (until, sign_with is SignWith.OLD, before, integration_id),
    )


def choose_secret(
    connection: Connection, integration_id: int, sign_with: SignWith, now: int
) -> None:
    """Let the new or the old secret sign until the overlap ends."""
    _check_there(connection, integration_id)
    cursor = connection.execute(
        "UPDATE secrets SET chosen = ? WHERE integration_id = ? AND expires_at > ?",
        (sign_with is SignWith.OLD, integration_id, now),
    )
    if not cursor.rowcount and sign_with is SignWith.OLD:
        raise Conflict(
            "no-overlap",
            "the integration has one secret only: no rotation is under way",
            "an old secret signs during the overlap after a rotation",
            where="/sign_with",
        )


def erase_expired(connection: Connection, now: int) -> int:
    """Erase the secrets whose time is over; how many."""
    with _erasing(connection):
        return connection.execute("DELETE FROM secrets WHERE expires_at <= ?", (now,)).rowcount


def next_expiry(connection: Connection) -> int | None:
    """When the next secret's time is over."""
    sql = "SELECT min(expires_at) FROM secrets WHERE expires_at IS NOT NULL"
    (found,) = connection.execute(sql).fetchone()
    return None if found is None else int(found)


def _check_there(connection: Connection, integration_id: int) -> None:
    # Asked inside the transaction, because a deletion may have come between reading and writing.
    sql = "SELECT 1 FROM integrations WHERE id = ? AND deleted_at IS NULL"
    if not connection.execute(sql, (integration_id,)).fetchone():
        raise NotFound(
            "unknown-integration",
            "the integration was deleted a moment ago",
            "see GET /api/v1/integrations for those there are",
        )


def add_api_key(
    connection: Connection, name: str, digest: bytes, scopes: tuple[Scope, ...], now: int
) -> ApiKey:
    """Keep a key's digest."""
    cursor = connection.execute(
        "INSERT INTO api_keys (name, digest, scopes, created_at) VALUES (?, ?, ?, ?)",
        (name, digest, json.dumps(scopes), now),
    )
    return ApiKey(int(cursor.lastrowid or 0), name, digest, scopes, now, None)


def api_keys(connection: Connection) -> list[ApiKey]:
    """All keys, revoked ones included."""
    sql = "SELECT id, name, digest, scopes, created_at, revoked_at FROM api_keys ORDER BY id"
    return [
        ApiKey(key_id, name, digest, tuple(map(Scope, json.loads(scopes))), created_at, revoked_at)
        for key_id, name, digest, scopes, created_at, revoked_at in connection.execute(sql)
    ]


def revoke_api_key(connection: Connection, key_id: int, now: int, *, keep_admin: bool) -> bool:
    """Revoke it; whether there was such a key in force."""
    in_force = {key.id: key for key in api_keys(connection) if key.revoked_at is None}
    key = in_force.pop(key_id, None)
    if key is None:
        return False
    others = any(Scope.ADMIN in other.scopes for other in in_force.values())
    if keep_admin and Scope.ADMIN in key.scopes and not others:
        raise Conflict(
            "last-admin-key",
            f"key {key_id} is the only one left that may do everything, this call included",
            "make another with the scope admin first, or start the server with HOOKLINE_API_KEY",
        )
    connection.execute("UPDATE api_keys SET revoked_at = ? WHERE id = ?", (now, key_id))
    return True
