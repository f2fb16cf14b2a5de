"""How PostgreSQL answers what is asked of attempts, of which each day has a table of its own.

There are fifty of these tables, and nothing but retention has to do with more than one.
"""

import asyncpg
import pytest
from tests.store.plans import NEVER_LOOKED_AT, explained, fill

from hookline.core.days import AHEAD, Day, day_of
from hookline.core.ids import uuid7
from hookline.store.postgres import database, partitions
from hookline.store.postgres.runner import play
from hookline.store.postgres.store import PostgresStore
from hookline.store.upkeep import Ages
from hookline.store.verbs import days, log, purge
from hookline.store.verbs.asking import Ask, Verb

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
FIRST = day_of(NOW)
MIDDLE = Day(FIRST.number + 20)
DAYS = 40
EACH = 1_000  # deliveries of a day, each with two attempts
CHUNK = 256
MOST = 5 * CHUNK
MODES = ("force_generic_plan", "force_custom_plan")

FILL = """
INSERT INTO deliveries (
    id, event_id, organization_id, installation_id, integration_id, in_ascii, state, due_at, settled_at,
    attempts_made
) SELECT id, id, 1, 1, 1, false, 'delivered', 0, 0, 2 FROM unnest($1::bytea[]) AS id
"""
FILL_ATTEMPTS = """
INSERT INTO attempts
SELECT id, n, 0, 'https://receiver.example/', 'success', '', 204, '', 0, 0, 0, 0, 0, '', '1.1', '', '',
    false
FROM unnest($1::bytea[]) AS id, generate_series(1, 2) AS n
"""
LOCKED = """
SELECT relation::regclass::text FROM pg_locks
WHERE pid = pg_backend_pid() AND relation::regclass::text ~ '^attempts_([0-9]{8}|default)$'
"""


def table(day: Day) -> str:
    return f"attempts_{day.name}"


def ids(day: Day) -> list[bytes]:
    """Those of a day's deliveries, one every minute."""
    return [uuid7(day.ends - (EACH - n) * 60 * SECOND, n.to_bytes(8, "big")) for n in range(EACH)]


@pytest.fixture
async def filled(url) -> str:
    """Forty days of attempts, and the days ahead; nothing is known of any of it."""
    store = await PostgresStore.open(url)
    for number in range(0, DAYS, AHEAD):
        await store.turn_over(Ages(None, None), NOW + number * DAY)
    await store.close()
    connection = await asyncpg.connect(url, server_settings=database.SESSION)
    await connection.execute(NEVER_LOOKED_AT)
    for number in range(DAYS):
        made = ids(Day(FIRST.number + number))
        await connection.execute(FILL, made)
        await connection.execute(FILL_ATTEMPTS, made)
    await connection.close()
    return url


async def locked(connection) -> set[str]:
    """The days that this transaction has to do with."""
    return {name for (name,) in await connection.fetch(LOCKED)}


def insert(delivery: bytes) -> Verb[None]:
    row = (delivery, 3, NOW, "u", "success", "", 204, "", 0, 0, 0, 0, 0, "", "1.1", b"", b"", False)
    yield Ask("insert_attempts", rows=[row])


@pytest.mark.parametrize("mode", MODES)
async def test_an_attempt_is_recorded_in_its_day(filled, mode):
    """No other day is even locked: however many there are, recording costs the same."""
    async with explained(filled, mode) as (connection, plans), connection.transaction():
        await play(connection, insert(ids(MIDDLE)[7]))
        assert await locked(connection) == {table(MIDDLE)}
    assert [plan.name for plan in plans] == ["insert_attempts"]


async def test_a_delivery_s_attempts_are_read_from_its_day(filled):
    """In a reader's session, as it plans after many times of asking.

    At the sixth the server also makes a plan for any delivery, which takes all days, and finds it dear.
    """
    async with explained(filled, "auto", database.SESSION) as (connection, plans):
        for number, delivery in enumerate(ids(MIDDLE)[:12]):
            async with connection.transaction():
                assert len(await play(connection, log.attempts(delivery))) == 2
                assert number == 5 or await locked(connection) == {table(MIDDLE)}
    assert [(plan.name, plan.tables) for plan in plans] == [("attempts", {table(MIDDLE)})] * 12
    assert [str(plan) for plan in plans if plan.scanned > 4] == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_chunk_of_retention_asks_where_its_rows_are(filled, mode):
    """One that is in the middle of a day asks that day and no other."""
    after = bytes([0]) + ids(MIDDLE)[7] + (2).to_bytes(8, "big")
    some = bytes([1]) + ids(MIDDLE)[7]
    ages = Ages(MIDDLE.ends, MIDDLE.ends)
    async with explained(filled, mode) as (connection, plans), connection.transaction():
        assert (await play(connection, purge.purge(ages, after, CHUNK))).attempts == CHUNK
        assert (await play(connection, purge.purge(ages, some, CHUNK))).deliveries == CHUNK // 2
        await play(connection, several(ids(MIDDLE)[-1]))
    found = {plan.name: plan.tables - {"deliveries"} for plan in plans}
    names = ("old_attempts", "delete_attempts", "delete_attempts_of", "some_attempts")
    assert [found[name] for name in names] == [{table(MIDDLE)}] * 4
    assert [str(plan) for plan in plans if plan.read_whole or plan.scanned > MOST] == []


def several(delivery: bytes) -> Verb[None]:
    yield Ask("some_attempts", (delivery, CHUNK))


async def test_a_chunk_that_begins_anew_asks_old_days_only(filled):
    """Those below the age; what is young is not looked into."""
    third = Day(FIRST.number + 2)
    async with explained(filled, "force_generic_plan") as (connection, plans):
        await play(connection, purge.purge(Ages(third.ends, None), b"", CHUNK))
    asked = next(plan.tables for plan in plans if plan.name == "old_attempts")
    assert {table(FIRST), table(third)} <= asked
    assert not {table(Day(third.number + 1)), table(MIDDLE)} & asked


@pytest.mark.parametrize("known", [False, True], ids=["no statistics", "statistics"])
async def test_whether_a_day_is_final_is_asked_of_what_is_not(filled, known):
    """It does not go through the day's deliveries, of which there may be millions."""
    await fill(filled, lanes=100, waiting=500, now=NOW)
    found = []
    for mode in MODES:
        async with explained(filled, mode) as (connection, plans):
            if known:
                await connection.execute("ANALYZE", timeout=60)
            assert not await play(connection, days.has_unfinished(MIDDLE))
            found += [plan for plan in plans if plan.name == "has_unfinished"]
    assert len(found) == len(MODES)
    assert [str(plan) for plan in found if plan.scanned > 10] == []


async def test_the_look_under_the_lock_is_one_look_up(filled):
    """Whether an attempt is too young is told by an index of the late ones, however many there are."""
    text = partitions._filled(partitions._IS_YOUNG, MIDDLE).replace("$1", str(MIDDLE.ends + DAY))
    async with explained(filled, "auto") as (connection, _):
        rows = await connection.fetch(f"EXPLAIN {text}")
    assert any(f"using {table(MIDDLE)}_late" in row[0] for row in rows), rows
