"""What goes into a store and what comes out of it, besides what the core knows already.

Instants are µs since the epoch; ids of 16 bytes are UUIDs.
"""

from dataclasses import dataclass
from typing import NamedTuple

from hookline.core.lifecycle import State
from hookline.core.model import Attempt, Kind, Policy
from hookline.core.routing import Filter
from hookline.core.verdict import Verdict
from hookline.store.credentials import SealedSecret

__all__ = [
    "AttemptBody",
    "DeliveryFilter",
    "IntegrationHealth",
    "Leased",
    "Leases",
    "NewDelivery",
    "NewEvent",
    "NewInstallation",
    "NewIntegration",
    "NewRecovery",
    "Recorded",
    "Recovery",
    "Route",
    "Settled",
    "Settlement",
]


class NewDelivery(NamedTuple):
    """One delivery to record: for which installation, through which integration's lane."""

    id: bytes
    installation_id: int
    integration_id: int
    in_ascii: bool


class NewEvent(NamedTuple):
    """One event to record, with the deliveries that its plan chose.

    Attributes:
        id: 16 bytes, new.
        external_id: the publisher's own id, once per organization; None where it gave none.
        tail_ascii: the tail in the ascii encoding, where a delivery needs it and it differs.
        warnings: JSON text for the publisher, given again when the same event comes again.
        plan_id: digest of ``considered``.
        forwarded: what is kept beside the body where a source brought it (``core.forwarding``); then
            ``tail`` is that body, byte for byte.
    """

    id: bytes
    organization_id: int
    external_id: str | None
    resource: str
    action: str
    tail: bytes
    tail_ascii: bytes | None
    targets: str | None
    warnings: str | None
    plan_id: bytes
    considered: str
    accepted_at: int
    deliveries: tuple[NewDelivery, ...]
    forwarded: bytes | None = None


class Recorded(NamedTuple):
    """The answer to a publisher; ``duplicate``: this is the first answer, given again."""

    id: str
    deliveries: int
    warnings: str | None
    duplicate: bool


class Leased(NamedTuple):
    """A delivery to attempt, with all that its request needs but the integration's secret and URL.

    Attributes:
        slow: it came from the slow line.
        event: the event's public id.
        organization: the organization's slug.
        forwarded: as in ``NewEvent``.
    """

    id: bytes
    token: int
    organization_id: int
    integration_id: int
    slow: bool
    installation: str
    resource: str
    action: str
    tail: bytes
    attempts_made: int
    schedule_position: int
    event: str
    organization: str
    forwarded: bytes | None = None


class Leases(NamedTuple):
    """What a lease gave, and when the next lane is ready (None: nothing waits for a time).

    A line that has no room any more does not count: an attempt that ends makes some.
    """

    deliveries: list[Leased]
    next_ready_at: int | None


class Settlement(NamedTuple):
    """What came of a leased delivery.

    Attributes:
        settled_at: when its attempt ended.
        began_at: when it began, by the same clock; ``attempt.started_at`` is the wall clock's.
        asked_us: the wait that the receiver asked for.
    """

    delivery_id: bytes
    token: int
    organization_id: int
    integration_id: int
    attempt: Attempt
    verdict: Verdict
    settled_at: int
    began_at: int
    asked_us: int | None = None


class Settled(NamedTuple):
    """What settling did.

    Attributes:
        counted: for each settlement, whether it counted: False where the lease was no longer ours, and
            then nothing of it was stored.
        noticed: there is something to tell operators.
        unswept: some of what waits behind a closed gate is still to be parked.
        leasable: a lease may find something, or learn when it will: something waits in the lanes whose
            slots were freed, or at their gates.
    """

    counted: list[bool]
    noticed: bool
    unswept: bool
    leasable: bool


class NewRecovery(NamedTuple):
    """Which of an integration's deliveries are to wait again.

    Attributes:
        states: ``parked``, ``delivered`` or both.
        after_id: those with greater ids, which are those accepted later.
        until_id: those with smaller ids, and of them those that are there when it begins.
        parked_since: of the parked ones, those that were parked then or later.
    """

    integration_id: int
    states: frozenset[State]
    after_id: bytes
    until_id: bytes
    now: int
    parked_since: int = 0


class Recovery(NamedTuple):
    """A recovery and how far it got; ``done_at``: None while it goes on."""

    id: int
    integration_id: int
    states: frozenset[State]
    parked_since: int
    after_id: bytes
    until_id: bytes
    recovered: int
    begun_at: int
    done_at: int | None


class IntegrationHealth(NamedTuple):
    """How an integration stands.

    Attributes:
        timeouts: those that count, within the span of the rule.
        failing_since: the first failure since the last success; None while it succeeds.
        window: how many attempts may be under way at once, by its cap and by how it copes.
        slow: it is served from the slow line.
        held_until: nothing is attempted before; None: it is not held.
    """

    timeouts: int
    in_flight: int
    waiting: int
    parked: int
    success_at: int | None
    failing_since: int | None
    window: int
    slow: bool
    held_until: int | None


@dataclass(frozen=True, slots=True)
class Route:
    """What a dispatcher must know of an integration to make its requests.

    ``secrets``: the oldest first; expired ones may be among them until they are erased.
    """

    integration_id: int
    uuid: str
    slug: str
    webhook_url: str
    policy: Policy
    secrets: tuple[SealedSecret, ...]


@dataclass(frozen=True, slots=True)
class NewIntegration:
    """An integration to register, checked."""

    uuid: str
    slug: str
    name: str
    kind: Kind
    organization: str | None
    webhook_url: str
    client_id: str
    sealed_secret: bytes
    resources: tuple[str, ...]
    alertable: bool
    policy: Policy
    installation_uuid: str | None
    now: int
    source_id: int | None = None
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class NewInstallation:
    """An installation to make; ``code_digest`` is what is kept of the grant code."""

    uuid: str
    integration_id: int
    organization: str
    code_digest: bytes
    now: int


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list, newest first; ``before`` is the last id of the page before."""

    organization: str | None = None
    integration: str | None = None
    state: State | None = None
    park_reason: str | None = None
    event_id: bytes | None = None
    before: bytes | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AttemptBody:
    """What every attempt of a delivery sends: the parts that its body is made of."""

    action: str
    installation: str
    tail: bytes
    forwarded: bytes | None = None
