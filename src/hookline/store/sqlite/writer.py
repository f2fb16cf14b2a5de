"""The one thread that writes to a SQLite file, committing in groups.

SQLite has one writer at a time, and with ``synchronous=FULL`` each commit waits for the disk. So all
writing goes through one thread that takes whatever jobs have gathered while the last commit was under
way, runs them in one transaction, commits once, and only then answers each of them. Nothing waits for
a timer: a job that comes alone is committed alone, at once.

A job is a function of the connection. Each runs inside a savepoint, so one that is refused (a taken
slug, a duplicate) undoes only itself. Trouble of the database itself (a full disk, a lock held by
another process) undoes the group: every job in it fails with ``Unavailable``, and nothing was stored.

Durability is a job's own wish. A group is synced to the disk when one of its jobs asks for it; a group
of leases alone is not, because a lost lease only means that an attempt is made again.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from hookline.store.sqlite.database import unavailable

__all__ = ["Writer"]

T = TypeVar("T")
Connection = sqlite3.Connection

# A group keeps its first job waiting for the last one's work; beyond this many the sync is paid for.
MAX_GROUP = 64


class _Job(NamedTuple):
    run: Callable[[Connection], Any]
    durable: bool
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class _Stop(NamedTuple):
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Writer:
    """Runs jobs on the writing connection, in groups."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._jobs: SimpleQueue[_Job | _Stop] = SimpleQueue()
        self._synced: bool | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="hookline-writer", daemon=True)
        self._thread.start()

    async def run(self, job: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Run ``job`` in a transaction; returns or raises once that is committed or undone."""
        if self._closed:
            raise unavailable(sqlite3.ProgrammingError("the store is closed"))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(job, durable, future, loop))
        return await future

    async def close(self) -> None:
        """Finish the jobs asked for so far, then close the connection."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._jobs.put(_Stop(future, loop))
        await future
        self._thread.join()

    def _serve(self) -> None:
        while True:
            group, stop = self._gather()
            if group:
                _answer(group, self._commit(group))
            if stop:
                self._connection.close()
                _answer([stop], [(None, None)])
                return

    def _gather(self) -> tuple[list[_Job], _Stop | None]:
        group: list[_Job] = []
        item = self._jobs.get()
        while True:
            if isinstance(item, _Stop):
                return group, item
            group.append(item)
            if len(group) == MAX_GROUP:
                return group, None
            try:
                item = self._jobs.get_nowait()
            except Empty:
                return group, None

    def _commit(self, group: Sequence[_Job]) -> list[tuple[Any, BaseException | None]]:
        connection = self._connection
        try:
            self._sync(any(job.durable for job in group))
            connection.execute("BEGIN IMMEDIATE")
            alone = len(group) == 1
            answers = [self._run_alone(job) if alone else self._run_apart(job) for job in group]
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as trouble:
            self._undo()
            return [(None, unavailable(trouble))] * len(group)
        except Exception as refusal:
            self._undo()
            return [(None, refusal)]
        return answers

    def _run_alone(self, job: _Job) -> tuple[Any, BaseException | None]:
        return job.run(self._connection), None

    def _run_apart(self, job: _Job) -> tuple[Any, BaseException | None]:
        self._connection.execute("SAVEPOINT job")
        try:
            answer = job.run(self._connection)
        except sqlite3.DatabaseError:
            raise
        except Exception as refusal:
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            return None, refusal
        self._connection.execute("RELEASE job")
        return answer, None

    def _sync(self, durable: bool) -> None:
        if durable != self._synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._synced = durable

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _answer(
    asked: Sequence[_Job | _Stop], answers: Sequence[tuple[Any, BaseException | None]]
) -> None:
    """Hand the answers over, with one crossing of threads for each event loop."""
    by_loop: dict[
        asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, BaseException | None]]
    ] = {}
    for item, (value, error) in zip(asked, answers, strict=True):
        by_loop.setdefault(item.loop, []).append((item.future, value, error))
    for loop, rows in by_loop.items():
        # The loop of an asker that has gone away is closed; nobody is left to tell.
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, rows)


def _resolve(rows: list[tuple["asyncio.Future[Any]", Any, BaseException | None]]) -> None:
    for future, value, error in rows:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
