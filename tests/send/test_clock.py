"""The steady clock and the ticker, on clocks that the test sets."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.ids import uuid7
from hookline.send.clock import SharedClock, SteadyClock, Ticker, boot_us, wall_us

START = 1_800_000_000_000_000
SECOND = 1_000_000
HOUR = 3600 * SECOND


class Machine:
    """A machine's two clocks: one that anybody may set, and one that only goes on."""

    def __init__(self, wall: int = START, boot: int = 77 * SECOND):
        self.wall = wall
        self.boot = boot

    def runs(self, us: int) -> None:
        self.wall += us
        self.boot += us

    def is_set(self, by: int) -> None:
        self.wall += by

    def steady(self, floor: int = 0) -> SteadyClock:
        return SteadyClock(lambda: self.wall, lambda: self.boot, floor)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_is_the_wall_clock_while_nobody_sets_that(machine):
    """An undisturbed machine has one time."""
    clock = machine.steady()
    for us in (0, 1, SECOND, HOUR):
        machine.runs(us)
        assert clock() == machine.wall


def test_a_step_back_changes_nothing(machine):
    """It goes on at the pace of time, ahead of the wall clock by the size of the step."""
    clock = machine.steady()
    machine.runs(SECOND)
    before = clock()
    machine.is_set(-HOUR)
    assert clock() == before
    machine.runs(5 * SECOND)
    assert clock() == before + 5 * SECOND == machine.wall + HOUR


def test_a_step_forward_is_followed_and_its_undoing_is_not(machine):
    """Forward it goes along; back again it stays where it was."""
    clock = machine.steady()
    machine.is_set(HOUR)
    assert clock() == START + HOUR
    machine.is_set(-HOUR)
    machine.runs(SECOND)
    assert clock() == START + HOUR + SECOND


def test_a_wall_clock_that_catches_up_is_followed_again(machine):
    """Small corrections forward after a step back are swallowed until they make up for it."""
    clock = machine.steady()
    machine.is_set(-2 * SECOND)
    machine.is_set(SECOND)
    assert clock() == START
    machine.is_set(3 * SECOND)
    assert clock() == machine.wall == START + 2 * SECOND


def test_after_a_restart_it_begins_where_the_store_left_off(machine):
    """A clock set back before the start does not put what is stored into the future."""
    clock = machine.steady(floor=START + HOUR)
    assert clock() == START + HOUR
    machine.runs(SECOND)
    assert clock() == START + HOUR + SECOND


@given(st.lists(st.tuples(st.integers(0, HOUR), st.integers(-2 * HOUR, 2 * HOUR))), st.booleans())
def test_it_never_goes_back_and_never_slower_than_time(steps, from_a_floor):
    """Whatever is done to the wall clock: each wait of n µs moves it by n µs or more."""
    machine = Machine()
    clock = machine.steady(START + HOUR if from_a_floor else 0)
    last = clock()
    for us, by in steps:
        machine.runs(us)
        machine.is_set(by)
        now = clock()
        assert now >= last + us
        assert now >= machine.wall
        last = now


def test_the_machines_own_clocks():
    """Both are µs, and both go on."""
    assert wall_us() > 1_700_000_000 * SECOND
    first = boot_us()
    assert next(now for now in iter(boot_us, None) if now > first) < first + HOUR


@given(st.lists(st.integers(-5, 5), min_size=1), st.integers(START - 10, START + 10))
def test_every_tick_is_later_than_the_one_before(moves, floor):
    """Also while the clock stands still, and from the first on, whatever was given out before."""
    now = itertools.accumulate(moves, initial=START)
    ticker = Ticker(lambda: next(now), floor)
    ticks = [floor] + [ticker() for _ in moves]
    assert all(later > earlier for earlier, later in itertools.pairwise(ticks))
    ids = [uuid7(tick, bytes([255 - n % 256]) * 8) for n, tick in enumerate(ticks)]
    assert ids == sorted(ids)


def test_a_tick_is_the_time_where_time_goes_on():
    """It runs ahead of the clock only for as long as the clock stands still."""
    now = iter([START, START, START, START + SECOND])
    ticker = Ticker(lambda: next(now))
    assert [ticker() - START for _ in range(4)] == [0, 1, 2, SECOND]


# -- a clock that nodes share ---------------------------------------------------------------------


def test_a_shared_clock_is_the_databases_between_two_looks_too():
    """It is taken to have been read in the middle, and goes on with the time since boot."""
    boot = [1_000]
    clock = SharedClock(lambda: boot[0])
    clock.follow(500_000, 900, 1_100)
    assert clock() == 500_000
    boot[0] += 250
    assert clock() == 500_250


def test_a_shared_clock_never_goes_back_and_never_stands_still():
    """Set back by a second it goes a sixteenth slower, until the database's has caught up."""
    boot = [0]
    clock = SharedClock(lambda: boot[0], floor=10_000_000)
    clock.follow(9_000_000, 0, 0)
    last = clock()
    assert last == 10_000_000
    for _ in range(15):
        boot[0] += 1_000_000
        now = clock()
        assert last < now
        last = now
    assert last == 10_000_000 + 15 * 937_500
    boot[0] += 1_000_000
    assert clock() == 25_000_000
    boot[0] += 1_000_000
    assert clock() == 26_000_000
