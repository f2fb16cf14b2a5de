"""Running verbs on a SQLite connection: each ask is a statement, or one for every run of its rows."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

from hookline.store.sqlite.database import QUERIES
from hookline.store.verbs.asking import Answer, Ask, Row, Verb

__all__ = ["batched", "job", "run", "with_rows"]

Connection = sqlite3.Connection
P = ParamSpec("P")
T = TypeVar("T")

# One statement inserts up to this many rows. The sizes used are powers of two, so that the statement
# cache holds a handful of texts and not one for each size of batch.
MAX_ROWS = 64


NOTHING = Answer([], 0)


def job(
    verb: Callable[P, Verb[T]], *arguments: P.args, **named: P.kwargs
) -> Callable[[Connection], T]:
    """A verb as a job for the writer, or for a reader; each time that it is run it begins anew."""
    return lambda connection: run(connection, verb(*arguments, **named))


def run(connection: Connection, verb: Verb[T]) -> T:
    """Answer what a verb asks for until it returns; in whatever transaction there is."""
    try:
        ask = next(verb)
        while True:
            ask = verb.send(_answer(connection, ask))
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        verb.close()


def _answer(connection: Connection, ask: Ask) -> Answer:
    name, values, rows = ask
    if not QUERIES[name]:  # what only other databases need
        return NOTHING
    if rows is None:
        cursor = connection.execute(QUERIES[name], values)
        return Answer(cursor.fetchall(), max(cursor.rowcount, 0))
    found: list[Row] = []
    changed = 0
    for size, some in batched(rows):
        sql = with_rows(name, size, len(rows[0]), len(values))
        cursor = connection.execute(sql, [*values, *some])
        found += cursor.fetchall()
        changed += max(cursor.rowcount, 0)
    return Answer(found, changed)


def batched(rows: Sequence[Row]) -> Iterator[tuple[int, list[Any]]]:
    """Cut rows into runs of a power of two, each as (number of rows, all values in one list)."""
    start, size = 0, MAX_ROWS
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield size, [value for row in rows[start : start + size] for value in row]
        start += size


@cache
def with_rows(name: str, size: int, width: int, before: int = 0) -> str:
    """The text of a query for so many rows; ``before``: values that come before those of the rows.

    Placeholders are numbered, for an anonymous one takes its number from where it stands in the text.
    """
    numbers = range(before + 1, before + 1 + size * width)
    marks = [f"?{number}" for number in numbers]
    rows = [f"({','.join(marks[n : n + width])})" for n in range(0, len(marks), width)]
    return QUERIES[name].replace("{rows}", ",".join(rows))
