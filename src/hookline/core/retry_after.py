"""How long a receiver asks to be left alone: ``Retry-After`` (RFC 9110 §10.2.3).

It comes as seconds or as a date in one of three forms (§5.6.7), and from strangers: what is neither is
taken as not said, what is longer than a day as a day, and a date that has passed as no wait.
"""

import re
from datetime import UTC, datetime, timedelta

from hookline.core.answer_head import header_values
from hookline.core.instants import DAY, SECOND

__all__ = ["LONGEST_US", "retry_after_us"]

LONGEST_US = DAY  # whoever asks for more is tried again after this

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()

# [0-9], for \d takes less of bytes than of text and reads as if it took more. The day's name must be
# one, but it need not be the date's: nobody is helped by reading a date as none because of it.
_SECONDS = re.compile(rb"0*([0-9]+)")
_SHORT_DAY = rb"(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY = rb"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_MONTH = rb"(?P<month>" + rb"|".join(_MONTHS) + rb")"
_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # Sun, 06 Nov 1994 08:49:37 GMT
        _SHORT_DAY
        + rb", (?P<day>[0-9]{2}) "
        + _MONTH
        + rb" (?P<year>[0-9]{4}) "
        + _TIME
        + rb" GMT",
        # Sunday, 06-Nov-94 08:49:37 GMT
        _LONG_DAY + rb", (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT",
        # Sun Nov  6 08:49:37 1994
        _SHORT_DAY + rb" " + _MONTH + rb" (?P<day>[ 0-9][0-9]) " + _TIME + rb" (?P<year>[0-9]{4})",
    )
)


def retry_after_us(head: bytes, now: int) -> int | None:
    r"""How long the answer asks us to wait, in µs from ``now``; None where it does not ask.

    Never negative and never over ``LONGEST_US``. Of several headers the longest wait counts. Nothing
    is raised, whatever ``head`` holds.

    Args:
        head: status line and header lines as received, with the blocks of interim (1xx) answers
            before the final one and trailers after it; only the final answer's block is read.
        now: µs since the epoch.

    >>> retry_after_us(b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n", 0)
    120000000
    """
    waits = [_wait(value, now) for value in header_values(head, b"retry-after")]
    return max((wait for wait in waits if wait is not None), default=None)


def _wait(value: bytes, now: int) -> int | None:
    if found := _SECONDS.fullmatch(value):
        digits = found[1]  # int() refuses some thousands of digits
        return min(int(digits) * SECOND, LONGEST_US) if len(digits) < 9 else LONGEST_US
    for form in _DATES:
        if found := form.fullmatch(value):
            due = _instant(found, now)
            return None if due is None else min(max(due - now, 0), LONGEST_US)
    return None


def _instant(found: re.Match[bytes], now: int) -> int | None:
    second = int(found["second"])
    leap = second == 60  # taken as the second that follows
    try:
        moment = datetime(
            _year(found["year"], now),
            _MONTHS.index(found["month"].lower()) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            59 if leap else second,
            tzinfo=UTC,
        )
    except ValueError:  # there is no such date or time
        return None
    return (moment - _EPOCH) // _MICROSECOND + leap * SECOND


def _year(digits: bytes, now: int) -> int:
    """Of two digits, the latest year that is at most 50 years ahead (§5.6.7)."""
    year = int(digits)
    if len(digits) == 4:
        return year
    horizon = (_EPOCH + timedelta(microseconds=now)).year + 50
    return horizon - (horizon - year) % 100
