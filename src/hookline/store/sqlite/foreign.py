"""Noticing what other programs publish into the file that this process dispatches from.

A program may publish on its own connection to the SQLite file (``library``). Its commit wakes nobody
here, so a number that SQLite changes at each commit of somebody else's is looked at while nothing is
under way. A look takes a few microseconds and no lock.
"""

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["watch"]

LOOK_S: Final = 0.05


async def watch(version: Callable[[], int | None], on_commit: Callable[[], None]) -> None:
    """Call ``on_commit`` whenever ``version`` gives another number; None is no number."""
    seen: int | None = None
    while True:
        now = version()
        if now is not None and now != seen:
            seen = now
            on_commit()
        await asyncio.sleep(LOOK_S)
