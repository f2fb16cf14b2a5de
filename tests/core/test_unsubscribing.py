"""The rules of unsubscribing, against a plain recount of every life."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.core.instants import DAY, HOUR
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import (
    Health,
    Reason,
    Rules,
    Unsubscribe,
    Warn,
    begun_anew,
    looked_up,
    observe,
    span_words,
)

START = 1_800_000_000_000_000
MINUTE = 60_000_000


class Life:
    """An integration's health with the timeouts that its store would keep."""

    def __init__(self, rules: Rules):
        self.rules = rules
        self.health = Health()
        self.timeouts: dict[int, int] = {}
        self.effects: list = []

    def see(self, counted: Counted, at: int, status: int | None = None):
        if counted is Counted.TIMEOUT:
            self.timeouts[self.health.timeouts + 1] = at
        self.health, effect = observe(
            self.health,
            counted,
            status,
            now=at,
            nth_timeout=self.timeouts.__getitem__,
            rules=self.rules,
        )
        self.effects.append(effect)
        return effect

    def time_out(self, count: int, *, at: int = START, every: int = 0):
        for n in range(count):
            effect = self.see(Counted.TIMEOUT, at + n * every)
        return effect


def test_the_documented_rule():
    """The thousandth timeout within 24 hours unsubscribes, and the 999th does not."""
    life = Life(Rules())
    assert life.time_out(999) is None
    effect = life.time_out(1, at=START + DAY - 1)
    assert effect == Unsubscribe(Reason.TIMEOUTS, "1,000 attempts within 24 hours timed out.")


def test_the_window_rolls():
    """A thousand timeouts spread over more than 24 hours are not a thousand within them."""
    life = Life(Rules(failing_days=0))
    life.time_out(999)
    life.time_out(999, at=START + DAY)  # by then the first are a day old
    assert not any(isinstance(each, Unsubscribe) for each in life.effects)
    assert isinstance(life.time_out(1, at=START + DAY + 1), Unsubscribe)


def test_warnings_at_half_and_at_nine_tenths():
    """Each once, at exactly its number."""
    life = Life(Rules(timeouts=20))
    life.time_out(20)
    told = {n: each for n, each in enumerate(life.effects, 1) if each is not None}
    assert told[10] == Warn(50, 10)
    assert told[18] == Warn(90, 18)
    assert isinstance(told[20], Unsubscribe)
    assert set(told) == {10, 18, 20}


def test_a_warning_is_not_repeated_within_the_span():
    """Around half of the limit for hours: one warning, and another one only a span later."""
    life = Life(Rules(timeouts=20, span_us=HOUR, failing_days=0))
    life.time_out(200, every=6 * MINUTE)  # always ten within an hour
    warned = [n for n, each in enumerate(life.effects) if each is not None]
    assert warned[0] == 9
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(warned))
    assert all(life.effects[n] == Warn(50, 10) for n in warned)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_small_limits(limit):
    """They work, and no warning is taken for the thing itself."""
    life = Life(Rules(timeouts=limit))
    life.time_out(limit)
    assert [isinstance(each, Unsubscribe) for each in life.effects] == [False] * (limit - 1) + [
        True
    ]


def test_no_limit():
    """0 turns the rule off, and its warnings."""
    life = Life(Rules(timeouts=0, failing_days=0))
    life.time_out(3000)
    assert set(life.effects) == {None}


def test_what_came_before_resubscribing_does_not_count():
    """It takes as many timeouts as the first time, and warns again."""
    life = Life(Rules(timeouts=20))
    life.time_out(20)
    life.health = begun_anew(life.health)
    life.effects.clear()
    life.time_out(20, at=START + 1)
    told = {n for n, each in enumerate(life.effects, 1) if each is not None}
    assert told == {10, 18, 20}


def test_successes_do_not_count_timeouts_down():
    """The documented rule knows timeouts only."""
    life = Life(Rules(timeouts=4))
    for n in range(3):
        life.see(Counted.TIMEOUT, START + n)
        life.see(Counted.SUCCESS, START + n, 200)
    assert isinstance(life.see(Counted.TIMEOUT, START + 9), Unsubscribe)


def test_five_days_of_failure_only():
    """It fires with the first failure after five full days, and not before."""
    life = Life(Rules())
    for hours in range(0, 120, 8):
        assert life.see(Counted.FAILURE, START + hours * HOUR, 500) is None
    effect = life.see(Counted.FAILURE, START + 120 * HOUR, 500)
    assert effect == Unsubscribe(Reason.FAILURES, "Every attempt of 5 days running failed.")


def test_timeouts_are_failures_too():
    """One a day is far from a thousand, and still five days of nothing but failure."""
    life = Life(Rules())
    effects = [life.see(Counted.TIMEOUT, START + day * DAY) for day in range(6)]
    assert [isinstance(each, Unsubscribe) for each in effects] == [False] * 5 + [True]


