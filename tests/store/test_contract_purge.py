"""What every store promises of deleting: only what is old goes, whole, and chunk by chunk."""

import pytest
from tests.store.aged import DAY, aged_event, finished, recorded, sweep

from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt
from hookline.store.upkeep import Ages
from hookline.store.values import DeliveryFilter


async def test_old_events_go_with_all_that_is_theirs(store, world):
    """Event, deliveries, attempts and plan; what is younger stays whole."""
    app = await world.app()
    old = await finished(world, app, at=world.START, external_id="old", plan_id=b"old plan")
    young_at = world.START + 10 * DAY
    young = await finished(world, app, at=young_at, external_id="young", plan_id=b"young plan")
    assert await sweep(store, Ages(None, young_at)) == (1, 1, 1, 1)
    assert await store.events("old", None) == []
    assert await store.delivery(old.deliveries[0].id) is None
    assert await store.attempts(old.deliveries[0].id) == []
    assert [each.key for each in await store.events("young", None)] == [young.id]
    assert len(await store.attempts(young.deliveries[0].id)) == 1


async def test_an_id_of_a_deleted_event_may_be_used_again(store, world):
    """It then names a new event; before that it names the old one."""
    app = await world.app()
    await finished(world, app, at=world.START, external_id="order-7")
    later = world.START + 10 * DAY
    (again,) = await world.record(aged_event(world, app, at=later, external_id="order-7"))
    assert again.duplicate
    await sweep(store, Ages(None, later))
    (new,) = await world.record(aged_event(world, app, at=later, external_id="order-7"))
    assert not new.duplicate


async def test_old_attempts_go_before_their_events(store, world):
    """The log grows thinner, the deliveries stay, and a later attempt goes on counting."""
    app = await world.app()
    event = await finished(world, app, at=world.START)
    delivery = event.deliveries[0].id
    assert await sweep(store, Ages(world.START + DAY, None)) == (1, 0, 0, 0)
    assert await store.attempts(delivery) == []
    assert (await world.delivery(delivery)).attempts_made == 1
    await store.replay(delivery, world.START + DAY)
    (leased,) = await world.leased(at=world.START + DAY)
    assert await world.settle(leased, at=world.START + DAY)
    assert [each.number for each in await store.attempts(delivery)] == [2]


async def test_an_attempt_that_is_younger_than_its_delivery_stays(store, world):
    """The age of an attempt counts, not that of the delivery that was replayed."""
    app = await world.app()
    event = await finished(world, app, at=world.START)
    later = world.START + 10 * DAY
    await store.replay(event.deliveries[0].id, later)
    (leased,) = await world.leased(at=later)
    assert await world.settle(leased, at=later)
    assert await sweep(store, Ages(later - DAY, None)) == (1, 0, 0, 0)
    assert [each.number for each in await store.attempts(event.deliveries[0].id)] == [2]


@pytest.mark.parametrize("held", [False, True], ids=["waiting", "leased"])
async def test_what_is_not_final_stays_however_old(store, world, held):
    """It waits or is under way: neither it, nor its attempts, nor its event and plan are touched."""
    app = await world.app()
    event = await finished(world, app, at=world.START, verdict=RetryAt(world.START + DAY))
    if held:
        assert len(await world.leased(at=world.START + DAY)) == 1
    much_later = world.START + 1000 * DAY
    for _ in range(3):
        assert await sweep(store, Ages(much_later, much_later)) == (0, 0, 0, 0)
    delivery = event.deliveries[0].id
    assert await world.state(delivery) == (State.LEASED if held else State.WAITING)
    assert len(await store.attempts(delivery)) == 1
    (kept,) = await store.events(event.id.hex(), None)
    assert kept.considered == ()


async def test_a_plan_goes_with_the_last_event_that_needed_it(store, world):
    """While an old event waits its plan stays with it, and goes in the sweep that takes the event."""
    app = await world.app()
    event = await recorded(world, app, at=world.START)
    later = world.START + 1000 * DAY
    assert await sweep(store, Ages(None, later)) == (0, 0, 0, 0)
    (leased,) = await world.leased(at=later)
    assert await world.settle(leased, at=later)
    assert await sweep(store, Ages(None, later + 1)) == (1, 1, 1, 0)
    assert await store.events(event.id.hex(), None) == []
    assert await sweep(store, Ages(None, later + 2 * DAY)) == (0, 0, 0, 1)


async def test_a_plan_that_is_used_again_stays(store, world):
    """Events that share a plan keep it alive, however old the first of them is."""
    app = await world.app()
    for day in range(0, 40, 10):
        await finished(world, app, at=world.START + day * DAY)
    young_at = world.START + 30 * DAY
    assert await sweep(store, Ages(None, young_at)) == (3, 3, 3, 0)
    assert len(await store.deliveries(DeliveryFilter())) == 1
    assert await sweep(store, Ages(None, young_at + 2 * DAY)) == (1, 1, 1, 1)


