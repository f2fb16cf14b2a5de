"""What a store promises of credentials: client secrets, sealed, and keys of the API, digested.

A part of ``store.contract``, which see.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hookline.core.rotation import SignWith, Term
from hookline.core.scopes import Scope

__all__ = ["ApiKey", "Credentials", "Erased", "SealedSecret"]


class SealedSecret(NamedTuple):
    """A client secret as it is kept, and how long it is good for."""

    term: Term
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing expired secrets came to.

    Attributes:
        number: so many were erased.
        complete: nothing of those, nor of any before, is left in the database's files; False where
            something held it up (a long read), and then it is to be asked for again.
        next_expiry: when the next one's time is over; None where none has an end.
    """

    number: int
    complete: bool
    next_expiry: int | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the HTTP API; the key itself is kept nowhere."""

    id: int
    name: str
    digest: bytes
    scopes: tuple[Scope, ...]
    created_at: int
    revoked_at: int | None


class Credentials(Protocol):
    """The verbs about credentials. Each may raise ``Unavailable``."""

    # -- client secrets ---------------------------------------------------------------------------

    async def secrets(self, integration_id: int) -> list[SealedSecret]:
        """An integration's secrets that are not erased yet, the oldest first."""
        ...

    async def rotate_secret(
        self, integration_id: int, sealed: bytes, *, now: int, until: int, sign_with: SignWith
    ) -> None:
        """Give it a new secret, which has no end.

        The one before stays valid until ``until`` (at or before ``now``: it is erased), and signs
        until then if ``sign_with`` says so; those before that one are erased. Raises ``NotFound``
        where the integration was deleted meanwhile.
        """
        ...

    async def choose_secret(self, integration_id: int, sign_with: SignWith, now: int) -> None:
        """Let the new or the old secret sign until the overlap ends.

        Raises ``Conflict`` for the old one where no overlap is under way, ``NotFound`` where the
        integration was deleted meanwhile.
        """
        ...

    async def erase_secrets(self, now: int) -> Erased:
        """Erase expired secrets, and what the files still hold of those that were erased before.

        The files are those of the database itself: a backup has what it had when it was made.
        """
        ...

    # -- keys of the API -------------------------------------------------------------------------

    async def add_api_key(
        self, name: str, digest: bytes, scopes: tuple[Scope, ...], now: int
    ) -> ApiKey:
        """Keep a key's digest."""
        ...

    async def api_keys(self) -> list[ApiKey]:
        """All keys, revoked ones included."""
        ...

    async def revoke_api_key(self, key_id: int, now: int, *, keep_admin: bool) -> bool:
        """Revoke it; whether there was such a key in force.

        Raises ``Conflict`` where ``keep_admin`` is asked for and no other key with the scope admin
        would be left.
        """
        ...
