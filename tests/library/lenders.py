"""The drivers' connections under test, each as a program would use it, in one form."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiosqlite
import asyncpg
import django
import django.conf
import psycopg
import sqlalchemy
from django.db.utils import ConnectionHandler
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from hookline import Hookline

if not django.conf.settings.configured:
    django.conf.settings.configure(USE_TZ=True)
    django.setup()

LOCK_WAIT_S = 20


class Lender:
    """A connection of some driver, in a transaction while ``transaction()`` lasts."""

    connection: Any = None

    def __init__(self, url: str):
        self.url = url

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator["Lender"]:
        """The connection is there; in the transaction that it begins by itself, if any."""
        raise NotImplementedError
        yield self

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commits; rolls back at an exception."""
        try:
            yield
        except BaseException:
            await _awaited(self.connection.rollback())
            raise
        await _awaited(self.connection.commit())

    async def sql(self, text: str) -> list[Any]:
        """Run a statement of the program's own; the first column of what it returned."""
        cursor = self.connection.cursor()
        try:
            await _awaited(cursor.execute(text))
            rows = await _awaited(cursor.fetchall()) if cursor.description else []
        finally:
            await _awaited(cursor.close())
        return [next(iter(row.values())) if isinstance(row, dict) else row[0] for row in rows]

    async def publish(self, hooks: Hookline, **fields: Any) -> Any:
        return await _awaited(hooks.publish_in(self.connection, **event(**fields)))

    async def publish_apart(self, hooks: Hookline, **fields: Any) -> Any:
        """The same, while the loop goes on."""
        made = await asyncio.to_thread(hooks.publish_in, self.connection, **event(**fields))
        return await _awaited(made)


def event(**fields: Any) -> dict[str, Any]:
    given = {"organization": "acme", "resource": "issue", "action": "created", "data": {}}
    return given | fields


async def _awaited(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value


class Asyncpg(Lender):
    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Lender]:
        async with (
            asyncpg.create_pool(self.url, min_size=1, max_size=1) as pool,
            pool.acquire() as self.connection,
        ):
            yield self

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self.connection.transaction():
            yield

    async def sql(self, text: str) -> list[Any]:
        return [row[0] for row in await self.connection.fetch(text)]


class Psycopg(Lender):
    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Lender]:
        with psycopg.connect(self.url, row_factory=dict_row) as self.connection:
            yield self


class PsycopgAsync(Lender):
    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Lender]:
        async with await psycopg.AsyncConnection.connect(self.url) as self.connection:
            yield self


class PsycopgAutocommit(Lender):
    """Autocommit, with a transaction of its own where one is wanted."""

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Lender]:
        with psycopg.connect(self.url, autocommit=True) as self.connection:
            yield self

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self.connection.transaction():
            yield


class Alchemy(Lender):
    """SQLAlchemy's connections and sessions."""

    async def sql(self, text: str) -> list[Any]:
        # As SQLAlchemy has it: the driver's own SQL goes through a connection.
        found = await _awaited(self.connection.execute(sqlalchemy.text(text)))
        return [row[0] for row in found] if found.returns_rows else []


def _alchemy_url(url: str, driver: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:").replace(
        "sqlite:", f"sqlite+{driver}:"
    )


def alchemy(driver: str, kind: type[Any]) -> type[Lender]:
    class Sync(Alchemy):
        @contextlib.asynccontextmanager
        async def opened(self) -> AsyncIterator[Lender]:
            engine = sqlalchemy.create_engine(_alchemy_url(self.url, driver))
            try:
                made = engine.connect() if kind is sqlalchemy.Connection else Session(engine)
                with made as self.connection:
                    yield self
            finally:
                engine.dispose()

    class Async(Alchemy):
        @contextlib.asynccontextmanager
        async def opened(self) -> AsyncIterator[Lender]:
            engine = create_async_engine(_alchemy_url(self.url, driver))
            try:
                made = engine.connect() if kind is AsyncConnection else AsyncSession(engine)
                async with made as self.connection:
                    yield self
            finally:
                await engine.dispose()

    return Async if kind in {AsyncConnection, AsyncSession} else Sync


class DjangoLender(Lender):
    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Lender]:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # the tests' loop has nothing else to do
        handler = ConnectionHandler({"default": self.database()})
        self.connection = handler["default"]
        self.connection.inc_thread_sharing()
        self.connection.set_autocommit(False)
        try:
            yield self
        finally:
            self.connection.rollback()
            self.connection.close()

    def database(self) -> dict[str, Any]:
        if self.url.startswith("sqlite:///"):
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": self.url.removeprefix("sqlite:///"),
                "OPTIONS": {"timeout": LOCK_WAIT_S},
            }
        parts = psycopg.conninfo.conninfo_to_dict(self.url)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts["dbname"],
            "USER": parts["user"],
            "HOST": parts["host"],
            "PORT": parts["port"],
        }


class Sqlite3(Lender):
    isolation_level = ""

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Lender]:
        path = self.url.removeprefix("sqlite:///")
        self.connection = sqlite3.connect(path, LOCK_WAIT_S, check_same_thread=False)
        self.connection.isolation_level = self.isolation_level
        try:
            yield self
        finally:
            self.connection.close()


class Sqlite3ByHand(Sqlite3):
    """Transactions are begun by hand."""

    isolation_level: Any = None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self.connection.execute("BEGIN")
        async with super().transaction():
            yield


class Aiosqlite(Lender):
    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Lender]:
        path = self.url.removeprefix("sqlite:///")
        async with aiosqlite.connect(path, timeout=LOCK_WAIT_S) as self.connection:
            yield self

    async def sql(self, text: str) -> list[Any]:
        async with self.connection.execute(text) as cursor:
            return [row[0] for row in await cursor.fetchall()]


POSTGRES: dict[str, Callable[[str], Lender]] = {
    "asyncpg": Asyncpg,
    "psycopg": Psycopg,
    "psycopg-async": PsycopgAsync,
    "psycopg-autocommit": PsycopgAutocommit,
    "sqlalchemy-psycopg": alchemy("psycopg", sqlalchemy.Connection),
    "sqlalchemy-session-psycopg": alchemy("psycopg", Session),
    "sqlalchemy-asyncpg": alchemy("asyncpg", AsyncConnection),
    "sqlalchemy-session-asyncpg": alchemy("asyncpg", AsyncSession),
    "sqlalchemy-session-psycopg-async": alchemy("psycopg", AsyncSession),
    "django-postgres": DjangoLender,
}
SQLITE: dict[str, Callable[[str], Lender]] = {
    "sqlite3": Sqlite3,
    "sqlite3-by-hand": Sqlite3ByHand,
    "aiosqlite": Aiosqlite,
    "sqlalchemy-sqlite": alchemy("pysqlite", sqlalchemy.Connection),
    "sqlalchemy-session-sqlite": alchemy("pysqlite", Session),
    "sqlalchemy-session-aiosqlite": alchemy("aiosqlite", AsyncSession),
    "django-sqlite": DjangoLender,
}
