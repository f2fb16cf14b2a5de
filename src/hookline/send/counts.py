"""What the engine has counted since it started, for whoever wants to see it.

Plain ints, counted on the event loop by those who do the work, a batch at a time; nothing is locked.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hookline.core.outcome import Counted
from hookline.core.tally import Histogram
from hookline.core.verdict import Delivered, Parked, Verdict
from hookline.store.upkeep import Purged
from hookline.store.values import Settlement

__all__ = ["Counts", "verdict_word"]

# µs, up to the longest timeout of 30 s.
ATTEMPT_BOUNDS_US = (
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000,
)  # fmt: skip
PUBLISH_BOUNDS_US = (
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000,
)  # fmt: skip
EVENT_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


def verdict_word(verdict: Verdict) -> tuple[str, str]:
    """A verdict in one word, and its reason where it has one."""
    match verdict:
        case Delivered():
            return "delivered", ""
        case Parked(reason):
            return "parked", str(reason)
        case _:
            return "retry", ""


@dataclass(slots=True)
class Counts:
    """What is counted on the way.

    Attributes:
        attempts_us: how long the attempts took that ended, by outcome.
        verdicts: what was settled, by verdict and reason.
        leases_lost: attempts that did not count, because their lease had run out.
        events: events recorded; ``duplicates`` were answered with what was recorded before.
        deliveries: deliveries recorded with those events.
        group_events: events that shared a commit.
        publish_us: from a publisher's call until its events were durable.
        purged: what retention deleted, by table.
        received: requests that came in, by the source's slug and what came of them.
    """

    attempts_us: dict[Counted, Histogram] = field(
        default_factory=lambda: {each: Histogram(ATTEMPT_BOUNDS_US) for each in Counted}
    )
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    leases_lost: int = 0
    events: int = 0
    duplicates: int = 0
    deliveries: int = 0
    group_events: Histogram = field(default_factory=lambda: Histogram(EVENT_BOUNDS))
    publish_us: Histogram = field(default_factory=lambda: Histogram(PUBLISH_BOUNDS_US))
    purged: Counter[str] = field(default_factory=Counter)
    received: Counter[tuple[str, str]] = field(default_factory=Counter)

    def attempted(self, settlements: Iterable[Settlement]) -> None:
        """Count attempts that have ended."""
        for each in settlements:
            attempt = each.attempt
            self.attempts_us[attempt.outcome].observe(attempt.timings.total)

    def settled(self, settlements: Iterable[Settlement], counted: Iterable[bool]) -> None:
        """Count what became of deliveries, where it counted."""
        for each, counts in zip(settlements, counted, strict=True):
            if counts:
                self.verdicts[verdict_word(each.verdict)] += 1
            else:
                self.leases_lost += 1

    def swept(self, purged: Purged) -> None:
        """Count what a chunk of retention deleted."""
        for name in ("attempts", "deliveries", "events", "plans"):
            self.purged[name] += getattr(purged, name)

    def copy(self) -> "Counts":
        """One that stays as it is now."""
        return Counts(
            {outcome: each.copy() for outcome, each in self.attempts_us.items()},
            self.verdicts.copy(),
            self.leases_lost,
            self.events,
            self.duplicates,
            self.deliveries,
            self.group_events.copy(),
            self.publish_us.copy(),
            self.purged.copy(),
            self.received.copy(),
        )
