"""Whether PostgreSQL's tables can be spread by organization: what works for one touches its shard only.

Three organizations share an integration and have their own; events, deliveries, attempts and lanes of
each stand in partitions of its own. Then everything is done for one of them, and of each statement it is
counted what it touched of the others. See docs/explain/scaling.md.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import asyncpg
import pytest
from tests.store.conftest import MINUTE, START, App, World
from tests.store.shards import BULK, Shards, key, naming_shards, spread

from hookline.core.days import Day
from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Parked, RetryAt
from hookline.store.postgres import database
from hookline.store.postgres.runner import play
from hookline.store.postgres.store import PostgresStore
from hookline.store.upkeep import Ages
from hookline.store.values import (
    DeliveryFilter,
    Leased,
    NewDelivery,
    NewEvent,
    NewRecovery,
)
from hookline.store.verbs import (
    days,
    lanes,
    leasing,
    log,
    outbound,
    purge,
    registry,
    settling,
    subscriptions,
    watching,
)
from hookline.store.verbs.asking import Verb

SLUGS = ("acme", "bolt", "cube")
OURS = 1
LATER = START + 60 * MINUTE

# Statements that go beyond the organization that they work for: why, which ones, and in which tables.
LANES, TURNS, ARRIVALS = {"lanes"}, {"turns"}, {"arrivals"}
EVENTS, DELIVERIES, ATTEMPTS = ({each} for each in BULK)
ACROSS: dict[str, dict[str, set[str]]] = {
    "a lease is for whoever's turn it is, among all organizations": {
        "turns": TURNS,
        "take_arrivals": ARRIVALS,
        "next_ready": TURNS | ARRIVALS,
    },
    "lanes wait at the gate of their integration, in whatever organizations": {
        "with_lanes_gated": LANES,
        "let_on": LANES,
        "change_lines": LANES,
        "shut_lanes": LANES,
        "refresh_lanes": LANES,
        "order_lanes": LANES,
        "in_order_of_acceptance": LANES | DELIVERIES,
        "health_of": LANES | DELIVERIES,
    },
    "an integration is recovered, in whatever organizations": {
        "newest_delivery": DELIVERIES,
        "count_parked": DELIVERIES,
        "count_delivered": DELIVERIES,
        "parked_to_recover": DELIVERIES,
        "all_to_recover": DELIVERIES,
    },
    "whoever looks at the log names an id, or nothing; no organization": {
        "event": EVENTS,
        "events_called": EVENTS,
        "delivery": DELIVERIES,
        "deliveries": DELIVERIES,
        "deliveries_of_event": DELIVERIES,
        "deliveries_of_integration": DELIVERIES,
        "ahead_of": DELIVERIES,
        "attempt_body": DELIVERIES,
        "closed_for": DELIVERIES,
    },
    "a chore goes through what there is, whoever has it": {
        "expired": DELIVERIES,
        "to_sweep": LANES,
        "backlog": DELIVERIES,
        "newest_event": EVENTS,
        "has_unfinished": DELIVERIES,
        "old_attempts": ATTEMPTS | DELIVERIES,
        "old_deliveries": DELIVERIES,
        "old_events": EVENTS | DELIVERIES,
        "delete_attempts": ATTEMPTS,
        "delete_attempts_of": ATTEMPTS,
        "delete_deliveries": DELIVERIES,
        "delete_events": EVENTS,
    },
}
BETWEEN_ORGANIZATIONS = {"turns", "take_arrivals", "next_ready", "with_lanes_gated", "let_on"}
KNOWN = {name: tables for named in ACROSS.values() for name, tables in named.items()}


@dataclass
class Tenant:
    """An organization: what of the integrations it has, and how many ids it gave."""

    number: int
    shared: App
    own: App
    ordered: App
    given: int = 0

    def key(self) -> bytes:
        self.given += 1
        return key(self.number, self.given)

    def event(self, world: World, *apps: App, at: int = START) -> NewEvent:
        """An event for these apps, with an id of its publisher's."""
        deliveries = tuple(
            NewDelivery(self.key(), app.installation.id, app.integration.id, False) for app in apps
        )
        new = self.key()
        return world.event(
            *apps, id=new, external_id=f"event {new.hex()}", deliveries=deliveries, accepted_at=at
        )


