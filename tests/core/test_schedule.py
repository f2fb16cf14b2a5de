"""The waits between attempts, for all numbers of attempts and all dice."""

import copy
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.core.schedule import (
    DEFAULT_SCHEDULE,
    RetrySchedule,
    delay_us,
    parse_retry_schedule,
)

WEEK_S = 604_800
WAITS = st.one_of(st.integers(0, WEEK_S), st.floats(0, WEEK_S))
SCHEDULES = st.lists(WAITS, min_size=1, max_size=50).map(RetrySchedule)
LAST_DICE = math.nextafter(1.0, 0.0)
DICE = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, 0.5, LAST_DICE])


def test_the_default_schedule_is_the_promised_one():
    """At once, 5 s, 30 s, 2 min, 10 min, 1 h, 4 h, 12 h, 24 h."""
    assert DEFAULT_SCHEDULE == (0, 5, 30, 120, 600, 3600, 14400, 43200, 86400)


def test_the_first_attempt_of_the_default_schedule_is_made_at_once():
    """Jitter on nothing is nothing."""
    assert {delay_us(DEFAULT_SCHEDULE, 0, dice) for dice in (0.0, 0.3, LAST_DICE)} == {0}


@pytest.mark.parametrize(
    ("attempts_made", "earliest", "latest"),
    [(1, 4_000_000, 6_000_000), (2, 24_000_000, 36_000_000), (8, 69_120_000_000, 103_680_000_000)],
)
def test_jitter_is_a_fifth_either_way(attempts_made, earliest, latest):
    """The lowest dice is 20 % early, the highest 20 % late but for a microsecond."""
    assert delay_us(DEFAULT_SCHEDULE, attempts_made, 0.0) == earliest
    assert delay_us(DEFAULT_SCHEDULE, attempts_made, LAST_DICE) == pytest.approx(latest, abs=1)


@given(SCHEDULES, st.integers(0, 60), DICE)
def test_every_wait_is_whole_microseconds_within_a_fifth(schedule, attempts_made, dice):
    """Exhausted exactly when all attempts are made; otherwise in bounds, for any schedule."""
    delay = delay_us(schedule, attempts_made, dice)
    if attempts_made >= len(schedule):
        assert delay is None
        return
    wait_us = schedule[attempts_made] * 1e6
    assert type(delay) is int
    assert wait_us * 0.8 - 1 <= delay <= wait_us * 1.2 + 1


@given(SCHEDULES, st.lists(DICE, min_size=2).map(sorted))
def test_higher_dice_never_wait_less(schedule, dice):
    """The wait grows with the dice, so that even chance spreads evenly."""
    delays = [delay_us(schedule, 0, one) for one in dice]
    assert all(earlier <= later for earlier, later in pairwise(delays))


@pytest.mark.parametrize(
    ("attempts_made", "dice"),
    [(-1, 0.5), (0, -0.1), (0, 1.0), (0, math.nan), (99, 1.0), (0, math.inf)],
)
def test_a_caller_who_is_wrong_hears_of_it(attempts_made, dice):
    """Dice outside of [0, 1) or a negative count is a bug of ours, not an exhausted schedule."""
    with pytest.raises(ValueError, match="out of bounds"):
        delay_us(DEFAULT_SCHEDULE, attempts_made, dice)


@pytest.mark.parametrize("value", [[0], [0.5], [WEEK_S], [0] * 50, [60, 0, 60], (1, 2), [-0.0]])
def test_a_good_schedule_is_taken_as_it_is(value):
    """One to fifty waits of 0 to 7 days, in any order, whole or not."""
    schedule = parse_retry_schedule(value)
    assert schedule == tuple(value)
    assert copy.deepcopy(schedule) == schedule
    assert hash(schedule) == hash(tuple(value))


@pytest.mark.parametrize(
    "value",
    [None, True, 5, "0,5,30", "05", {"0": 5}, b"05", [], [0] * 51, [0] * 100_000, [None], ["5"],
     [[5]], [{}], [True], [0, False], [math.nan], [math.inf], [-math.inf], [-1], [-1e-9],
     [WEEK_S + 1], [math.nextafter(WEEK_S, math.inf)], [10**400], [10**5000], [-(10**5000)],
     [1 + 2j]],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_bad_schedule_is_refused_with_its_place(value):
    """Wrong types, too many, negative, endless, NaN and bool all give the same documented error."""
    with pytest.raises(Invalid) as caught:
        parse_retry_schedule(value)
    error = caught.value
    assert (error.code, error.where) == ("invalid-retry-schedule", "/retry_schedule")
    assert "[0, 5, 30, 120]" in error.hint
    assert len(error.message) < 200


@given(
    st.integers(0, 8),
    st.one_of(
        st.none(), st.booleans(), st.text(), st.just(math.nan), st.floats(max_value=-1e-9),
        st.integers(WEEK_S + 1), st.lists(st.integers()),
    ),
)  # fmt: skip
def test_one_bad_wait_spoils_a_good_schedule(position, bad):
    """The message says which of the waits is wrong."""
    value = list(DEFAULT_SCHEDULE)
    value[position] = bad
    with pytest.raises(Invalid, match=f"wait {position} "):
        parse_retry_schedule(value)
