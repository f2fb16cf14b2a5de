"""What is SQLite's own: whose file it is, how safely it is written, and trouble with it."""

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hookline.core.errors import Conflict, Unavailable, UsageError
from hookline.core.lifecycle import State
from hookline.store.sqlite import database
from hookline.store.sqlite.store import SqliteStore

NOW = 1_800_000_000_000_000
FULL, NORMAL = 2, 1


@pytest.fixture
def factory():
    """This file is about one store; the others' factories are not asked."""
    return lambda folder: SqliteStore.open(folder / "hookline.db", NOW)


async def pragma(store: SqliteStore, name: str, *, durable: bool = True):
    return await store._write(lambda c: c.execute(f"PRAGMA {name}").fetchone()[0], durable=durable)


@contextlib.asynccontextmanager
async def one_group(store: SqliteStore) -> AsyncIterator[None]:
    """What is asked for inside is committed together, when the block is left."""
    busy, done = threading.Event(), threading.Event()

    def hold(_connection: sqlite3.Connection) -> None:
        busy.set()
        done.wait(10)

    holding = asyncio.ensure_future(store._write(hold))
    await asyncio.to_thread(busy.wait, 10)
    try:
        yield
        await asyncio.sleep(0)  # lets the tasks that were made inside put their jobs in line
    finally:
        done.set()
        await holding


# -- durability -----------------------------------------------------------------------------------


async def test_a_commit_that_was_promised_is_synced(store):
    """WAL with synchronous=FULL: the transaction is on the disk before its asker is answered."""
    assert await pragma(store, "journal_mode") == "wal"
    assert await pragma(store, "synchronous") == FULL


async def test_a_lease_alone_is_not_synced(store, world):
    """Losing a lease loses nothing, so it does not wait for the disk; whatever comes next does."""
    assert await pragma(store, "synchronous", durable=False) == NORMAL
    app = await world.app()
    await world.waiting(app)
    synced = []
    store._writer._connection.set_trace_callback(synced.append)
    (held,) = await world.leased()
    await world.settle(held)
    store._writer._connection.set_trace_callback(None)
    assert [line for line in synced if "synchronous" in line] == [
        "PRAGMA synchronous = NORMAL",
        "PRAGMA synchronous = FULL",
    ]


async def test_a_group_is_synced_when_one_of_its_jobs_asks(store):
    """A lease that shares a commit with a publisher's event is synced with it."""
    async with one_group(store):
        jobs = [
            asyncio.ensure_future(pragma(store, "synchronous", durable=durable))
            for durable in (False, True, False)
        ]
    assert await asyncio.gather(*jobs) == [FULL] * 3


async def test_readers_cannot_write(store):
    """A reader's connection refuses to change anything."""
    with pytest.raises(Unavailable):
        await store._read(lambda c: c.execute("DELETE FROM facts"))


# -- whose file it is -----------------------------------------------------------------------------


