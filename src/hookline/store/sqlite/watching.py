"""What metrics ask of the database, in SQL, on connections that cannot write."""

import sqlite3
from bisect import bisect_right

from hookline.store.sqlite.database import QUERIES
from hookline.store.upkeep import Backlog

__all__ = ["backlog", "timeout_counts"]

Connection = sqlite3.Connection


def backlog(connection: Connection) -> Backlog:
    """How much waits, since when, and since when it is due."""
    return Backlog(*connection.execute(QUERIES["backlog"]).fetchone())


def timeout_counts(connection: Connection, now: int, span_us: int) -> dict[str, int]:
    """How many timeouts count within the span, by integration."""
    since = now - span_us
    rows = connection.execute(QUERIES["timing_out"], {"since": since}).fetchall()
    found = {}
    for slug, integration_id, oldest, newest in rows:

        def at(number: int, integration_id: int = integration_id) -> int:
            row = connection.execute(QUERIES["nth_timeout"], (integration_id, number)).fetchone()
            return int(row[0])

        numbers = range(oldest, newest + 1)
        found[slug] = len(numbers) - bisect_right(numbers, since, key=at)
    return found
