"""Running verbs on PostgreSQL: each in one transaction, again where that can help.

A verb asks for named statements (``store.verbs.asking``). Here each is one round trip on a pooled
connection; a batch of rows goes as one array a column, which the text takes apart with ``unnest``.

Run again
---------
A verb is run anew, from its beginning, where the transaction was undone for a reason that lies in
nobody's fault: a deadlock, a row that another node was faster to insert (the verb looks first, and sees
it then), a connection that was ended before the commit was asked for. Beyond ``TRIES`` times it is
trouble, ``Unavailable``.

A connection that is lost *while* it commits leaves a doubt which only the database could end. So that is
never run again, and the error says so: whoever published hands the event in again with the same id.

What is not durable
-------------------
A lease need not survive a power failure (``store.contract``), so it does not wait for the disk:
``synchronous_commit`` is off for that transaction only. PostgreSQL keeps the order of commits all the
same: what comes after it and is durable makes it durable too.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import asyncpg

from hookline.core.errors import Unavailable
from hookline.store.postgres.database import STATEMENTS, Pools
from hookline.store.postgres.listening import tell_changed
from hookline.store.postgres.trouble import (
    TROUBLE,
    is_defect,
    is_lost,
    is_read_only,
    may_run_again,
    unavailable,
)
from hookline.store.signals import Signal
from hookline.store.upkeep import StoreTally
from hookline.store.verbs.asking import Answer, Ask, Verb

__all__ = ["Runner", "play"]

T = TypeVar("T")

TRIES: Final = 5
ACQUIRE_S: Final = 10.0  # for a connection, when all are busy

_BEGIN: Final = {True: "BEGIN", False: "BEGIN; SET LOCAL synchronous_commit TO off"}
_NOTHING: Final = Answer([], 0)


class _CommitLost(Exception):
    """The connection was lost while the transaction was being committed; ``trouble`` says how."""

    def __init__(self, trouble: Exception):
        super().__init__(str(trouble))
        self.trouble = trouble


class Runner:
    """Runs verbs on the two pools.

    Attributes:
        tally: the commits, and how long they took.
    """

    def __init__(self, pools: Pools):
        self.tally = StoreTally()
        self._pools = pools
        self._closed = False

    async def write(
        self,
        make: Callable[[], Verb[T]],
        *,
        durable: bool = True,
        jobs: int = 1,
        tell: Callable[[T], Signal | None] | None = None,
    ) -> T:
        """Run the verb that ``make`` makes, in a transaction that is committed when this returns.

        ``jobs``: how many of those who asked share it. ``tell``: of what its commit tells other nodes,
        by what the verb came to.

        Raises:
            Unavailable: the database cannot do it now.
            HooklineError: what the verb refuses; its work is undone.
        """
        value = await self._patiently(
            lambda: self._write(lambda connection: play(connection, make()), tell, durable=durable)
        )
        self.tally.group_jobs.observe(jobs)
        return value

    async def change(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do on a connection, in a transaction, what no verb can ask for: change the tables.

        ``work`` may be done again from its beginning. Raises as ``write`` does.
        """
        return await self._patiently(lambda: self._write(work, None, durable=False))

    async def read(self, make: Callable[[], Verb[T]]) -> T:
        """Run a verb that only reads, each of its statements by itself. Raises as ``write`` does."""
        return await self._patiently(lambda: self._read(make))

    async def vacuum(self, table: str) -> None:
        """Let the server take away what changed rows of a table of ours left behind."""

        async def run() -> None:
            async with self._pools.writing.acquire(timeout=ACQUIRE_S) as connection:
                await connection.execute(f"VACUUM {table}")

        await self._patiently(run)

    async def close(self) -> None:
        """Finish what was asked for, then close the connections."""
        self._closed = True
        await self._pools.close()

    async def _patiently(self, run: Callable[[], Awaitable[T]]) -> T:
        for left in reversed(range(TRIES)):
            if self._closed:
                raise Unavailable("database-unavailable", "the store is closed", "start it again")
            try:
                return await run()
            except _CommitLost as lost:
                raise unavailable(lost.trouble, committing=True) from lost
            except TROUBLE as trouble:
                if left and may_run_again(trouble):
                    continue
                if is_defect(trouble):
                    raise
                if is_read_only(trouble):
                    await self._pools.forget()
                raise unavailable(trouble) from trouble
        raise AssertionError("the last try returns or raises")

    async def _read(self, make: Callable[[], Verb[T]]) -> T:
        async with self._pools.reading.acquire(timeout=ACQUIRE_S) as connection:
            return await play(connection, make())

    async def _write(
        self,
        work: Callable[[Any], Awaitable[T]],
        tell: Callable[[T], Signal | None] | None,
        *,
        durable: bool,
    ) -> T:
        async with self._pools.writing.acquire(timeout=ACQUIRE_S) as connection:
            try:
                await connection.execute(_BEGIN[durable])
                value = await work(connection)
                signal = None if tell is None else tell(value)
                if signal is not None:
                    await tell_changed(connection, signal)
                await self._commit(connection)
            except BaseException:
                await _undo(connection)
                raise
            return value

    async def _commit(self, connection: Any) -> None:
        began = time.perf_counter()
        try:
            status = await connection.execute("COMMIT")
        except TROUBLE as trouble:
            # The server may refuse to commit, and then it says so. Silence proves nothing, nor does a
            # session that ends: it may have committed and not come to say it.
            if is_lost(trouble):
                raise _CommitLost(trouble) from trouble
            raise
        if status != "COMMIT":
            raise Unavailable(
                "database-unavailable", f"the database answered {status}", "try again"
            )
        self.tally.commit_us.observe(int((time.perf_counter() - began) * 1_000_000))


async def _undo(connection: Any) -> None:
    """Roll back, or let go of a connection with which that cannot be done."""
    if _is_gone(connection):
        return
    try:
        await connection.execute("ROLLBACK")
    except TROUBLE:
        if not _is_gone(connection):
            connection.terminate()


def _is_gone(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has it back already, as it does when one is lost
        return True


async def play(connection: Any, verb: Verb[T]) -> T:
    """Answer what a verb asks for until it returns; in whatever transaction the connection is in."""
    try:
        ask = next(verb)
        while True:
            ask = verb.send(await _answer(connection, ask))
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        verb.close()


async def _answer(connection: Any, ask: Ask) -> Answer:
    statement = STATEMENTS[ask.name]
    if not statement.text or (ask.rows is not None and not ask.rows):
        return _NOTHING
    if not statement.changes and any(isinstance(each, str) and "\0" in each for each in ask.values):
        return _NOTHING  # PostgreSQL's text cannot hold that character, so it is in no row
    values = list(ask.values)
    if ask.rows is not None:
        values += map(list, zip(*ask.rows, strict=True))
    if statement.returns:
        rows = [tuple(row) for row in await connection.fetch(statement.text, *values)]
        return Answer(rows, len(rows) if statement.changes else 0)
    status = await connection.execute(statement.text, *values)
    number = status.rpartition(" ")[2]
    return Answer([], int(number) if number.isdigit() else 0)