async def test_a_delivery_that_was_replayed_lately_stays(store, world):
    """It was settled after the age; its event stays with it, its older sister goes."""
    one, other = await world.app(), await world.app()
    event = await finished(world, one, other, at=world.START)
    replayed, sister = (each.id for each in event.deliveries)
    later = world.START + 100 * DAY
    await store.replay(replayed, later)
    (leased,) = await world.leased(at=later)
    assert await world.settle(leased, at=later)
    assert await sweep(store, Ages(None, later - DAY)) == (1, 1, 0, 0)
    assert await store.delivery(sister) is None
    assert len(await store.attempts(replayed)) == 2
    assert len(await store.events(event.id.hex(), None)) == 1


async def test_a_sweep_that_turns_days_over_deletes_the_same(store, world):
    """Whether attempts go by days or one by one: the old are gone, the young and the unfinished stay."""
    app, held = await world.app(), await world.app()
    await store.turn_over(Ages(None, None), world.START)
    old = await finished(world, app, at=world.START)
    waits = await finished(
        world, held, at=world.START + DAY, verdict=RetryAt(world.START + 99 * DAY)
    )
    young = await finished(world, app, at=world.START + 3 * DAY)
    ages = Ages(world.START + 3 * DAY - world.MINUTE, None)
    turned = await store.turn_over(ages, world.START + 3 * DAY)
    attempts, *others = await sweep(store, ages)
    assert bool(attempts) != bool(turned.dropped)
    assert others == [0, 0, 0]
    kept = [len(await store.attempts(each.deliveries[0].id)) for each in (old, waits, young)]
    assert kept == [0, 1, 1]


async def test_parked_deliveries_are_final(store, world):
    """They are shown for as long as delivered ones."""
    app = await world.app()
    parked = Parked(ParkReason.EXHAUSTED)
    await finished(world, app, at=world.START, verdict=parked)
    assert await sweep(store, Ages(None, world.START)) == (0, 0, 0, 0)
    assert await sweep(store, Ages(None, world.START + 1)) == (1, 1, 1, 0)


async def test_events_without_deliveries_go_too(store, world):
    """Nobody wanted them; their age is theirs alone."""
    await world.app()
    await recorded(world, at=world.START)
    assert await sweep(store, Ages(None, world.START + 1)) == (0, 0, 1, 0)


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_small_chunks_delete_the_same(store, world, limit):
    """Whatever a chunk's size, a sweep takes all that is old and nothing else."""
    apps = [await world.app() for _ in range(3)]
    for minute in range(8):
        await finished(world, *apps, at=world.START + minute)
    young = await finished(world, *apps, at=world.START + 10 * DAY)
    ages = Ages(world.START + DAY, world.START + DAY)
    assert await sweep(store, ages, limit) == (24, 24, 8, 0)
    left = {bytes.fromhex(each.id) for each in await store.deliveries(DeliveryFilter())}
    assert left == {each.id for each in young.deliveries}


async def test_many_attempts_at_one_delivery_take_several_chunks(store, world):
    """No chunk deletes more than it was told to, however many attempts one delivery had."""
    app = await world.app()
    event = await recorded(world, app, at=world.START)
    for number in range(10):
        (leased,) = await world.leased(at=world.START)
        last = Delivered() if number == 9 else RetryAt(world.START)
        settlement = world.settlement(leased, last, outcome=Counted.FAILURE)
        assert await world.settle_all([settlement]) == [True]
    assert await sweep(store, Ages(None, world.START + DAY), limit=4) == (10, 1, 1, 0)
    assert await store.delivery(event.deliveries[0].id) is None


async def test_a_sweep_that_was_cut_off_is_begun_anew(store, world):
    """What a chunk deleted is gone, and the next sweep takes the rest: nothing was remembered."""
    app = await world.app()
    for minute in range(6):
        await finished(world, app, at=world.START + minute)
    ages = Ages(None, world.START + DAY)
    purged = await store.purge(ages, b"", 4)
    purged = await store.purge(ages, purged.cursor, 4)
    assert 0 < purged.deliveries <= 4
    rest = await sweep(store, ages, 4)
    assert rest[1] + purged.deliveries == 6
    assert rest[2] == 6


async def test_keeping_all_deletes_nothing(store, world):
    """An age of None is for ever."""
    app = await world.app()
    await finished(world, app, at=world.START)
    assert await sweep(store, Ages(None, None)) == (0, 0, 0, 0)
    assert len(await store.deliveries(DeliveryFilter())) == 1


async def test_an_age_before_the_epoch_deletes_nothing(store, world):
    """A hundred years are kept in 1970's terms, too."""
    app = await world.app()
    await finished(world, app, at=world.START)
    assert await sweep(store, Ages(-DAY, -DAY)) == (0, 0, 0, 0)
