"""Client secrets: rotating them, choosing which one signs, listing them, erasing the expired.

Nothing has to happen for a secret to stop signing: that is decided for each attempt, from the clock
(``core.rotation``). What is done here when an overlap ends is only tidying: the sealed text is erased
from the database, and the open one is forgotten by the directory.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from hookline.core.errors import SecretUnreadable, Unavailable
from hookline.core.model import Integration
from hookline.core.rotation import DEFAULT_OVERLAP_S, SignWith, check_overlap, is_valid, signer
from hookline.core.secret import Secret, hint
from hookline.send.directory import Directory
from hookline.store.contract import Store
from hookline.store.credentials import SealedSecret
from hookline.store.vault import Vault

__all__ = ["ClientSecrets", "KnownSecret", "Rotated"]

_log = structlog.get_logger("hookline.secrets")

SECOND: Final = 1_000_000
# Until erasing is tried again that was held up: for longer each time, because each try stops the writer
# for a moment, and whoever reads for hours is not to slow down those who publish.
RETRY_S: Final = 5.0
LONGEST_RETRY_S: Final = 60.0
CLOCK_CHECK_S: Final = 60.0  # timers do not notice that the clock was set


@dataclass(frozen=True, slots=True)
class Rotated:
    """A new client secret, which is shown only now, and how long the one before is valid."""

    client_secret: Secret
    previous_expires_at: int
    sign_with: SignWith


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A valid secret, without its text.

    Attributes:
        signs: whether an attempt that begins now is signed with it.
        hint: stars and its last characters; None where it cannot be read.
    """

    id: int
    created_at: int
    expires_at: int | None
    signs: bool
    hint: str | None


class ClientSecrets:
    """The secrets of integrations; ``run`` erases expired ones until ``stop``.

    Args:
        find: the integration by a slug; raises ``NotFound``.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        vault: Vault,
        *,
        find: Callable[[str], Awaitable[Integration]],
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
    ):
        self._store = store
        self._directory = directory
        self._vault = vault
        self._find = find
        self._clock = clock
        self._entropy = entropy
        self._woken = asyncio.Event()
        self._stopping = False
        self._retry_s = RETRY_S

    async def rotate(
        self,
        slug: str,
        *,
        overlap: float = DEFAULT_OVERLAP_S,
        sign_with: SignWith = SignWith.NEW,
    ) -> Rotated:
        """Give an integration a new secret; the one before stays valid for ``overlap`` seconds.

        Of two that were valid before, the older one is erased at once. Attempts under way keep the
        signature that they have.

        Raises:
            NotFound: there is no such integration.
            Invalid: the overlap is out of range, or there is none in which the old one could sign.
        """
        duration = check_overlap(overlap, sign_with)
        integration = await self._find(slug)
        secret = Secret(self._entropy(32).hex())
        now = self._clock()
        until = now + duration
        sealed = self._vault.seal(secret.reveal(), bound_to=integration.uuid.encode())
        await self._store.rotate_secret(
            integration.id, sealed, now=now, until=until, sign_with=sign_with
        )
        self._directory.changed()
        self._woken.set()
        return Rotated(secret, until, sign_with)

    async def choose(self, slug: str, sign_with: SignWith) -> None:
        """Let the new or the old secret sign until the overlap ends.

        Raises:
            NotFound: there is no such integration.
            Conflict: the old one is asked for, and no overlap is under way.
        """
        integration = await self._find(slug)
        await self._store.choose_secret(integration.id, sign_with, self._clock())
        self._directory.changed()

    async def known(self, slug: str) -> list[KnownSecret]:
        """The valid secrets, the oldest first. Raises ``NotFound``."""
        integration = await self._find(slug)
        secrets = await self._store.secrets(integration.id)
        now = self._clock()
        signs = signer([term for term, _ in secrets], now)
        return [
            KnownSecret(
                each.term.id,
                each.term.created_at,
                each.term.expires_at,
                index == signs,
                self._hint(each, integration),
            )
            for index, each in enumerate(secrets)
            if is_valid(each.term, now)
        ]

    def _hint(self, secret: SealedSecret, integration: Integration) -> str | None:
        try:
            return hint(self._vault.open(secret.sealed, bound_to=integration.uuid.encode()))
        except SecretUnreadable:
            return None

    # -- erasing ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """A rotation may have begun elsewhere: look when it ends."""
        self._woken.set()

    def stop(self) -> None:
        """Let ``run`` return."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Erase secrets when their time is over, until ``stop``."""
        while not self._stopping:
            self._woken.clear()
            rest = await self._erase()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), rest)

    async def _erase(self) -> float | None:
        """Erase what is expired; returns after how many seconds there is more to do, if ever."""
        try:
            erased = await self._store.erase_secrets(self._clock())
        except Unavailable as trouble:
            _log.warning("store.unavailable", code=trouble.code, reason=trouble.message)
            return self._later()
        except Exception:
            # A defect here must not stay unseen, and must not stop what is sent either.
            _log.exception("secrets.erasing_failed")
            return LONGEST_RETRY_S
        if erased.number:
            self._directory.changed()
            _log.info("secrets.erased", number=erased.number)
        if not erased.complete:
            return self._later()
        self._retry_s = RETRY_S
        if erased.next_expiry is None:
            return None
        seconds = (erased.next_expiry - self._clock()) / SECOND
        return min(max(seconds, 0.0), CLOCK_CHECK_S)

    def _later(self) -> float:
        now, self._retry_s = self._retry_s, min(2 * self._retry_s, LONGEST_RETRY_S)
        return now
