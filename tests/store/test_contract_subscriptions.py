"""Unsubscribing, resubscribing and recovering, on every store."""

from collections import Counter

import pytest

from hookline.core.errors import Conflict
from hookline.core.ids import uuid7_floor
from hookline.core.lifecycle import State
from hookline.core.notice import NoticeKind
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Reason, Rules
from hookline.core.verdict import Parked, ParkReason, RetryAt
from hookline.store.values import NewRecovery

DAY = 86_400_000_000
FIVE = Rules(timeouts=5)


def everything(app, now, **given) -> NewRecovery:
    wanted = NewRecovery(app.integration.id, frozenset({State.PARKED}), b"", b"\xff" * 16, now)
    return wanted._replace(**given)


async def silenced(world, app, *, rules=FIVE, at=None):
    """An integration that timed out until it was unsubscribed; the last settlement's answer."""
    at = world.START if at is None else at
    await world.waiting(app, rules.timeouts, at=at)
    for _ in range(rules.timeouts):
        (held,) = await world.leased(at=at, limit=1)
        settled = await world.time_out(held, at=at, again_at=at + DAY, rules=rules)
    return settled


async def found(world, app):
    return await world.store.integration(app.integration.slug)


async def states(world, ids) -> Counter:
    deliveries = [await world.delivery(each) for each in ids]
    return Counter((each.state, each.park_reason) for each in deliveries)


async def test_the_last_timeout_unsubscribes_and_parks(world):
    """State, reason and time are on the integration; what waited is parked, nothing is leased."""
    app = await world.app()
    more = await world.waiting(app, 7)
    settled = await silenced(world, app)
    assert (settled.noticed, settled.unswept) == (True, False)
    since = (await found(world, app)).unsubscribed
    assert (since.at, since.reason) == (world.START, Reason.TIMEOUTS)
    assert set(await states(world, more)) == {(State.PARKED, "unsubscribed")}
    assert await world.lease(at=world.START + DAY) == ([], None)


async def test_one_timeout_less_does_not(world):
    """Exactly the number, across as many settlements as it takes."""
    app = await world.app()
    await world.waiting(app, 5)
    for _ in range(5):
        assert (await found(world, app)).unsubscribed is None
        (held,) = await world.leased(limit=1)
        await world.time_out(held, again_at=world.START + DAY, rules=FIVE)
    assert (await found(world, app)).unsubscribed is not None


async def test_a_batch_trips_at_the_right_one(world):
    """Five of eight timeouts in one settlement; the three after it count for nothing."""
    app = await world.app()
    await world.waiting(app, 8)
    held = await world.leased()
    batch = [
        world.settlement(each, RetryAt(world.START + DAY), outcome=Counted.TIMEOUT, status=None)
        for each in held
    ]
    settled = await world.store.settle(batch, FIVE)
    assert settled.counted == [True] * 8
    notices = await world.store.notices(before=None, integration_id=None, limit=10)
    kinds = [each.kind for each in notices]
    assert kinds == [NoticeKind.UNSUBSCRIBED, NoticeKind.WARNED]  # of 5, half is 3, and 90 % is 5
    assert set(await states(world, [each.id for each in held])) == {(State.PARKED, "unsubscribed")}
    health = await world.store.health(app.integration.id, world.START, FIVE)
    assert (health.timeouts, health.in_flight, health.waiting) == (5, 0, 0)


async def test_another_integration_is_not_concerned(world):
    """Its deliveries wait and are leased."""
    dead, living = await world.app(), await world.app()
    await silenced(world, dead)
    await world.waiting(living, 3)
    assert len(await world.leased()) == 3
    assert (await found(world, living)).unsubscribed is None


async def test_what_comes_later_is_remembered(world):
    """It is stored, counted in the answer, and parked at once."""
    app = await world.app()
    await silenced(world, app)
    event = world.event(app, at=world.START + 5)
    (recorded,) = await world.record(event)
    assert recorded.deliveries == 1
    later = await world.delivery(event.deliveries[0].id)
    assert (later.state, later.park_reason) == (State.PARKED, "unsubscribed")
    assert later.settled_at == world.START + 5


