"""What to do after an attempt: a pure decision."""

from dataclasses import dataclass
from enum import StrEnum

from hookline.core.outcome import Answered, Blocked, Counted, Outcome, count
from hookline.core.schedule import RetrySchedule, delay_us

__all__ = ["Delivered", "ParkReason", "Parked", "RetryAt", "Verdict", "judge"]


class ParkReason(StrEnum):
    """Why a delivery is not tried again by itself."""

    EXHAUSTED = "exhausted"  # the retry schedule has no further attempt
    BLOCKED = "blocked"  # the address guard refused; trying again would not change that
    GONE = "gone"  # the receiver answered 410
    UNSUBSCRIBED = "unsubscribed"  # the integration is; recover sends what it missed
    DELETED = "deleted"  # the integration was deleted


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at ``due`` (µs since the epoch)."""

    due: int


@dataclass(frozen=True, slots=True)
class Parked:
    """Stop trying; the delivery stays visible and can be replayed."""

    reason: ParkReason


Verdict = Delivered | RetryAt | Parked


def judge(
    outcome: Outcome,
    *,
    schedule: RetrySchedule,
    attempts_made: int,
    now: int,
    dice: float,
    asked_us: int | None = None,
) -> Verdict:
    """Decide what follows from an outcome.

    Args:
        outcome: what came of the attempt.
        schedule: seconds to wait before each attempt, the first included.
        attempts_made: attempts on this schedule, this one included (at least 1).
        now: µs since the epoch, when the attempt ended.
        dice: in [0, 1), spreads the retries.
        asked_us: the receiver's ``Retry-After``. It puts a retry off and never brings one forward:
            RFC 9110 §10.2.3 means the least wait, and a receiver that asks for five seconds through
            two hours of trouble would have the whole schedule used up in a minute.
    """
    if count(outcome) is Counted.SUCCESS:
        return Delivered()
    if isinstance(outcome, Blocked):
        return Parked(ParkReason.BLOCKED)
    if outcome == Answered(410):
        return Parked(ParkReason.GONE)
    wait = delay_us(schedule, attempts_made, dice)
    return Parked(ParkReason.EXHAUSTED) if wait is None else RetryAt(now + max(wait, asked_us or 0))
