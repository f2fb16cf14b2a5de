"""Gates and turns, on every store: fairness, rates, holds, order, and the slow line."""

import itertools
from collections import Counter

import pytest

from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.rate import Period, RateLimit
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt

HOUR = 3_600_000_000


# -- turns ----------------------------------------------------------------------------------------


async def test_organizations_get_equal_shares(world):
    """One with thirty integrations gets as much of a lease as one with a single one."""
    many = [await world.app(organization="many") for _ in range(30)]
    one = await world.app(organization="one")
    for app in (*many, one):
        await world.waiting(app, 30)
    share = Counter(each.organization_id for each in await world.leased(limit=20))
    assert set(share.values()) == {10}


async def test_organizations_take_turns(world):
    """With room for one at a time, each organization is served once a round."""
    apps = [await world.app(organization=f"org-{n % 4}") for n in range(12)]
    for app in apps:
        await world.waiting(app, 9)
    served = []
    for turn in range(1, 25):
        (leased,) = await world.leased(at=world.START + turn, limit=1)
        served.append((leased.organization_id, leased.integration_id))
    rounds = [served[start : start + 4] for start in range(0, 24, 4)]
    assert all(len({organization for organization, _ in each}) == 4 for each in rounds)
    assert Counter(served) == dict.fromkeys(served, 2)
    assert len(set(served)) == 12


async def test_an_integration_is_shared_by_its_organizations(world):
    """A flood of one organization does not take all slots of a public integration."""
    flood, drop = await world.public("app", "flood", "drop", max_in_flight=4)
    await world.waiting(flood, 500)
    await world.waiting(drop, 2)
    share = Counter(each.organization_id for each in await world.leased(limit=4))
    assert share[drop.installation.organization_id] == 2


async def test_a_settling_lane_keeps_its_place(world):
    """Settlements do not push a lane back in the line while others are served."""
    busy, other = await world.app(max_in_flight=2), await world.app(max_in_flight=1000)
    await world.waiting(busy, 2)
    (held, _) = await world.leased()
    await world.waiting(busy, 1)
    await world.waiting(other, 50, at=world.START + 1)
    await world.settle(held, at=world.START + 2)
    for turn in range(3, 30):
        batch = await world.leased(at=world.START + turn, limit=1)
        if batch[0].integration_id == busy.integration.id:
            return
    pytest.fail("the busy lane never had its turn")


# -- the cap over several organizations -----------------------------------------------------------


async def test_the_cap_is_the_integrations_over_all_its_organizations(world):
    """Not each organization's."""
    apps = await world.public("app", "a", "b", "c", max_in_flight=2)
    for app in apps:
        await world.waiting(app, 3)
    held = await world.leased()
    assert len(held) == 2
    assert await world.lease() == ([], None)
    done = 0
    while held:
        await world.settle(held.pop())
        done += 1
        held += await world.leased()
        assert len(held) <= 2
    assert done == 9


async def test_whoever_waits_longest_at_a_gate_is_let_on_first(world):
    """A freed slot goes to each organization in turn."""
    names = [f"org-{n}" for n in range(6)]
    apps = await world.public("app", *names, max_in_flight=1)
    for app in apps:
        await world.waiting(app, 2)
    served = []
    now = world.START
    for _ in range(12):
        now += 1
        (held,) = await world.leased(at=now)
        served.append(held.organization_id)
        await world.settle(held, at=now)
    assert sorted(served[:6]) == sorted(set(served))
    assert served[:6] == served[6:]


async def test_a_thousand_lanes_at_one_gate_cost_nothing_while_it_is_shut(world):
    """Nothing is leased, nothing is due, and another integration goes on."""
    apps = await world.public("app", *(f"org-{n}" for n in range(50)), max_in_flight=1)
    for app in apps:
        await world.waiting(app)
    (held,) = await world.leased(limit=1000)
    other = await world.app()
    await world.waiting(other)
    assert [each.integration_id for each in await world.leased()] == [other.integration.id]
    assert await world.lease() == ([], None)
    await world.settle(held)
    assert len(await world.leased()) == 1


# -- rate -----------------------------------------------------------------------------------------


