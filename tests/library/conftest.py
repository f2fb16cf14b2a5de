"""A database with Hookline's tables and a program's, somebody who dispatches, a connection to lend."""

import asyncio
import contextlib
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

# pytest imports tests by path and puts nothing on sys.path itself; the helpers here are modules.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.flow.processes import until
from tests.library.dispatching import Dispatching, on_postgres, on_sqlite
from tests.library.lenders import POSTGRES, SQLITE, Lender
from tests.store.postgres_server import FAST, PostgresServer, postgres_server

from hookline import Hookline
from hookline.store.postgres.store import PostgresStore

MIGRATED = "migrated"
ORDERS = "CREATE TABLE orders (n integer)"
PAGE = Path(__file__).parents[2] / "docs/reference/python.md"
GRANTS = re.findall(r"^GRANT .*?;", PAGE.read_text().replace("app;", "shop;"), re.MULTILINE)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the session, which does not wait for the disk."""

    async def migrate(url: str) -> None:
        await (await PostgresStore.open(url)).close()

    with postgres_server(FAST) as server:
        server.sql(f"CREATE DATABASE {MIGRATED}")
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(migrate(server.url(MIGRATED)))).result()
        server.sql("CREATE ROLE shop LOGIN")
        for each in (*GRANTS, "GRANT ALL ON SCHEMA public TO shop", f"SET ROLE shop; {ORDERS}"):
            server.sql(each, MIGRATED)
        yield server


@dataclass
class Shop:
    """A program with an order table, and Hookline in the same database."""

    lender: Lender
    dispatching: Dispatching
    hooks: Hookline
    url: str
    again: type[Lender]

    def by_the_operator(self, text: str) -> None:
        """Run a statement as the owner of Hookline's tables."""
        if self.url.startswith("sqlite"):
            path = self.url.removeprefix("sqlite:///")
            with contextlib.closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(text)
        else:
            url = self.url.replace("//shop:", "//hookline:")
            with psycopg.connect(url) as connection:
                connection.execute("SET search_path TO hookline")
                connection.execute(text)

    async def somebody_waits(self) -> None:
        """Wait until a transaction waits for another one's; a file tells nobody who does."""
        if self.url.startswith("sqlite"):
            await asyncio.sleep(0)
            return
        url = self.url.replace("//shop:", "//hookline:")
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        with psycopg.connect(url, autocommit=True) as connection:
            await until(lambda: connection.execute(waiting).fetchone(), "a lock")

    def another(self) -> Lender:
        """One more connection."""
        return self.again(self.url)


@contextlib.contextmanager
def _on_postgres(server: PostgresServer) -> Iterator[tuple[str, Dispatching]]:
    name = server.make_database(MIGRATED)
    try:
        with on_postgres(server.url(name)) as dispatching:
            server.sql(f"GRANT CREATE ON DATABASE {name} TO shop")
            yield server.url(name).replace("//hookline:", "//shop:"), dispatching
    finally:
        server.drop_databases([name])


@contextlib.contextmanager
def _on_sqlite(path: Path) -> Iterator[tuple[str, Dispatching]]:
    with on_sqlite(path) as dispatching:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(ORDERS)
        yield f"sqlite:///{path}", dispatching


# The ordinary suite tries everything on these, and one test on all.
USUAL = {"asyncpg", "psycopg", "sqlite3", "django-sqlite"}
ALL = [*POSTGRES, *SQLITE]
PARAMS = [pytest.param(each, marks=[] if each in USUAL else [pytest.mark.long]) for each in ALL]


@pytest.fixture(params=PARAMS)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop on each driver."""
    make = (POSTGRES | SQLITE)[request.param]
    with contextlib.ExitStack() as stack:
        if request.param in POSTGRES:
            place = _on_postgres(request.getfixturevalue("postgres"))
        else:
            place = _on_sqlite(tmp_path / "shop.db")
        url, dispatching = stack.enter_context(place)
        async with make(url).opened() as lender:
            yield Shop(lender, dispatching, Hookline(url), url, make)
