"""The one writer of a SQLite file, committing in groups.

SQLite has one writer at a time, and with ``synchronous=FULL`` each commit waits for the disk. So all
writing goes through here: the jobs that gathered while the last commit was under way run in one
transaction, which commits once, and only then is each of them answered. Nothing waits for a timer: a job
that comes alone is committed alone, at once.

A job is a function of the connection. Each runs inside a savepoint, so one that is refused (a
taken slug, a duplicate) undoes only itself. A defect of ours, such as a value that SQLite does not take,
undoes the group, and its jobs run again one by one: only the one at fault fails. Trouble of the database
itself (a full disk, a lock held by another process) undoes the group as well: every job in it fails with
``Unavailable``, and nothing was stored.

Two wishes of a job
-------------------
*durable*: the group is synced to the disk before it is answered. A group of leases alone is not, because
a lost lease only means that an attempt is made again.

*brief*: its work is bounded to a few milliseconds, so it runs on the event loop; what may take longer
runs in the writer's thread. Waiting always happens in the thread: for the disk at each commit, and for
another process's lock. Brief jobs ran in the thread once. Every statement gives up the interpreter's
lock and must get it back from a busy loop, ten times an event: that cost more than the statements
(ADR 0003).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from hookline.store.sqlite.database import LOCK_WAIT_MS, unavailable
from hookline.store.upkeep import StoreTally

__all__ = ["Writer"]

T = TypeVar("T")
Connection = sqlite3.Connection
Answer = tuple[Any, BaseException | None]

# What the database says of a job's values; all else that it says is of itself.
REFUSED = (sqlite3.IntegrityError, sqlite3.DataError)

# A group keeps its first job waiting for the last one's work; beyond this many the sync is paid for.
MAX_GROUP = 64

LOOK_S = 0.001  # between two looks whether another process has let go of the lock

# Whoever was just answered often has the next job ready within these turns of the event loop; taking it
# along saves a commit. They are turns, not time: where nobody asks, they are over at once.
TURNS_TO_ASK_AGAIN = 3


class _Job(NamedTuple):
    run: Callable[[Connection], Any]
    durable: bool
    brief: bool
    answer: "asyncio.Future[Any]"


class Writer:
    """Runs jobs on the writing connection, in groups; for the event loop that it was made on.

    Args:
        check: called before each transaction; what it raises, every job of the group raises.

    Attributes:
        tally: the groups that were committed, and how long that took.
    """

    def __init__(self, connection: Connection, check: Callable[[], None]):
        self.tally = StoreTally()
        self._connection = connection
        self._check = check
        connection.execute("PRAGMA busy_timeout = 0")  # the loop never waits for a lock
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hookline-writer")
        self._jobs: list[_Job] = []
        self._serving: asyncio.Task[None] | None = None
        self._synced: bool | None = None
        self._closed = False

    async def run(
        self, job: Callable[[Connection], T], *, durable: bool = True, brief: bool = False
    ) -> T:
        """Run ``job`` in a transaction; returns or raises once that is committed or undone."""
        if self._closed:
            raise unavailable(sqlite3.ProgrammingError("the store is closed"))
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.append(_Job(job, durable, brief, answer))
        if self._serving is None:
            self._serving = self._loop.create_task(self._serve(), name="hookline-writer")
        return await answer

    def version(self) -> int | None:
        """A number that changes when somebody else commits to the file.

        None while jobs are under way, or the file cannot be read. It takes a few microseconds.
        """
        if self._closed or self._serving is not None:
            return None
        try:
            (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.DatabaseError:
            return None
        return int(number)

    async def close(self) -> None:
        """Finish the jobs asked for so far, then close the connection."""
        if self._closed:
            return
        self._closed = True
        if self._serving is not None:
            await self._serving
        await self._in_thread(self._connection.close)
        self._thread.shutdown()

    async def _serve(self) -> None:
        try:
            while self._jobs:
                group, self._jobs = self._jobs[:MAX_GROUP], self._jobs[MAX_GROUP:]
                _answer(group, await self._commit(group))
                for _ in range(TURNS_TO_ASK_AGAIN):
                    await asyncio.sleep(0)
        finally:
            self._serving = None

    async def _commit(self, group: Sequence[_Job]) -> list[Answer]:
        try:
            self._prepare(durable=any(job.durable for job in group))
            if all(job.brief for job in group) and self._begun():
                answers = self._run_all(group)
                began = time.perf_counter()
                await self._in_thread(self._connection.execute, "COMMIT")
            else:
                answers, began = await self._in_thread(self._run_in_thread, group)
        except sqlite3.DatabaseError as trouble:
            await self._in_thread(self._undo)
            if isinstance(trouble, REFUSED):
                return await self._one_by_one(group, trouble)
            return [(None, unavailable(trouble))] * len(group)
        except Exception as bug:
            await self._in_thread(self._undo)
            return await self._one_by_one(group, bug)
        self.tally.group_jobs.observe(len(group))
        self.tally.commit_us.observe(int((time.perf_counter() - began) * 1_000_000))
        return answers

    async def _one_by_one(self, group: Sequence[_Job], bug: Exception) -> list[Answer]:
        """Run each job in a transaction of its own: the defect of one is not the others'."""
        if len(group) == 1:
            return [(None, bug)]
        return [(await self._commit([job]))[0] for job in group]

    def _prepare(self, *, durable: bool) -> None:
        self._check()
        if durable != self._synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._synced = durable

    def _begun(self) -> bool:
        """Begin a transaction, unless another process holds the lock."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as trouble:
            if trouble.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True

    def _run_in_thread(self, group: Sequence[_Job]) -> tuple[list[Answer], float]:
        """The whole transaction; the answers, and when the commit began.

        From the lock to its end it needs nothing of the event loop, which may itself be waiting for the
        lock: in a program that publishes on a connection of its own from there.
        """
        try:
            self._begin_patiently()
            answers = self._run_all(group)
            began = time.perf_counter()
            self._connection.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        return answers, began

    def _begin_patiently(self) -> None:
        # SQLite's own waiting looks but ten times a second in the end, and would hardly ever find the
        # moment between two transactions of a program that makes one after the other.
        deadline = time.monotonic() + LOCK_WAIT_MS / 1000
        while not self._begun():
            if time.monotonic() >= deadline:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            time.sleep(LOOK_S)

    def _run_all(self, group: Sequence[_Job]) -> list[Answer]:
        return [
            (job.run(self._connection), None) if job.brief else self._run_apart(job)
            for job in group
        ]

    def _run_apart(self, job: _Job) -> Answer:
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

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await self._loop.run_in_executor(self._thread, function, *arguments)


def _answer(group: Sequence[_Job], answers: Sequence[Answer]) -> None:
    for job, (value, error) in zip(group, answers, strict=True):
        if job.answer.done():  # whoever asked went away
            continue
        if error is None:
            job.answer.set_result(value)
        else:
            job.answer.set_exception(error)
