"""What a receiver's answers tell of its habits: pure functions from what was seen to a finding.

A finding is *good*, *bad*, or *unclear*: what cannot be told from outside is not guessed. A refusal says
something only where the control, an ordinary webhook rightly signed, is accepted: who refuses everything
refuses the bad ones, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from hookline.cli.advice import advice, detail
from hookline.core.outcome import Answered, Outcome, Reason, Unanswered

__all__ = ["JUDGES", "Finding", "Judge", "Seen", "Verdict"]


class Verdict(StrEnum):
    """What can be said of a habit."""

    GOOD = "good"
    BAD = "bad"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one request.

    Attributes:
        label: what was special about it.
        outcome: what came of it.
        took_us: microseconds from its start to its end.
        head: the answer's head, as text.
        body: the answer's body, as text.
    """

    label: str
    outcome: Outcome
    took_us: int = 0
    head: str = ""
    body: str = ""

    @property
    def status(self) -> int:
        """The HTTP status; 0 where there was no answer."""
        return self.outcome.status if isinstance(self.outcome, Answered) else 0

    @property
    def accepted(self) -> bool:
        """Whether it was answered 2xx."""
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether it was answered 4xx, other than 410, which ends the integration's subscriptions."""
        return 400 <= self.status < 500 and self.status != 410

    def __str__(self) -> str:
        return f"{self.label}: {detail(self.outcome)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What can be said.

    Attributes:
        verdict: good, bad or unclear.
        found: what was seen.
        advice: one line: what to do, or what to look at.
    """

    verdict: Verdict
    found: str
    advice: str = ""


Judge: TypeAlias = Callable[[Sequence[Seen], Seen], Finding]
"""From what was seen, and the control, to what can be said."""


def _good(seen: Sequence[Seen], advice: str = "") -> Finding:
    return Finding(Verdict.GOOD, _summary(seen), advice)


def _bad(culprit: Seen, advice: str) -> Finding:
    return Finding(Verdict.BAD, str(culprit), advice)


def _unclear(seen: Sequence[Seen], advice: str) -> Finding:
    return Finding(Verdict.UNCLEAR, _summary(seen), advice)


def _summary(seen: Sequence[Seen]) -> str:
    """Each different outcome once, with how many times where there are several."""
    counted: dict[str, int] = {}
    for each in seen:
        words = detail(each.outcome)
        counted[words] = counted.get(words, 0) + 1
    return ", ".join(
        words if len(seen) == 1 else f"{number} x {words}" for words, number in counted.items()
    )


def _fell_over(seen: Sequence[Seen]) -> Finding | None:
    """Bad whatever was sent: no answer, a redirect, 410, or a failure of its own."""
    for each in seen:
        if each.status == 410:
            return _bad(
                each, "410 ends the subscriptions of the integration; answer 4xx of another kind."
            )
        if each.status >= 500:
            return _bad(
                each, "Answer 400 or 401: a 5xx is sent again, and hides failures of your own."
            )
        if not (each.accepted or each.refused):
            return _bad(each, advice(each.outcome))
    return None


def _all_accepted(seen: Sequence[Seen], _control: Seen) -> Finding:
    for each in seen:
        if not each.accepted:
            return _bad(each, advice(each.outcome) or "Answer 2xx to each genuine webhook.")
    return _good(seen)


def _duplicate(seen: Sequence[Seen], control: Seen) -> Finding:
    finding = _all_accepted(seen, control)
    if finding.verdict is Verdict.BAD:
        return Finding(
            finding.verdict, finding.found, "Answer 2xx to a duplicate, too, else it is sent again."
        )
    first, second = seen
    if "duplicate" in second.body.lower() and "duplicate" not in first.body.lower():
        return _good(seen, "It says that the second one is a duplicate.")
    return _unclear(
        seen, "See that it was handled once: keep Request-IDs (hookline.receive.SQLite)."
    )


def _forged(seen: Sequence[Seen], control: Seen) -> Finding:
    if finding := _fell_over(seen):
        return finding
    for each in seen:
        if each.accepted:
            return _bad(
                each, "Check the signature over the raw body, and answer 401 if it is wrong."
            )
    if not control.accepted:
        return _unclear(seen, "It refuses genuine webhooks, too; see that first.")
    return _good(seen)


def _garbage(seen: Sequence[Seen], control: Seen) -> Finding:
    if finding := _fell_over(seen):
        return finding
    if any(each.accepted for each in seen):
        return _unclear(
            seen, "If it stores first and reads later: see that nothing failed. Else: 400."
        )
    if not control.accepted:
        return _unclear(seen, "It refuses genuine webhooks, too; see that first.")
    return _good(seen)


def _too_large(seen: Sequence[Seen], control: Seen) -> Finding:
    (only,) = seen
    if only.accepted:
        return _bad(
            only, "Limit bodies: a stranger can fill the memory. 1 MiB is enough; answer 413."
        )
    if isinstance(only.outcome, Unanswered):
        if only.outcome.reason in {Reason.RESET, Reason.MALFORMED} and control.accepted:
            return _good(seen, "It hangs up; 413 before that would tell the sender why.")
        return _unclear(seen, "It did not get there in time; try a larger --timeout.")
    if finding := _fell_over(seen):
        return finding
    if not control.accepted:
        return _unclear(seen, "It refuses genuine webhooks, too; see that first.")
    return _good(seen, "" if only.status == 413 else "413 would tell the sender why.")


def _unknown(seen: Sequence[Seen], control: Seen) -> Finding:
    if finding := _fell_over(seen):
        return finding
    if not all(each.accepted for each in seen):
        if not control.accepted:
            return _unclear(seen, "It refuses known webhooks, too; see that first.")
        return _good(seen, "2xx is better: senders add events, and count a 4xx as a failure.")
    return _good(seen)


def _either(seen: Sequence[Seen], control: Seen) -> Finding:
    if finding := _fell_over(seen):
        return finding
    if seen[0].accepted:
        return _good(seen, "The time is not signed here, so a limit would stop no attacker.")
    if not control.accepted:
        return _unclear(seen, "It refuses genuine webhooks, too; see that first.")
    return _good(seen, "It refuses old webhooks; a replay carries a new time.")


def _rotated(seen: Sequence[Seen], control: Seen) -> Finding:
    if not seen:
        return Finding(
            Verdict.UNCLEAR, "not sent", "Give --old-secret, a second secret that is still valid."
        )
    if seen[0].refused and control.accepted:
        return _bad(seen[0], "Take both secrets until the overlap ends: verify(..., [new, old]).")
    return _all_accepted(seen, control)


def _burst(seen: Sequence[Seen], _control: Seen) -> Finding:
    slowest = max(each.took_us for each in seen) / 1000
    for each in seen:
        polite = each.status in {429, 503} and "\nretry-after:" in each.head.lower()
        if not each.accepted and not polite:
            return _bad(each, advice(each.outcome) or "Answer at once, and work afterwards.")
    finding = _good(seen)
    return Finding(finding.verdict, f"{finding.found}, slowest {slowest:.0f} ms")


def _order(seen: Sequence[Seen], control: Seen) -> Finding:
    finding = _all_accepted(seen, control)
    if finding.verdict is Verdict.BAD:
        return finding
    return _unclear(seen, "See that the later state stands: order is not promised. Compare times.")


def _spelling(seen: Sequence[Seen], control: Seen) -> Finding:
    for each in seen:
        if each.refused and control.accepted:
            return _bad(
                each, "Compute the signature over the raw bytes, not over JSON written again."
            )
    return _all_accepted(seen, control)


def _get(seen: Sequence[Seen], _control: Seen) -> Finding:
    if finding := _fell_over(seen):
        return finding
    if seen[0].accepted:
        return _unclear(seen, "If that is no page of yours: answer 405, for a webhook is a POST.")
    return _good(seen)


JUDGES: Final[dict[str, Judge]] = {
    "valid": _all_accepted,
    "unicode": _spelling,
    "duplicate": _duplicate,
    "bad-signature": _forged,
    "missing-signature": _forged,
    "rotated-secret": _rotated,
    "malformed-body": _garbage,
    "empty-body": _garbage,
    "too-large": _too_large,
    "unknown-resource": _unknown,
    "unknown-action": _unknown,
    "old-timestamp": _either,
    "out-of-order": _order,
    "slow-receiver": _burst,
    "get-request": _get,
}
"""How each scenario is judged; their order is that of the report."""
