"""The dispatcher where leases and settlements have sessions of their own: none in vain, none missed.

Its clock stands still in these tests, so nothing that only time brings about can help a lease along.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.store.postgres_server import FAST, operator, postgres_server

from hookline.core.outcome import Answered
from hookline.store.postgres.store import PostgresStore
from hookline.store.values import Leases

FEW = 3


class CountingStore(PostgresStore):
    """Counts how often it was asked for leases."""

    leases = 0

    async def lease(self, **given: Any) -> Leases:
        self.leases += 1
        return await super().lease(**given)


@pytest.fixture
def url() -> Any:
    with postgres_server(FAST) as server:
        yield server.url(server.make_database())


@pytest.fixture
async def store(url) -> AsyncIterator[CountingStore]:
    made = await CountingStore.open(url)
    yield made
    await made.close()


async def test_a_gate_that_another_node_is_at_is_looked_at_again_a_little_later(bench, store, url):
    """While the clock stands still that little later does not come, however long it takes."""
    await bench.register()
    await bench.settled()
    async with operator(url) as other:
        async with other.transaction():
            await other.execute("SELECT FROM hookline.gates FOR UPDATE")
            before = store.leases
            await bench.publish()
            async with asyncio.timeout(10):
                while store.leases == before:
                    await other.fetch("SELECT 1")
            for _ in range(200):
                await other.fetch("SELECT 1")
            assert store.leases - before <= FEW
            assert bench.sender.posted == []
        bench.clock.now += 10_000
        await bench.sender.wait(1)


async def test_nothing_is_leased_after_what_left_nothing(bench, store):
    """Of each event there is one lease, and none after its settlement: nothing waits any more."""
    await bench.register()
    await bench.publish()
    await bench.settled()
    before = store.leases
    for number in range(2, 12):
        await bench.publish()
        await bench.sender.wait(number)
        await bench.settled()
    assert store.leases - before <= 10


async def test_a_freed_slot_is_leased_at_once(bench, store):
    """With one slot, each delivery goes out when the one before is settled; nothing else wakes it."""
    await bench.register(max_in_flight=1)
    await bench.publish(12)
    await bench.sender.wait(12)


async def test_an_ordered_lane_goes_on_at_once(bench, store):
    """Its next delivery goes out when the one before is settled."""
    await bench.register(ordered=True)
    await bench.publish(5)
    await bench.sender.wait(5)


async def test_a_retry_goes_out_when_it_is_due(bench, store):
    """The dispatcher knows of it, though it leased nothing since."""
    bench.sender.script = lambda _outbound: Answered(500)
    await bench.register(retry_schedule=[0, 60])
    await bench.publish()
    await bench.settled()
    bench.clock.now += 80_000_000
    bench.dispatcher._woken.set()  # as its sleep would end; it is not told that there is something
    await bench.sender.wait(2)