async def test_what_is_under_way_is_settled_as_usual(world):
    """Delivered stays delivered; what would be retried is parked; slots are freed."""
    app = await world.app()
    await world.waiting(app, 7)
    held = await world.leased()
    for each in held[:5]:
        await world.time_out(each, again_at=world.START + DAY, rules=FIVE)
    assert await world.settle(held[5]) is True
    await world.settle(held[6], RetryAt(world.START), outcome=Counted.FAILURE, status=500)
    assert await states(world, [held[5].id, held[6].id]) == {
        (State.DELIVERED, None): 1,
        (State.PARKED, "unsubscribed"): 1,
    }
    health = await world.store.health(app.integration.id, world.START, FIVE)
    assert health.in_flight == 0


async def test_what_a_dead_dispatcher_held_is_parked_too(world):
    """It comes back to a lane that nothing leaves."""
    app = await world.app()
    await world.waiting(app, 2)
    held = await world.leased()
    await world.store.unsubscribe(app.integration.id, "by hand", world.START)
    assert await world.store.rescue(world.START + world.MINUTE) == 2
    assert set(await states(world, [each.id for each in held])) == {(State.PARKED, "unsubscribed")}


async def test_a_long_queue_is_parked_chunk_by_chunk(world):
    """Nothing of it is leased meanwhile, and the sweep ends."""
    app = await world.app()
    ids = [each for _ in range(3) for each in await world.waiting(app, 500)]
    assert await world.store.unsubscribe(app.integration.id, "by hand", world.START) is True
    assert await world.lease(at=world.START + DAY) == ([], None)
    swept = []
    while not swept or swept[-1]:
        swept.append(await world.store.sweep(400, world.START))
    assert swept == [400, 400, 200, 0]
    assert set(await states(world, ids)) == {(State.PARKED, "unsubscribed")}


async def test_five_days_of_failure(world):
    """The other rule, on attempts that were answered."""
    app = await world.app()
    await world.waiting(app)
    for day in range(6):
        now = world.START + day * DAY
        (held,) = await world.leased(at=now)
        assert (await found(world, app)).unsubscribed is None
        await world.settle(held, RetryAt(now + DAY), outcome=Counted.FAILURE, status=500, at=now)
    since = (await found(world, app)).unsubscribed
    assert (since.reason, since.at) == (Reason.FAILURES, world.START + 5 * DAY)


async def test_gone(world):
    """410 parks the delivery as gone and unsubscribes the integration."""
    app = await world.app()
    first, second = await world.waiting(app, 2)
    (held,) = await world.leased(limit=1)
    await world.settle(held, Parked(ParkReason.GONE), outcome=Counted.FAILURE, status=410)
    assert (await found(world, app)).unsubscribed.reason is Reason.GONE
    assert await states(world, [first, second]) == {
        (State.PARKED, "gone"): 1,
        (State.PARKED, "unsubscribed"): 1,
    }


async def test_by_hand(world):
    """With the words of whoever did it; twice is refused."""
    app = await world.app()
    await world.store.unsubscribe(app.integration.id, "too noisy", world.START)
    since = (await found(world, app)).unsubscribed
    assert (since.reason, since.detail) == (Reason.MANUAL, "too noisy")
    with pytest.raises(Conflict) as caught:
        await world.store.unsubscribe(app.integration.id, "again", world.START)
    assert caught.value.code == "already-unsubscribed"


async def test_a_replay_is_refused_while_unsubscribed(world):
    """It could not be sent."""
    app = await world.app()
    (delivery_id,) = await world.waiting(app)
    await world.store.unsubscribe(app.integration.id, "", world.START)
    with pytest.raises(Conflict) as caught:
        await world.store.replay(delivery_id, world.START)
    assert caught.value.code == "integration-unsubscribed"


async def test_resubscribing_begins_anew(world):
    """It is leased again at full width, and takes as many timeouts as the first time."""
    app = await world.app()
    await silenced(world, app)
    await world.store.resubscribe(app.integration.id, world.START + 1, None)
    assert (await found(world, app)).unsubscribed is None
    health = await world.store.health(app.integration.id, world.START + 1, FIVE)
    assert (health.timeouts, health.window, health.slow) == (0, 32, False)
    await world.waiting(app, 9, at=world.START + 1)
    assert len(await world.leased(at=world.START + 1)) == 9
    other = await world.app()
    assert other.integration.id != app.integration.id


