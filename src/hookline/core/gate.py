"""The gate of an integration: how many more of its attempts may begin now.

All lanes of an integration (one an organization) pass its gate. It is shut while as many attempts are
under way as the cap and the pace allow, while the rate has nothing left, while the receiver asked to be
left alone, and for good when the integration is unsubscribed or deleted. A lane that finds it shut waits
*at the gate*, outside the line, and costs nothing there; it is let on when a slot is freed or, where
time alone opens the gate, at ``opens_at``.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from hookline.core import rate
from hookline.core.pace import WIDEST, Pace
from hookline.core.rate import RateLimit
from hookline.core.unsubscribing import Health

__all__ = ["Closed", "Gate"]


class Closed(StrEnum):
    """Why nothing passes a gate any more."""

    UNSUBSCRIBED = "unsubscribed"
    DELETED = "deleted"


@dataclass(slots=True)
class Gate:
    """What decides whether an integration's next attempt may begin.

    Attributes:
        in_flight: its deliveries that are leased.
        rate_next_at: where its rate stands (``core.rate``).
        health: what the unsubscribing rules go by.
    """

    integration_id: int
    in_flight: int
    max_in_flight: int
    rate_limit: RateLimit | None = None
    rate_next_at: int = 0
    pace: Pace = field(default_factory=Pace)
    closed: Closed | None = None
    health: Health = field(default_factory=Health)

    def room(self, now: int, each: int = WIDEST) -> int:
        """How many attempts may begin at ``now``; ``each``: what an integration may have at most."""
        if self.closed is not None or self.pace.held_until > now:
            return 0
        room = max(0, min(self._slots(), each - self.in_flight))
        if self.rate_limit is not None and room:
            room = min(room, rate.allowed(self.rate_limit, self.rate_next_at, now))
        return room

    def take(self, number: int, now: int) -> None:
        """Note that so many attempts begin."""
        self.in_flight += number
        if self.rate_limit is not None and number:
            self.rate_next_at = rate.taken(self.rate_limit, self.rate_next_at, now, number)

    def opens_at(self, now: int) -> int | None:
        """When time alone opens it; None where it takes a freed slot, or an operator."""
        if self.closed is not None or not self._slots():
            return None
        opens = self.pace.held_until
        if self.rate_limit is not None:
            opens = max(opens, self.rate_next_at - self.rate_limit.tolerance_us)
        return max(opens, now)

    def _slots(self) -> int:
        return max(0, min(self.max_in_flight, self.pace.window) - self.in_flight)
