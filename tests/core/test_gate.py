"""How many more attempts may begin, and when time alone lets more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.gate import Closed, Gate
from hookline.core.pace import Pace
from hookline.core.rate import Period, RateLimit

SECOND = 1_000_000
NOW = 1_800_000_000_000_000


def gate(in_flight=0, cap=5, **given) -> Gate:
    return Gate(1, in_flight, cap, **given)


@pytest.mark.parametrize(
    ("given_", "room", "opens_in"),
    [
        (gate(), 5, 0),
        (gate(in_flight=4), 1, 0),
        (gate(in_flight=5), 0, None),
        (gate(in_flight=7), 0, None),  # the cap was lowered meanwhile
        (gate(pace=Pace(window=2)), 2, 0),
        (gate(in_flight=2, pace=Pace(window=2)), 0, None),
        (gate(pace=Pace(held_until=NOW)), 5, 0),
        (gate(pace=Pace(held_until=NOW + SECOND)), 0, SECOND),
        (gate(in_flight=5, pace=Pace(held_until=NOW + SECOND)), 0, None),
        (gate(rate_limit=RateLimit(2, Period.SECOND)), 1, 0),
        (gate(rate_limit=RateLimit(2, Period.SECOND), rate_next_at=NOW + SECOND), 0, 990_000),
        (
            gate(
                rate_limit=RateLimit(2, Period.SECOND),
                rate_next_at=NOW + SECOND,
                pace=Pace(held_until=NOW + 3 * SECOND),
            ),
            0,
            3 * SECOND,
        ),
        (gate(closed=Closed.UNSUBSCRIBED), 0, None),
        (gate(closed=Closed.DELETED), 0, None),
    ],
)
def test_room_and_opening(given_, room, opens_in):
    """Cap, window, rate, hold and closing, each alone and some together."""
    assert given_.room(NOW) == room
    opens_at = given_.opens_at(NOW)
    assert (None if opens_at is None else opens_at - NOW) == opens_in


@given(
    st.integers(0, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.none() | st.builds(RateLimit, st.integers(1, 1000), st.sampled_from(Period)),
    st.integers(0, 90 * SECOND),
    st.integers(0, 90 * SECOND),
)
def test_it_opens_when_it_says(in_flight, cap, window, limit, next_in, held_in):
    """Shut until that instant, open at it."""
    one = Gate(
        1, in_flight, cap, limit, NOW + next_in, Pace(window=window, held_until=NOW + held_in)
    )
    opens_at = one.opens_at(NOW)
    if opens_at is None:
        assert one.room(NOW) == one.room(NOW + 3600 * SECOND) == 0
        return
    assert one.room(opens_at) >= 1
    assert opens_at == NOW or one.room(opens_at - 1) == 0


def test_taking_uses_slots_and_rate():
    """What was taken is no longer there; taking nothing changes nothing."""
    one = gate(cap=9, rate_limit=RateLimit(1000, Period.SECOND))
    first = one.room(NOW)
    assert first == 9
    one.take(0, NOW)
    assert (one.in_flight, one.rate_next_at) == (0, 0)
    one.take(2, NOW)
    assert (one.in_flight, one.rate_next_at) == (2, NOW + 2000)
