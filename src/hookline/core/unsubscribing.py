"""When an integration is unsubscribed, and when its operator is warned: pure decisions.

Three rules, any of which unsubscribes:

1. **Too many timeouts**: the documented rule. As many as ``timeouts`` (1,000) within ``span_us`` (24
   hours, rolling). It is decided from the instant of the thousandth newest timeout and so needs no
   counter that must be aged: if that one is younger than the span, there were a thousand within it.
   Warnings go out at 50 % and at 90 %.
2. **Failure for days**: attempts on ``failing_days`` (5) days running, and every one failed. The days
   are spans of 24 hours from the first failure, so the rule fires after five full days whatever the
   time of day and the time zone. A day without any attempt starts it anew: nothing was tried, so
   nothing is known.
3. **410 Gone**: the receiver says so itself.

Attempts that were not made (the address guard refused) tell nothing about the receiver.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from hookline.core.instants import DAY
from hookline.core.outcome import Counted

__all__ = [
    "Effect",
    "Health",
    "Reason",
    "Rules",
    "Unsubscribe",
    "Warn",
    "begun_anew",
    "looked_up",
    "observe",
    "span_words",
]


class Reason(StrEnum):
    """Why an integration is unsubscribed."""

    TIMEOUTS = "timeouts"
    FAILURES = "failures"
    GONE = "gone"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of the rules; ``timeouts`` or ``failing_days`` of 0 turns that rule off."""

    timeouts: int = 1_000
    span_us: int = DAY
    failing_days: int = 5

    @property
    def warnings(self) -> tuple[tuple[int, int], ...]:
        """Per cent and number of timeouts of each warning, the gravest first."""
        steps = ((percent, -(-self.timeouts * percent // 100)) for percent in (90, 50))
        return tuple((percent, count) for percent, count in steps if 0 < count < self.timeouts)


@dataclass(frozen=True, slots=True)
class Health:
    """What the rules go by. Instants are µs since the epoch.

    Attributes:
        timeouts: all timeouts so far, the number of the newest one.
        counted_from: timeouts up to this number count no more: it was resubscribed after them.
        warned: per cent of the last warning.
        warned_at: when it was given.
        failing_since: the first of the failures since the last success; None while it succeeds.
        failing_day: the last day since then, counted from 0, that had an attempt.
        success_at: the last success; None before the first.
    """

    timeouts: int = 0
    counted_from: int = 0
    warned: int = 0
    warned_at: int = 0
    failing_since: int | None = None
    failing_day: int = 0
    success_at: int | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """So many per cent of the timeouts that unsubscribe have come."""

    percent: int
    timeouts: int


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The integration receives no more events; ``detail`` is a sentence for its operator."""

    reason: Reason
    detail: str


Effect = Warn | Unsubscribe


def observe(
    health: Health,
    counted: Counted,
    status: int | None,
    *,
    now: int,
    nth_timeout: Callable[[int], int],
    rules: Rules,
) -> tuple[Health, Effect | None]:
    """What follows for the integration from an attempt that ended.

    Args:
        health: before it.
        counted: what it counted as.
        status: its HTTP status.
        now: when it ended.
        nth_timeout: the instant of the timeout with that number; asked only for numbers over
            ``counted_from`` and below this one's.
        rules: the numbers.
    """
    if counted is Counted.BLOCKED:
        return health, None
    if counted is Counted.SUCCESS:
        if health.success_at == now and health.failing_since is None:
            return health, None  # most attempts: the same batch brought others
        return replace(health, failing_since=None, failing_day=0, success_at=now), None
    health, for_days = _failed(health, now, rules)
    if status == 410:
        return health, Unsubscribe(Reason.GONE, "The receiver answered 410 Gone.")
    effect: Effect | None = None
    if counted is Counted.TIMEOUT:
        health = replace(health, timeouts=health.timeouts + 1)
        health, effect = _timed_out(health, now, nth_timeout, rules)
    if for_days and not isinstance(effect, Unsubscribe):
        days = rules.failing_days
        effect = Unsubscribe(Reason.FAILURES, f"Every attempt of {days} days running failed.")
    return health, effect


def looked_up(health: Health, count: int, rules: Rules) -> set[int]:
    """The numbers of earlier timeouts that ``observe`` may ask for while so many more come.

    >>> sorted(looked_up(Health(timeouts=12), 2, Rules(timeouts=10)))
    [4, 5, 6, 9, 10]
    """
    first, newest = health.counted_from + 1, health.timeouts
    found: set[int] = set()
    for depth in (rules.timeouts, *(number for _, number in rules.warnings)):
        if depth:
            oldest = newest + 2 - depth  # as many back from the next one, itself included
            found.update(range(max(first, oldest), min(newest + 1, oldest + count)))
    return found


def _failed(health: Health, now: int, rules: Rules) -> tuple[Health, bool]:
    since = health.failing_since
    day = 0 if since is None else max((now - since) // DAY, health.failing_day)
    if since is None or day > health.failing_day + 1:
        return replace(health, failing_since=now, failing_day=0), False
    return replace(health, failing_day=day), 0 < rules.failing_days <= day


def _timed_out(
    health: Health, now: int, nth_timeout: Callable[[int], int], rules: Rules
) -> tuple[Health, Effect | None]:
    def reached(count: int) -> bool:
        number = health.timeouts - count + 1
        if number <= health.counted_from:
            return False
        at = now if number == health.timeouts else nth_timeout(number)
        return at > now - rules.span_us

    if rules.timeouts and reached(rules.timeouts):
        sentence = f"{rules.timeouts:,} attempts within {span_words(rules.span_us)} timed out."
        return health, Unsubscribe(Reason.TIMEOUTS, sentence)
    stale = health.warned_at <= now - rules.span_us
    for percent, count in rules.warnings:
        if reached(count):
            if percent <= health.warned and not stale:
                break
            return replace(health, warned=percent, warned_at=now), Warn(percent, count)
    return health, None


def begun_anew(health: Health) -> Health:
    """The health of an integration that was just resubscribed: nothing counts any more."""
    return Health(
        timeouts=health.timeouts, counted_from=health.timeouts, success_at=health.success_at
    )


def span_words(span_us: int) -> str:
    """A span in words.

    >>> span_words(DAY), span_words(90_000_000)
    ('24 hours', '90 seconds')
    """
    seconds = span_us // 1_000_000
    for size, word in ((3600, "hour"), (60, "minute")):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds // size} {word}s"
    return f"{seconds:,} seconds"
