"""Who may call: API keys, checked for each request in memory."""

import hashlib
from collections.abc import Iterable

from hookline.core.errors import Unauthorized
from hookline.core.secret import Secret
from hookline.store.contract import ApiKey

__all__ = ["KeyRing", "digest_of"]


def digest_of(key: Secret) -> bytes:
    """What is kept of a key.

    A key has 256 random bits, so a fast hash is enough: there is nothing to guess, and every request
    pays for it.
    """
    return hashlib.sha256(key.reveal().encode("utf-8", "surrogatepass")).digest()


class KeyRing:
    """The keys in force. Looking up a digest tells no timing about the key itself."""

    def __init__(self, fixed: Secret | None = None):
        self._fixed = frozenset() if fixed is None else frozenset({digest_of(fixed)})
        self._stored: frozenset[bytes] = frozenset()

    def load(self, keys: Iterable[ApiKey]) -> None:
        """Take these keys, less the revoked ones, besides the fixed one."""
        self._stored = frozenset(key.digest for key in keys if key.revoked_at is None)

    def check(self, authorization: bytes) -> None:
        """Let a request through, by the value of its Authorization header.

        Raises:
            Unauthorized: it is missing, not a Bearer token, or not a key of ours.
        """
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            digest = hashlib.sha256(token.strip()).digest()
            if digest in self._fixed or digest in self._stored:
                return
            raise Unauthorized(
                "wrong-key", "this key is not known, or was revoked", "check HOOKLINE_API_KEY"
            )
        raise Unauthorized(
            "missing-key",
            "this call needs an API key",
            "send the header: Authorization: Bearer <key>",
        )
