"""Deleting what is old: a chunk a job, each looking at no more rows than it may delete.

A sweep goes through attempts, deliveries, events and plans, each table in the order of its key. Age is a
range of keys, because a delivery's and an event's id begin with the time of their making; what is in the
range and may not go yet (it waits, or was replayed lately) is passed over. The cursor is the number of
the table, then the key up to which it is done.

A delivery goes with all its attempts, so no attempt is without its delivery; an event goes when its last
delivery has, and a plan a day after its last event, since its last use is noted to the day.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hookline.core.ids import uuid7_floor
from hookline.core.instants import DAY
from hookline.store.upkeep import Ages, Purged
from hookline.store.verbs.asking import Ask, Row, Verb

__all__ = ["purge"]

ID_BYTES: Final = 16


class _Chunk(NamedTuple):
    """The rows of a table after ``after`` that belong to things older than ``before``."""

    after: bytes
    before: int
    limit: int

    @property
    def floor(self) -> bytes:
        """Ids of things that old are smaller."""
        return uuid7_floor(max(self.before, 0))


def purge(ages: Ages, cursor: bytes, limit: int) -> Verb[Purged]:
    """Delete the next chunk."""
    table, after = (cursor[0], cursor[1:]) if cursor else (0, b"")
    before = ages.attempts_before if table == 0 else ages.events_before
    purged = Purged(None)
    if before is not None:
        purged = yield from _TABLES[table](_Chunk(after, before, limit))
    if purged.cursor is not None:
        return purged._replace(cursor=bytes([table]) + purged.cursor)
    following = table + 1
    return purged._replace(cursor=bytes([following]) if following < len(_TABLES) else None)


def _changed(name: str, rows: Sequence[Row]) -> Verb[int]:
    # Rows come by ascending keys, as they were found, so that a table in parts is asked for theirs only.
    answer = yield Ask(name, rows=rows)
    return answer.changed


def _attempts(chunk: _Chunk) -> Verb[Purged]:
    at, number = chunk.after[:ID_BYTES], int.from_bytes(chunk.after[ID_BYTES:])
    answer = yield Ask("old_attempts", (at, number, chunk.before, chunk.floor, chunk.limit))
    rows = answer.rows
    doomed = [(delivery, number) for delivery, number, may_go in rows if may_go]
    attempts = yield from _changed("delete_attempts", doomed)
    more = len(rows) == chunk.limit
    return Purged(rows[-1][0] + rows[-1][1].to_bytes(8) if more else None, attempts=attempts)


def _deliveries(chunk: _Chunk) -> Verb[Purged]:
    answer = yield Ask("old_deliveries", (chunk.after, chunk.limit, chunk.floor, chunk.before))
    found = answer.rows
    rows, attempts = [], 0
    for row in found:
        attempts += row[2] if row[1] else 0
        if attempts > chunk.limit:
            break
        rows.append(row)
    if found and not rows:  # so many attempts at one delivery that they are a chunk of their own
        purged = yield from _attempts_of(found[0][0], chunk)
        return purged
    doomed = [(row[0],) for row in rows if row[1]]
    attempts = yield from _changed("delete_attempts_of", doomed)
    deliveries = yield from _changed("delete_deliveries", doomed)
    more = len(found) == chunk.limit or len(rows) < len(found)
    return Purged(rows[-1][0] if more else None, attempts=attempts, deliveries=deliveries)


def _attempts_of(delivery: bytes, chunk: _Chunk) -> Verb[Purged]:
    answer = yield Ask("some_attempts", (delivery, chunk.limit))
    attempts = yield from _changed("delete_attempts", answer.rows)
    if len(answer.rows) == chunk.limit:
        return Purged(chunk.after, attempts=attempts)
    deliveries = yield from _changed("delete_deliveries", [(delivery,)])
    return Purged(delivery, attempts=attempts, deliveries=deliveries)


def _events(chunk: _Chunk) -> Verb[Purged]:
    answer = yield Ask("old_events", (chunk.after, chunk.limit, chunk.floor))
    rows = answer.rows
    doomed = [(event,) for event, _, needed in rows if not needed]
    events = yield from _changed("delete_events", doomed)
    needed = sorted({plan for _, plan, needed in rows if needed})
    yield Ask("use_plans", (chunk.before,), [(plan,) for plan in needed])
    return Purged(rows[-1][0] if len(rows) == chunk.limit else None, events=events)


def _plans(chunk: _Chunk) -> Verb[Purged]:
    answer = yield Ask("old_plans", (chunk.after, chunk.limit, chunk.before - DAY))
    rows = answer.rows
    plans = yield from _changed("delete_plans", [(plan,) for plan, old in rows if old])
    return Purged(rows[-1][0] if len(rows) == chunk.limit else None, plans=plans)


_TABLES: Final[tuple[Callable[[_Chunk], Verb[Purged]], ...]] = (
    _attempts,
    _deliveries,
    _events,
    _plans,
)