@dataclass
class Shared:
    """A spread database, who is in it, and a transaction in which it is watched."""

    world: World
    tenants: list[Tenant]
    shards: Shards

    @property
    def ours(self) -> Tenant:
        return self.tenants[0]


@pytest.fixture
async def shared(postgres) -> AsyncIterator[Shared]:
    name = postgres.make_database("migrated")
    url = postgres.url(name)
    await spread(url, range(1, len(SLUGS) + 1))
    store = await PostgresStore.open(url)
    world = World(store)
    tenants = await settle_in(world)
    await store.close()
    connection = await asyncpg.connect(url, server_settings=database.WRITING)
    try:
        async with connection.transaction():
            yield Shared(world, tenants, Shards(connection))
    finally:
        await connection.close()
        postgres.drop_databases([name])


async def settle_in(world: World) -> list[Tenant]:
    """Every organization has deliveries of all kinds; nothing is due before LATER."""
    everywhere = await world.public("everywhere", *SLUGS)
    tenants = [
        Tenant(
            number,
            everywhere[number - 1],
            await world.app(f"own-{slug}", organization=slug, max_in_flight=8),
            await world.app(f"ordered-{slug}", organization=slug, ordered=True),
        )
        for number, slug in enumerate(SLUGS, 1)
    ]
    assert [each.own.installation.organization_id for each in tenants] == [1, 2, 3]
    for each in tenants:
        await world.record(*(each.event(world, each.shared, each.own) for _ in range(4)))
    verdicts = [None, Parked("exhausted"), RetryAt(LATER)]
    leased = await world.leased()
    await world.settle_all([world.settlement(one, verdicts[n % 3]) for n, one in enumerate(leased)])
    for each in tenants[1:]:
        await world.record(each.event(world, each.own))
    under_way = await world.store.lease(
        limit=100, slow_limit=100, each=1000, now=START, until=LATER, token=9
    )
    assert len(under_way.deliveries) == 2  # of others
    return tenants


def lease(token: int, *, at: int = START, each: int = 1000) -> Verb[list[Leased]]:
    leases = yield from leasing.lease(
        limit=100, slow_limit=100, each=each, now=at, until=at + MINUTE, token=token
    )
    return leases.deliveries


def way_out(shared: Shared) -> Verb[None]:
    """Record, lease, settle: what there is for each event."""
    ours, world = shared.ours, shared.world
    apps = (ours.shared, ours.own, ours.ordered)
    events = [ours.event(world, *apps) for _ in range(12)]
    yield from outbound.record(events)
    assert all(each.duplicate for each in (yield from outbound.record(events)))
    leased = yield from lease(token=1)
    assert {each.organization_id for each in leased} == {OURS}
    verdicts = [None, Parked("exhausted"), RetryAt(START + MINUTE), RetryAt(START)]
    outcomes = [Counted.SUCCESS, Counted.FAILURE, Counted.FAILURE, Counted.TIMEOUT]
    settled = [
        world.settlement(each, verdicts[n % 4], outcome=outcomes[n % 4])
        for n, each in enumerate(leased)
    ]
    yield from settling.settle(settled, Rules())
    late = yield from settling.settle(settled, Rules())
    assert not any(late.counted)
    leased = yield from lease(token=2)
    yield from settling.settle([world.settlement(each) for each in leased], Rules())
    assert (yield from lease(token=3, each=1))


async def test_the_way_out_touches_one_organizations_shard(shared):
    """Record, lease, settle for one: no event, delivery or attempt of another is looked at."""
    await play(shared.shards, way_out(shared))
    seen = shared.shards.touched
    assert {
        "insert_events", "insert_deliveries", "duplicates", "due", "mark_leased", "served_lanes",
        "gate_lanes", "settle_deliveries", "insert_attempts", "free_lanes",
    } <= set(seen)  # fmt: skip
    assert {table for touched in seen.values() for table, _ in touched} >= set(BULK)
    beyond = shared.shards.elsewhere(OURS)
    assert {name: tables for name, tables in beyond.items() if tables & set(BULK)} == {}
    assert beyond.keys() == BETWEEN_ORGANIZATIONS


