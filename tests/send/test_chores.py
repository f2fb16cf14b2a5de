"""Chores: they go on by themselves when the store is there again."""

import asyncio
import contextlib

from hookline.core.errors import Unavailable
from hookline.send.chores import Chores


async def test_a_store_that_was_away_is_asked_again(bench):
    """What was to be done before the trouble is done after it, though nobody wakes the chores."""
    sweep, asked, done = bench.store.sweep, [], asyncio.Event()

    async def failing(limit, now):
        asked.append(now)
        if len(asked) <= 2:
            raise Unavailable("database-locked", "another process holds the database", "")
        done.set()
        return await sweep(limit, now)

    bench.store.sweep = failing
    chores = Chores(bench.store, clock=bench.clock, on_deliveries=bench.dispatcher.wake)
    running = asyncio.create_task(chores.run())
    async with asyncio.timeout(20):
        await done.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
