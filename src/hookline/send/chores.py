"""What is done beside the dispatching: parking behind closed gates, and recovering.

Both may concern a million deliveries, so they are done chunk by chunk, each a brief transaction that
takes its turn with the others at the store. How far they got is in the store; a restart goes on there.
"""

import asyncio
from collections.abc import Callable

import structlog

from hookline.core.errors import Unavailable
from hookline.store.contract import Store

__all__ = ["Chores"]

_log = structlog.get_logger("hookline.chores")

CHUNK = 500  # rows a transaction: a few milliseconds
RECOVERY_S = 0.5  # between two tries at a store that is unavailable


class Chores:
    """Sweeps and recovers whenever there is something to do.

    Args:
        on_deliveries: called when deliveries were made to wait again.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], int], on_deliveries: Callable[[], None]
    ):
        self._store = store
        self._clock = clock
        self._on_deliveries = on_deliveries
        self._woken = asyncio.Event()
        self._woken.set()  # what was left when the process before ended

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    async def run(self) -> None:
        """Do what there is to do, for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while await self._do_some():
                    pass
            except Unavailable as trouble:
                _log.warning("store.unavailable", code=trouble.code, reason=trouble.message)
                await asyncio.sleep(RECOVERY_S)
                self._woken.set()

    async def _do_some(self) -> bool:
        """One chunk of each; whether there may be more."""
        swept = await self._store.sweep(CHUNK, self._clock())
        recovering = await self._store.recover_some(CHUNK, self._clock())
        if recovering:
            self._on_deliveries()
        return recovering or swept >= CHUNK
