"""PostgreSQL's attempts by day: made ahead, dropped whole, and nothing lost whoever is in between."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
import structlog
from tests.store.aged import DAY, finished, recorded, sweep
from tests.store.postgres_server import operator, until

from hookline.core.days import AHEAD, Day, day_of, days_ahead
from hookline.core.verdict import Delivered, RetryAt
from hookline.send.counts import Counts
from hookline.send.retention import SWEEP_EVERY_S, Keep, Retention
from hookline.store.contract import Store
from hookline.store.postgres import partitions
from hookline.store.postgres.store import PostgresStore
from hookline.store.upkeep import Ages, Turned
from hookline.store.values import DeliveryFilter

TRIES = 50  # at a table that others are at all the time
FOR_EVER = Ages(None, None)


@pytest.fixture
async def session(url) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody else's."""
    async with operator(url) as opened:
        await opened.execute("SET search_path = hookline")
        yield opened


@pytest.fixture
async def store(url, session) -> AsyncIterator[PostgresStore]:
    """One without any day, for the tests have their own time."""
    opened = await PostgresStore.open(url)
    await drop_all(session)
    yield opened
    await opened.close()


async def drop_all(session) -> None:
    for day in await days_there(session):
        await session.execute(f"DROP TABLE attempts_{day.name}")


async def days_there(session) -> set[Day]:
    rows = await session.fetch(
        "SELECT to_date(substring(relname FROM '[0-9]{8}$'), 'YYYYMMDD') - '1970-01-01'::date"
        " FROM pg_inherits JOIN pg_class ON oid = inhrelid"
        " WHERE inhparent = 'attempts'::regclass AND relname <> 'attempts_default'"
    )
    return {Day(number) for (number,) in rows}


async def in_default(session) -> int:
    return await session.fetchval("SELECT count(*) FROM attempts_default")


async def turned_over(store: Store, ages: Ages, now: int) -> Turned:
    """The sum of as many sweeps as it takes until nothing is put off."""
    made = dropped = 0
    for _ in range(TRIES):
        turned = await store.turn_over(ages, now)
        made, dropped = made + turned.made, dropped + turned.dropped
        if not turned.put_off:
            return Turned(made, dropped)
    raise AssertionError("it is put off again and again")


# -- made ahead -----------------------------------------------------------------------------------


async def test_two_weeks_are_ready_after_opening(url, session):
    """Today and the next fourteen days by the server's clock, which is that of all nodes."""
    clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    before = await session.fetchval(clock)
    await (await PostgresStore.open(url)).close()
    after = await session.fetchval(clock)
    assert await days_there(session) >= set(days_ahead(before)) | set(days_ahead(after))


async def test_the_next_days_are_made_as_time_goes_by(store, world, session):
    """As many as have passed; what is there stays as it is."""
    assert await turned_over(store, FOR_EVER, world.START) == Turned(made=AHEAD + 1)
    assert await turned_over(store, FOR_EVER, world.START) == Turned()
    assert await turned_over(store, FOR_EVER, world.START + 3 * DAY) == Turned(made=3)
    assert await days_there(session) >= {
        *days_ahead(world.START),
        *days_ahead(world.START + 3 * DAY),
    }


async def test_in_ordinary_life_each_attempt_has_its_day(store, world, session):
    """Forty days of publishing, retrying and sweeping: none stands by default, and few days are kept."""
    app, slow = await world.app(), await world.app()
    for day in range(40):
        now = world.START + day * DAY
        ages = Ages(now - 5 * DAY, now - 9 * DAY)
        turned = await turned_over(store, ages, now)
        assert turned.dropped == int(day >= 6)
        assert await sweep(store, ages) is not None
        await finished(world, app, at=now)
        await finished(world, slow, at=now, verdict=RetryAt(now + DAY))
        for leased in await world.leased(at=now + DAY):
            assert await world.settle(leased, Delivered(), at=now + DAY)
    assert await in_default(session) == 0
    assert len(await days_there(session)) == 6 + AHEAD
    assert await session.fetchval("SELECT count(*) FROM attempts") == 3 * 6


