"""A rate limit: its promise under every pattern of calls, and what a document may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.core.rate import Period, RateLimit, allowed, parse_rate_limit, taken

LIMITS = st.builds(RateLimit, st.integers(1, 10_000), st.sampled_from(Period))
SPANS = {Period.SECOND: 1_000_000, Period.MINUTE: 60_000_000}
START = 1_800_000_000_000_000


def test_one_at_first_and_then_one_an_interval():
    """Ten a second are one every 100 ms, with 10 ms of patience for late timers."""
    limit = RateLimit(10, Period.SECOND)
    assert allowed(limit, 0, START) == 1
    after = taken(limit, 0, START, 1)
    assert allowed(limit, after, START) == 0
    assert allowed(limit, after, START + 89_999) == 0
    assert allowed(limit, after, START + 90_000) == 1


def test_idleness_is_not_saved_up():
    """After an hour without attempts no more may go at once than after a moment."""
    limit = RateLimit(500, Period.SECOND)
    assert allowed(limit, START, START + 3_600_000_000) == allowed(limit, 0, START) == 6


@given(LIMITS, st.lists(st.tuples(st.integers(0, 2_000_000), st.integers(1, 50)), max_size=60))
def test_never_more_than_the_number_within_99_percent_of_the_period(limit, calls):
    """Whoever asks when, for how many: the promise of the module's docstring."""
    now, next_at, began = START, 0, []
    for wait, wanted in calls:
        now += wait
        number = min(wanted, allowed(limit, next_at, now))
        next_at = taken(limit, next_at, now, number)
        began += [now] * number
    span = SPANS[limit.per]
    for index in range(len(began) - limit.number):
        assert began[index + limit.number] - began[index] >= span - span // 100


@given(LIMITS, st.integers(1, 30))
def test_a_late_timer_loses_nothing(limit, count):
    """Asked every interval and up to a hundredth of the period late, it allows every attempt."""
    next_at = 0
    for n in range(count):
        now = START + n * limit.interval_us + (n % 2) * limit.tolerance_us
        assert allowed(limit, next_at, now) >= 1
        next_at = taken(limit, next_at, now, 1)


@given(LIMITS, st.integers(0, 2**60), st.integers(START, START + 10**9))
def test_nothing_taken_moves_nothing_but_the_past(limit, next_at, now):
    """Taking none leaves the schedule where it was, or at now."""
    assert taken(limit, next_at, now, 0) == max(next_at, now)


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (None, None),
        ({"number": 1, "per": "second"}, RateLimit(1, Period.SECOND)),
        ({"per": "minute", "number": 10_000}, RateLimit(10_000, Period.MINUTE)),
    ],
)
def test_what_a_document_may_say(value, limit):
    """A number and a period, or null for no limit."""
    assert parse_rate_limit(value) == limit


@pytest.mark.parametrize(
    "value",
    [
        0, "10/second", [], {}, {"number": 1}, {"per": "second"}, True,
        {"number": 1, "per": "second", "burst": 2},
        {"number": 0, "per": "second"}, {"number": 10_001, "per": "second"},
        {"number": True, "per": "second"}, {"number": 1.5, "per": "second"},
        {"number": "1", "per": "second"}, {"number": 10**400, "per": "second"},
        {"number": 1, "per": "hour"}, {"number": 1, "per": None}, {"number": 1, "per": []},
    ],
)  # fmt: skip
def test_what_it_may_not(value):
    """One error, at one place, with a hint that would work."""
    with pytest.raises(Invalid) as caught:
        parse_rate_limit(value)
    assert (caught.value.code, caught.value.where) == ("invalid-rate-limit", "/rate_limit")
    assert '"per": "second"' in caught.value.hint