async def test_a_rate_is_kept_and_says_when_it_goes_on(world):
    """One every 100 ms, in turn over the organizations."""
    limit = RateLimit(10, Period.SECOND)
    apps = await world.public("app", "a", "b", rate_limit=limit)
    for app in apps:
        await world.waiting(app, 3)
    now, began, served = world.START, [], []
    for _ in range(6):
        leases = await world.lease(at=now)
        (held,) = leases.deliveries
        began.append(now - world.START)
        served.append(held.organization_id)
        await world.settle(held, at=now)
        if len(began) < 6:
            assert await world.leased(at=now) == []
            now = (await world.lease(at=now)).next_ready_at
    assert began[0] == 0
    gaps = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert all(90_000 <= gap <= 100_000 for gap in gaps), gaps
    assert served[:2] != served[1:3]


async def test_a_changed_rate_counts_at_once(world):
    """A limit that is lifted lets everything go."""
    app = await world.app(rate_limit=RateLimit(1, Period.MINUTE))
    await world.waiting(app, 5)
    (held,) = await world.leased()
    assert await world.leased() == []
    await world.settle(held)
    await world.change(app, rate_limit=None)
    assert len(await world.leased()) == 4


# -- pace -----------------------------------------------------------------------------------------


async def test_an_overloaded_receiver_is_left_alone_for_as_long_as_it_asks(world):
    """Nothing of that integration goes before; others do."""
    app, other = await world.app(), await world.app()
    await world.waiting(app, 3)
    (held, *rest) = await world.leased()
    asked = 120 * world.SECOND
    due = world.START + asked
    await world.settle(held, RetryAt(due), outcome=Counted.FAILURE, status=503, asked_us=asked)
    for each in rest:
        await world.settle(each, RetryAt(world.START + 1), at=world.START + 1)
    await world.waiting(app, 2, at=world.START + 2)
    await world.waiting(other, 1, at=world.START + 2)
    leases = await world.lease(at=due - 1)
    assert [each.integration_id for each in leases.deliveries] == [other.integration.id]
    assert (await world.lease(at=due - 1)).next_ready_at == due
    assert len(await world.leased(at=due)) >= 1


async def test_after_overload_it_goes_on_gently(world):
    """One at a time at first; each answer adds one."""
    app = await world.app(max_in_flight=4)
    await world.waiting(app, 20)
    now = world.START
    for each in await world.leased(at=now):
        await world.settle(each, RetryAt(now), outcome=Counted.FAILURE, status=429, at=now)
    sizes = []
    for _ in range(4):
        now += HOUR
        batch = await world.leased(at=now)
        sizes.append(len(batch))
        for each in batch:
            await world.settle(each, at=now, began_at=now)
    assert sizes == [1, 2, 4, 4]


async def test_silent_receivers_share_the_slow_line(world):
    """They get what the caller has for them, and no more; the quick get all the rest."""
    dead = [await world.app(organization=f"dead-{n}") for n in range(5)]
    living = await world.app(organization="living")
    for app in dead:
        await world.waiting(app, 10)
    now = world.START
    for each in await world.leased(at=now, limit=5):
        await world.time_out(each, at=now, again_at=now)
    await world.waiting(living, 10)
    now += world.SECOND
    batch = await world.leased(at=now, limit=100, slow_limit=3)
    share = Counter(each.slow for each in batch)
    assert share == {True: 3, False: 10}
    assert {each.integration_id for each in batch if not each.slow} == {living.integration.id}
    assert (await world.lease(at=now, limit=100, slow_limit=0)).deliveries == []
    assert len(await world.leased(at=now, limit=100, slow_limit=100)) == 2  # one each at a time


async def test_a_line_without_room_is_no_reason_to_wake(world):
    """Else a dispatcher whose slow slots are taken would never sleep."""
    app = await world.app(max_in_flight=9)
    await world.waiting(app, 3)
    (held, *_) = await world.leased(limit=1)
    await world.time_out(held)
    assert await world.lease(slow_limit=0) == ([], None)
    assert (await world.lease(slow_limit=1)).deliveries != []


async def test_an_answer_leads_back_to_the_quick_line(world):
    """Also for all that waits in other organizations."""
    apps = await world.public("app", "a", "b")
    for app in apps:
        await world.waiting(app, 5)
    (held,) = await world.leased(limit=1)
    await world.time_out(held)
    (held,) = await world.leased(at=world.START + 1, limit=1)
    assert held.slow
    assert await world.leased(at=world.START + 1, slow_limit=0) == []
    await world.settle(held, at=world.START + 2)
    batch = await world.leased(at=world.START + 3, slow_limit=0)
    assert len({each.organization_id for each in batch}) == 2


