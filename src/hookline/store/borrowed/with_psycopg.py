"""Connections of ``psycopg`` 3, those that wait and those that are awaited.

Statements go through raw cursors of our own, which take ``$1`` and give tuples, whatever the caller's
cursors do.
"""

from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from hookline.store.borrowed.playing import play_async
from hookline.store.borrowed.steps import (
    Borrowed,
    BorrowedAsync,
    Step,
    Work,
    no_transaction,
    on_postgres,
    play,
)
from hookline.store.verbs.asking import Answer

__all__ = ["lend"]

T = TypeVar("T")


class _Lent(Borrowed):
    def __init__(self, connection: "psycopg.Connection[Any]"):
        self._connection = connection

    def run(self, work: Work[T]) -> T:
        _check(self._connection)
        return play(on_postgres(work), self._do)

    def _do(self, step: Step) -> Answer:
        with psycopg.RawCursor(self._connection, row_factory=tuple_row) as cursor:
            cursor.execute(step.text.encode(), step.values)
            return Answer(cursor.fetchall() if step.returns else [], max(cursor.rowcount, 0))


class _LentAsync(BorrowedAsync):
    def __init__(self, connection: "psycopg.AsyncConnection[Any]"):
        self._connection = connection

    async def run(self, work: Work[T]) -> T:
        _check(self._connection)
        return await play_async(on_postgres(work), self._do)

    async def _do(self, step: Step) -> Answer:
        async with psycopg.AsyncRawCursor(self._connection, row_factory=tuple_row) as cursor:
            await cursor.execute(step.text.encode(), step.values)
            rows = await cursor.fetchall() if step.returns else []
            return Answer(rows, max(cursor.rowcount, 0))


def _check(connection: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]") -> None:
    # Where autocommit is off, psycopg begins a transaction at the first statement of any kind.
    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        raise no_transaction(
            "publish inside `with connection.transaction():`, or leave autocommit off"
        )


def lend(
    connection: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]",
) -> Borrowed | BorrowedAsync:
    """The connection, for one piece of work."""
    if isinstance(connection, psycopg.AsyncConnection):
        return _LentAsync(connection)
    return _Lent(connection)
