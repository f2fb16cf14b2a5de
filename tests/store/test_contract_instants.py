"""The newest instant, on every store: where a clock goes on after a restart."""

from hookline.core.ids import uuid7
from hookline.core.verdict import RetryAt


async def test_an_empty_store_knows_no_instant(world):
    """Nothing was recorded, so any clock will do."""
    assert await world.store.latest_instant() == 0
    await world.app()
    assert await world.store.latest_instant() == 0


async def test_the_newest_event_counts(world):
    """By its id, also where it came in the same batch as others."""
    app = await world.app()
    ids = [uuid7(world.START + n, bytes(8)) for n in (3, 7, 5)]
    await world.record(*(world.event(app, id=each) for each in ids))
    assert await world.store.latest_instant() == world.START + 7


async def test_settling_moves_it_on(world):
    """Where nothing is published for days, retries still go on: a settlement counts, a due time not."""
    app = await world.app()
    await world.record(world.event(app, id=uuid7(world.START, bytes(8))))
    for minutes in (1, 2, 90):
        at = world.START + minutes * world.MINUTE
        (leased,) = await world.leased(at=at)
        assert await world.settle(leased, RetryAt(at + world.MINUTE // 2), at=at)
        assert await world.store.latest_instant() == at


async def test_it_never_goes_back(world):
    """A settlement by an older clock changes nothing."""
    app = await world.app()
    await world.waiting(app, 2)
    one, other = await world.leased()
    await world.settle(one, at=world.START + world.MINUTE)
    await world.settle(other, at=world.START)
    assert await world.store.latest_instant() == world.START + world.MINUTE


async def test_it_survives_a_restart(world, factory, tmp_path):
    """That is what it is for."""
    app = await world.app()
    await world.waiting(app)
    (leased,) = await world.leased()
    await world.settle(leased, at=world.START + world.MINUTE)
    await world.store.close()
    again = await factory(tmp_path)
    try:
        assert await again.latest_instant() == world.START + world.MINUTE
    finally:
        await again.close()
