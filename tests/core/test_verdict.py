"""What follows from an outcome: delivered, again at a time within the schedule, or parked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.outcome import Answered, Blocked, Reason, Unanswered
from hookline.core.schedule import DEFAULT_SCHEDULE, RetrySchedule
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt, judge

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
SILENT = [Unanswered(reason, "") for reason in Reason]
REFUSING = [Answered(status) for status in (100, 301, 302, 400, 401, 404, 409, 429, 500, 503, 504)]


def judged(outcome, attempts_made=1, dice=0.5, schedule=DEFAULT_SCHEDULE):
    return judge(outcome, schedule=schedule, attempts_made=attempts_made, now=NOW, dice=dice)


@pytest.mark.parametrize("attempts_made", [1, 9, 99])
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_delivers(status, attempts_made):
    """On the first attempt or after the last."""
    assert judged(Answered(status), attempts_made) == Delivered()


@pytest.mark.parametrize("outcome", [*SILENT, *REFUSING], ids=repr)
def test_trouble_is_tried_again(outcome):
    """Each kind of failure and of silence, as long as the schedule has attempts left."""
    assert judged(outcome) == RetryAt(NOW + 5 * SECOND)
    assert judged(outcome, 8) == RetryAt(NOW + 86_400 * SECOND)


@pytest.mark.parametrize("outcome", [*SILENT, *REFUSING], ids=repr)
def test_an_exhausted_schedule_parks(outcome):
    """After the last attempt it stops."""
    assert judged(outcome, 9) == Parked(ParkReason.EXHAUSTED)
    assert judged(outcome, 10) == Parked(ParkReason.EXHAUSTED)


@pytest.mark.parametrize("attempts_made", [1, 9])
def test_410_parks_at_once(attempts_made):
    """The receiver wants no more of it; that is the reason, whatever the schedule says."""
    assert judged(Answered(410), attempts_made) == Parked(ParkReason.GONE)


@pytest.mark.parametrize("attempts_made", [1, 9])
def test_a_blocked_address_parks_at_once(attempts_made):
    """Trying again would not change the rule."""
    assert judged(Blocked("127.0.0.1", "loopback"), attempts_made) == Parked(ParkReason.BLOCKED)


@given(
    waits=st.lists(st.integers(0, 604_800), min_size=1, max_size=50),
    attempts_made=st.integers(1, 60),
    dice=st.floats(0, 1, exclude_max=True),
)
def test_the_schedule_decides_when(waits, attempts_made, dice):
    """The wait after attempt n is the schedule's element n, a fifth early or late at the most."""
    verdict = judged(Answered(500), attempts_made, dice, RetrySchedule(waits))
    if attempts_made >= len(waits):
        assert verdict == Parked(ParkReason.EXHAUSTED)
    else:
        wait = waits[attempts_made] * SECOND
        assert isinstance(verdict, RetryAt)
        assert NOW + wait * 4 // 5 <= verdict.due <= NOW + wait * 6 // 5


def test_dice_spread_the_retries():
    """Deliveries that failed together do not come back together."""
    dues = {judged(Answered(500), dice=dice / 10).due for dice in range(10)}
    assert len(dues) == 10
