"""Connections of ``aiosqlite``: those of ``sqlite3``, each in a thread of its own."""

from typing import Any, TypeVar

import aiosqlite

from hookline.store.borrowed.playing import play_async
from hookline.store.borrowed.steps import BorrowedAsync, Step, Work, on_sqlite
from hookline.store.borrowed.with_sqlite3 import beginning
from hookline.store.verbs.asking import Answer

__all__ = ["lend"]

T = TypeVar("T")


class _Lent(BorrowedAsync):
    def __init__(self, connection: aiosqlite.Connection):
        self._connection = connection

    async def run(self, work: Work[T]) -> T:
        connection: Any = self._connection
        begin = beginning(connection)
        texts = connection.text_factory
        connection.text_factory = str
        try:
            return await play_async(on_sqlite(work, begin), self._do)
        finally:
            connection.text_factory = texts

    async def _do(self, step: Step) -> Answer:
        cursor = await self._connection.cursor()
        try:
            cursor.row_factory = None
            await cursor.execute(step.text, step.values)
            rows = [tuple(row) for row in await cursor.fetchall()] if step.returns else []
            return Answer(rows, max(cursor.rowcount, 0))
        finally:
            await cursor.close()


def lend(connection: aiosqlite.Connection) -> BorrowedAsync:
    """The connection, for one piece of work."""
    return _Lent(connection)