async def test_each_gets_no_more_than_the_caller_says(world):
    """Those that have so much under way wait for one of their own to end; the others go."""
    busy, idle = await world.app(organization="a"), await world.app(organization="b")
    await world.waiting(busy, 5)
    (held, _) = await world.leased(limit=2)
    await world.waiting(idle, 5)
    leases = await world.lease(at=world.START + 1, each=1)
    assert [each.integration_id for each in leases.deliveries] == [idle.integration.id]
    assert (await world.lease(at=world.START + 1, each=1)) == ([], None)
    await world.settle(held, at=world.START + 2)
    share = Counter(each.integration_id for each in await world.leased(at=world.START + 3))
    assert share[busy.integration.id] == 3


# -- order ----------------------------------------------------------------------------------------


async def test_an_ordered_lane_goes_one_at_a_time(world):
    """In the order of acceptance, whatever room there is."""
    app = await world.app(ordered=True)
    ids = await world.waiting(app, 5)
    for expected in ids:
        (held,) = await world.leased()
        assert held.id == expected
        assert await world.leased() == []
        await world.settle(held)
    assert await world.leased() == []


async def test_a_retry_holds_up_an_ordered_lane(world):
    """Those behind it wait, also those that come meanwhile."""
    app = await world.app(ordered=True)
    first, second = await world.waiting(app, 2)
    due = world.START + world.MINUTE
    (held,) = await world.leased()
    await world.settle(held, RetryAt(due), outcome=Counted.FAILURE, status=500)
    await world.waiting(app, 1, at=world.START + 1)
    assert await world.lease(at=due - 1) == ([], due)
    assert (await world.delivery(first)).due_at == due
    (again,) = await world.leased(at=due)
    assert again.id == first
    await world.settle(again, Parked(ParkReason.EXHAUSTED), at=due)
    (held,) = await world.leased(at=due)
    assert held.id == second


async def test_each_organization_has_an_order_of_its_own(world):
    """One that is held up does not hold up another."""
    stuck, free = await world.public("app", "stuck", "free", ordered=True)
    await world.waiting(stuck, 2)
    await world.waiting(free, 2)
    one, other = await world.leased()
    held, going = (
        (one, other)
        if one.organization_id == stuck.installation.organization_id
        else (
            other,
            one,
        )
    )
    await world.settle(held, RetryAt(world.START + HOUR))
    await world.settle(going)
    (next_,) = await world.leased(at=world.START + 1)
    assert next_.organization_id == free.installation.organization_id


async def test_a_lost_lease_keeps_the_order(world):
    """What comes back goes first again."""
    app = await world.app(ordered=True)
    first, _ = await world.waiting(app, 2)
    await world.leased()
    end = world.START + world.MINUTE
    await world.store.rescue(end)
    (again,) = await world.leased(at=end)
    assert again.id == first


async def test_becoming_ordered_while_much_is_under_way(world):
    """Nothing begins until all of it has ended; then what was accepted first goes first."""
    app = await world.app()
    ids = await world.waiting(app, 6)
    held = await world.leased(limit=3)
    await world.change(app, ordered=True)
    for each in held[:2]:
        await world.settle(each, RetryAt(world.START + world.SECOND), at=world.START + 1)
        assert await world.leased(at=world.START + 1) == []
    await world.settle(held[2], at=world.START + 2)
    at = world.START + world.SECOND
    assert await world.leased(at=at - 1) == []
    order = []
    while batch := await world.leased(at=at):
        (one,) = batch
        order.append(one.id)
        await world.settle(one, at=at)
    assert order == [each for each in ids if each != held[2].id]


async def test_no_longer_ordered(world):
    """What was held up goes at once."""
    app = await world.app(ordered=True)
    await world.waiting(app, 5)
    (held,) = await world.leased()
    await world.settle(held, RetryAt(world.START + HOUR))
    await world.change(app, ordered=False)
    assert len(await world.leased(at=world.START + 1)) >= 4


async def test_a_replay_goes_where_it_was_accepted(world):
    """Before all that was accepted after it."""
    app = await world.app(ordered=True)
    first, second, _third = await world.waiting(app, 3)
    (held,) = await world.leased()
    await world.settle(held, Delivered())
    await world.store.replay(first, world.START + 5)
    (again,) = await world.leased(at=world.START + 5)
    assert again.id == first
    await world.settle(again, at=world.START + 5)
    (held,) = await world.leased(at=world.START + 5)
    assert held.id == second
    assert await world.state(first) == State.DELIVERED
