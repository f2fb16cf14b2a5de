"""Which store an address names, and what it says without a driver."""

import subprocess
import sys

from hookline.store.opening import open_store
from hookline.store.postgres.store import PostgresStore
from hookline.store.sqlite.store import SqliteStore

NOW = 1_800_000_000_000_000

WITHOUT_DRIVER = """
import asyncio, sys
from hookline.core.errors import UsageError
from hookline.store.opening import open_store
assert "asyncpg" not in sys.modules
sys.modules["asyncpg"] = None
try:
    asyncio.run(open_store("postgresql://me:secret@127.0.0.1/db", 0))
except UsageError as error:
    print(error.code, error.hint)
"""


async def test_a_path_and_a_url(tmp_path, postgres):
    """A path is a SQLite file, a URL a PostgreSQL database."""
    name = postgres.make_database("migrated")
    one = await open_store(tmp_path / "hookline.db", NOW)
    other = await open_store(postgres.url(name), NOW)
    assert isinstance(one, SqliteStore)
    assert isinstance(other, PostgresStore)
    for store in (one, other):
        await store.ping()
        await store.close()
    postgres.drop_databases([name])


def test_without_the_driver():
    """It is an extra: who does not use PostgreSQL has none, and who wants to is told what to do."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DRIVER], capture_output=True, text=True, check=True
    )
    assert done.stdout.split(maxsplit=1) == [
        "postgres-not-installed",
        "pip install 'hookline[postgres]'\n",
    ]
