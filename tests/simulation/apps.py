"""What is registered, as the operators know it: the model that events are expected by."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

__all__ = ["App", "Apps"]

SUBSCRIBABLE = ("issue", "comment", "error")
ALERT = "event_alert"


@dataclass
class App:
    """One integration; ``installed``: organization by installation."""

    id: int
    slug: str
    kind: str
    organization: str | None
    resources: tuple[str, ...]
    alertable: bool
    deleted: bool = False
    installed: dict[str, str] = field(default_factory=dict)

    def wants(self, resource: str, targets: tuple[str, ...] | None) -> bool:
        """Whether an event goes to it."""
        if targets is not None:
            return self.slug in targets
        return self.alertable if resource == ALERT else resource in self.resources


@dataclass
class Apps:
    """All of them, and whether they are known for sure: no change is under way."""

    by_slug: dict[str, App] = field(default_factory=dict)
    begun: int = 0
    done: int = 0

    def live(self) -> list[App]:
        """Those that were not deleted."""
        return [app for app in self.by_slug.values() if not app.deleted]

    def settled(self) -> int | None:
        """A number that stays the same while nothing changes; None while something does."""
        return self.done if self.begun == self.done else None

    def expected(
        self, organization: str, resource: str, targets: tuple[str, ...] | None
    ) -> frozenset[str]:
        """The installations that an event of the organization goes to."""
        return frozenset(
            uuid
            for app in self.live()
            if app.wants(resource, targets)
            for uuid, where in app.installed.items()
            if where == organization
        )


SCHEDULES = (
    None,
    None,
    [0, 5, 30, 120, 600],
    [0, 1, 1, 1, 1, 1, 1, 1],
    [0, 60, 3600],
    [0, 0, 0],
    [0],
    [30, 60, 7200],
)


def draw_fields(dice: Random) -> dict[str, Any]:
    """The policy of a new integration."""
    rates = [{"number": 5, "per": "second"}, {"number": 20, "per": "minute"}]
    fields: dict[str, Any] = {
        "timeout": dice.choice([0.1, 1.0, 1.0, 5.0, 30.0]),
        "max_in_flight": dice.choice([1, 2, 5, 32, 32, 100]),
        "retry_schedule": dice.choice(SCHEDULES),
        "body_encoding": dice.choice(["javascript", "javascript", "ascii"]),
        "rate_limit": dice.choice(rates) if dice.random() < 0.3 else None,
    }
    return {
        name: value for name, value in fields.items() if value is not None or name == "rate_limit"
    }