def beside(shared: Shared) -> Verb[None]:
    """What else is done for one organization."""
    ours, world = shared.ours, shared.world
    own = ours.own.integration
    # Leases that ran out, and what is sent again.
    yield from outbound.rescue(START + 2 * MINUTE)
    again = yield from lease(token=4, at=START + 2 * MINUTE)
    yield from settling.settle([world.settlement(each) for each in again], Rules())
    assert (yield from outbound.replay(again[0].id, START)) is not None
    # A gate that time opens, and one that is closed.
    gate = yield from lanes.read_gate(own.id)
    yield from lanes.let_on({own.id: 1}, START)
    yield from lanes.change_lines([gate])
    yield from subscriptions.unsubscribe_by_hand(own.id, "by hand", START)
    yield from outbound.record([ours.event(world, ours.own)])
    yield from registry.update_integration(replace(own, policy=replace(own.policy, ordered=True)))
    span = NewRecovery(own.id, frozenset({State.PARKED}), bytes(16), b"\xff" * 16, START)
    yield from subscriptions.count_recovery(span._replace(states=frozenset(State)))
    yield from subscriptions.resubscribe(own.id, START, span)
    yield from registry.update_integration(own)
    yield from subscriptions.begin_recovery(span)
    yield from subscriptions.recover_some(100, START)
    yield from subscriptions.begin_recovery(span._replace(states=frozenset({State.DELIVERED})))
    yield from subscriptions.recover_some(100, START)
    yield from registry.create_integration(world.new_integration(organization=SLUGS[0]))


def looking(shared: Shared) -> Verb[None]:
    """What readers, metrics and retention ask for."""
    ours = shared.ours
    some = (yield from log.deliveries(DeliveryFilter(organization=SLUGS[0], limit=1)))[0]
    id_ = bytes.fromhex(some.id)
    yield from log.deliveries(DeliveryFilter(integration=ours.own.integration.slug))
    (event,) = yield from log.events(some.event, SLUGS[0])
    yield from log.events(event.key.hex(), SLUGS[0])
    yield from log.deliveries(DeliveryFilter(event_id=event.key))
    yield from log.delivery(id_)
    yield from log.ahead_of(id_)
    yield from log.attempts(id_)
    yield from log.attempt_body(id_)
    yield from log.latest_instant()
    yield from watching.backlog()
    yield from subscriptions.health(ours.own.integration.id, START, Rules())
    # Two attempts at one delivery are more than a chunk of one row takes.
    page = yield from log.deliveries(DeliveryFilter(organization=SLUGS[0], state=State.DELIVERED))
    twice = next(int(each.id, 16) for each in page if each.attempts_made == 2)
    yield from purge.purge(Ages(LATER, LATER), b"\1" + (twice - 1).to_bytes(16), 1)
    for table in range(3):
        yield from purge.purge(Ages(LATER, LATER), bytes([table]), 100)
    yield from days.days_there()
    yield from days.has_unfinished(Day(1))


async def test_what_goes_beyond_a_shard_is_known(shared):
    """Every statement that names a spread table is tried; those that look further are listed."""
    for part in (way_out, beside, looking):
        await play(shared.shards, part(shared))
    assert naming_shards().keys() - shared.shards.touched.keys() == set()
    assert shared.shards.elsewhere(OURS) == KNOWN


async def test_publishing_in_a_callers_session_touches_one_shard(shared):
    """There the server plans as it likes; what is published is recorded in one shard all the same."""
    for name in database.WRITING.keys() - database.SESSION.keys():
        usual = "auto" if name == "plan_cache_mode" else "on"
        await shared.shards.execute(f"SET LOCAL {name} = {usual}")
    ours = shared.ours
    for _ in range(7):  # by then it has made up its mind
        events = [ours.event(shared.world, ours.shared, ours.own, ours.ordered) for _ in range(3)]
        await play(shared.shards, outbound.record(events))
    assert {"insert_events", "insert_deliveries", "duplicates"} <= set(shared.shards.touched)
    assert shared.shards.elsewhere(OURS) == {}


async def test_the_measure_measures(shared):
    """What names an id only is seen to ask every shard, and a row of another's to be written."""
    by_id = "UPDATE deliveries SET state = 'waiting', lease = NULL WHERE id = ANY ($1::bytea[])"
    assert await shared.shards.execute(by_id, [key(OURS, 1)]) == "UPDATE 1"
    theirs = "INSERT INTO arrivals (organization_id, at) VALUES (2, 0)"
    await shared.shards.execute(theirs)
    assert shared.shards.touched == {
        by_id: {("deliveries", each.number) for each in shared.tenants},
        theirs: {("arrivals", 2)},
    }