async def test_kept_for_ever_the_days_go_on(store, world, session):
    """Retention makes them even if it never deletes anything."""
    now = world.START

    async def rest(seconds: float) -> None:
        nonlocal now
        assert seconds == SWEEP_EVERY_S
        if now > world.START + 20 * DAY:
            raise asyncio.CancelledError
        now += 10 * DAY

    await turned_over(store, FOR_EVER, world.START)
    event = await finished(world, await world.app(), at=world.START)
    sweeper = Retention(store, Keep(0, 0), Counts(), clock=lambda: now, rest=rest)
    with pytest.raises(asyncio.CancelledError):
        await sweeper.run()
    there = await days_there(session)
    assert there >= {day for n in (0, 10, 20, 30) for day in days_ahead(world.START + n * DAY)}
    assert len(await store.attempts(event.deliveries[0].id)) == 1


async def test_a_day_of_which_something_stands_by_default_is_not_made(store, world, session):
    """It cannot move: it stays where it is, is read there, and goes by chunks when it is old."""
    app = await world.app()
    event = await finished(world, app, at=world.START + DAY)
    assert await in_default(session) == 1
    assert await turned_over(store, FOR_EVER, world.START) == Turned(made=AHEAD)
    assert day_of(world.START + DAY) not in await days_there(session)
    later = world.START + 9 * DAY
    assert await sweep(store, Ages(later, None)) == (1, 0, 0, 0)
    assert await store.attempts(event.deliveries[0].id) == []
    assert await turned_over(store, FOR_EVER, world.START) == Turned(made=1)


# -- dropped whole --------------------------------------------------------------------------------


@pytest.fixture
async def old(store, world) -> Day:
    """A day that can be dropped: three deliveries, each with one attempt, and all are delivered."""
    await turned_over(store, FOR_EVER, world.START)
    app = await world.app("old")
    for _ in range(3):
        await finished(world, app, at=world.START)
    return day_of(world.START)


async def delivery_of(store) -> bytes:
    """One of the old day's."""
    return bytes.fromhex((await store.deliveries(DeliveryFilter()))[-1].id)


async def test_a_day_in_which_all_is_old_goes_whole(store, world, old, session):
    """Its attempts are gone with its table, its deliveries are there, the next day is untouched."""
    app = await world.app()
    young = await finished(world, app, at=old.ends)
    assert await turned_over(store, Ages(old.ends, None), old.ends) == Turned(made=1, dropped=1)
    assert old not in await days_there(session)
    delivery = await delivery_of(store)
    assert await store.attempts(delivery) == []
    assert (await world.delivery(delivery)).attempts_made == 1
    assert len(await store.attempts(young.deliveries[0].id)) == 1


async def test_a_day_that_is_not_over_at_the_age_stays(store, old, session):
    """By an instant; what is old in it goes by chunks."""
    ages = Ages(old.ends - 1, None)
    assert (await turned_over(store, ages, old.ends)).dropped == 0
    assert old in await days_there(session)
    assert await sweep(store, ages) == (3, 0, 0, 0)


async def test_a_day_with_an_attempt_that_is_too_young_stays(store, world, old, session):
    """One of its deliveries was replayed: that attempt is kept for as long as others of its age."""
    delivery, later = await delivery_of(store), world.START + 10 * DAY
    await store.replay(delivery, later)
    (leased,) = await world.leased(at=later)
    assert await world.settle(leased, at=later)
    began = later - world.SECOND
    await turned_over(store, Ages(began, None), later)
    assert old in await days_there(session)
    assert await sweep(store, Ages(began, None)) == (3, 0, 0, 0)
    assert [each.number for each in await store.attempts(delivery)] == [2]
    await turned_over(store, Ages(began + 1, None), later)
    assert old not in await days_there(session)
    assert await store.attempts(delivery) == []


