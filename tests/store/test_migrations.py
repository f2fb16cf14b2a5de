"""SQLite's schema: the same from every earlier one, whole or not at all, as the core has it."""

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from hookline.core.errors import UsageError
from hookline.core.gate import Closed
from hookline.core.lifecycle import State
from hookline.core.model import BodyEncoding, Kind
from hookline.core.notice import NoticeKind
from hookline.core.outcome import Counted
from hookline.core.rate import Period
from hookline.core.unsubscribing import Reason
from hookline.store.sqlite import database
from hookline.store.sqlite.store import SqliteStore

NOW = 1_800_000_000_000_000


@pytest.fixture
def factory():
    """This file is about one store; the others' factories are not asked."""
    return lambda folder: SqliteStore.open(folder / "hookline.db", NOW)


def schema(path: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
        rows.append(("user_version", connection.execute("PRAGMA user_version").fetchone()[0]))
        return dict(rows)


@pytest.mark.parametrize("count", range(len(database.migrations())))
async def test_an_upgraded_file_equals_a_fresh_one(tmp_path, monkeypatch, count):
    """From each earlier schema the same one comes out as from nothing, each step on record."""
    known = database.migrations()
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    if count:
        monkeypatch.setattr(database, "migrations", lambda: known[:count])
        await (await SqliteStore.open(old, NOW)).close()
        monkeypatch.undo()
    for path in (old, fresh):
        await (await SqliteStore.open(path, NOW)).close()
    assert schema(old) == schema(fresh)
    with contextlib.closing(sqlite3.connect(old)) as connection:
        rows = connection.execute("SELECT number, name FROM migrations ORDER BY number").fetchall()
    assert rows == [(number, name) for number, name, _ in known]


async def test_a_migration_is_done_whole_or_not_at_all(tmp_path, monkeypatch):
    """A migration that fails in its middle leaves the schema and the number before it."""
    path = tmp_path / "hookline.db"
    await (await SqliteStore.open(path, NOW)).close()
    before, known = schema(path), database.migrations()
    bad = (known[-1][0] + 1, "bad", "CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);\n")
    monkeypatch.setattr(database, "migrations", lambda: [*known, bad])
    with pytest.raises(UsageError) as caught:
        await SqliteStore.open(path, NOW)
    assert caught.value.code == "cannot-open-database"
    assert schema(path) == before


@pytest.mark.parametrize(
    ("table", "column", "enum"),
    [
        ("deliveries", "state", State),
        ("attempts", "outcome", Counted),
        ("integrations", "kind", Kind),
        ("integrations", "unsubscribe_reason", Reason),
        ("integrations", "rate_per", Period),
        ("gates", "closed", Closed),
        ("notices", "kind", NoticeKind),
        ("integrations", "body_encoding", BodyEncoding),
    ],
)
async def test_a_column_takes_the_values_of_its_enum(store, table, column, enum):
    """The CHECK of the schema and the core list the same words."""
    sql = await store._read(
        lambda c: c.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    )
    (listed,) = re.findall(rf"CHECK \({column} IN \(([^)]*)\)\)", sql)
    assert set(re.findall(r"'([^']*)'", listed)) == set(enum)
