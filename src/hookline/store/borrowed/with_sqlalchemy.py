"""Connections and sessions of SQLAlchemy: the work is done on the driver's connection under them.

One statement goes through SQLAlchemy first, so that it begins its transaction as it does for any
statement of the caller's, and commits it with the rest.
"""

from typing import Any, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from hookline.core.errors import UsageError
from hookline.store.borrowed.connections import borrow, stranger
from hookline.store.borrowed.steps import Borrowed, BorrowedAsync, Work

__all__ = ["lend"]

T = TypeVar("T")

_TOUCH = "SELECT 1"


class _Lent(Borrowed):
    def __init__(self, given: "Connection | Session | scoped_session[Any]"):
        self._given = given

    def run(self, work: Work[T]) -> T:
        given = self._given
        connection = given if isinstance(given, Connection) else given.connection()
        connection.exec_driver_sql(_TOUCH)
        lent = borrow(connection.connection.driver_connection)
        if isinstance(lent, BorrowedAsync):
            raise UsageError(
                "not-awaited",
                "this connection belongs to an async engine",
                "hand in its AsyncConnection or AsyncSession, outside of run_sync",
            )
        return lent.run(work)


class _LentAsync(BorrowedAsync):
    def __init__(self, given: "AsyncConnection | AsyncSession | async_scoped_session[Any]"):
        self._given = given

    async def run(self, work: Work[T]) -> T:
        given = self._given
        connection = given if isinstance(given, AsyncConnection) else await given.connection()
        await connection.exec_driver_sql(_TOUCH)
        raw = await connection.get_raw_connection()
        lent = borrow(raw.driver_connection)
        return await lent.run(work) if isinstance(lent, BorrowedAsync) else lent.run(work)


def lend(connection: object) -> Borrowed | BorrowedAsync:
    """The connection or session, for one piece of work."""
    if isinstance(connection, AsyncConnection | AsyncSession | async_scoped_session):
        return _LentAsync(connection)
    if isinstance(connection, Connection | Session | scoped_session):
        return _Lent(connection)
    raise stranger(connection)
