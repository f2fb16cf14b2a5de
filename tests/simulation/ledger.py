"""What happened in a run: the trace, and what receivers, publishers and the store's callers saw."""

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.loop import now_us

from hookline.core.model import Policy
from hookline.core.outcome import Answered, Counted, Outcome, count
from hookline.store.values import NewDelivery, NewEvent, Settlement

__all__ = ["Accepted", "Change", "Due", "Ledger", "Sent", "Settling", "Submitted", "Trace", "Turn"]

TAIL = 40
FOREVER = 1 << 62


class Trace:
    """One line for everything that happened, kept as a digest and its last lines."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.kinds: Counter[str] = Counter()

    def note(self, what: str, *values: Any) -> None:
        """Add a line: the time, what happened, with whom."""
        line = f"{now_us() / 1e6:16.6f} {what} {' '.join(map(str, values))}"
        self._digest.update(line.encode() + b"\n")
        self.tail.append(line)
        self.kinds[what] += 1

    def digest(self) -> str:
        """What two equal runs have in common."""
        return self._digest.hexdigest()


@dataclass(slots=True)
class Sent:
    """One request as its receiver saw it.

    Attributes:
        number: of the delivery's attempts, as the store counts them; ``position``: on the schedule.
        life: in which life of the process it was sent.
        at: when it came, in µs of the run; ``steady`` is the sender's own time.
        leased_at: the process's time at the lease; ``lease``: the number of that call.
        started_at: what the log will say.
        together: how many were under way at its integration, itself included.
        all_together, slow_together: the same for the whole process, and for its slow integrations.
        ended: when it was answered or given up; None while it is under way, and after a crash.
        logged: whether the store has it, and so counted it, with this ``settlement``.
        settled: the number of that call's answer.
    """

    delivery: bytes
    integration: int
    lane: tuple[int, int]
    number: int
    position: int
    life: int
    at: int
    steady: int
    leased_at: int
    lease: int
    started_at: int
    body: bytes
    signature: str
    policy: Policy
    together: int
    all_together: int
    slow_together: int
    ended: int | None = None
    outcome: Outcome | None = None
    asked_us: int | None = None
    logged: bool = False
    settlement: Settlement | None = None
    settled: int = FOREVER

    @property
    def counted(self) -> Counted | None:
        """What its answer counts as."""
        return None if self.outcome is None else count(self.outcome)

    @property
    def gone(self) -> bool:
        """Whether it was answered 410."""
        return self.outcome == Answered(410)


@dataclass(slots=True)
class Due:
    """A delivery that the store was asked to record.

    Attributes:
        asked, answered: numbers of the store's calls; those of another call that was answered before
            this one was asked came before it.
        place: its place in the call.
    """

    delivery: bytes
    event: bytes
    integration: int
    lane: tuple[int, int]
    installation: int
    accepted_at: int
    asked: int
    place: int
    answered: int = FOREVER


@dataclass(slots=True)
class Submitted:
    """What a publisher handed in: one event under one mark, however often it was sent."""

    mark: int
    organization: str
    external_id: str | None
    resource: str
    targets: tuple[str, ...] | None
    tries: int = 0
    lost: int = 0  # tries that ended without an answer


@dataclass(slots=True)
class Accepted:
    """The first answer to a publisher; ``expected``: the installations that were due it, if sure."""

    submitted: Submitted
    id: str
    deliveries: int
    at: int
    expected: frozenset[str] | None


@dataclass(slots=True)
class Change:
    """An operator's act on an integration or on one delivery, from asking to answer."""

    what: str
    integration: int
    begun: int
    done: int = FOREVER
    delivery: bytes | None = None
    value: Any = None


@dataclass(slots=True)
class Settling:
    """One call of ``settle`` that was not refused; ``asked``, ``answered``: numbers of calls."""

    settlements: Sequence[Settlement]
    asked: int
    answered: int = FOREVER


@dataclass(slots=True)
class Turn:
    """A call that closes an integration's gate or opens it, at an instant of the process's time."""

    what: str
    integration: int
    at: int
    asked: int
    answered: int = FOREVER


@dataclass
class Ledger:
    """Everything that the invariants are worked out from."""

    trace: Trace = field(default_factory=Trace)
    sent: dict[bytes, list[Sent]] = field(default_factory=lambda: defaultdict(list))
    in_order: list[Sent] = field(default_factory=list)
    due: dict[bytes, Due] = field(default_factory=dict)
    submitted: list[Submitted] = field(default_factory=list)
    accepted: dict[int, Accepted] = field(default_factory=dict)
    changes: dict[int, list[Change]] = field(default_factory=lambda: defaultdict(list))
    operations: list[Settling | Turn] = field(default_factory=list)  # as they were asked for
    crashed: dict[int, int] = field(default_factory=dict)  # life -> when it was killed
    away: list[tuple[int, int]] = field(default_factory=list)  # the store was unavailable
    refused: set[bytes] = field(default_factory=set)  # events that were not taken
    complaints: list[str] = field(default_factory=list)
    calls: int = 0

    def call(self) -> int:
        """The number of the next call of the store, or of its answer."""
        self.calls += 1
        return self.calls

    def recording(self, events: Sequence[NewEvent]) -> list[Due]:
        """The store is asked to record events."""
        asked, made = self.call(), []
        for event in events:
            for each in event.deliveries:
                made.append(_due(event, each, asked, len(made)))
                self.due[each.id] = made[-1]
        return made

    def recorded(self, made: list[Due]) -> None:
        """It answered."""
        answered = self.call()
        for each in made:
            each.answered = answered

    def change(self, what: str, integration: int, **details: Any) -> Change:
        """Somebody begins to change something."""
        made = Change(what, integration, now_us(), **details)
        self.changes[integration].append(made)
        return made

    def complain(self, invariant: str, what: str) -> None:
        """An invariant does not hold."""
        self.complaints.append(f"{invariant}: {what}")


def _due(event: NewEvent, delivery: NewDelivery, asked: int, place: int) -> Due:
    lane = (event.organization_id, delivery.integration_id)
    return Due(
        delivery.id,
        event.id,
        delivery.integration_id,
        lane,
        delivery.installation_id,
        event.accepted_at,
        asked,
        place,
    )
