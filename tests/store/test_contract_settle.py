"""Settling and replaying, on every store: each attempt counts once, and only while it is ours."""

import pytest

from hookline.core.errors import Conflict
from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt


async def test_delivered(world):
    """The delivery is final, says since when, and is never leased again."""
    app = await world.app()
    (held_id,) = await world.waiting(app)
    (held,) = await world.leased()
    assert await world.settle(held, Delivered(), at=world.START + 5) is True
    found = await world.delivery(held_id)
    assert (found.state, found.settled_at, found.due_at) == (State.DELIVERED, world.START + 5, None)
    assert (found.attempts_made, found.schedule_position, found.park_reason) == (1, 1, None)
    assert await world.lease(at=world.START + 10 * world.MINUTE) == ([], None)


async def test_retry(world):
    """The delivery waits for the instant that the verdict names, one step on in its schedule."""
    app = await world.app()
    await world.waiting(app)
    for number in (1, 2, 3):
        due = world.START + number * world.MINUTE
        (held,) = await world.leased(at=due - world.MINUTE)
        assert await world.settle(held, RetryAt(due), at=due - world.SECOND) is True
        found = await world.delivery(held.id)
        assert (found.state, found.due_at, found.settled_at) == (State.WAITING, due, None)
        assert (found.attempts_made, found.schedule_position) == (number, number)


@pytest.mark.parametrize("reason", list(ParkReason))
async def test_parked(world, reason):
    """The delivery is final and says why."""
    app = await world.app()
    await world.waiting(app)
    (held,) = await world.leased()
    assert await world.settle(held, Parked(reason), at=world.START + 5) is True
    found = await world.delivery(held.id)
    assert (found.state, found.park_reason) == (State.PARKED, reason)
    assert (found.settled_at, found.due_at) == (world.START + 5, None)


@pytest.mark.parametrize("outcome", list(Counted))
async def test_an_attempt_comes_back_as_it_was_stored(world, outcome):
    """Every field of the log, bytes and all, for each thing that an attempt can count as."""
    app = await world.app()
    await world.waiting(app)
    (held,) = await world.leased()
    settlement = world.settlement(held, outcome=outcome)
    silent = settlement.attempt._replace(status=None, response_head=b"", response_cut=False)
    for attempt in (settlement.attempt, silent._replace(number=2)):
        assert await world.settle_all(
            [settlement._replace(attempt=attempt, verdict=RetryAt(world.START))]
        ) == [True]
        (held,) = await world.leased()
        settlement = settlement._replace(token=held.token)
    stored = await world.store.attempts(held.id)
    assert stored == [
        world.settlement(held, outcome=outcome).attempt._replace(number=1),
        silent._replace(number=2),
    ]
    assert [each.outcome for each in stored] == [outcome, outcome]


async def test_nothing_to_settle(world):
    """No settlements, no answers."""
    assert await world.settle_all([]) == []


@pytest.mark.parametrize("verdict", [Delivered(), RetryAt(0), Parked(ParkReason.GONE)])
async def test_a_stale_token_changes_nothing(world, verdict):
    """A settlement under a token that is not the delivery's stores no attempt and moves nothing."""
    app = await world.app(max_in_flight=1)
    await world.waiting(app, 2)
    (held,) = await world.leased()
    before = await world.delivery(held.id)
    assert await world.settle(held._replace(token=held.token + 1), verdict) is False
    assert await world.delivery(held.id) == before
    assert await world.store.attempts(held.id) == []
    assert await world.leased() == [], "the slot was freed by a settlement that did not count"
    assert await world.settle(held) is True


async def test_an_unknown_delivery_cannot_be_settled(world):
    """A settlement for nothing counts for nothing."""
    app = await world.app()
    await world.waiting(app)
    (held,) = await world.leased()
    stranger = held._replace(id=world.new_id())
    assert await world.settle(stranger) is False
    assert await world.store.attempts(stranger.id) == []


@pytest.mark.parametrize("size", [2, 5, 64, 65, 100])
async def test_a_mixed_batch_settles_the_good_ones(world, size):
    """Lost leases in a batch take nothing from the others, and each answer is its settlement's."""
    app = await world.app(max_in_flight=1000)
    await world.waiting(app, size)
    leased = await world.leased()
    settlements = [world.settlement(each) for each in leased]
    lost = {index for index in range(size) if index % 3 == 1}
    for index in lost:
        settlements[index] = settlements[index]._replace(token=1_000_000)
    assert await world.settle_all(settlements) == [index not in lost for index in range(size)]
    for index, each in enumerate(leased):
        expected = (State.LEASED, 0) if index in lost else (State.DELIVERED, 1)
        assert (await world.state(each.id), len(await world.store.attempts(each.id))) == expected


async def test_verdicts_may_differ_within_a_batch(world):
    """One batch delivers, retries and parks, each its own."""
    app = await world.app()
    await world.waiting(app, 3)
    verdicts = [Delivered(), RetryAt(world.START + 9), Parked(ParkReason.EXHAUSTED)]
    leased = await world.leased()
    settlements = [world.settlement(*pair) for pair in zip(leased, verdicts, strict=True)]
    assert await world.settle_all(settlements) == [True] * 3
    found = [await world.delivery(each.id) for each in leased]
    assert [(each.state, each.park_reason, each.due_at) for each in found] == [
        (State.DELIVERED, None, None),
        (State.WAITING, None, world.START + 9),
        (State.PARKED, "exhausted", None),
    ]


