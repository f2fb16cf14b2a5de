"""Where nothing can be published, a program is told so and why, and nothing was written."""

import sqlite3
from pathlib import Path

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine
from tests.library.lenders import DjangoLender, event

from hookline import Event, Hookline
from hookline.core.errors import Invalid, UsageError

HOOKS = Hookline("sqlite:///never-opened.db")
on_one_sqlite = pytest.mark.parametrize("shop", ["sqlite3"], indirect=True)
on_one_postgres = pytest.mark.parametrize("shop", ["psycopg"], indirect=True)


def refused(connection: object) -> UsageError:
    with pytest.raises(UsageError) as told:
        HOOKS.publish_in(connection, **event())
    return told.value


@on_one_postgres
async def test_without_a_transaction_there_is_no_promise_on_postgres(shop):
    """Each driver's autocommit mode is refused, with what to write instead."""
    with psycopg.connect(shop.url, autocommit=True) as connection:
        assert "connection.transaction()" in refused(connection).hint
    connection = await asyncpg.connect(shop.url)
    with pytest.raises(UsageError) as told:
        await HOOKS.publish_in(connection, **event())
    assert told.value.code == "no-transaction"
    await connection.close()
    lender = DjangoLender(shop.url)
    async with lender.opened():
        lender.connection.set_autocommit(True)
        assert "transaction.atomic()" in refused(lender.connection).hint
        lender.connection.set_autocommit(False)
    engine = sqlalchemy.create_engine(shop.url.replace("postgresql", "postgresql+psycopg"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alchemy:
        assert refused(alchemy).code == "no-transaction"
    engine.dispose()
    engine = create_async_engine(shop.url.replace("postgresql", "postgresql+asyncpg"))
    async with engine.connect() as made:
        alchemy = await made.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(UsageError, match="in no transaction"):
            await HOOKS.publish_in(alchemy, **event())
    await engine.dispose()


@on_one_sqlite
async def test_without_a_transaction_there_is_no_promise_on_sqlite(shop):
    """A connection that would begin none is refused; a refused event begins none either."""
    connection = shop.lender.connection
    with pytest.raises(Invalid):
        HOOKS.publish_in(connection, **event(resource="isue"))
    assert not connection.in_transaction
    connection.isolation_level = None
    assert refused(connection).code == "no-transaction"


def test_a_database_without_our_tables_is_refused(tmp_path):
    """Also where the program has a table by one of our names."""
    connection = sqlite3.connect(tmp_path / "other.db")
    assert refused(connection).code == "no-hookline-there"
    connection.execute("CREATE TABLE facts (name text)")
    assert refused(connection).code == "no-hookline-there"
    connection.close()


@on_one_postgres
async def test_another_schema_is_refused(shop):
    """Rows that this version would write might be wrong there; the transaction goes on."""
    lender = shop.lender
    shop.by_the_operator("INSERT INTO migrations VALUES (99, 'later', 0)")
    async with lender.transaction():
        assert refused(lender.connection).code == "other-schema"
        await lender.sql("INSERT INTO orders VALUES (1)")
    shop.by_the_operator("ALTER SCHEMA hookline RENAME TO elsewhere")
    async with lender.transaction():
        assert refused(lender.connection).code == "no-hookline-there"
        await lender.sql("INSERT INTO orders VALUES (2)")
    async with lender.transaction():
        assert await lender.sql("SELECT n FROM orders") == [1, 2]
    shop.by_the_operator("ALTER SCHEMA elsewhere RENAME TO hookline")


@on_one_sqlite
async def test_another_schema_of_a_file_is_refused(shop):
    """As on PostgreSQL."""
    shop.lender.connection.execute("PRAGMA user_version = 99")
    assert refused(shop.lender.connection).code == "other-schema"


def test_what_is_no_connection_is_refused():
    """By its kind, never by its text."""
    told = refused(Path("secret"))
    assert told.code == "unknown-connection"
    assert "Path" in told.message
    assert "secret" not in told.message
    assert refused(sqlalchemy.create_engine("sqlite://")).code == "unknown-connection"


def test_an_event_is_given_whole_or_by_its_fields():
    """Not both, and no fields that there are not."""
    whole = Event("acme", "issue", "created", {})
    connection = sqlite3.connect(":memory:")
    for given, fields in ((whole, event()), (None, {"organisation": "acme"})):
        with pytest.raises(TypeError):
            HOOKS.publish_in(connection, given, **fields)
    connection.close()


@on_one_sqlite
async def test_how_the_program_reads_rows_is_unharmed(shop):
    """Rows and texts come to the program as it asked for them."""
    lender = shop.lender
    raw = lender.connection
    raw.row_factory = sqlite3.Row
    raw.text_factory = bytes
    async with lender.transaction():
        await lender.publish(shop.hooks, data={"n": 1})
    assert await shop.dispatching.arrived(1) == [{"n": 1}]
    assert raw.row_factory is sqlite3.Row
    assert raw.text_factory is bytes
