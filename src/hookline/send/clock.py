"""Time that only goes forward, whatever is done to the machine's clock.

The wall clock is set: by hand, by NTP, by a virtual machine that wakes up. Retries, leases and the order
of events cannot live with a clock that goes back an hour. So everything that is decided or ordered by
time uses the **steady clock**: it goes on with the time since boot and follows the wall clock forward
only. After a step back it stays ahead by the size of the step until the wall clock has caught up.

Where several nodes share a database, their machines' clocks differ, and due times, leases and rates are
compared across all of them. So there each goes by the database's clock (``SharedClock``), to which the
time since boot carries on between two looks; its machine's own clock decides nothing.

Receivers compare ``Sentry-Hook-Timestamp`` with a clock of their own, so that header, and the
``started_at`` of an attempt in the log, are the wall clock's.
"""

import time
from collections.abc import Callable
from typing import Final

__all__ = ["SharedClock", "SteadyClock", "Ticker", "boot_us", "wall_us"]


def wall_us() -> int:
    """The machine's clock: µs since the epoch. It may be set at any moment, forth and back."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """µs since the machine started, its sleep included; nobody can set it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class SteadyClock:
    """Call it for the time in µs since the epoch; no call returns less than one before.

    Args:
        wall: the machine's clock, in µs since the epoch.
        boot: µs since some fixed moment, never going back.
        floor: the newest instant that is known, from the time before a restart.
    """

    def __init__(self, wall: Callable[[], int], boot: Callable[[], int], floor: int = 0):
        self._wall = wall
        self._boot = boot
        self._last = max(wall(), floor)
        self._booted = boot()

    def __call__(self) -> int:
        """The time now."""
        booted = self._boot()
        self._last = max(self._wall(), self._last + booted - self._booted)
        self._booted = booted
        return self._last


class SharedClock:
    """A database's time, without asking it; no call returns less than one before.

    It is as right as half the round trip of the best look at the database's clock. Where it is ahead,
    because that clock was set back or ours went too fast, it goes a little slower until it is not: so
    the nodes come together, and none stands still.

    Args:
        boot: µs since some fixed moment, never going back.
        floor: the newest instant that is known.
    """

    SLOWER: Final = 16  # one part in so many

    def __init__(self, boot: Callable[[], int], floor: int = 0):
        self._boot = boot
        self._last = floor
        self._booted = boot()
        self._ahead_of_boot = floor - self._booted

    def follow(self, there: int, asked: int, answered: int) -> None:
        """The database's clock said ``there`` between two moments of ``boot``."""
        self._ahead_of_boot = there - (asked + answered) // 2

    def __call__(self) -> int:
        """The time now."""
        booted = self._boot()
        passed = booted - self._booted
        self._booted = booted
        right = booted + self._ahead_of_boot
        self._last = max(right, self._last + passed - passed // self.SLOWER)
        return self._last


class Ticker:
    """Instants for identifiers: each is greater than all before it.

    Identifiers made from them sort in the order in which they were made, also within a microsecond and
    over a restart, which chance alone would not give. Due times do not come from here: a batch of
    thousands would be due a little in the future.

    Args:
        clock: never goes back.
        floor: the newest instant of an identifier that was given out before.
    """

    def __init__(self, clock: Callable[[], int], floor: int = 0):
        self._clock = clock
        self._last = floor

    def __call__(self) -> int:
        """The next instant, in µs since the epoch."""
        self._last = max(self._clock(), self._last + 1)
        return self._last
