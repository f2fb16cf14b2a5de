"""Can it take events and send them?  Each part is asked, and the first that cannot is named."""

import asyncio
from typing import Final

from hookline.core.errors import Unavailable
from hookline.send.dispatch import Dispatcher
from hookline.store.contract import Store

__all__ = ["check_ready"]

PATIENCE_S: Final = 5.0  # longer than the store itself waits for a lock, so that it can say so
STUCK_S: Final = 10.0  # a turn takes milliseconds; one that is refused takes the wait for a lock


async def check_ready(
    store: Store, dispatcher: Dispatcher | None, running: "asyncio.Task[None]"
) -> None:
    """Return if the dispatcher, where there is one, turns and the database takes writes.

    Raises:
        Unavailable: ``dispatcher-stopped``, ``dispatcher-stuck``, ``database-silent``, or what the
            store says.
    """
    if running.done() or (dispatcher is not None and dispatcher.stopped):
        raise Unavailable(
            "dispatcher-stopped",
            "the dispatcher has stopped: nothing is sent any more",
            "the server is being stopped; if it is not, see its log",
        )
    if dispatcher is not None and dispatcher.turning_s > STUCK_S:
        raise Unavailable(
            "dispatcher-stuck",
            f"the dispatcher has waited for the database for over {STUCK_S:.0f} s",
            "look at the disk and at other programs that use the database file",
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await store.ping()
    except TimeoutError:
        raise Unavailable(
            "database-silent",
            f"the database did not take a write within {PATIENCE_S:.0f} s",
            "look at the disk and at other programs that use the database file",
        ) from None
