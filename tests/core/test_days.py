"""Days as ranges of ids: each id belongs to the day of its making and to no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.days import AHEAD, Day, day_named, day_of, days_ahead, days_before
from hookline.core.ids import uuid7

DAY = 24 * 60 * 60 * 1_000_000
INSTANTS = st.integers(0, 8000 * 365 * DAY)  # as far as dates of four digits go
DAYS = st.integers(0, 8000 * 365).map(Day)
CHANCE = st.binary(min_size=8, max_size=8)


@given(INSTANTS, CHANCE)
def test_an_id_belongs_to_the_day_of_its_making(instant, chance):
    """To that one alone, whatever chance added."""
    made, day = uuid7(instant, chance), day_of(instant)
    assert day.first <= made < day.beyond


@given(DAYS)
def test_days_follow_each_other_without_a_gap(day):
    """In ids and in time; so a range of days is a range of ids."""
    following = Day(day.number + 1)
    assert day.beyond == following.first
    assert day_of(day.ends) == following
    assert day_of(day.ends - 1) == day


@given(DAYS, DAYS)
def test_names_tell_days_and_sort_as_they_do(one, other):
    """Eight digits, which lead back to the day."""
    assert day_named(one.name) == one
    assert (one.name < other.name) == (one < other)


@pytest.mark.parametrize(
    "name", ["", "default", "2026112", "202611250", "20261131", "20261301", "19691231", "2026-1-1"]
)
def test_what_is_no_name_of_a_day(name):
    """Nothing is made of it: a partition that is called so is not ours to drop."""
    assert day_named(name) is None


def test_two_weeks_are_ready():
    """Today and fourteen days, from the first instant of today to the last."""
    for now in (20_782 * DAY, 20_783 * DAY - 1):
        days = days_ahead(now)
        assert days == [Day(20_782 + n) for n in range(AHEAD + 1)]


def test_a_day_is_over_when_the_next_begins():
    """Not an instant before; the oldest come first."""
    days = [Day(3), Day(1), Day(2)]
    assert days_before(days, 3 * DAY - 1) == [Day(1)]
    assert days_before(days, 3 * DAY) == [Day(1), Day(2)]
    assert days_before(days, -DAY) == []
