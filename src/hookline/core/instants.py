"""Instants: whole microseconds since 1970-01-01T00:00:00Z, as an int.

Integers compare, subtract and index the same in Python, SQLite and PostgreSQL, and carry no time
zone to get wrong. There is no clock here: whoever needs to know the time is told.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hookline.core.errors import Invalid

__all__ = ["DAY", "HOUR", "MINUTE", "SECOND", "Instant", "isoformat", "parse_instant"]

Instant: TypeAlias = int

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND

# RFC 3339 §5.6, with the space that its note permits. [0-9], for \d takes digits of all scripts.
_RFC3339 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<minute>[0-9]{2}:[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def isoformat(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC, always with six digits, so that texts sort as times do.

    Raises:
        ValueError: outside of the years 1 to 9999, which RFC 3339 cannot write.

    >>> isoformat(1_795_428_000_000_000)
    '2026-11-23T10:00:00.000000Z'
    """
    if not _FIRST <= instant <= _LAST:
        raise ValueError("the instant is outside of the years 1 to 9999")
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_instant(text: str, *, where: str | None = None) -> Instant:
    """Read RFC 3339; digits beyond the microsecond are dropped, a leap second is the next second.

    Args:
        text: the time, with its offset.
        where: JSON Pointer for the error.

    Raises:
        Invalid: ``invalid-instant``. A time without an offset is refused: it names 24 instants.

    >>> parse_instant("2026-11-23T12:00:00+02:00")
    1795428000000000
    """
    found = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise _refused(text, "", where)
    if found["offset"] is None:
        raise _refused(text, " because it has no offset from UTC", where)
    try:
        instant = _instant(found)
    except ValueError:
        raise _refused(text, " because there is no such date, time or offset", where) from None
    if not _FIRST <= instant <= _LAST:
        raise _refused(text, " because it is outside of the years 1 to 9999", where)
    return instant


def _instant(found: re.Match[str]) -> Instant:
    offset = "+00:00" if found["offset"] in "Zz" else found["offset"]
    leap = found["second"] == "60"
    second = "59" if leap else found["second"]
    # Without the offset first: near the years 1 and 9999 datetime cannot move to UTC.
    local = datetime.fromisoformat(f"{found['date']}T{found['minute']}:{second}+00:00")
    instant = (local - _EPOCH) // _MICROSECOND - _offset_us(offset)
    if leap:
        instant = _after_leap(instant)
    return instant + int((found["fraction"] or "0")[:6].ljust(6, "0"))


def _offset_us(offset: str) -> int:
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(offset)
    size = hours * HOUR + minutes * MINUTE
    return -size if offset[0] == "-" else size


def _after_leap(instant: Instant) -> Instant:
    """Take 23:59:60 UTC, the only place of a leap second, as the second that follows."""
    if (instant + SECOND) % DAY:
        raise ValueError("a leap second in the middle of a day")
    return instant + SECOND


def _refused(text: object, why: str, where: str | None) -> Invalid:
    hint = "write it like 2026-11-23T10:00:00Z or 2026-11-23T12:00:00+02:00 (in a URL, + is %2B)"
    shown = ascii(text[:60]) if isinstance(text, str) else f"a {type(text).__name__}"
    return Invalid("invalid-instant", f"{shown} is no instant{why}", hint, where=where)
