"""What a store must hold and hand out, as a dictionary of deliveries."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hookline.core.lifecycle import State

ORGANIZATIONS = ("acme", "globex")


@dataclass
class Known:
    """What the model knows of a delivery; ``lane``: its app and its place among the organizations."""

    lane: tuple[int, int]
    state: State
    due: int
    leased: Any = None
    until: int = 0

    @property
    def app(self) -> int:
        return self.lane[0]


class Model:
    """Deliveries by id; integrations ("apps") by their place in ``shape``."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.shape: list[tuple[int, bool]] = []  # of each app its cap, and whether it is ordered
        self.known: dict[bytes, Known] = {}
        self.closed: set[int] = set()
        self.deleted: set[int] = set()
        self.held: Counter[tuple[int, int]] = Counter()  # ordered lanes: until when

    def of(self, app: int, *states: State) -> list[bytes]:
        """An app's deliveries in some states, in the order of their ids."""
        return sorted(i for i, k in self.known.items() if k.app == app and k.state in states)

    def lanes(self, app: int, *states: State) -> list[list[bytes]]:
        """The same for each of its lanes."""
        every = self.of(app, *states)
        places = range(len(ORGANIZATIONS))
        return [[each for each in every if self.known[each].lane == (app, n)] for n in places]

    def shut(self, app: int) -> bool:
        """Whether nothing of it may be attempted."""
        return app in self.closed or app in self.deleted

    def room(self, app: int) -> int:
        """How many more of an app's attempts may begin."""
        cap = 0 if self.shut(app) else self.shape[app][0]
        return max(0, cap - len(self.of(app, State.LEASED)))

    def first(self, app: int) -> list[tuple[int, bytes]]:
        """What of an app could be leased if it had room, each with the instant from which on."""
        if not self.shape[app][1]:
            return [(self.known[each].due, each) for each in self.of(app, State.WAITING)]
        # Ordered: one at a time, the oldest first, and a retry holds up all the others.
        lanes = zip(self.lanes(app, State.WAITING), self.lanes(app, State.LEASED), strict=True)
        return [
            (self.held[app, place], waiting[0])
            for place, (waiting, leased) in enumerate(lanes)
            if waiting and not leased
        ]

    def due(self, app: int) -> list[bytes]:
        """What of an app could be leased now if it had room."""
        return [each for due, each in self.first(app) if due <= self.now]

    def back(self, delivery: bytes, due: int) -> None:
        """It waits again, or is parked where its integration is shut."""
        known = self.known[delivery]
        known.state = State.PARKED if self.shut(known.app) else State.WAITING
        known.due, known.leased = due, None
        if self.shut(known.app):
            self.held[known.lane] = 0

    def leased(self) -> list[bytes]:
        """What is under way."""
        return sorted(i for i, k in self.known.items() if k.state is State.LEASED)

    def there(self) -> list[int]:
        """The apps that are not deleted."""
        return [app for app in range(len(self.shape)) if app not in self.deleted]
