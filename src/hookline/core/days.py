"""Days of the log: which ids were made on a day, and what is called after it.

A store may keep what grows day by day in pieces, one a day of UTC, so that a piece goes whole when all
in it is old. What belongs to a day is told by the id alone, whose beginning is its time (``core.ids``);
so days are ranges of ids, which follow each other without a gap.
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from hookline.core.ids import uuid7_floor
from hookline.core.instants import DAY, Instant

__all__ = ["AHEAD", "Day", "day_named", "day_of", "days_ahead", "days_before"]

AHEAD = 14  # days that are ready beforehand: whoever makes them may be held up for so long

_EPOCH = date(1970, 1, 1)
_NAME = re.compile(r"[0-9]{8}")


class Day(NamedTuple):
    """A day of UTC; ``number``: days since 1970-01-01."""

    number: int

    @property
    def name(self) -> str:
        """Eight digits, which sort as days do.

        >>> Day(20782).name
        '20261125'
        """
        return (_EPOCH + timedelta(days=self.number)).isoformat().replace("-", "")

    @property
    def ends(self) -> Instant:
        """The instant at which the next day begins."""
        return (self.number + 1) * DAY

    @property
    def first(self) -> bytes:
        """The least id that belongs to it."""
        return uuid7_floor(self.number * DAY)

    @property
    def beyond(self) -> bytes:
        """The least id that belongs to the next day."""
        return uuid7_floor(self.ends)


def day_of(instant: Instant) -> Day:
    """The day in which an instant lies."""
    return Day(instant // DAY)


def day_named(name: str) -> Day | None:
    """The day by that name; None where none is called so.

    >>> day_named("20261125")
    Day(number=20782)
    """
    if not _NAME.fullmatch(name):
        return None
    try:
        number = (date.fromisoformat(name) - _EPOCH).days
    except ValueError:
        return None
    return Day(number) if number >= 0 else None


def days_ahead(now: Instant) -> list[Day]:
    """Today, and the days that must be ready after it."""
    today = day_of(now)
    return [Day(today.number + n) for n in range(AHEAD + 1)]


def days_before(days: Iterable[Day], instant: Instant) -> list[Day]:
    """Those that were over at an instant, the oldest first."""
    return sorted(day for day in days if day.ends <= instant)
