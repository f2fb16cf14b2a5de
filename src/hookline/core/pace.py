"""How an integration's receiver copes, and how gently it is treated.

Two signs make Hookline gentler, one makes it bolder again:

* the receiver is **silent** (no complete answer in time): each such attempt holds a slot for the whole
  timeout, so fewer are made at once;
* it is **overloaded** (429, 502, 503, 504): fewer at once, and none at all for a while. ``Retry-After``
  says for how long; where it is missing, 1 s, then 2, 4, … up to a minute;
* it **answers** anything else: one more at a time, up to ``max_in_flight``.

``window`` is how many attempts may be under way at once. A bad sign cuts it to a quarter, or to one
where nothing was answered since that attempt began. Attempts that began before the last cut cut no
further: thirty-two that hang together are one piece of news, not thirty-two.

An integration whose window fell to one through silence is **slow**: it is served from the other line
(``core.gate``), which can never take all slots of a process. That is how a thousand dead receivers do
not delay a living one. It stays fully subscribed: its attempts and timeouts count as ever.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from hookline.core.instants import SECOND
from hookline.core.outcome import Counted

__all__ = ["OVERLOADED", "WIDEST", "Pace", "Sign", "after", "read_sign"]

OVERLOADED = frozenset({429, 502, 503, 504})
WIDEST = 1_000  # the largest max_in_flight: a window that narrows nothing
_LONGEST_HOLD = 60 * SECOND


class Sign(Enum):
    """What an attempt tells of its receiver's health."""

    ANSWERED = auto()
    OVERLOADED = auto()
    SILENT = auto()
    NONE = auto()  # the attempt was not made


@dataclass(frozen=True, slots=True)
class Pace:
    """Where an integration stands. Instants are µs since the epoch, 0 for never.

    Attributes:
        window: attempts that may be under way at once, besides the integration's own cap.
        cut_at: when the window was last cut.
        answered_at: when a receiver last answered.
        slow: whether it is served from the slow line.
        level: how often in a row it was overloaded; doubles the hold.
        held_until: nothing is attempted before.
    """

    window: int = WIDEST
    cut_at: int = 0
    answered_at: int = 0
    slow: bool = False
    level: int = 0
    held_until: int = 0


def read_sign(counted: Counted, status: int | None) -> Sign:
    """What an outcome says of the receiver's health."""
    if counted is Counted.BLOCKED:
        return Sign.NONE
    if counted is Counted.TIMEOUT:
        return Sign.SILENT
    return Sign.OVERLOADED if status in OVERLOADED else Sign.ANSWERED


def after(pace: Pace, sign: Sign, *, began: int, now: int, cap: int, asked_us: int | None) -> Pace:
    """The pace after an attempt.

    Args:
        pace: before it.
        sign: what it told.
        began: when it began.
        now: when it ended.
        cap: the integration's ``max_in_flight``.
        asked_us: the wait that the receiver asked for.
    """
    if sign is Sign.NONE:
        return pace
    if sign is Sign.ANSWERED:
        window = min(cap, pace.window + 1) if pace.window < cap else pace.window
        level = pace.level if began <= pace.cut_at else 0
        return replace(pace, window=window, answered_at=now, slow=False, level=level)
    held = pace.held_until
    if sign is Sign.OVERLOADED and asked_us is not None:
        held = max(held, now + asked_us)
    if began <= pace.cut_at:
        return replace(pace, held_until=held)
    alive = sign is Sign.OVERLOADED or pace.answered_at >= began
    window = max(1, min(pace.window, cap) // 4) if alive else 1
    if sign is Sign.SILENT:
        return replace(pace, window=window, cut_at=now, slow=pace.slow or window == 1)
    if asked_us is None:
        held = max(held, now + min(SECOND << min(pace.level, 6), _LONGEST_HOLD))
    return replace(pace, window=window, cut_at=now, level=pace.level + 1, held_until=held)
