"""How gently a receiver is treated: signs, cuts, growth, holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.outcome import Counted
from hookline.core.pace import OVERLOADED, WIDEST, Pace, Sign, after, read_sign

SECOND = 1_000_000
START = 1_800_000_000_000_000


def seen(pace, sign, at=START, *, began=None, cap=32, asked_us=None):
    began = at - SECOND if began is None else began
    return after(pace, sign, began=began, now=at, cap=cap, asked_us=asked_us)


@pytest.mark.parametrize(
    ("counted", "status", "sign"),
    [
        (Counted.SUCCESS, 200, Sign.ANSWERED),
        (Counted.FAILURE, 301, Sign.ANSWERED),
        (Counted.FAILURE, 404, Sign.ANSWERED),
        (Counted.FAILURE, 410, Sign.ANSWERED),
        (Counted.FAILURE, 500, Sign.ANSWERED),
        *((Counted.FAILURE, status, Sign.OVERLOADED) for status in sorted(OVERLOADED)),
        (Counted.TIMEOUT, None, Sign.SILENT),
        (Counted.BLOCKED, None, Sign.NONE),
    ],
)
def test_what_an_outcome_tells(counted, status, sign):
    """Each outcome is one sign."""
    assert read_sign(counted, status) is sign


def test_the_overloaded_statuses():
    """Those of DESIGN §5, and no others."""
    assert {429, 502, 503, 504} == OVERLOADED


def test_an_answer_changes_nothing_of_a_receiver_that_is_well():
    """A full window stays full."""
    assert seen(Pace(), Sign.ANSWERED) == Pace(answered_at=START)


def test_silence_without_any_answer_leaves_one_attempt_at_a_time():
    """Nothing came back since the attempt began: the receiver is dead until it shows otherwise."""
    pace = seen(Pace(), Sign.SILENT)
    assert (pace.window, pace.slow, pace.held_until) == (1, True, 0)


def test_silence_among_answers_cuts_to_a_quarter():
    """Some attempts hang while others are answered: fewer at once, and not the slow line."""
    pace = seen(Pace(answered_at=START - 1), Sign.SILENT)
    assert (pace.window, pace.slow) == (8, False)


def test_a_cut_goes_from_the_cap_and_not_from_the_widest_window():
    """A window wider than the cap narrows nothing, so it is no measure."""
    assert seen(Pace(answered_at=START), Sign.SILENT, cap=4).window == 1
    assert WIDEST // 4 > 32


def test_attempts_that_hang_together_are_one_piece_of_news():
    """Those that began before the cut do not cut again."""
    once = seen(Pace(answered_at=START - 1), Sign.SILENT)
    again = seen(once, Sign.SILENT, at=START + 1, began=START - SECOND)
    assert again == once
    later = seen(once, Sign.SILENT, at=START + 2 * SECOND, began=START + 1)
    assert later.window == 1


def test_each_answer_opens_the_window_by_one_up_to_the_cap():
    """And the first one takes it out of the slow line."""
    pace = seen(Pace(), Sign.SILENT)
    for expected in (2, 3, 4, 4, 4):
        pace = seen(pace, Sign.ANSWERED, at=START + SECOND, began=START + 1, cap=4)
        assert (pace.window, pace.slow) == (expected, False)


def test_overload_holds_for_a_second_then_two_then_four_up_to_a_minute():
    """Each round of refusals doubles the wait, while nothing was asked for."""
    pace, at, held = Pace(), START, []
    for _ in range(8):
        pace = seen(pace, Sign.OVERLOADED, at=at, began=at - 1)
        held.append((pace.held_until - at) // SECOND)
        at = pace.held_until + SECOND
    assert held == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (pace.window, pace.slow) == (1, False)


def test_an_answer_ends_the_doubling():
    """After it the next refusal holds for a second again."""
    pace = seen(Pace(level=5), Sign.ANSWERED)
    assert pace.level == 0
    assert seen(pace, Sign.OVERLOADED).held_until == START + SECOND


def test_an_answer_to_an_attempt_from_before_the_cut_does_not():
    """It tells of the time before."""
    cut = seen(Pace(), Sign.OVERLOADED)
    assert seen(cut, Sign.ANSWERED, at=START + 1).level == 1


@pytest.mark.parametrize("asked_s", [0, 1, 120, 86_400])
def test_what_the_receiver_asks_for_is_what_it_gets(asked_s):
    """Retry-After, also where it is shorter than our own idea."""
    pace = seen(Pace(level=6), Sign.OVERLOADED, asked_us=asked_s * SECOND)
    assert pace.held_until == START + asked_s * SECOND


def test_the_longest_of_several_wishes_counts():
    """Also from attempts that hung together."""
    pace = seen(Pace(), Sign.OVERLOADED, asked_us=60 * SECOND)
    shorter = seen(pace, Sign.OVERLOADED, at=START + 1, began=START - 1, asked_us=SECOND)
    longer = seen(shorter, Sign.OVERLOADED, at=START + 1, began=START - 1, asked_us=90 * SECOND)
    assert shorter.held_until == START + 60 * SECOND
    assert longer.held_until == START + 1 + 90 * SECOND


def test_an_attempt_that_was_not_made_tells_nothing():
    """The guard's refusal is no sign of the receiver's."""
    pace = Pace(window=3, slow=True, level=2, held_until=7)
    assert seen(pace, Sign.NONE) == pace


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(Sign),
        st.integers(0, 40 * SECOND),
        st.integers(0, 30 * SECOND),
        st.none() | st.integers(0, 86_400 * SECOND),
    ),
    max_size=40,
)


@given(EVENTS, st.integers(1, 1000))
def test_it_is_never_shut_for_good(events, cap):
    """Whatever happened: at least one at a time, and held for no longer than a day from now."""
    pace, now = Pace(), START
    for sign, wait, took, asked_us in events:
        now += wait
        pace = after(pace, sign, began=now - took, now=now, cap=cap, asked_us=asked_us)
        assert 1 <= pace.window <= WIDEST
        assert pace.held_until <= now + 86_400 * SECOND
        assert not pace.slow or pace.window == 1
