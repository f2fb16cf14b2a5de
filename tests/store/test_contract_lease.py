"""Leasing and rescuing, on every store: what is due, in turns, up to the cap, and never twice."""

import asyncio
from collections import Counter

import pytest

from hookline.core.lifecycle import State
from hookline.core.verdict import RetryAt


async def test_a_lease_holds_all_that_a_request_needs(world):
    """Ids, names, bytes and counters arrive as they were stored, under the token that was given."""
    app = await world.app()
    event = world.event(app, resource="comment", action="updated", tail=b"tail")
    await world.record(event)
    (leased,) = (await world.lease(token=77)).deliveries
    assert leased._asdict() == {
        "id": event.deliveries[0].id,
        "token": 77,
        "organization_id": app.installation.organization_id,
        "integration_id": app.integration.id,
        "slow": False,
        "installation": app.installation.uuid,
        "resource": "comment",
        "action": "updated",
        "tail": b"tail",
        "attempts_made": 0,
        "schedule_position": 0,
        "event": event.id.hex(),
        "organization": "acme",
        "forwarded": None,
    }
    assert await world.state(leased.id) == State.LEASED


async def test_a_lease_names_the_event_as_its_publisher_does(world):
    """The publisher's own id, where it gave one."""
    await world.record(world.event(await world.app(), external_id="order-7"))
    (leased,) = await world.leased()
    assert leased.event == "order-7"


async def test_an_empty_store_has_nothing_to_lease(world):
    """Neither a delivery nor a time to come back at."""
    assert await world.lease() == ([], None)
    await world.app()
    assert await world.lease() == ([], None)


async def test_only_what_is_due_is_leased(world):
    """A delivery is handed out at its instant and not a microsecond before."""
    app = await world.app()
    await world.waiting(app)
    (leased,) = await world.leased()
    due = world.START + world.MINUTE
    await world.settle(leased, RetryAt(due))
    assert await world.lease(at=due - 1) == ([], due)
    again = await world.lease(at=due)
    assert [each.id for each in again.deliveries] == [leased.id]
    assert (again.deliveries[0].attempts_made, again.deliveries[0].schedule_position) == (1, 1)


async def test_a_lane_gives_its_oldest_first(world):
    """What has been due longest goes first, whatever order it was recorded in."""
    app = await world.app()
    late, early = world.START + 5, world.START + 2
    await world.record(world.event(app, at=late))
    await world.record(world.event(app, at=early))
    (first,) = await world.leased(at=world.START + 9, limit=1)
    assert (await world.delivery(first.id)).accepted_at == early


@pytest.mark.parametrize("limit", [1, 7, 64, 65])
async def test_the_limit_is_a_limit(world, limit):
    """At most that many, over several lanes, and the next lease goes on from there."""
    apps = [await world.app(max_in_flight=1000) for _ in range(3)]
    everything = [each for app in apps for each in await world.waiting(app, 40)]
    got: list[bytes] = []
    while batch := await world.leased(limit=limit):
        assert len(batch) <= limit
        got += [each.id for each in batch]
    assert sorted(got) == sorted(everything)


async def test_nothing_is_leased_twice(world):
    """What one lease holds, no other gets."""
    app = await world.app()
    ids = await world.waiting(app, 3)
    first, second = await world.leased(limit=2), await world.leased()
    assert sorted(each.id for each in first + second) == sorted(ids)
    assert await world.leased() == []


async def test_concurrent_leases_are_disjoint(world):
    """Many dispatchers that lease at once share the work out: all of it, each piece once."""
    apps = [await world.app(max_in_flight=1000) for _ in range(5)]
    ids = [each for app in apps for each in await world.waiting(app, 30)]
    batches = await asyncio.gather(*(world.leased(limit=10) for _ in range(25)))
    got = [each.id for batch in batches for each in batch]
    assert len(got) == len(set(got))
    rest = [each.id for each in await world.leased()]
    assert sorted(got + rest) == sorted(ids)


async def test_a_long_lane_does_not_starve_a_short_one(world):
    """One delivery gets into the very next lease, whatever another lane has waiting before it."""
    flood, drop = await world.app(max_in_flight=1000), await world.app(max_in_flight=1000)
    events = [world.event(flood) for _ in range(10_000)]
    await world.record(*events)
    (lonely,) = await world.waiting(drop, at=world.START + 1)
    assert lonely in {each.id for each in await world.leased(at=world.START + 1, limit=2)}


async def test_lanes_are_served_in_turn(world):
    """With room for one at a time, no lane is served again before the others had their turn."""
    apps = [await world.app(max_in_flight=1000) for _ in range(4)]
    for app in apps:
        await world.waiting(app, 5)
    served = []
    for turn in range(1, 21):  # later than the recording: within one instant there are no turns
        (leased,) = await world.leased(at=world.START + turn, limit=1)
        served.append(leased.integration_id)
    lanes = {app.integration.id for app in apps}
    assert [set(served[start : start + 4]) for start in range(0, 20, 4)] == [lanes] * 5


