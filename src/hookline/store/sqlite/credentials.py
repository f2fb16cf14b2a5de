"""Client secrets and keys of the API, in SQL.

An erased secret is not to be found in the file any more, and SQLite does not promise that by itself: a
DELETE only forgets where a row was, and a row that moves to another page leaves a copy behind (of 2,000
rows that were changed and then deleted in a trial, 57 were still there). So rows of ``secrets`` are
only added, at the end, and erased by zeros of the same length in their place; what may change stands in
``rotations``. Every connection runs with ``secure_delete = FAST``, which overwrites what the first
page leaves when it is split. What the write-ahead log still holds is ``database.fold``'s to remove,
after the commit.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from hookline.core.errors import Conflict, NotFound
from hookline.core.rotation import SignWith, Term
from hookline.core.scopes import Scope
from hookline.store.credentials import ApiKey, SealedSecret
from hookline.store.sqlite.rows import Row, fetch_rows

__all__ = [
    "add_api_key",
    "api_keys",
    "check_there",
    "choose_secret",
    "erase_expired",
    "next_expiry",
    "revoke_api_key",
    "rotate_secret",
    "secrets_of",
]

Connection = sqlite3.Connection


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
    """Add a secret; the one before is valid until ``until``, one before that is erased."""
    check_there(connection, integration_id)
    (before,) = connection.execute(
        "SELECT max(id) FROM secrets WHERE integration_id = ?", (integration_id,)
    ).fetchone()
    connection.execute(
        "INSERT INTO secrets (integration_id, sealed, created_at) VALUES (?, ?, ?)",
        (integration_id, sealed, now),
    )
    _end_rotations(
        connection,
        connection.execute(
            "SELECT secret_id FROM rotations WHERE integration_id = ?", (integration_id,)
        ).fetchall(),
    )
    if until <= now:
        _overwrite(connection, [(before,)])
        return
    connection.execute(
        "INSERT INTO rotations (integration_id, secret_id, expires_at, chosen) VALUES (?, ?, ?, ?)",
        (integration_id, before, until, sign_with is SignWith.OLD),
    )


def _end_rotations(connection: Connection, secret_ids: Sequence[Row]) -> None:
    connection.executemany("DELETE FROM rotations WHERE secret_id = ?", secret_ids)
    _overwrite(connection, secret_ids)


def _overwrite(connection: Connection, secret_ids: Sequence[Row]) -> None:
    sql = "UPDATE secrets SET sealed = zeroblob(length(sealed)) WHERE id = ?"
    connection.executemany(sql, secret_ids)


def choose_secret(
    connection: Connection, integration_id: int, sign_with: SignWith, now: int
) -> None:
    """Let the new or the old secret sign until the overlap ends."""
    check_there(connection, integration_id)
    cursor = connection.execute(
        "UPDATE rotations SET chosen = ? WHERE integration_id = ? AND expires_at > ?",
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
    ended = connection.execute(
        "SELECT secret_id FROM rotations WHERE expires_at <= ?", (now,)
    ).fetchall()
    _end_rotations(connection, ended)
    return len(ended)


def next_expiry(connection: Connection) -> int | None:
    """When the next secret's time is over."""
    (found,) = connection.execute("SELECT min(expires_at) FROM rotations").fetchone()
    return None if found is None else int(found)


def check_there(connection: Connection, integration_id: int) -> None:
    """Raise ``NotFound`` where it was deleted between the reading and this transaction."""
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
