"""What is done on a borrowed connection, as steps that know no driver.

A generator yields a ``Step``, is sent its ``Answer`` or has the driver's error thrown into it, and
returns what the verb came to. So savepoints, the search path and what an error means are written once,
for drivers that wait and for drivers that are awaited.
"""

import contextlib
import importlib.resources
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from hookline.core.errors import UsageError
from hookline.store.postgres.texts import STATEMENTS
from hookline.store.sqlite.database import APPLICATION_ID, QUERIES
from hookline.store.sqlite.rows import batched, with_rows
from hookline.store.verbs.asking import Answer, Ask, Row, Verb

__all__ = [
    "Borrowed",
    "BorrowedAsync",
    "Step",
    "Steps",
    "Work",
    "no_transaction",
    "on_postgres",
    "on_sqlite",
    "play",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

TRIES: Final = 3  # at a verb that another transaction was faster with
_NOTHING: Final = Answer([], 0)


class Step(NamedTuple):
    """One statement in the database's own SQL, its values by position, and whether it returns rows."""

    text: str
    values: tuple[Any, ...] = ()
    returns: bool = False


Steps: TypeAlias = Generator[Step, Answer, T]


class Work(Protocol[T_co]):
    """What is to be done.

    ``verb`` makes the verb, anew each time. ``wakes`` is asked, of what it came to, whether dispatchers
    are to be told.
    """

    def verb(self, now: int | None) -> Verb[T_co]:
        """The verb, at its beginning.

        Args:
            now: what the database's clock says (µs since the epoch), where machines may share it; None:
                the caller's own is as good.
        """
        ...

    def wakes(self, value: Any) -> bool:
        """Whether something waits to be delivered now."""
        ...


class Borrowed(ABC):
    """A connection whose driver waits."""

    @abstractmethod
    def run(self, work: Work[T]) -> T:
        """Do it inside the caller's transaction.

        Raises:
            UsageError: there is no transaction, or there are no tables of ours.
            HooklineError: what the verb refuses.
            Exception: what the driver raises.
        """


class BorrowedAsync(ABC):
    """A connection whose driver is awaited."""

    @abstractmethod
    async def run(self, work: Work[T]) -> T:
        """Do it inside the caller's transaction. Raises as ``Borrowed.run`` does."""


def play(steps: Steps[T], do: Callable[[Step], Answer]) -> T:
    """Do the steps with a driver that waits."""
    try:
        step = next(steps)
        while True:
            try:
                answer = do(step)
            except BaseException as trouble:
                step = steps.throw(trouble)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value


def no_transaction(how: str) -> UsageError:
    """What is said where each statement is committed by itself: there is nothing to be a part of."""
    return UsageError(
        "no-transaction",
        "this connection is in no transaction: the event would be sent whatever became of your work",
        how,
    )


# -- PostgreSQL -----------------------------------------------------------------------------------

_SAVEPOINT: Final = Step("SAVEPOINT hookline_publish")
_ROLLBACK: Final = Step("ROLLBACK TO SAVEPOINT hookline_publish")
_RELEASE: Final = Step("RELEASE SAVEPOINT hookline_publish")
# Ours first, and temporary tables last: else a temporary "events" of the caller's would hide ours.
_ENTER: Final = Step(
    "SELECT current_setting('search_path'), set_config('search_path', 'hookline, pg_temp', true),"
    " (SELECT max(number) FROM hookline.migrations),"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    returns=True,
)
_LEAVE: Final = "SELECT set_config('search_path', $1, true)"
_LEAVE_AND_TELL: Final = f"{_LEAVE}, pg_notify('hookline', 'deliveries')"

_UNIQUE_VIOLATION: Final = "23505"
_NO_TABLE: Final = "42P01"


def on_postgres(work: Work[T]) -> Steps[T]:
    """Do it, and leave the search path as it was found."""
    for left in reversed(range(TRIES)):
        yield _SAVEPOINT
        try:
            before, _, version, now = (yield _ENTER).rows[0]
            _check_version("hookline.store.postgres", version or 0)
            value = yield from _asked(work.verb(now), _postgres_answer)
        except Exception as trouble:
            # Going back to the savepoint puts the search path back, too.
            yield from _undone()
            state = getattr(trouble, "sqlstate", None)
            if state == _UNIQUE_VIOLATION and left:
                continue  # another transaction was faster; the verb looks first, and sees it now
            if state == _NO_TABLE:
                raise _not_there() from trouble
            raise
        except BaseException:  # cancelled
            yield from _undone()
            raise
        leave = _LEAVE_AND_TELL if work.wakes(value) else _LEAVE
        yield Step(leave, (before,), returns=True)
        yield _RELEASE
        return value
    raise AssertionError("the last try returns or raises")


def _undone() -> Steps[None]:
    with contextlib.suppress(
        Exception
    ):  # the connection is gone, and what was raised before says why
        yield _ROLLBACK
        yield _RELEASE


def _postgres_answer(ask: Ask) -> Steps[Answer]:
    statement = STATEMENTS[ask.name]
    if not statement.text or (ask.rows is not None and not ask.rows):
        return _NOTHING
    values = tuple(map(_plain, ask.values))
    if ask.rows is not None:
        columns = zip(*ask.rows, strict=True)
        values += tuple([_plain(value) for value in column] for column in columns)
    answer = yield Step(statement.text, values, statement.returns)
    return answer if statement.changes else answer._replace(changed=0)


def _plain(value: Any) -> Any:
    # Drivers differ in what they make of an enum.
    return str(value) if isinstance(value, str) else value


# -- SQLite ---------------------------------------------------------------------------------------

# Takes the lock of the one writer before anything is read. A transaction that has read is told at once
# that the file is locked where another one writes, and never gets it once that has committed; one that
# has not waits for its turn, as long as its connection's timeout is.
_TAKE_LOCK: Final = Step("DELETE FROM facts WHERE name = ''")


def on_sqlite(work: Work[T], begin: str | None) -> Steps[T]:
    """Do it.

    Args:
        work: what is to be done.
        begin: what begins the transaction that the driver itself would begin at the first change; None
            where one is open. If the work fails, it is ended again.
    """
    if begin is not None:
        yield Step(begin)
    try:
        yield _SAVEPOINT
        yield from _check_file()
        value = yield from _asked(work.verb(None), _sqlite_answer)
    except BaseException:
        yield from _undone() if begin is None else _ended()
        raise
    yield _RELEASE
    return value


def _ended() -> Steps[None]:
    with contextlib.suppress(
        Exception
    ):  # a full disk has ended it, and what was raised before says so
        yield Step("ROLLBACK")


def _check_file() -> Steps[None]:
    try:
        yield _TAKE_LOCK
    except Exception as trouble:
        if "no such table" in str(
            trouble
        ):  # SQLite has one code for that and for every mistake in SQL
            raise _not_there() from trouble
        raise
    ours = (yield Step("PRAGMA application_id", returns=True)).rows[0][0]
    if ours != APPLICATION_ID:
        raise _not_there()
    version = (yield Step("PRAGMA user_version", returns=True)).rows[0][0]
    _check_version("hookline.store.sqlite", version)


def _sqlite_answer(ask: Ask) -> Steps[Answer]:
    text = QUERIES[ask.name]
    if not text:
        return _NOTHING
    if ask.rows is None:
        return (yield Step(text, ask.values, returns=True))
    found: list[Row] = []
    changed = 0
    for size, some in batched(ask.rows):
        pieces = with_rows(ask.name, size, len(ask.rows[0]), len(ask.values))
        answer = yield Step(pieces, (*ask.values, *some), returns=True)
        found += answer.rows
        changed += answer.changed
    return Answer(found, changed)


# -- both -----------------------------------------------------------------------------------------


def _asked(verb: Verb[T], answer_of: Callable[[Ask], Steps[Answer]]) -> Steps[T]:
    """Answer what a verb asks for; an error of the database ends it, and is not thrown into it."""
    try:
        ask = next(verb)
        while True:
            answer = yield from answer_of(ask)
            ask = verb.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        verb.close()


def _not_there() -> UsageError:
    return UsageError(
        "no-hookline-there",
        "this connection's database has no tables of Hookline",
        "start `hookline serve` once with HOOKLINE_DATABASE naming that database: it makes them",
    )


def _check_version(package: str, version: int) -> None:
    folder = importlib.resources.files(package) / "migrations"
    ours = _NEWEST.get(package) or max(int(each.name[:4]) for each in folder.iterdir())
    _NEWEST[package] = ours
    if version != ours:
        raise UsageError(
            "other-schema",
            f"the database has schema {version} of Hookline, and this program's version writes {ours}",
            "let the server and this program have the same version of hookline",
        )


_NEWEST: Final[dict[str, int]] = {}