def strangers_database(path: Path, mode: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE diary (entry TEXT)")
        connection.execute("INSERT INTO diary VALUES ('dear diary')")
        connection.commit()


def newer_database(path: Path) -> None:
    with contextlib.closing(database.connect(path)) as connection:
        database.migrate(connection, path)
        connection.execute("PRAGMA user_version = 9999")


STRANGERS = {
    "another program's": (lambda path: strangers_database(path, "DELETE"), "not-our-database"),
    "another program's, in WAL": (lambda path: strangers_database(path, "WAL"), "not-our-database"),
    "text": (lambda path: path.write_text("dear diary\n" * 99), "not-a-database"),
    "zeros": (lambda path: path.write_bytes(bytes(9999)), "not-a-database"),
    "one byte": (lambda path: path.write_bytes(b"x"), "not-a-database"),
    "newer": (newer_database, "newer-schema"),
}


@pytest.mark.parametrize("kind", STRANGERS)
async def test_a_file_that_is_not_for_us_stays_as_it_is(tmp_path, kind):
    """It is refused by name, twice alike, and not a byte of it is changed."""
    make, code = STRANGERS[kind]
    path = tmp_path / "file"
    make(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(UsageError) as caught:
            await SqliteStore.open(path, NOW)
        assert caught.value.code == code
        assert str(path) in caught.value.message
        assert path.read_bytes() == before


async def test_a_damaged_file_of_ours(tmp_path):
    """A header that says SQLite with rubbish behind it is reported, not repaired."""
    path = tmp_path / "file"
    path.write_bytes(b"SQLite format 3\0" + b"rubbish" * 999)
    before = path.read_bytes()
    with pytest.raises(UsageError):
        await SqliteStore.open(path, NOW)
    assert path.read_bytes() == before


async def test_an_empty_file_becomes_ours(tmp_path):
    """A file of no bytes, as mktemp leaves it, is as good as none."""
    path = tmp_path / "file"
    path.touch()
    store = await SqliteStore.open(path, NOW)
    assert await pragma(store, "application_id") == database.APPLICATION_ID
    await store.close()


async def test_a_file_has_one_owner(store, tmp_path):
    """A second owner is refused, and the first is not disturbed; afterwards the file is free."""
    path = tmp_path / "hookline.db"
    with pytest.raises(UsageError) as caught:
        await SqliteStore.open(path, NOW)
    assert caught.value.code == "database-in-use"
    await store.ping()
    await store.close()
    second = await SqliteStore.open(path, NOW)
    await second.ping()
    await second.close()


async def test_the_lock_spoils_no_file_that_was_there(tmp_path):
    """Somebody's own file beside the database, by chance named as the lock is, keeps its bytes."""
    beside = tmp_path / "hookline.db.lock"
    beside.write_bytes(b"mine")
    store = await SqliteStore.open(tmp_path / "hookline.db", NOW)
    await store.close()
    assert beside.read_bytes() == b"mine"


async def test_a_folder_that_does_not_exist(tmp_path):
    """It is not made: a mistyped path should be noticed."""
    with pytest.raises(UsageError) as caught:
        await SqliteStore.open(tmp_path / "nowhere" / "hookline.db", NOW)
    assert caught.value.code == "cannot-open-database"
    assert not (tmp_path / "nowhere").exists()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may come to, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """To root every folder is writable, so root steps down for a moment."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


async def test_a_folder_that_cannot_be_written(folder):
    """It is refused with what the system said, and nothing is left there."""
    folder.chmod(0o555)
    with without_privileges(), pytest.raises(UsageError) as caught:
        await SqliteStore.open(folder / "hookline.db", NOW)
    assert caught.value.code == "cannot-open-database"
    assert "Permission denied" in caught.value.message
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)


async def test_a_file_that_cannot_be_written(folder):
    """Opening fails with the reason, changes nothing, and lets go of the lock."""
    path = folder / "hookline.db"
    await (await SqliteStore.open(path, NOW)).close()
    before = path.read_bytes()
    path.chmod(0o444)
    path.with_name("hookline.db.lock").chmod(0o666)
    with without_privileges(), pytest.raises((UsageError, Unavailable)):
        await SqliteStore.open(path, NOW)
    assert path.read_bytes() == before
    path.chmod(0o644)
    await (await SqliteStore.open(path, NOW)).close()


async def test_an_opening_that_fails_late_lets_go(tmp_path):
    """When the file is locked as its leases are to be voided, no thread and no lock stays behind."""
    path = tmp_path / "hookline.db"
    await (await SqliteStore.open(path, NOW)).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as caught:
            await SqliteStore.open(path, NOW)
    assert caught.value.code == "database-locked"
    assert {each.name for each in threading.enumerate()} & {"hookline-writer"} == set()
    await (await SqliteStore.open(path, NOW)).close()


# -- trouble --------------------------------------------------------------------------------------


async def test_a_lock_held_by_another_program(store, world, tmp_path):
    """Nothing is stored and the asker is told why; reading goes on, and it recovers by itself."""
    app = await world.app()
    await pragma(store, "busy_timeout = 20")
    event = world.event(app, external_id="e")
    with contextlib.closing(
        sqlite3.connect(tmp_path / "hookline.db", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        for verb in (world.record(event), world.lease(), store.ping()):
            with pytest.raises(Unavailable) as caught:
                await verb
            assert caught.value.code == "database-locked"
        assert await store.events("e", None) == []
    assert [each.duplicate for each in await world.record(event)] == [False]
    assert len(await world.leased()) == 1


async def test_a_full_disk(store, world):
    """Nothing is stored and the asker is told why; with space again it goes on by itself."""
    app = await world.app()
    (small,) = await world.waiting(app)
    pages = await pragma(store, "page_count")
    assert await pragma(store, f"max_page_count = {pages + 2}") == pages + 2
    big = world.event(app, external_id="big", tail=bytes(1_000_000))
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await world.record(big)
        assert caught.value.code == "disk-full"
    assert await store.events("big", None) == []
    assert await world.state(small) == State.WAITING
    await pragma(store, "max_page_count = 1000000")
    assert [each.duplicate for each in await world.record(big)] == [False]
    assert len(await world.leased()) == 2


async def test_a_full_disk_fails_the_whole_group(store, world):
    """All who shared the commit are told alike, because nothing of it was stored."""
    app = await world.app()
    pages = await pragma(store, "page_count")
    await pragma(store, f"max_page_count = {pages + 2}")
    async with one_group(store):
        jobs = [
            asyncio.ensure_future(store.record([event]))
            for event in (
                world.event(app, external_id="small"),
                world.event(app, external_id="big", tail=bytes(1_000_000)),
            )
        ]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [getattr(each, "code", each) for each in results] == ["disk-full"] * 2
    for name in ("small", "big"):
        assert await store.events(name, None) == []


async def test_a_refusal_undoes_only_itself(store, world):
    """Jobs that share a commit with one that is refused are stored, and all of that one is undone."""
    app = await world.app()

    def refused(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO facts VALUES ('half', 'done')")
        raise Conflict("slug-taken", "there is one already")

    async with one_group(store):
        jobs = [
            asyncio.ensure_future(job)
            for job in (
                store.record([world.event(app, external_id="before")]),
                store._write(refused),
                store.record([world.event(app, external_id="after")]),
            )
        ]
    before, refusal, after = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(refusal, Conflict)
    assert [each.id for each in (*before, *after)] == ["before", "after"]
    for name in ("before", "after"):
        assert len(await store.events(name, None)) == 1
    assert await store.fact("half") is None


async def test_a_defect_in_one_job_does_not_stop_the_writer(store):
    """An exception that nobody planned for reaches its asker, and the next job runs."""

    def broken(_connection: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await store._write(broken)
        await store.ping()


@pytest.mark.parametrize("brief", [True, False])
@pytest.mark.parametrize(
    ("sql", "value", "error"),
    [
        ("SELECT ?", "\udcff", UnicodeEncodeError),
        ("SELECT ?", 2**70, OverflowError),
        ("INSERT INTO facts VALUES (?, NULL)", "a", sqlite3.IntegrityError),
        ("SELECT zeroblob(?)", 1_000_000_001, sqlite3.DataError),
    ],
    ids=["half-a-pair", "too-great", "a-rule-broken", "too-long"],
)
async def test_a_defect_in_one_job_is_not_its_neighbours(store, world, brief, sql, value, error):
    """What SQLite does not take fails its own job; those that shared the commit are stored."""
    app = await world.app()

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO facts VALUES ('half', 'done')")
        connection.execute(sql, (value,)).fetchall()

    async with one_group(store):
        jobs = [
            asyncio.ensure_future(job)
            for job in (
                store.record([world.event(app, external_id="before")]),
                store._write(broken, brief=brief),
                store.record([world.event(app, external_id="after")]),
            )
        ]
    before, defect, after = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(defect, error)
    assert [each.duplicate for each in (*before, *after)] == [False, False]
    for name in ("before", "after"):
        assert len(await store.events(name, None)) == 1
    assert await store.fact("half") is None


async def test_closing_finishes_what_was_asked_for(store, world, tmp_path):
    """What stands in line is committed; what comes later is refused."""
    app = await world.app()
    asked = [
        asyncio.ensure_future(world.record(world.event(app, external_id=str(number))))
        for number in range(100)
    ]
    await asyncio.sleep(0)
    await store.close()
    assert [(await each)[0].duplicate for each in asked] == [False] * 100
    with pytest.raises(Unavailable):
        await world.record(world.event(app))
    await store.close()
    again = await SqliteStore.open(tmp_path / "hookline.db", NOW)
    assert [len(await again.events(str(number), None)) for number in range(100)] == [1] * 100
    await again.close()