async def test_the_counter_begins_anew(world):
    """Old timeouts, though within the span, count no more."""
    app = await world.app()
    await silenced(world, app)
    await world.store.resubscribe(app.integration.id, world.START + 1, None)
    for number in range(5):
        assert (await found(world, app)).unsubscribed is None, number
        await world.waiting(app, at=world.START + 1)
        (held,) = await world.leased(at=world.START + 1, limit=1)
        await world.time_out(held, at=world.START + 1, again_at=world.START + DAY, rules=FIVE)
    assert (await found(world, app)).unsubscribed is not None


async def test_resubscribing_what_is_subscribed(world):
    """It is refused."""
    app = await world.app()
    with pytest.raises(Conflict) as caught:
        await world.store.resubscribe(app.integration.id, world.START, None)
    assert caught.value.code == "already-subscribed"


async def recovered(world) -> int:
    """Recover to the end; how many chunks it took."""
    chunks = 0
    while await world.store.recover_some(10, world.START + 9):
        chunks += 1
    return chunks


async def test_recovering_what_was_missed(world):
    """What waited, and what came meanwhile; not what was parked before the last success."""
    app = await world.app()
    (old,) = await world.waiting(app)
    (held,) = await world.leased()
    await world.settle(held, Parked(ParkReason.EXHAUSTED))
    (good,) = await world.waiting(app)
    (held,) = await world.leased()
    await world.settle(held, at=world.START + 1)
    missed = await world.waiting(app, 25, at=world.START + 2)
    await world.store.unsubscribe(app.integration.id, "", world.START + 3)
    meanwhile = await world.waiting(app, 4, at=world.START + 4)
    now = world.START + 9
    recovery = await world.store.resubscribe(app.integration.id, now, everything(app, now))
    assert (recovery.recovered, recovery.done_at) == (0, None)
    assert await recovered(world) >= 3
    assert set(await states(world, [*missed, *meanwhile])) == {(State.WAITING, None)}
    assert await states(world, [old, good]) == {
        (State.PARKED, "exhausted"): 1,
        (State.DELIVERED, None): 1,
    }
    (done,) = await world.store.recoveries(app.integration.id)
    assert (done.recovered, done.done_at) == (29, now)
    leased = await world.leased(at=now)
    assert {each.id for each in leased} == {*missed, *meanwhile}
    assert {each.schedule_position for each in leased} == {0}


async def test_a_dry_run_counts_what_is_then_recovered(world):
    """By why they are parked, or delivered; and nothing moves."""
    app = await world.app()
    ids = await world.waiting(app, 6)
    held = await world.leased()
    await world.settle(held[0])
    await world.settle(held[1], Parked(ParkReason.EXHAUSTED))
    await world.settle(held[2], Parked(ParkReason.BLOCKED))
    await world.settle(held[3], Parked(ParkReason.BLOCKED))
    both = everything(app, world.START, states=frozenset({State.PARKED, State.DELIVERED}))
    before = await states(world, ids)
    assert await world.store.count_recovery(both) == {"exhausted": 1, "blocked": 2, "delivered": 1}
    parked = everything(app, world.START)
    assert await world.store.count_recovery(parked) == {"exhausted": 1, "blocked": 2}
    assert await states(world, ids) == before
    await world.store.begin_recovery(both)
    await recovered(world)
    (done,) = await world.store.recoveries(app.integration.id)
    assert done.recovered == 4