async def test_a_lease_is_shared_out_evenly(world):
    """Lanes with much waiting get the same each; one with little gets all it has."""
    rich = [await world.app(max_in_flight=1000) for _ in range(2)]
    poor = await world.app(max_in_flight=1000)
    for app in rich:
        await world.waiting(app, 50, at=world.START + 1)
    await world.waiting(poor, 1)
    share = Counter(
        each.integration_id for each in await world.leased(at=world.START + 1, limit=21)
    )
    assert share == {rich[0].integration.id: 10, rich[1].integration.id: 10, poor.integration.id: 1}


@pytest.mark.parametrize("cap", [1, 3])
async def test_a_lane_has_at_most_its_cap_in_flight(world, cap):
    """The cap holds over many leases; another lane is not held up by it."""
    capped, free = await world.app(max_in_flight=cap), await world.app(max_in_flight=1000)
    await world.waiting(capped, 10)
    await world.waiting(free, 10)
    share = Counter(each.integration_id for each in await world.leased())
    assert share == {capped.integration.id: cap, free.integration.id: 10}
    assert await world.lease() == ([], None)


async def test_what_is_recorded_for_a_full_lane_waits_for_a_slot(world):
    """A lane at its cap stays shut when more comes in, and opens with the first settlement."""
    app = await world.app(max_in_flight=1)
    await world.waiting(app)
    (held,) = await world.leased()
    (more,) = await world.waiting(app)
    assert await world.lease() == ([], None)
    await world.settle(held)
    assert [each.id for each in await world.leased()] == [more]


async def test_the_next_time_is_the_earliest_of_all_lanes(world):
    """``next_ready_at`` tells a dispatcher how long it may sleep."""
    apps = [await world.app() for _ in range(3)]
    for app in apps:
        await world.waiting(app)
    waits = dict(zip((app.integration.id for app in apps), (30, 10, 20), strict=True))
    for leased in await world.leased():
        await world.settle(leased, RetryAt(world.START + waits[leased.integration_id]))
    times = []
    while True:
        leases = await world.lease(at=times[-1] if times else world.START)
        if leases.next_ready_at is None:
            break
        times.append(leases.next_ready_at)
    assert [time - world.START for time in times] == [10, 20, 30]


async def test_what_the_limit_left_is_ready_at_once(world):
    """After a lease that its limit cut short, the next lane is ready no later than now."""
    app = await world.app()
    await world.waiting(app, 2)
    leases = await world.lease(limit=1)
    assert leases.next_ready_at is not None
    assert leases.next_ready_at <= world.START


async def test_a_lease_that_ran_out_comes_back(world):
    """At its end, and not before, a delivery waits again, due as it was, as if never attempted."""
    app = await world.app()
    await world.waiting(app)
    (held,) = await world.leased()
    end = world.START + world.MINUTE
    assert await world.store.rescue(end - 1) == 0
    assert await world.state(held.id) == State.LEASED
    assert await world.store.rescue(end) == 1
    back = await world.delivery(held.id)
    assert (back.state, back.due_at, back.attempts_made) == (State.WAITING, world.START, 0)
    (again,) = await world.leased(at=end)
    assert (again.id, again.token != held.token) == (held.id, True)


async def test_rescue_frees_the_slots(world):
    """The slots of a dispatcher that died are free again, in each lane as many as it held."""
    apps = [await world.app(max_in_flight=2), await world.app(max_in_flight=3)]
    for app in apps:
        await world.waiting(app, 10)
    assert len(await world.leased()) == 5
    end = world.START + world.MINUTE
    assert await world.store.rescue(end) == 5
    share = Counter(each.integration_id for each in await world.leased(at=end))
    assert share == {apps[0].integration.id: 2, apps[1].integration.id: 3}


async def test_rescue_takes_only_what_ran_out(world):
    """A younger lease stays, and rescuing with nothing to rescue changes nothing."""
    app = await world.app()
    old, young = await world.waiting(app, 2)
    await world.leased(limit=1)
    await world.leased(at=world.START + 1)
    assert await world.store.rescue(world.START + world.MINUTE) == 1
    assert await world.store.rescue(world.START + world.MINUTE) == 0
    assert sorted([await world.state(old), await world.state(young)]) == ["leased", "waiting"]


async def test_rescue_keeps_what_the_caller_has_under_way(world):
    """A lease that looks run out, of an attempt that is in hand: it stays, and settles as usual."""
    app = await world.app(max_in_flight=3)
    await world.waiting(app, 3)
    kept, *others = await world.leased()
    end = world.START + world.MINUTE
    assert await world.store.rescue(end, {kept.id, world.new_id()}) == 2
    assert {each.id for each in await world.leased(at=end)} == {each.id for each in others}
    assert await world.settle(kept, at=end)


async def test_a_rescued_delivery_refuses_its_old_token(world):
    """The dispatcher that stalled wakes up and settles: nothing of it counts, before or after."""
    app = await world.app(max_in_flight=1)
    await world.waiting(app)
    (stale,) = await world.leased()
    end = world.START + world.MINUTE
    await world.store.rescue(end)
    assert await world.settle(stale, at=end) is False
    (fresh,) = await world.leased(at=end)
    assert await world.settle(stale, at=end) is False
    assert await world.state(fresh.id) == State.LEASED
    assert await world.store.attempts(fresh.id) == []
    assert await world.settle(fresh, at=end) is True
    assert [each.number for each in await world.store.attempts(fresh.id)] == [1]
