"""Deleting what is old, in SQL: a chunk a job, each looking at no more rows than it may delete.

A sweep goes through attempts, deliveries, events and plans, each table in the order of its key. Age is a
range of keys, because a delivery's and an event's id begin with the time of their making; what is in the
range and may not go yet (it waits, or was replayed lately) is passed over. The cursor is the number of
the table, then the key up to which it is done.

A delivery goes with all its attempts, so no attempt is without its delivery; an event goes when its last
delivery has, and a plan a day after its last event, since its last use is noted to the day.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hookline.core.ids import uuid7_floor
from hookline.core.instants import DAY
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.rows import Row, execute_rows
from hookline.store.upkeep import Ages, Purged

__all__ = ["purge"]

Connection = sqlite3.Connection

ID_BYTES: Final = 16


class _Chunk(NamedTuple):
    """The rows of a table after ``after`` that belong to things older than ``before``."""

    after: bytes
    before: int
    limit: int

    def parameters(self) -> dict[str, Any]:
        """As the queries name them."""
        floor = uuid7_floor(max(self.before, 0))
        return {"after": self.after, "before": self.before, "floor": floor, "limit": self.limit}


def purge(connection: Connection, ages: Ages, cursor: bytes, limit: int) -> Purged:
    """Delete the next chunk."""
    table, after = (cursor[0], cursor[1:]) if cursor else (0, b"")
    before = ages.attempts_before if table == 0 else ages.events_before
    purged = Purged(None)
    if before is not None:
        purged = _TABLES[table](connection, _Chunk(after, before, limit))
    if purged.cursor is not None:
        return purged._replace(cursor=bytes([table]) + purged.cursor)
    following = table + 1
    return purged._replace(cursor=bytes([following]) if following < len(_TABLES) else None)


def _attempts(connection: Connection, chunk: _Chunk) -> Purged:
    at, number = chunk.after[:ID_BYTES], int.from_bytes(chunk.after[ID_BYTES:])
    parameters = {**chunk.parameters(), "delivery_id": at, "number": number}
    rows = connection.execute(QUERIES["old_attempts"], parameters).fetchall()
    doomed = [(delivery, number) for delivery, number, may_go in rows if may_go]
    attempts = execute_rows(connection, "delete_attempts", doomed)
    more = len(rows) == chunk.limit
    return Purged(rows[-1][0] + rows[-1][1].to_bytes(8) if more else None, attempts=attempts)


def _deliveries(connection: Connection, chunk: _Chunk) -> Purged:
    found = connection.execute(QUERIES["old_deliveries"], chunk.parameters()).fetchall()
    rows, attempts = [], 0
    for row in found:
        attempts += row[2] if row[1] else 0
        if attempts > chunk.limit:
            break
        rows.append(row)
    if found and not rows:  # so many attempts at one delivery that they are a chunk of their own
        return _attempts_of(connection, found[0][0], chunk)
    doomed = [(row[0],) for row in rows if row[1]]
    attempts = execute_rows(connection, "delete_attempts_of", doomed)
    deliveries = execute_rows(connection, "delete_deliveries", doomed)
    more = len(found) == chunk.limit or len(rows) < len(found)
    return Purged(rows[-1][0] if more else None, attempts=attempts, deliveries=deliveries)


def _attempts_of(connection: Connection, delivery: bytes, chunk: _Chunk) -> Purged:
    parameters = {"after": delivery, "limit": chunk.limit}
    doomed: list[Row] = connection.execute(QUERIES["some_attempts"], parameters).fetchall()
    attempts = execute_rows(connection, "delete_attempts", doomed)
    if len(doomed) == chunk.limit:
        return Purged(chunk.after, attempts=attempts)
    deliveries = execute_rows(connection, "delete_deliveries", [(delivery,)])
    return Purged(delivery, attempts=attempts, deliveries=deliveries)


def _events(connection: Connection, chunk: _Chunk) -> Purged:
    rows = connection.execute(QUERIES["old_events"], chunk.parameters()).fetchall()
    doomed = [(event,) for event, _, needed in rows if not needed]
    events = execute_rows(connection, "delete_events", doomed)
    needed = sorted({plan for _, plan, needed in rows if needed})
    execute_rows(connection, "use_plans", [(plan,) for plan in needed], (chunk.before,))
    return Purged(rows[-1][0] if len(rows) == chunk.limit else None, events=events)


def _plans(connection: Connection, chunk: _Chunk) -> Purged:
    parameters = {**chunk.parameters(), "before": chunk.before - DAY}
    rows = connection.execute(QUERIES["old_plans"], parameters).fetchall()
    plans = execute_rows(connection, "delete_plans", [(plan,) for plan, old in rows if old])
    return Purged(rows[-1][0] if len(rows) == chunk.limit else None, plans=plans)


_TABLES: Final[tuple[Callable[[Connection, _Chunk], Purged], ...]] = (
    _attempts,
    _deliveries,
    _events,
    _plans,
)
