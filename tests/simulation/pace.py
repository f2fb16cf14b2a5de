"""A receiver in trouble is left alone for a while: as long as it asks, or a second at least."""

from bisect import bisect
from collections import defaultdict

from tests.simulation.ledger import Ledger, Sent

from hookline.core.outcome import Answered, Counted

__all__ = ["examine"]

OVERLOADED = (429, 502, 503, 504)
LEAST_HOLD = 1_000_000


def examine(ledger: Ledger) -> None:
    """Complain of attempts at an integration that was to be left alone."""
    by_integration: dict[int, list[Sent]] = defaultdict(list)
    for sent in ledger.in_order:
        by_integration[sent.integration].append(sent)
    opened = defaultdict(list)
    for operation in ledger.operations:
        if getattr(operation, "what", None) == "resubscribe":
            opened[operation.integration].append(operation.asked)
    for integration, attempts in by_integration.items():
        settled = sorted((s for s in attempts if s.settlement), key=_order)
        leases = [sent.lease for sent in attempts]
        for at, until in _holds(settled):
            for sent in attempts[bisect(leases, at) :]:
                if sent.leased_at >= until:
                    break
                if not any(at < call < sent.lease for call in opened[integration]):
                    ledger.complain(
                        "left alone",
                        f"{sent.delivery.hex()} came {until - sent.leased_at} µs early",
                    )


def _order(sent: Sent) -> tuple[int, int]:
    """Of those that were settled together any may have been the news: then the earliest."""
    assert sent.settlement is not None
    return sent.settled, sent.settlement.settled_at


def _holds(settled: list[Sent]) -> list[tuple[int, int]]:
    """From which call on, and until when, nothing may be leased."""
    holds = []
    newest_trouble = 0
    for sent in settled:
        assert sent.settlement is not None
        now = sent.settlement.settled_at
        overloaded = isinstance(sent.outcome, Answered) and sent.outcome.status in OVERLOADED
        if overloaded and sent.asked_us is not None:
            holds.append((sent.settled, now + sent.asked_us))
        elif overloaded and sent.steady > newest_trouble:  # else it is no news
            holds.append((sent.settled, now + LEAST_HOLD))
        if overloaded or sent.counted is Counted.TIMEOUT:
            newest_trouble = max(newest_trouble, now)
    return holds
