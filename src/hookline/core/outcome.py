"""What came of an attempt, as a value, and what it counts as."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

__all__ = ["Answered", "Blocked", "Counted", "Outcome", "Reason", "Unanswered", "count"]


class Reason(StrEnum):
    """Why there was no complete answer."""

    SLOW = "slow"  # the time was up
    DNS = "dns"
    REFUSED = "refused"
    RESET = "reset"  # closed or reset before the answer was complete
    TLS = "tls"
    MALFORMED = "malformed"  # bytes that are not HTTP


class Counted(StrEnum):
    """What an outcome counts as; the log's ``outcome``."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver answered in time, with this HTTP status."""

    status: int


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No complete answer within the timeout; ``detail`` is the transport's own sentence."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The address guard refused ``address``; ``rule`` names the range or rule that did."""

    address: str
    rule: str


Outcome = Answered | Unanswered | Blocked


def count(outcome: Outcome) -> Counted:
    """What the outcome counts as.

    A redirect is a failure: it is never followed, and calling it a success would lose the event.
    Anything short of a complete answer is a timeout, as the documented system counts it.
    """
    match outcome:
        case Answered(status):
            return Counted.SUCCESS if 200 <= status < 300 else Counted.FAILURE
        case Unanswered():
            return Counted.TIMEOUT
        case Blocked():
            return Counted.BLOCKED
        case _ as never:
            assert_never(never)
