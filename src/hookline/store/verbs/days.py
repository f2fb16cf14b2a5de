"""What is asked of the days of the log, where a database keeps them apart; elsewhere there are none."""

from hookline.core.days import Day, day_named
from hookline.store.verbs.asking import Ask, Verb

__all__ = ["days_there", "has_unfinished", "is_in_default"]


def days_there() -> Verb[set[Day]]:
    """The days that have a table of their own."""
    answer = yield Ask("days_there")
    return {day for (name,) in answer.rows if (day := day_named(name)) is not None}


def is_in_default(day: Day) -> Verb[bool]:
    """Whether attempts of a day stand in the table by default."""
    answer = yield Ask("is_in_default", (day.first, day.beyond))
    return any(found for (found,) in answer.rows)


def has_unfinished(day: Day) -> Verb[bool]:
    """Whether one of a day's deliveries waits or is under way."""
    answer = yield Ask("has_unfinished", (day.first, day.beyond))
    return any(found for (found,) in answer.rows)
