"""Client secrets and keys of the API.

An erased secret is not to be found in the database's files any more. Rows of ``secrets`` are only added
and overwritten, never moved; what else a database needs for that stands beside its statements.
"""

import json
from collections import defaultdict
from collections.abc import Sequence

from hookline.core.errors import Conflict, NotFound
from hookline.core.rotation import SignWith, Term
from hookline.core.scopes import Scope
from hookline.store.credentials import ApiKey, SealedSecret
from hookline.store.verbs.asking import Ask, Row, Verb

__all__ = [
    "add_api_key",
    "api_keys",
    "check_there",
    "choose_secret",
    "erase_expired",
    "next_expiry",
    "revoke_api_key",
    "rotate_secret",
    "secrets",
    "secrets_of",
]


def secrets_of(integration_ids: Sequence[int]) -> Verb[dict[int, tuple[SealedSecret, ...]]]:
    """The secrets of integrations, those of each with the oldest first."""
    answer = yield Ask("secrets", rows=[(each,) for each in sorted(set(integration_ids))])
    found: defaultdict[int, list[SealedSecret]] = defaultdict(list)
    for row in answer.rows:
        found[row[0]].append(SealedSecret(Term(row[1], row[2], row[3], bool(row[4])), row[5]))
    return {each: tuple(sorted(secrets)) for each, secrets in found.items()}


def secrets(integration_id: int) -> Verb[list[SealedSecret]]:
    """An integration's secrets that are not erased yet, the oldest first."""
    found = yield from secrets_of([integration_id])
    return list(found.get(integration_id, ()))


def rotate_secret(
    integration_id: int, sealed: bytes, *, now: int, until: int, sign_with: SignWith
) -> Verb[None]:
    """Add a secret; the one before is valid until ``until``, one before that is erased."""
    yield from check_there(integration_id)
    before = (yield Ask("newest_secret", (integration_id,))).rows[0][0]
    yield Ask("insert_secret", (integration_id, sealed, now))
    yield from _end_rotations((yield Ask("rotations_of", (integration_id,))).rows)
    if until <= now:
        yield Ask("erase_secrets", rows=[(before,)])
        return
    chosen = sign_with is SignWith.OLD
    yield Ask("insert_rotation", (integration_id, before, until, chosen))


def _end_rotations(secret_ids: Sequence[Row]) -> Verb[None]:
    yield Ask("delete_rotations", rows=secret_ids)
    yield Ask("erase_secrets", rows=secret_ids)


def choose_secret(integration_id: int, sign_with: SignWith, now: int) -> Verb[None]:
    """Let the new or the old secret sign until the overlap ends."""
    yield from check_there(integration_id)
    old = sign_with is SignWith.OLD
    answer = yield Ask("choose_secret", (integration_id, old, now))
    if old and not answer.changed:
        raise Conflict(
            "no-overlap",
            "the integration has one secret only: no rotation is under way",
            "an old secret signs during the overlap after a rotation",
            where="/sign_with",
        )


def erase_expired(now: int) -> Verb[int]:
    """Erase the secrets whose time is over; how many."""
    ended = (yield Ask("expired_rotations", (now,))).rows
    yield from _end_rotations(ended)
    return len(ended)


def next_expiry() -> Verb[int | None]:
    """When the next secret's time is over."""
    found = (yield Ask("next_expiry")).rows[0][0]
    return None if found is None else int(found)


def check_there(integration_id: int) -> Verb[None]:
    """Raise ``NotFound`` where it was deleted between the reading and this transaction."""
    answer = yield Ask("integration_there", (integration_id,))
    if not answer.rows:
        raise NotFound(
            "unknown-integration",
            "the integration was deleted a moment ago",
            "see GET /api/v1/integrations for those there are",
        )


def add_api_key(name: str, digest: bytes, scopes: tuple[Scope, ...], now: int) -> Verb[ApiKey]:
    """Keep a key's digest."""
    answer = yield Ask("insert_api_key", (name, digest, json.dumps(scopes), now))
    return ApiKey(answer.rows[0][0], name, digest, scopes, now, None)


def api_keys() -> Verb[list[ApiKey]]:
    """All keys, revoked ones included."""
    answer = yield Ask("api_keys")
    return [
        ApiKey(key_id, name, digest, tuple(map(Scope, json.loads(scopes))), created_at, revoked_at)
        for key_id, name, digest, scopes, created_at, revoked_at in answer.rows
    ]


def revoke_api_key(key_id: int, now: int, *, keep_admin: bool) -> Verb[bool]:
    """Revoke it; whether there was such a key in force."""
    keys = yield from api_keys()
    in_force = {key.id: key for key in keys if key.revoked_at is None}
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
    yield Ask("revoke_api_key", (key_id, now))
    return True
