"""Who may call what: API keys and their scopes, checked for each request in memory."""

import hashlib
from typing import Any, Final

from litestar.connection import ASGIConnection

from hookline.core.errors import Unauthorized
from hookline.core.scopes import Scope, require
from hookline.core.secret import Secret
from hookline.store.credentials import ApiKey

__all__ = ["KeyRing", "admit", "digest_of", "needed_for"]

_EVERYTHING: Final = frozenset({Scope.ADMIN})


def digest_of(key: Secret) -> bytes:
    """What is kept of a key: SHA-256, without salt or stretching.

    Those are against guessing passwords. A key of ours has 256 random bits, so there is nothing to
    guess, and every request pays for the hash. HOOKLINE_API_KEY, which the operator chooses, is
    digested in memory only.
    """
    return hashlib.sha256(key.reveal().encode("utf-8", "surrogatepass")).digest()


class KeyRing:
    """The keys in force.

    A key is found by its digest in a dictionary. How long that takes may tell something about stored
    digests, but who could use that would have to choose digests, and so invert the hash.
    """

    def __init__(self, fixed: Secret | None = None):
        self._fixed = {} if fixed is None else {digest_of(fixed): _EVERYTHING}
        self._stored: dict[bytes, ApiKey] = {}
        self._revoked: set[int] = set()
        self._changes = 0

    @property
    def has_fixed(self) -> bool:
        """Whether there is a key that cannot be revoked: HOOKLINE_API_KEY."""
        return bool(self._fixed)

    @property
    def changes(self) -> int:
        """Grows whenever a key was revoked; what was checked before may not be so any more."""
        return self._changes

    def add(self, *keys: ApiKey) -> None:
        """Know these keys, less the revoked ones.

        Changes are told one by one and not read from the store as a list: a list that was read before
        a revocation and arrives after it would bring the key back.
        """
        for key in keys:
            if key.revoked_at is None and key.id not in self._revoked:
                self._stored[key.digest] = key

    def revoke(self, key_id: int) -> None:
        """Let no request through with this key any more, whoever adds it again."""
        if key_id in self._revoked:
            return
        self._revoked.add(key_id)
        self._stored = {at: key for at, key in self._stored.items() if key.id != key_id}
        self._changes += 1

    def check(self, authorization: bytes, needed: Scope) -> None:
        """Let a request through, by the value of its Authorization header.

        Raises:
            Unauthorized: it is missing, not a Bearer token, or not a key of ours.
            Forbidden: the key does not have the scope that the call needs.
        """
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthorized(
                "missing-key",
                "this call needs an API key",
                "send the header: Authorization: Bearer <key>",
            )
        digest = hashlib.sha256(token.strip()).digest()
        key = self._stored.get(digest)
        held = self._fixed.get(digest) if key is None else key.scopes
        if held is None:
            raise Unauthorized(
                "wrong-key", "this key is not known, or was revoked", "check HOOKLINE_API_KEY"
            )
        require(needed, held)


def needed_for(method: str) -> Scope:
    """The scope that opens a route of the framework; publishing has one of its own."""
    return Scope.READ if method == "GET" else Scope.ADMIN


def admit(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Let a request to the framework through. Raises ``Unauthorized``, ``Forbidden``."""
    keys: KeyRing = connection.app.state["key_ring"]
    authorization = connection.headers.get("authorization", "").encode("latin-1", "replace")
    keys.check(authorization, needed_for(str(connection.scope.get("method"))))
