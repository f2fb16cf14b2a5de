"""How often an integration may be attempted: so many a second or a minute, evenly spread.

The rule is a virtual schedule (ITU-T I.371's, known as GCRA): one instant, ``next_at``, says when the
next attempt is due; each attempt moves it on by ``interval_us``. One integer is the whole state, so it
fits into a row and survives a restart.

Timers are late by a few milliseconds. Without any tolerance each late attempt would be lost from the
rate for good, so an attempt may come up to a hundredth of the period early. What is promised follows:
**never more than ``number`` attempts within 99 % of the period**.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hookline.core.errors import Invalid
from hookline.core.instants import MINUTE, SECOND

__all__ = ["Period", "RateLimit", "allowed", "parse_rate_limit", "taken"]

_MOST = 10_000
_HINT = (
    'give {"number": 10, "per": "second"}: 1 to 10000 a "second" or a "minute"; null for no limit'
)


class Period(StrEnum):
    """The span that a rate counts over."""

    SECOND = "second"
    MINUTE = "minute"


_SPANS = {Period.SECOND: SECOND, Period.MINUTE: MINUTE}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``number`` attempts (1 to 10,000) a period."""

    number: int
    per: Period

    @property
    def interval_us(self) -> int:
        """Between two attempts, rounded up so that the limit holds."""
        return -(-_SPANS[self.per] // self.number)

    @property
    def tolerance_us(self) -> int:
        """How early an attempt may come."""
        return _SPANS[self.per] // 100


def parse_rate_limit(value: object) -> RateLimit | None:
    """Read what a JSON document gave as ``rate_limit``; None: no limit.

    Raises:
        Invalid: ``invalid-rate-limit`` at ``/rate_limit``.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"number", "per"}:
        raise _refused("a rate limit has number and per, and nothing else")
    number, per = value["number"], value["per"]
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _MOST:
        raise _refused(f"the number of a rate limit is a whole one from 1 to {_MOST}")
    if per not in list(Period):
        raise _refused('a rate limit is per "second" or per "minute"')
    return RateLimit(number, Period(per))


def _refused(what: str) -> Invalid:
    return Invalid("invalid-rate-limit", what, _HINT, where="/rate_limit")


def allowed(limit: RateLimit, next_at: int, now: int) -> int:
    """How many attempts may begin at ``now``.

    >>> allowed(RateLimit(2, Period.SECOND), 0, 10_000_000)
    1
    """
    earliest = max(next_at, now) - limit.tolerance_us
    return 0 if earliest > now else 1 + (now - earliest) // limit.interval_us


def taken(limit: RateLimit, next_at: int, now: int, number: int) -> int:
    """Where the schedule stands after ``number`` attempts began at ``now``."""
    return max(next_at, now) + number * limit.interval_us
