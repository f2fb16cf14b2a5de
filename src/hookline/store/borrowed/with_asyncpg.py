"""Connections of ``asyncpg``, those of a pool too."""

from typing import Any, TypeVar

from hookline.store.borrowed.playing import play_async
from hookline.store.borrowed.steps import BorrowedAsync, Step, Work, no_transaction, on_postgres
from hookline.store.verbs.asking import Answer

__all__ = ["lend"]

T = TypeVar("T")


class _Lent(BorrowedAsync):
    def __init__(self, connection: Any):  # a Connection, or a pool's proxy of one
        self._connection = connection

    async def run(self, work: Work[T]) -> T:
        if not self._connection.is_in_transaction():
            raise no_transaction("publish inside `async with connection.transaction():`")
        return await play_async(on_postgres(work), self._do)

    async def _do(self, step: Step) -> Answer:
        if step.returns:
            rows = [tuple(row) for row in await self._connection.fetch(step.text, *step.values)]
            return Answer(rows, len(rows))
        status = await self._connection.execute(step.text, *step.values)
        number = status.rpartition(" ")[2]
        return Answer([], int(number) if number.isdigit() else 0)


def lend(connection: Any) -> BorrowedAsync:
    """The connection, for one piece of work."""
    return _Lent(connection)