@pytest.mark.parametrize("held", [False, True], ids=["waiting", "leased"])
async def test_a_day_of_which_a_delivery_is_not_final_stays(store, world, old, session, held):
    """Its attempts are shown until it is; the others' go by chunks."""
    delivery, later = await delivery_of(store), world.START + 10 * DAY
    await store.replay(delivery, later)
    if held:
        (leased,) = await world.leased(at=later)
    ages = Ages(later, None)
    await turned_over(store, ages, later)
    assert old in await days_there(session)
    assert await sweep(store, ages) == (2, 0, 0, 0)
    assert [each.number for each in await store.attempts(delivery)] == [1]
    if not held:
        (leased,) = await world.leased(at=later)
    assert await world.settle(leased, at=later)
    await turned_over(store, Ages(later + 1, None), later)
    assert old not in await days_there(session)


async def test_days_are_dropped_around_one_that_stays(store, world, session):
    """Each by itself: one delivery that waits keeps its own day and no other."""
    await turned_over(store, FOR_EVER, world.START)
    app, held = await world.app(), await world.app()
    for day in range(5):
        at = world.START + day * DAY
        await finished(world, app, at=at)
        if day == 2:
            await recorded(world, held, at=at)
            assert len(await world.leased(at=at)) == 1
    later = world.START + 6 * DAY
    assert (await turned_over(store, Ages(later, None), later)).dropped == 5
    first = day_of(world.START).number
    assert {day.number - first for day in await days_there(session)} & set(range(7)) == {2, 6}


async def test_where_attempts_are_kept_for_ever_an_empty_day_goes(store, world, old, session):
    """They go with their deliveries, one by one; then the day does, and not before."""
    later = world.START + 10 * DAY
    ages = Ages(None, later)
    assert (await turned_over(store, ages, later)).dropped == 9
    assert old in await days_there(session)
    assert await sweep(store, ages) == (3, 3, 3, 1)
    assert await turned_over(store, ages, later) == Turned(dropped=1)
    assert min(await days_there(session)) == day_of(later)


# -- others are at it -----------------------------------------------------------------------------


async def test_a_table_that_others_hold_is_put_off(store, world, old, session):
    """A dump reads it: the sweep goes on without an error, and the next one makes and drops."""
    ages, later = Ages(old.ends, None), world.START + DAY
    async with session.transaction():
        await session.execute("LOCK TABLE attempts IN ACCESS SHARE MODE")
        turned = await store.turn_over(ages, later)
        assert "another transaction holds" in turned.put_off
        assert turned[:2] == (0, 0)
        assert await sweep(store, ages) == (3, 0, 0, 0)
    assert await turned_over(store, ages, later) == Turned(made=1, dropped=1)


async def test_a_sweep_says_that_it_was_put_off(store, old, session):
    """And what it dropped, for the operator."""
    sweeper = Retention(store, Keep(0, 1), Counts(), clock=lambda: old.ends + DAY)
    with structlog.testing.capture_logs() as logged:
        async with session.transaction():
            await session.execute("LOCK TABLE attempts IN ACCESS SHARE MODE")
            await sweeper.sweep()
        await sweeper.sweep()
    assert [entry["event"] for entry in logged] == ["retention.put_off", "retention.dropped"]
    assert logged[1]["days"] == 1


async def test_a_node_starts_while_others_hold_the_table(url, session):
    """Days that are missing are made by a sweep: until then their attempts stand by default."""
    await drop_all(session)
    async with session.transaction():
        await session.execute("LOCK TABLE attempts IN ACCESS SHARE MODE")
        await (await PostgresStore.open(url)).close()
    assert await days_there(session) == set()
    await (await PostgresStore.open(url)).close()
    assert len(await days_there(session)) == AHEAD + 1


async def test_a_user_who_may_not_change_tables(url, store, session, worlds):
    """Who only reads and writes rows does without days: attempts stand by default, and go by chunks."""
    await session.execute(
        "CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA hookline TO guest;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hookline TO guest"
    )
    try:
        guest = await PostgresStore.open(url.replace("//hookline:", "//guest:"))
        world = worlds(guest)
        event = await finished(world, await world.app(), at=world.START)
        turned = await guest.turn_over(FOR_EVER, world.START)
        assert "may not do this" in turned.put_off
        assert await in_default(session) == 1
        assert await sweep(guest, Ages(world.START + DAY, None)) == (1, 0, 0, 0)
        assert await guest.attempts(event.deliveries[0].id) == []
        await guest.close()
    finally:
        await session.execute("DROP OWNED BY guest; DROP ROLE guest")


