"""Deleting what is old, at a pace that nobody notices.

A sweep goes through the store chunk by chunk; each is one brief transaction, and after each the writer
is left to the others for several times as long as the chunk took. So a busy database slows retention
down, never the other way round. A sweep remembers nothing: after a restart it begins anew, finds the
beginning already gone, and goes on.

Where the store keeps its days apart a sweep begins with these: old ones go whole, and the next ones are
made ready, even if nothing is ever deleted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from hookline.core.errors import Unavailable
from hookline.core.instants import DAY
from hookline.send.counts import Counts
from hookline.store.contract import Store
from hookline.store.upkeep import Ages

__all__ = ["Keep", "Retention"]

_log = structlog.get_logger("hookline.retention")

CHUNK_ROWS = 256
RESTS = 4  # a rest is so many times the chunk before it: a fifth of the writer at most
SHORTEST_REST_S = 0.005
RECOVERY_S = 30.0  # between two tries at a store that is unavailable
SWEEP_EVERY_S = 600.0
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many days things are kept; 0 is for ever."""

    events_days: int = 90
    attempts_days: int = 30

    def ages(self, now: int) -> Ages:
        """From when on things are kept."""
        return Ages(
            now - self.attempts_days * DAY if self.attempts_days else None,
            now - self.events_days * DAY if self.events_days else None,
        )


class Retention:
    """Sweeps the store every ten minutes.

    Args:
        rest: sleeps for so many seconds.
        node: this process, among those that share the database: one of them sweeps.
    """

    def __init__(
        self,
        store: Store,
        keep: Keep,
        counts: Counts,
        *,
        clock: Callable[[], int],
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chunk_rows: int = CHUNK_ROWS,
        node: str = "node",
    ):
        self._node = node
        self._store = store
        self._keep = keep
        self._counts = counts
        self._clock = clock
        self._rest = rest
        self._chunk_rows = chunk_rows

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                if await self._is_ours():
                    await self.sweep()
            except Unavailable as trouble:
                _log.warning("retention.waits", code=trouble.code, reason=trouble.message)
                await self._rest(RECOVERY_S)
                continue
            except Exception:
                # A bug here must not stop what is sent; it is in the log again at each sweep.
                _log.exception("retention.failed")
            await self._rest(SWEEP_EVERY_S)

    async def _is_ours(self) -> bool:
        # Kept until the next sweep is due, so that n nodes do not sweep n times as often. One that takes
        # longer may be joined by another node's; two of them do no harm.
        now = self._clock()
        until = now + int(SWEEP_EVERY_S * SECOND)
        return await self._store.claim("retention", self._node, now, until)

    async def sweep(self) -> None:
        """Go through everything once."""
        now = self._clock()
        ages = self._keep.ages(now)
        await self._turn_over(ages, now)
        cursor: bytes | None = None if ages == Ages(None, None) else b""
        while cursor is not None:
            began = time.perf_counter()
            try:
                purged = await self._store.purge(ages, cursor, self._chunk_rows)
            except Unavailable as trouble:
                _log.warning("retention.waits", code=trouble.code, reason=trouble.message)
                await self._rest(RECOVERY_S)
                continue
            self._counts.swept(purged)
            cursor = purged.cursor
            await self._rest(max(SHORTEST_REST_S, RESTS * (time.perf_counter() - began)))

    async def _turn_over(self, ages: Ages, now: int) -> None:
        turned = await self._store.turn_over(ages, now)
        if turned.dropped:
            _log.info("retention.dropped", days=turned.dropped)
        if turned.put_off:
            _log.warning("retention.put_off", reason=turned.put_off)
