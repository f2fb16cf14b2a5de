"""When a delivery is tried again: the waits between its attempts.

Element n is the wait before attempt n + 1, so the first element delays the first attempt and a
schedule of nine elements allows nine attempts. Then the delivery is parked.

Each wait is varied by up to a fifth either way. Without that, the deliveries that failed together
when a receiver went down would all come back in the same second, and take it down again.
"""

from collections.abc import Iterable

from hookline.core.errors import Invalid
from hookline.core.instants import DAY, SECOND

__all__ = ["DEFAULT_SCHEDULE", "RetrySchedule", "delay_us", "parse_retry_schedule"]

_MOST_ENTRIES = 50
_LONGEST_S = 7 * DAY // SECOND
_HINT = "give a list of 1 to 50 waits in seconds, each from 0 to 604800, as in [0, 5, 30, 120]"


class RetrySchedule(tuple[float, ...]):
    """The waits in seconds: 1 to 50 of them, each from 0 to 7 days; it cannot be built otherwise.

    Raises:
        Invalid: ``invalid-retry-schedule`` at ``/retry_schedule``.
    """

    __slots__ = ()

    def __new__(cls, waits_s: Iterable[float]) -> "RetrySchedule":
        """Check the waits; ``Invalid`` is raised at the first that is wrong."""
        waits = tuple(waits_s)
        if not 1 <= len(waits) <= _MOST_ENTRIES:
            raise _refused(f"a retry schedule of {len(waits)} waits")
        for position, wait in enumerate(waits):
            if complaint := _complaint(wait):
                raise _refused(f"wait {position} of the retry schedule is {complaint}")
        return super().__new__(cls, waits)


def _complaint(wait: object) -> str | None:
    # bool is an int to Python, and true is no number of seconds.
    if isinstance(wait, bool) or not isinstance(wait, int | float):
        return f"of type {type(wait).__name__}, not a number"
    if 0 <= wait <= _LONGEST_S:  # False for NaN
        return None
    # An int of thousands of digits is hostile, and printing it raises.
    huge = isinstance(wait, int) and wait.bit_length() > 64
    return "out of bounds" if huge else f"{wait}, out of bounds"


def _refused(what: str) -> Invalid:
    return Invalid("invalid-retry-schedule", what, _HINT, where="/retry_schedule")


DEFAULT_SCHEDULE = RetrySchedule((0, 5, 30, 120, 600, 3600, 14400, 43200, 86400))


def parse_retry_schedule(value: object) -> RetrySchedule:
    """Read what a JSON document gave as ``retry_schedule``.

    Raises:
        Invalid: ``invalid-retry-schedule`` at ``/retry_schedule``; the message names the wait.
    """
    if not isinstance(value, list | tuple):
        raise _refused(f"a retry schedule of type {type(value).__name__}")
    return RetrySchedule(value)


def delay_us(schedule: RetrySchedule, attempts_made: int, dice: float) -> int | None:
    """Return the wait before the next attempt in microseconds, or None: all attempts are made.

    Args:
        schedule: the waits.
        attempts_made: 0 before the first attempt.
        dice: chance, in [0, 1): 0 is a fifth early, 0.5 on time, and 1 would be a fifth late.

    >>> [delay_us(DEFAULT_SCHEDULE, 1, dice) for dice in (0.0, 0.5)]
    [4000000, 5000000]
    >>> delay_us(DEFAULT_SCHEDULE, 9, 0.5) is None
    True
    """
    if attempts_made < 0 or not 0 <= dice < 1:
        raise ValueError(f"attempts_made {attempts_made} or dice {dice} out of bounds")
    if attempts_made >= len(schedule):
        return None
    wait = round(schedule[attempts_made] * SECOND)
    fifth = wait // 5
    return wait - fifth + int(2 * fifth * dice)