async def test_settling_twice_counts_once(world):
    """The same settlement again, in a later call or the same one, is refused, and frees no slot."""
    app = await world.app(max_in_flight=2)
    await world.waiting(app, 6)
    one, two = await world.leased()
    assert await world.settle(one) is True
    assert await world.settle(one) is False
    assert await world.settle_all([world.settlement(two)] * 2) == [True, False]
    for each in (one, two):
        assert len(await world.store.attempts(each.id)) == 1
    assert len(await world.leased()) == 2


async def test_settling_frees_slots(world):
    """Each settlement that counts makes room for one more, whatever the verdict was."""
    app = await world.app(max_in_flight=3)
    await world.waiting(app, 10)
    later = world.START + world.MINUTE
    verdicts = [Delivered(), RetryAt(later), Parked(ParkReason.GONE)]
    leased = await world.leased()
    for each, verdict in zip(leased, verdicts, strict=True):
        assert await world.leased() == []
        await world.settle(each, verdict)
        (fresh,) = await world.leased()
        assert fresh.attempts_made == 0


async def _settled(world, leased, verdict):
    return await world.store.settle([world.settlement(leased, verdict)], Rules())


async def test_a_settlement_says_whether_there_is_something_to_lease(world):
    """What waits in the lane or at its gate, a retry to come included; nothing where nothing waits."""
    app = await world.app(max_in_flight=1)
    await world.waiting(app, 2)
    (first,) = await world.leased()
    assert (await _settled(world, first, Delivered())).leasable
    assert not (await _settled(world, first, Delivered())).leasable  # it did not count
    (second,) = await world.leased()
    later = RetryAt(world.START + world.MINUTE)
    assert (await _settled(world, second, later)).leasable
    (second,) = await world.leased(at=world.START + world.MINUTE)
    assert not (await _settled(world, second, Delivered())).leasable


async def test_a_settlement_says_so_of_an_ordered_lane(world):
    """What waits behind the attempt that ended may go now."""
    app = await world.app(ordered=True)
    await world.waiting(app, 2)
    (first,) = await world.leased()
    assert (await _settled(world, first, Delivered())).leasable
    (second,) = await world.leased()
    assert not (await _settled(world, second, Parked(ParkReason.GONE))).leasable


async def test_a_settlement_of_several_lanes(world):
    """Slots go back to the lanes that they came from."""
    apps = [await world.app(max_in_flight=cap) for cap in (1, 2)]
    for app in apps:
        await world.waiting(app, 5)
    leased = await world.leased()
    await world.settle_all([world.settlement(each) for each in leased])
    again = [each.integration_id for each in await world.leased()]
    assert sorted(again) == sorted(each.integration_id for each in leased)


@pytest.mark.parametrize("verdict", [Delivered(), Parked(ParkReason.EXHAUSTED)])
async def test_replay(world, verdict):
    """A final delivery waits again, due now, its schedule begun anew and its history kept."""
    app = await world.app()
    await world.waiting(app)
    for _ in range(2):
        (held,) = await world.leased()
        await world.settle(held, RetryAt(world.START))
    (held,) = await world.leased()
    await world.settle(held, verdict)
    now = world.START + world.MINUTE
    replayed = await world.store.replay(held.id, now)
    assert replayed == await world.delivery(held.id)
    assert (replayed.state, replayed.due_at, replayed.settled_at) == (State.WAITING, now, None)
    assert (replayed.attempts_made, replayed.schedule_position) == (3, 0)
    assert replayed.park_reason is None

    (again,) = await world.leased(at=now)
    assert (again.id, again.attempts_made, again.schedule_position) == (held.id, 3, 0)
    assert await world.settle(again, at=now) is True
    assert [each.number for each in await world.store.attempts(held.id)] == [1, 2, 3, 4]
    final = await world.delivery(held.id)
    assert (final.attempts_made, final.schedule_position) == (4, 1)


async def test_replay_of_nothing(world):
    """An id that names no delivery gives None."""
    assert await world.store.replay(world.new_id(), world.START) is None


@pytest.mark.parametrize("leased", [False, True])
async def test_replay_of_what_is_on_its_way(world, leased):
    """Only a final delivery can be replayed; another is refused and stays as it is."""
    app = await world.app()
    (delivery_id,) = await world.waiting(app)
    if leased:
        await world.leased()
    before = await world.delivery(delivery_id)
    with pytest.raises(Conflict) as caught:
        await world.store.replay(delivery_id, world.START + 1)
    assert caught.value.code == "not-final"
    assert before.state in caught.value.message
    assert await world.delivery(delivery_id) == before


async def test_replay_respects_the_cap(world):
    """A replayed delivery waits for a slot as any other does."""
    app = await world.app(max_in_flight=1)
    await world.waiting(app, 2)
    (first,) = await world.leased()
    await world.settle(first)
    (second,) = await world.leased()
    await world.store.replay(first.id, world.START)
    assert await world.leased() == []
    await world.settle(second)
    assert [each.id for each in await world.leased()] == [first.id]


async def test_replay_for_a_deleted_integration(world):
    """There is nobody to send it to: it is refused, and stays parked or delivered as it is."""
    app = await world.app()
    await world.waiting(app)
    (held,) = await world.leased()
    await world.settle(held)
    await world.store.delete_integration(app.integration.id, world.START)
    with pytest.raises(Conflict) as caught:
        await world.store.replay(held.id, world.START + 1)
    assert caught.value.code == "integration-deleted"
    assert await world.state(held.id) == State.DELIVERED
    assert await world.leased(at=world.START + 1) == []
