"""What every store tells of itself: what waits, the timeouts that count, its commits."""

from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered, RetryAt
from hookline.store.upkeep import Backlog

DAY = 24 * 60 * 60 * 1_000_000


async def test_an_empty_store_has_no_backlog(store):
    """Nothing waits, and nothing is due."""
    assert await store.backlog() == Backlog(0, None, None)


async def test_the_backlog_is_what_waits(store, world):
    """How much, what was recorded first, and what is due first; what is under way is no part of it."""
    start = world.START
    one, other = await world.app(), await world.app()
    (held,) = await world.waiting(one, at=start)
    (first,) = await world.waiting(one, at=start + 5)
    await world.waiting(other, at=start + 7)
    assert await store.backlog() == Backlog(3, held, start)
    (leased,) = await world.leased(at=start)
    assert await store.backlog() == Backlog(2, first, start + 5)
    await world.settle(leased, RetryAt(start + 6), at=start + 5)
    assert await store.backlog() == Backlog(3, held, start + 5)


async def timed_out(world, app, *, at: int) -> None:
    """One more timeout of an app."""
    await world.waiting(app, at=at)
    (leased,) = await world.leased(at=at)
    settlement = world.settlement(leased, Delivered(), at=at, outcome=Counted.TIMEOUT)
    await world.store.settle([settlement], Rules())


async def test_timeouts_are_counted_within_the_span(store, world):
    """Exactly those that are younger than the span; who has none is not named."""
    one, other = await world.app("one"), await world.app("other")
    await world.app("quiet")
    for minute in range(10):
        await timed_out(world, one, at=world.START + minute * world.MINUTE)
    await timed_out(world, other, at=world.START)
    last = world.START + 9 * world.MINUTE
    expected = {
        20: {"one": 10, "other": 1},
        9: {"one": 9},
        3: {"one": 3},
        1: {"one": 1},
    }
    for minutes, counts in expected.items():
        assert await store.timeout_counts(last, minutes * world.MINUTE) == counts
    assert await store.timeout_counts(last + world.MINUTE, world.MINUTE) == {}


async def test_timeouts_before_resubscribing_do_not_count(store, world):
    """It begins anew, in the figures as in the rule."""
    app = await world.app("one")
    for _ in range(3):
        await timed_out(world, app, at=world.START)
    await store.unsubscribe(app.integration.id, "by hand", world.START)
    await store.resubscribe(app.integration.id, world.START, None)
    assert await store.timeout_counts(world.START, world.MINUTE) == {}
    await timed_out(world, app, at=world.START + world.MINUTE)
    assert await store.timeout_counts(world.START + world.MINUTE, DAY) == {"one": 1}


async def test_timeouts_of_a_deleted_integration_are_not_told(store, world):
    """Its slug may be another's by now."""
    app = await world.app("one")
    await timed_out(world, app, at=world.START)
    await store.delete_integration(app.integration.id, world.START)
    assert await store.timeout_counts(world.START, DAY) == {}


async def test_commits_are_counted(store, world):
    """Each commit is in the tally once, with the jobs that shared it."""
    before = store.tally.group_jobs.copy()
    await store.ping()
    jobs = store.tally.group_jobs
    assert jobs.cumulative()[-1] == before.cumulative()[-1] + 1
    assert jobs.total == before.total + 1
    assert store.tally.commit_us.cumulative()[-1] == jobs.cumulative()[-1]
