"""Many nodes on one PostgreSQL: nothing is leased twice, nothing is forgotten, and caps hold.

Each node is a store of its own, with its own connections. All of them publish, lease and settle at the
same time, as fast as they can, over few organizations and integrations, so that they are in each other's
way all the time.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import asyncpg
import pytest

from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered, RetryAt
from hookline.store.postgres.runner import play
from hookline.store.postgres.store import PostgresStore
from hookline.store.values import Leased
from hookline.store.verbs import outbound

PATIENCE_S = 120
CAP = 5


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


async def publish(node, game: Field, number: int) -> None:
    game.publishing += 1
    for _ in range(number):
        events = [
            game.world.event(game.rng.choice(game.apps)) for _ in range(game.rng.randint(1, 4))
        ]
        await node.record(events)
        game.accepted |= {each.id for event in events for each in event.deliveries}
    game.publishing -= 1


async def work(node, game: Field) -> None:
    idle = 0
    while not game.over():
        leases = await node.lease(
            limit=20,
            slow_limit=20,
            each=1000,
            now=game.world.START,
            until=game.world.START + game.world.MINUTE,
            token=game.rng.getrandbits(62),
        )
        if not leases.deliveries:
            idle += 1
            assert idle < 20_000, "something is forgotten"
            await asyncio.sleep(0.001)
            continue
        idle = 0
        game.taken(leases.deliveries)
        settlements = []
        for each in leases.deliveries:
            fails = game.rng.random() < 0.2
            settlements.append(
                game.world.settlement(
                    each,
                    RetryAt(game.world.START) if fails else Delivered(),
                    outcome=Counted.FAILURE if fails else Counted.SUCCESS,
                    status=500 if fails else 204,
                )
            )
        game.ending(settlements)
        settled = await node.settle(settlements, Rules())
        assert all(settled.counted)
        game.delivered |= {
            each.delivery_id for each in settlements if isinstance(each.verdict, Delivered)
        }


async def play_it(url: str, worlds, nodes: int, events: int, *, seed: int) -> None:
    stores = [await PostgresStore.open(url) for _ in range(nodes)]
    try:
        world = worlds(stores[0])
        game = Field(world, [], random.Random(seed))
        for n in range(3):
            game.apps += await world.public(
                f"public-{n}", "acme", "globex", "initech", max_in_flight=CAP, ordered=n == 0
            )
        game.ordered = {game.apps[0].integration.id}
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            for store in stores:
                tasks.create_task(publish(store, game, events))
                tasks.create_task(work(store, game))
        for each in game.accepted:
            assert await world.state(each) == State.DELIVERED
    finally:
        for store in stores:
            await store.close()
    connection = await asyncpg.connect(url)
    for table in ("gates", "lanes"):
        sql = f"SELECT max(in_flight) FROM hookline.{table}"
        assert await connection.fetchval(sql) == 0
    await connection.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_and_nothing_leased_twice(url, worlds, seed):
    """Three nodes, each of which publishes and works: every delivery is settled once."""
    await play_it(url, worlds, 3, 40, seed=seed)


async def test_what_is_published_while_a_gate_is_closed(url, worlds):
    """The publisher saw it open, and commits after it was closed: it is parked like the rest."""
    store = await PostgresStore.open(url)
    world = worlds(store)
    app = await world.app()
    event = world.event(app)
    publisher = await asyncpg.connect(url, server_settings={"search_path": "hookline"})
    async with publisher.transaction():
        await play(publisher, outbound.record([event]))
        await store.unsubscribe(app.integration.id, "by hand", world.START)
        assert await world.leased() == []
    assert await world.leased() == []
    found = await world.delivery(event.deliveries[0].id)
    assert (found.state, found.park_reason) == (State.PARKED, "unsubscribed")
    await publisher.close()
    await store.close()


async def test_a_lease_waits_for_nobody(url, worlds):
    """What another node holds is passed over, told as a reason to come back, and had later."""
    store = await PostgresStore.open(url)
    world = worlds(store)
    busy, free = await world.app(), await world.app(organization="globex")
    (held_up,), (had,) = await world.waiting(busy), await world.waiting(free)
    other = await asyncpg.connect(url, server_settings={"search_path": "hookline"})
    async with other.transaction():
        gate = "SELECT 1 FROM gates WHERE integration_id = $1 FOR UPDATE"
        await other.execute(gate, busy.integration.id)
        leases = await world.lease()
        assert [each.id for each in leases.deliveries] == [had]
        assert leases.next_ready_at == world.START
        assert await world.leased() == []
    assert [each.id for each in await world.leased()] == [held_up]
    await other.close()
    await store.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_at_length(url, worlds, seed):
    """The same for longer, with more nodes."""
    await play_it(url, worlds, 5, 400, seed=seed)
