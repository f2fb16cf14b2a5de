"""Many nodes on one PostgreSQL: nothing is leased twice, nothing is forgotten, and caps hold.

Each node is a store of its own, with its own connections. All of them publish, lease and settle at the
same time, as fast as they can, over few organizations and integrations, so that they are in each other's
way all the time.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import pytest

from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered, RetryAt
from hookline.store.postgres.store import PostgresStore
from hookline.store.values import Leased

PATIENCE_S = 120
CAP = 5


@pytest.fixture
async def url(postgres) -> AsyncIterator[str]:
    name = postgres.make_database("migrated")
    yield postgres.url(name)
    postgres.drop_databases([name])


@dataclass
class Field:
    """What the nodes play on, and what must not happen."""

    world: object
    apps: list
    rng: random.Random
    accepted: set[bytes] = field(default_factory=set)
    delivered: set[bytes] = field(default_factory=set)
    under_way: Counter = field(default_factory=Counter)
    held: set[bytes] = field(default_factory=set)
    in_lane: Counter = field(default_factory=Counter)
    ordered: set[int] = field(default_factory=set)
    publishing: int = 0

    def taken(self, leases: list[Leased]) -> None:
        for each in leases:
            assert each.id not in self.held, "leased twice"
            assert each.id not in self.delivered, "leased after it was delivered"
            self.held.add(each.id)
            self.under_way[each.integration_id] += 1
            assert self.under_way[each.integration_id] <= CAP, "over the cap"
            lane = (each.organization_id, each.integration_id)
            self.in_lane[lane] += 1
            assert self.in_lane[lane] == 1 or each.integration_id not in self.ordered, "two at once"

    def ending(self, settlements: list) -> None:
        """Before the store is asked: by the time that it answers, another node may have the slot."""
        for each in settlements:
            self.held.discard(each.delivery_id)
            self.under_way[each.integration_id] -= 1
            self.in_lane[each.organization_id, each.integration_id] -= 1

    def over(self) -> bool:
        return not self.publishing and self.accepted == self.delivered


async def publish(node, play: Field, number: int) -> None:
    play.publishing += 1
    for _ in range(number):
        events = [
            play.world.event(play.rng.choice(play.apps)) for _ in range(play.rng.randint(1, 4))
        ]
        await node.record(events)
        play.accepted |= {each.id for event in events for each in event.deliveries}
    play.publishing -= 1


async def work(node, play: Field) -> None:
    idle = 0
    while not play.over():
        leases = await node.lease(
            limit=20,
            slow_limit=20,
            each=1000,
            now=play.world.START,
            until=play.world.START + play.world.MINUTE,
            token=play.rng.getrandbits(62),
        )
        if not leases.deliveries:
            idle += 1
            assert idle < 20_000, "something is forgotten"
            await asyncio.sleep(0.001)
            continue
        idle = 0
        play.taken(leases.deliveries)
        settlements = []
        for each in leases.deliveries:
            fails = play.rng.random() < 0.2
            settlements.append(
                play.world.settlement(
                    each,
                    RetryAt(play.world.START) if fails else Delivered(),
                    outcome=Counted.FAILURE if fails else Counted.SUCCESS,
                    status=500 if fails else 204,
                )
            )
        play.ending(settlements)
        settled = await node.settle(settlements, Rules())
        assert all(settled.counted)
        play.delivered |= {
            each.delivery_id for each in settlements if isinstance(each.verdict, Delivered)
        }


async def play_it(url: str, worlds, nodes: int, events: int, *, seed: int) -> None:
    stores = [await PostgresStore.open(url) for _ in range(nodes)]
    try:
        world = worlds(stores[0])
        play = Field(world, [], random.Random(seed))
        for n in range(3):
            play.apps += await world.public(
                f"public-{n}", "acme", "globex", "initech", max_in_flight=CAP, ordered=n == 0
            )
        play.ordered = {play.apps[0].integration.id}
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            for store in stores:
                tasks.create_task(publish(store, play, events))
                tasks.create_task(work(store, play))
        for each in play.accepted:
            assert await world.state(each) == State.DELIVERED
    finally:
        for store in stores:
            await store.close()
    connection = await asyncpg.connect(url)
    for table in ("gates", "lanes"):
        sql = f"SELECT max(in_flight) FROM hookline.{table}"
        assert await connection.fetchval(sql) == 0
    if os.environ.get("SHOW"):
        print(
            "deadlocks",
            await connection.fetchval(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ),
            len(play.accepted),
        )
    await connection.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_and_nothing_leased_twice(url, worlds, seed):
    """Three nodes, each of which publishes and works: every delivery is settled once."""
    await play_it(url, worlds, 3, 40, seed=seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_at_length(url, worlds, seed):
    """The same for longer, with more nodes."""
    await play_it(url, worlds, 5, 400, seed=seed)
