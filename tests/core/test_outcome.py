"""What an attempt counts as: success only for a complete 2xx, and trouble by its kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.outcome import Answered, Blocked, Counted, Reason, Unanswered, count


@pytest.mark.parametrize("status", range(200, 300))
def test_2xx_is_success(status):
    """Every 2xx, the unheard-of ones included."""
    assert count(Answered(status)) is Counted.SUCCESS


@given(st.integers(0, 199) | st.integers(300, 999))
def test_any_other_answer_is_a_failure(status):
    """Redirects too: they are never followed, and calling one a success would lose the event."""
    assert count(Answered(status)) is Counted.FAILURE


@pytest.mark.parametrize("reason", list(Reason))
def test_no_complete_answer_is_a_timeout(reason):
    """Whatever kept the answer away, as the documented system counts it."""
    assert count(Unanswered(reason, "detail")) is Counted.TIMEOUT


def test_a_refused_address_is_blocked():
    """It is no fault of the receiver's, and counts as nothing else."""
    assert count(Blocked("127.0.0.1", "loopback")) is Counted.BLOCKED


def test_every_count_can_come_out():
    """There is no word without a case."""
    outcomes = [
        Answered(204),
        Answered(500),
        Unanswered(Reason.SLOW, ""),
        Blocked("", ""),
    ]
    assert {count(each) for each in outcomes} == set(Counted)


def test_what_is_no_outcome_is_a_defect():
    """A new kind of outcome must be given a count before it can be used."""
    with pytest.raises(AssertionError):
        count("answered")
