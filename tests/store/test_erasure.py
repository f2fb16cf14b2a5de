"""An erased secret is in none of SQLite's files: a copy of them is worth nothing to a thief."""

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from hookline.core.rotation import SignWith
from hookline.store.sources import NewSource
from hookline.store.sqlite import database
from hookline.store.sqlite.store import SqliteStore

NOW = 1_800_000_000_000_000
MANY = 300  # over several pages of the table, so that rows move from one to another


@pytest.fixture
def factory():
    """This file is about one store; the others' factories are not asked."""
    return lambda folder: SqliteStore.open(folder / "hookline.db", NOW)


def files(folder: Path) -> bytes:
    """Every byte of the database, its log and its index."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("hookline.db*")))


def blob(n: int, size: int = 93) -> bytes:
    """A sealed secret as long as ours are, known by its beginning."""
    return b"<sealed %05d>" % n + os.urandom(size - 14)


async def rotate(store, app, sealed: bytes, *, overlap: int = 0) -> None:
    await store.rotate_secret(
        app.integration.id, sealed, now=NOW, until=NOW + overlap, sign_with=SignWith.NEW
    )


def kept(folder: Path, sealed: list[bytes]) -> list[bytes]:
    found = files(folder)
    return [each for each in sealed if each in found or each[:40] in found]


@pytest.mark.parametrize("overlap", [0, 10])
async def test_what_is_erased_is_in_no_file(store, world, tmp_path, overlap):
    """Over many rotations of many integrations: all that was valid is there, and nothing else."""
    apps = [await world.app() for _ in range(MANY)]
    firsts = [b"sealed " + app.integration.uuid.encode() for app in apps]
    assert len(kept(tmp_path, firsts)) == MANY
    rounds = [[blob(1000 * turn + n) for n in range(MANY)] for turn in range(3)]
    for sealed in rounds:
        for app, each in zip(apps, sealed, strict=True):
            await rotate(store, app, each, overlap=overlap)
    assert len(kept(tmp_path, rounds[2])) == MANY
    erased = await store.erase_secrets(NOW + overlap)
    assert (erased.number, erased.complete) == (MANY if overlap else 0, True)
    assert kept(tmp_path, [*firsts, *rounds[0], *rounds[1]]) == []
    assert len(kept(tmp_path, rounds[2])) == MANY


async def test_without_erasing_it_would_be_there(store, world, tmp_path):
    """The search finds what SQLite's own deletion leaves behind."""
    app = await world.app()
    sealed = [blob(1)]
    await rotate(store, app, sealed[0])
    await store._write(lambda c: c.execute("DELETE FROM secrets") and None)
    assert kept(tmp_path, sealed) == sealed


async def test_a_read_in_the_way_is_waited_out(store, world, tmp_path):
    """While somebody reads an older state erasing is not complete, and says so; then it is."""
    app = await world.app()
    old, new = blob(1), blob(2)
    await rotate(store, app, old)
    with contextlib.closing(sqlite3.connect(tmp_path / "hookline.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM secrets").fetchone()
        await rotate(store, app, new)
        assert (await store.erase_secrets(NOW)).complete is False
        assert kept(tmp_path, [old]) == [old]
    assert (await store.erase_secrets(NOW)).complete is True
    assert kept(tmp_path, [old]) == []


async def test_a_log_that_a_dead_process_left_is_folded_in(store, world, tmp_path):
    """What was erased before a crash is in no file after the first erasing of the next process."""
    app = await world.app()
    old, new = blob(1), blob(2)
    await rotate(store, app, old)
    await rotate(store, app, new)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for path in tmp_path.glob("hookline.db*"):  # as a crash would leave them
        (crashed / path.name).write_bytes(path.read_bytes())
    assert kept(crashed, [old]) == [old]
    heir = await SqliteStore.open(crashed / "hookline.db", NOW)
    assert (await heir.erase_secrets(NOW)).complete is True
    assert kept(crashed, [old]) == []
    assert len(kept(crashed, [new])) == 1
    await heir.close()


async def test_writing_goes_on_while_the_log_is_folded(store, world, tmp_path):
    """Folding takes the lock for a moment; the writer waits it out, and loses nothing."""
    app = await world.app()
    events = [world.event(app, external_id=str(n)) for n in range(50)]
    folds = [asyncio.to_thread(database.fold, tmp_path / "hookline.db") for _ in range(5)]
    await asyncio.gather(*folds, *(world.record(event) for event in events))
    assert [len(await store.events(str(n), None)) for n in range(50)] == [1] * 50
    assert database.fold(tmp_path / "hookline.db") is True
    assert (tmp_path / "hookline.db-wal").stat().st_size == 0


async def test_what_a_source_had_to_sign_with_is_erased_like_it(store, world, tmp_path):
    """One that was dropped, and those of a source that was deleted; the other one stays."""
    sealed = [blob(n) for n in range(3)]
    new = NewSource(
        uuid=world.new_uuid(),
        slug="sentry",
        name="Sentry",
        organization="acme",
        scheme="sentry",
        token_digest=b"digest",
        deduplicate="none",
        max_body_bytes=1024,
        keep_refused=False,
        sealed=(sealed[0], sealed[1]),
        now=NOW,
    )
    made = await store.sources.create(new)
    (first, *_), _ = (await store.sources.find("sentry")).secrets
    await store.sources.drop_secret(made.id, first)
    assert (await store.erase_secrets(NOW)).complete is True
    assert kept(tmp_path, sealed) == [sealed[1]]
    await store.sources.add_secret(made.id, sealed[2], NOW, 2)
    await store.sources.delete(made.id, NOW)
    assert (await store.erase_secrets(NOW)).complete is True
    assert kept(tmp_path, sealed) == []
