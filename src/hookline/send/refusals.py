"""Keeping what was refused, for those who asked to see it, at a pace that a flood does not set.

Strangers decide how much comes. So what is to be kept gathers in memory, of each source the newest and
of all of them no more than some bytes, and is written together, at most a few times a second.
"""

import asyncio
import contextlib
from collections import deque
from typing import Final

import structlog

from hookline.core.errors import Unavailable
from hookline.store.contract import Store
from hookline.store.sources import KeptRequest, Refused

__all__ = ["LONGEST_BODY", "MOST_KEPT", "Refusals"]

_log = structlog.get_logger("hookline.refusals")

MOST_KEPT: Final = 100
"""Requests of each source."""
LONGEST_BODY: Final = 65_536
"""Bytes of each body."""
MOST_BYTES: Final = 16 * 1_048_576
"""That wait to be written, of all sources together."""
REST_S: Final = 0.5
"""Between two writes."""


class Refusals:
    """Writes refused requests; what cannot be written is forgotten, for it is only to be seen."""

    def __init__(self, store: Store, rest_s: float = REST_S):
        self._store = store
        self._rest_s = rest_s
        self._waiting: dict[int, deque[Refused]] = {}
        self._bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def keep(self, refused: Refused) -> None:
        """Keep a request, soon; where too much waits already, it is not kept."""
        if self._bytes + _size(refused) > MOST_BYTES:
            return
        waiting = self._waiting.setdefault(refused.source_id, deque())
        if len(waiting) == MOST_KEPT:
            self._bytes -= _size(waiting.popleft())
        waiting.append(refused)
        self._bytes += _size(refused)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="hookline-refusals")

    async def of(self, source_id: int, limit: int) -> list[KeptRequest]:
        """What was refused of a source up to now, newest first. Raises ``Unavailable``."""
        while self._writing is not None:
            self._hurry.set()
            await asyncio.wait({self._writing})
        return await self._store.sources.refused(source_id, limit)

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._writing is not None:
            self._hurry.set()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                self._hurry.clear()
                some = [each for waiting in self._waiting.values() for each in waiting]
                self._waiting.clear()
                self._bytes = 0
                try:
                    await self._store.sources.keep_refused(some, MOST_KEPT)
                except Unavailable as trouble:
                    _log.warning("refused.not_kept", number=len(some), reason=trouble.message)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), self._rest_s)
        finally:
            self._writing = None


def _size(refused: Refused) -> int:
    return len(refused.body) + len(refused.headers)