async def test_a_span_is_one_of_acceptance(world):
    """From the first instant, up to the last and without it."""
    app = await world.app()
    ids = []
    for second in range(5):
        at = world.START + second * world.SECOND
        event = world.event(app, at=at)
        (new,) = event.deliveries
        named = new._replace(id=uuid7_floor(at)[:15] + bytes([1]))
        await world.record(event._replace(deliveries=(named,)))
        ids.append(named.id)
    for each in await world.leased(at=world.START + DAY):
        await world.settle(each, Parked(ParkReason.EXHAUSTED), at=world.START + DAY)
    span = everything(
        app,
        world.START + DAY,
        after_id=uuid7_floor(world.START + world.SECOND),
        until_id=uuid7_floor(world.START + 3 * world.SECOND),
    )
    assert await world.store.count_recovery(span) == {"exhausted": 2}
    await world.store.begin_recovery(span)
    await recovered(world)
    assert [(await world.delivery(each)).state for each in ids] == [
        State.PARKED, State.WAITING, State.WAITING, State.PARKED, State.PARKED,
    ]  # fmt: skip


async def test_recovering_while_unsubscribed_is_refused(world):
    """And one under way ends when its integration is unsubscribed again."""
    app = await world.app()
    await world.waiting(app, 30)
    await world.store.unsubscribe(app.integration.id, "", world.START)
    with pytest.raises(Conflict) as caught:
        await world.store.begin_recovery(everything(app, world.START))
    assert caught.value.code == "integration-unsubscribed"
    await world.store.resubscribe(app.integration.id, world.START, everything(app, world.START))
    await world.store.recover_some(10, world.START)
    await world.store.unsubscribe(app.integration.id, "", world.START)
    await recovered(world)
    (done,) = await world.store.recoveries(app.integration.id)
    assert (done.recovered, done.done_at is not None) == (10, True)
    assert await world.lease(at=world.START + DAY) == ([], None)


async def test_an_ordered_integration_is_recovered_in_one_piece(world):
    """So that nothing newer goes before what was missed."""
    app = await world.app(ordered=True)
    await world.store.unsubscribe(app.integration.id, "", world.START)
    missed = await world.waiting(app, 30, at=world.START + 1)
    now = world.START + 9
    recovery = await world.store.resubscribe(app.integration.id, now, everything(app, now))
    assert (recovery.recovered, recovery.done_at) == (30, now)
    newer = await world.waiting(app, 2, at=now + 1)
    order = []
    while batch := await world.leased(at=now + 1):
        (one,) = batch
        order.append(one.id)
        await world.settle(one, at=now + 1)
    assert order == [*missed, *newer]


async def test_notices_are_kept_and_told_once(world):
    """Newest first for readers, oldest first for whoever tells; told ones are no longer open."""
    apps = [await world.app(f"app-{n}") for n in range(3)]
    for n, app in enumerate(apps):
        await world.store.unsubscribe(app.integration.id, f"reason {n}", world.START + n)
    page = await world.store.notices(before=None, integration_id=None, limit=2)
    assert [each.message for each in page] == ["reason 2", "reason 1"]
    (last,) = await world.store.notices(before=page[-1].id, integration_id=None, limit=2)
    assert (last.integration, last.kind) == ("app-0", NoticeKind.UNSUBSCRIBED)
    (own,) = await world.store.notices(before=None, integration_id=apps[1].integration.id, limit=9)
    assert own.message == "reason 1"
    open_ = await world.store.unpublished_notices(2)
    assert [each.message for each in open_] == ["reason 0", "reason 1"]
    await world.store.close_notice(open_[0].id, published_at=7, mailed_at=None)
    assert [each.message for each in await world.store.unpublished_notices(9)] == [
        "reason 1",
        "reason 2",
    ]
    assert len(await world.store.unmailed_notices(9)) == 3
    await world.store.close_notice(open_[0].id, published_at=None, mailed_at=8)
    assert len(await world.store.unmailed_notices(9)) == 2
    (told,) = await world.store.notices(before=2, integration_id=None, limit=9)
    assert (told.published_at, told.mailed_at) == (7, 8)


async def test_deleting_what_is_unsubscribed(world):
    """It stays shut, and what comes by a plan from before is parked as deleted."""
    app = await world.app()
    await silenced(world, app)
    await world.store.delete_integration(app.integration.id, world.START)
    (late,) = await world.waiting(app)
    assert (await world.delivery(late)).park_reason == "deleted"
    assert await world.lease(at=world.START + DAY) == ([], None)
