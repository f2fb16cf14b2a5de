"""A dispatcher's slots: quick and slow, fresh and old."""

from hypothesis import given
from hypothesis import strategies as st

from hookline.core.pace import WIDEST
from hookline.send.slots import Limits, Room, Slots

NOW = 1_800_000_000_000_000
LIMITS = Limits(max_in_flight=20, max_slow=8, max_fresh=6, max_fresh_slow=3, fresh_us=1000)


def begun(limits: Limits = LIMITS, *, quick=(), slow=()) -> Slots:
    """Slots with attempts of these ages in µs, oldest first."""
    slots = Slots(limits)
    for kind, ages in ((False, quick), (True, slow)):
        for n, age in enumerate(sorted(ages, reverse=True)):
            slots.begin(b"%d %d" % (kind, n), NOW - age, slow=kind)
    return slots


def test_empty():
    """All the room that fresh attempts may have."""
    assert begun().room(NOW) == Room(6, 3, WIDEST)


def test_fresh_ones_take_room_until_they_are_old():
    """At exactly ``fresh_us`` an attempt is old."""
    assert begun(quick=[0, 999, 1000, 5000]).room(NOW) == Room(4, 3, WIDEST)
    assert begun(slow=[0, 999, 1000, 5000]).room(NOW) == Room(6, 1, WIDEST)


def test_slow_ones_take_nothing_of_the_quick():
    """However many hang, until everything is full."""
    assert begun(slow=[5000] * 8).room(NOW) == Room(6, 0, WIDEST)
    assert begun(quick=[5000] * 10, slow=[5000] * 8).room(NOW) == Room(2, 0, 1)


def test_full():
    """Nothing begins until something ends."""
    slots = begun(quick=[5000] * 12, slow=[5000] * 8)
    assert slots.full
    assert slots.room(NOW) == Room(0, 0, 1)
    slots.end(b"0 0")
    assert not slots.full
    assert slots.room(NOW) == Room(1, 0, 1)


def test_the_quick_come_first_where_little_is_left():
    """The slow get what the quick cannot take."""
    assert begun(quick=[5000] * 15).room(NOW) == Room(5, 0, 1)
    assert begun(quick=[5000] * 12).room(NOW) == Room(6, 2, 1)


def test_the_second_half_is_for_those_that_have_none():
    """Of the slots that the slow do not take."""
    assert begun(quick=[5000] * 10).room(NOW).each == WIDEST
    assert begun(quick=[5000] * 11).room(NOW).each == 1
    assert begun(quick=[5000] * 7, slow=[5000] * 8).room(NOW).each == 1


def test_room_is_true_where_something_may_begin():
    """Of either kind."""
    assert not Room(0, 0, WIDEST)
    assert Room(1, 0, 1)
    assert Room(0, 1, 1)


def test_defaults_are_shares():
    """Half of the slots, a quarter of the fresh ones, and at least one."""
    assert (Limits().slow, Limits().fresh_slow) == (500, 32)
    assert (Limits(max_in_flight=1, max_fresh=1).slow, Limits(max_fresh=1).fresh_slow) == (1, 1)


def test_ending():
    """It tells when the attempt began, once; a stranger is none."""
    slots = begun(quick=[7], slow=[9])
    assert slots.end(b"0 0") == NOW - 7
    assert slots.end(b"0 0") is None
    assert list(slots.ids()) == [b"1 0"]
    assert b"1 0" in slots
    slots.clear()
    assert len(slots) == 0


AGES = st.lists(st.integers(0, 3000), max_size=30)


@given(
    AGES,
    AGES,
    st.builds(
        Limits,
        max_in_flight=st.integers(1, 40),
        max_slow=st.none() | st.integers(1, 20),
        max_fresh=st.integers(1, 20),
        fresh_us=st.integers(1, 2000),
    ),
)
def test_what_there_is_room_for_fits(quick, slow, limits):
    """Never negative, and with it no bound is passed that was not passed before."""
    slots = begun(limits, quick=quick, slow=slow)
    room = slots.room(NOW)
    assert min(room) >= 0
    assert len(slots) + room.quick + room.slow <= max(limits.max_in_flight, len(slots))
    assert len(slow) + room.slow <= max(limits.slow, len(slow))