async def test_an_attempt_that_comes_between_the_look_and_the_drop_is_kept(
    store, world, old, session
):
    """It is being recorded when the table is asked for, and seen once the table is had."""
    delivery, later = await delivery_of(store), old.ends + 10 * DAY
    waits = "SELECT 1 FROM pg_locks WHERE relation = 'attempts'::regclass AND NOT granted"
    for number in range(2, TRIES):
        transaction = session.transaction()
        await transaction.start()
        await session.execute(  # as settling does it, of one that was replayed after the look
            f"INSERT INTO attempts SELECT delivery_id, {number}, {later}, url, outcome, detail,"
            " status, signature, dns_us, connect_us, tls_us, first_byte_us, total_us, address,"
            " http_version, response_head, response_body, response_cut"
            " FROM attempts WHERE delivery_id = $1 AND number = 1",
            delivery,
        )
        turning = asyncio.create_task(turned_over(store, Ages(old.ends, None), old.ends - 1))
        await until(partial(waiting_or_done, session, waits, turning))
        await transaction.commit()
        if not (turned := await turning).put_off:  # else it was asked for too briefly
            break
    assert turned == Turned()
    assert [each.number for each in await store.attempts(delivery)] == list(range(1, number + 1))


async def waiting_or_done(session, waits: str, turning: "asyncio.Task[Turned]") -> bool:
    return turning.done() or bool(await session.fetchval(waits))


async def test_a_delivery_that_is_replayed_after_its_day_went(store, world, old, session):
    """Its new attempt has a place, is read, makes no day come back, and goes when it is old."""
    delivery, later = await delivery_of(store), world.START + 10 * DAY
    assert await turned_over(store, Ages(old.ends, None), old.ends) == Turned(made=1, dropped=1)
    await store.replay(delivery, later)
    (leased,) = await world.leased(at=later)
    assert await world.settle(leased, at=later)
    assert [each.number for each in await store.attempts(delivery)] == [2]
    assert await in_default(session) == 1
    assert await turned_over(store, FOR_EVER, world.START) == Turned()
    assert old not in await days_there(session)
    assert await sweep(store, Ages(later, None)) == (1, 0, 0, 0)
    assert await store.attempts(delivery) == []


async def test_whoever_gets_the_table_second_finds_it_done(store, old):
    """Two nodes that saw the same days missing, or old, ask for the table one after the other."""
    change, day = store._runner.change, Day(old.number + 99)
    for dropped in (True, False):
        assert await change(partitions._dropping(old, old.ends)) is dropped
    for made in (1, 0):
        assert await change(lambda connection: partitions._make(connection, [day])) == made


async def test_two_nodes_turn_the_same_days_over(url, store, world, session):
    """Each day is made once and dropped once, whoever does it, while a third records attempts."""
    other = await PostgresStore.open(url)
    await drop_all(session)
    app = await world.app()
    made = dropped = 0
    try:
        for day in range(0, 60, 10):
            now = world.START + day * DAY
            ages = Ages(now - 2 * DAY, None)
            *turned, _ = await asyncio.gather(
                *(turned_over(each, ages, now) for each in (store, other, store)),
                several(world, app, now),
            )
            made += sum(each.made for each in turned)
            dropped += sum(each.dropped for each in turned)
    finally:
        await other.close()
    # On the first day it may happen that an attempt was there before its day's table was.
    kept = await session.fetchval(
        "SELECT count(*) FROM attempts WHERE delivery_id >= $1", day_of(now).first
    )
    assert kept == 20
    assert made - dropped == len(await days_there(session))
    assert made in {50 + AHEAD + 1, 50 + AHEAD}


async def several(world, app, at: int) -> None:
    for _ in range(20):
        await finished(world, app, at=at)