def test_one_success_begins_the_days_anew():
    """Though it be the only one."""
    life = Life(Rules())
    for day in range(5):
        life.see(Counted.FAILURE, START + day * DAY, 500)
    life.see(Counted.SUCCESS, START + 5 * DAY - 1, 200)
    for day in range(5, 10):
        assert life.see(Counted.FAILURE, START + day * DAY, 500) is None
    assert isinstance(life.see(Counted.FAILURE, START + 10 * DAY, 500), Unsubscribe)


def test_a_day_without_attempts_begins_them_anew():
    """Nothing was tried on it, so it was no day of failure."""
    life = Life(Rules())
    for day in (0, 1, 2, 4, 5, 6, 7, 8):
        assert life.see(Counted.FAILURE, START + day * DAY, 500) is None
    assert isinstance(life.see(Counted.FAILURE, START + 9 * DAY, 500), Unsubscribe)


def test_gone():
    """410 unsubscribes at once."""
    effect = Life(Rules()).see(Counted.FAILURE, START, 410)
    assert effect == Unsubscribe(Reason.GONE, "The receiver answered 410 Gone.")


def test_what_was_not_made_tells_nothing():
    """Blocked attempts for a week change nothing at all."""
    life = Life(Rules())
    for day in range(8):
        assert life.see(Counted.BLOCKED, START + day * DAY) is None
    assert life.health == Health()


def test_a_clock_that_steps_back_breaks_nothing():
    """Days are never counted down, and nothing is raised."""
    life = Life(Rules())
    for at in (START, START + DAY, START - 10 * DAY, START + 2 * DAY):
        life.see(Counted.FAILURE, at, 500)
    assert life.health.failing_day == 2


LIVES = st.lists(
    st.tuples(
        st.sampled_from([Counted.TIMEOUT, Counted.TIMEOUT, Counted.SUCCESS, Counted.FAILURE]),
        st.sampled_from([0, 1, MINUTE, HOUR - 1, HOUR, 6 * HOUR, DAY, 30 * HOUR]),
    ),
    max_size=80,
)


@given(LIVES, st.integers(1, 12), st.integers(0, 4))
@settings(max_examples=300)
def test_it_fires_exactly_when_a_recount_says_so(events, limit, days):
    """Each life again, recounted from the whole history after every event."""
    rules = Rules(timeouts=limit, span_us=6 * HOUR, failing_days=days)
    life, now = Life(rules), START
    history: list[tuple[int, Counted]] = []
    for counted, wait in events:
        now += wait
        history.append((now, counted))
        effect = life.see(counted, now, 500 if counted is Counted.FAILURE else None)
        recent = [at for at, what in history if what is Counted.TIMEOUT and at > now - 6 * HOUR]
        by_timeouts = counted is Counted.TIMEOUT and len(recent) >= limit
        by_days = counted is not Counted.SUCCESS and _failed_for(history, days)
        assert isinstance(effect, Unsubscribe) is (by_timeouts or by_days)
        if isinstance(effect, Unsubscribe):
            assert effect.reason is (Reason.TIMEOUTS if by_timeouts else Reason.FAILURES)
            life.health = begun_anew(life.health)
            history.clear()


def _failed_for(history: list[tuple[int, Counted]], days: int) -> bool:
    """Whether the failures since the last success, or the last idle day, span the days."""
    if not days:
        return False
    since, last = None, 0
    for at, counted in history:
        if counted is Counted.SUCCESS:
            since = None
        elif since is None:
            since, last = at, 0
        else:
            day = (at - since) // DAY
            since, last = (at, 0) if day > last + 1 else (since, day)
    return since is not None and last >= days


@given(
    limit=st.integers(0, 12),
    batches=st.lists(st.integers(1, 25), max_size=12),
    fresh_after=st.integers(0, 12),
)
def test_the_numbers_to_look_up_are_known_beforehand(limit, batches, fresh_after):
    """With those that are said before a batch of timeouts, and the batch itself, all can be decided."""
    life = Life(Rules(timeouts=limit, failing_days=0))
    stored: dict[int, int] = {}
    for index, count in enumerate(batches):
        if index == fresh_after:
            life.health = begun_anew(life.health)
        wanted = looked_up(life.health, count, life.rules)
        assert all(life.health.counted_from < number for number in wanted)
        assert len(wanted) <= 3 * count
        life.timeouts = {number: stored[number] for number in wanted}
        life.time_out(count, at=START + index)
        stored |= life.timeouts


def test_the_span_in_words():
    """As people say it."""
    assert [span_words(n * 1_000_000) for n in (86_400, 7_200, 3_600, 600, 90, 90_061)] == [
        "24 hours", "2 hours", "60 minutes", "10 minutes", "90 seconds", "90,061 seconds",
    ]  # fmt: skip
