"""A gate that another node is at: what waits there goes out soon after, and nobody spins meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.store.postgres_server import FAST, operator, postgres_server

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
