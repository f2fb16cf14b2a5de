"""What a node does about the signals of others: wake what sleeps, and read again what it remembers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from hookline.core.errors import Unavailable
from hookline.store.contract import Store
from hookline.store.signals import Signal

__all__ = ["Following"]

_log = structlog.get_logger("hookline.signals")

RECOVERY_S = 0.5  # between two tries at a store that is unavailable


class Following:
    """Follows the other nodes of a database.

    What is read again is read by one after the other, never twice at once: so an older answer cannot
    arrive after a newer one. A signal that comes while it is read has it read once more.

    Args:
        wakes: what each signal wakes; it costs nothing where there is nothing to do.
        poll_s: between two looks for signals that were lost.
    """

    def __init__(self, store: Store, wakes: Mapping[Signal, Callable[[], None]], poll_s: float):
        self._store = store
        self._wakes = wakes
        self._poll_s = poll_s
        self._reads: dict[Signal, Callable[[], Awaitable[None]]] = {}
        self._stale: set[Signal] = set()
        self._woken = asyncio.Event()

    def read_on(self, signal: Signal, read: Callable[[], Awaitable[None]]) -> None:
        """Call ``read`` after each such signal, and again until it succeeds."""
        self._reads[signal] = read

    def heard(self, signal: Signal) -> None:
        """Take a signal."""
        self._wakes[signal]()
        self._stale.add(signal)
        self._woken.set()

    async def run(self) -> None:
        """Follow for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store.watch(self.heard, self._poll_s))
            group.create_task(self._read_on())

    async def _read_on(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            stale, self._stale = self._stale, set()
            for signal in sorted(stale & self._reads.keys()):
                try:
                    await self._reads[signal]()
                except Unavailable as trouble:
                    _log.warning("store.unavailable", code=trouble.code, reason=trouble.message)
                    self._stale.add(signal)
            if self._stale:
                await asyncio.sleep(RECOVERY_S)
                self._woken.set()
