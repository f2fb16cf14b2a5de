"""What a store promises, whichever database is under it.

A store is a small set of verbs, each one transaction. Two of them carry the product:

* ``record``: events and their deliveries, durable before it returns;
* ``settle``: attempts, what became of their deliveries, and the freed slots of their lanes.

Between them stands ``lease``: it hands out deliveries that are due, each under a ``token``. A
settlement counts only while its token is still the delivery's (the lease is *fenced*): a dispatcher
that stalled past its lease and woke up again changes nothing. A lease itself need not survive a power
failure, since losing it only means that the attempt is made again, with the same Request-ID.

Deliveries wait in **lanes**, one an organization and integration. Organizations are leased from in turn,
and within each its lanes. All lanes of an integration pass its **gate** (``core.gate``): cap, pace,
rate, whether it is subscribed. A lane that finds it shut is not looked at until it opens, so that a
dead integration's backlog costs nothing. Integrations that only time out wait in a line of their own,
the slow one; whoever leases says how much of it he can take.

The contract is a test suite: ``tests/store/test_contract.py`` runs it on every store, and a store
exists when it passes. No row type, session or SQL leaves the room.

Every verb may raise ``Unavailable``: the database cannot do it now, and nothing was stored.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hookline.core.lifecycle import State
from hookline.core.matching import Candidate
from hookline.core.model import Attempt, Delivery, Event, Installation, Integration, Kind, Policy
from hookline.core.notice import Notice
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Verdict
from hookline.store.credentials import ApiKey, Credentials, Erased, SealedSecret
from hookline.store.upkeep import Ages, Backlog, Purged, StoreTally

__all__ = [
    "ApiKey",
    "AttemptBody",
    "DeliveryFilter",
    "Erased",
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
    "SealedSecret",
    "Settled",
    "Settlement",
    "Store",
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
    """

    counted: list[bool]
    noticed: bool
    unswept: bool


class NewRecovery(NamedTuple):
    """Which of an integration's deliveries are to wait again.

    Attributes:
        states: ``parked``, ``delivered`` or both.
        after_id: those with greater ids, which are those accepted later.
        until_id: those with smaller ids.
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
    event_id: bytes | None = None
    before: bytes | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AttemptBody:
    """What every attempt of a delivery sends: the parts that its body is made of."""

    action: str
    installation: str
    tail: bytes


class Store(Credentials, Protocol):
    """The durable state. Instants are µs since the epoch; ids of 16 bytes are UUIDs."""

    # -- the way out ------------------------------------------------------------------------------

    async def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        """Store events and their deliveries in one durable transaction, all or none.

        A delivery for an integration that is unsubscribed or deleted by then is parked at once.
        An event whose ``external_id`` its organization already has is not stored again: its
        answer is the first one, with ``duplicate`` set.
        """
        ...

    async def lease(
        self, *, limit: int, slow_limit: int, each: int, now: int, until: int, token: int
    ) -> Leases:
        """Hand out due deliveries under ``token``, by turns.

        At most ``limit``, and besides at most ``slow_limit`` of integrations that only time out; and
        no integration gets any with which it had more than ``each`` under way.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement], rules: Rules) -> Settled:
        """Store attempts and what became of their deliveries, in one durable transaction.

        The same transaction unsubscribes the integrations of which the rules say so.
        """
        ...

    async def sweep(self, limit: int, now: int) -> int:
        """Park what waits for integrations that are unsubscribed or deleted; at most so many."""
        ...

    async def rescue(self, now: int, keep: Collection[bytes] = ()) -> int:
        """Return deliveries whose lease ran out to waiting, but for those in ``keep``; how many.

        ``keep`` is what the caller itself still has under way: a clock that leapt forward, or a machine
        that slept, makes its leases look run out while their attempts are in hand.
        """
        ...

    async def replay(self, delivery_id: bytes, now: int) -> Delivery | None:
        """Make a final delivery wait again, due now, with its schedule begun anew.

        Returns None where there is no such delivery; raises ``Conflict`` where it is not final, or
        its integration is unsubscribed or deleted.
        """
        ...

    # -- unsubscribing ----------------------------------------------------------------------------

    async def unsubscribe(self, integration_id: int, detail: str, now: int) -> bool:
        """Unsubscribe by hand; whether some of what waits is still to be swept.

        Raises ``Conflict`` where it is unsubscribed already.
        """
        ...

    async def resubscribe(
        self, integration_id: int, now: int, recovery: NewRecovery | None
    ) -> Recovery | None:
        """Subscribe again, counters begun anew; recover what was parked since the last success.

        Raises ``Conflict`` where it is subscribed.
        """
        ...

    async def count_recovery(self, recovery: NewRecovery) -> dict[str, int]:
        """How many deliveries it would take, by park reason, or ``delivered``."""
        ...

    async def begin_recovery(self, recovery: NewRecovery) -> Recovery:
        """Begin to make deliveries wait again. Raises ``Conflict`` while unsubscribed."""
        ...

    async def recover_some(self, limit: int, now: int) -> bool:
        """Go on with a recovery, looking at no more than ``limit`` rows; whether there was one."""
        ...

    async def recoveries(self, integration_id: int) -> list[Recovery]:
        """An integration's recoveries, newest first."""
        ...

    async def health(self, integration_id: int, now: int, rules: Rules) -> IntegrationHealth:
        """How an integration stands."""
        ...

    async def notices(
        self, *, before: int | None, integration_id: int | None, limit: int
    ) -> list[Notice]:
        """What operators were told, newest first."""
        ...

    async def unpublished_notices(self, limit: int) -> list[Notice]:
        """Notices of which no event tells yet, oldest first."""
        ...

    async def unmailed_notices(self, limit: int) -> list[Notice]:
        """Notices of which no e-mail tells yet, oldest first."""
        ...

    async def close_notice(
        self, notice_id: int, *, published_at: int | None, mailed_at: int | None
    ) -> None:
        """Note by which ways a notice was told; None: not now."""
        ...

    # -- integrations and installations -----------------------------------------------------------

    async def create_integration(self, new: NewIntegration) -> Integration:
        """Register; an internal one is installed too. Raises ``Conflict`` on a taken slug."""
        ...

    async def update_integration(self, integration: Integration) -> Integration:
        """Replace what may change: name, URL, resources, alertable, policy.

        Raises ``NotFound`` where it was deleted meanwhile.
        """
        ...

    async def delete_integration(self, integration_id: int, now: int) -> bool:
        """Delete it and its installations; whether some of what waits is still to be swept."""
        ...

    async def integration(self, slug: str) -> Integration | None:
        """The integration by that slug."""
        ...

    async def integrations(self, after: str, limit: int) -> list[Integration]:
        """Integrations by slug, those after ``after``."""
        ...

    async def create_installation(
        self, new: NewInstallation, announcement: NewEvent | None
    ) -> Installation:
        """Install, and record the event that says so, in one transaction.

        The announcement's deliveries are for the new installation, whatever id they carry.
        Raises ``Conflict`` where the organization has it already, ``NotFound`` where the integration
        was deleted meanwhile.
        """
        ...

    async def delete_installation(
        self, uuid: str, now: int, announcement: NewEvent | None
    ) -> Installation | None:
        """Uninstall, and record the event that says so, in one transaction."""
        ...

    async def installation(self, uuid: str) -> Installation | None:
        """The installation by that uuid, deleted or not."""
        ...

    async def installations(
        self, *, organization: str | None = None, integration_id: int | None = None
    ) -> list[Installation]:
        """Installations in force, of an organization or of an integration."""
        ...

    async def ensure_organization(self, slug: str, now: int) -> int:
        """The organization's id; made on first use."""
        ...

    async def candidates(self, organization: str) -> tuple[int | None, list[Candidate]]:
        """The organization's id (None: not known yet) and who might want its events."""
        ...

    async def routes(self, integration_ids: Sequence[int]) -> list[Route]:
        """What a dispatcher must know of these integrations, deleted ones included."""
        ...

    # -- resources, facts -------------------------------------------------------------------------

    async def define_resource(self, name: str, actions: tuple[str, ...], now: int) -> None:
        """Register a publisher's resource. Raises ``Conflict`` where it exists."""
        ...

    async def resources(self) -> dict[str, tuple[str, ...]]:
        """The registered resources and their actions."""
        ...

    async def fact(self, name: str) -> str | None:
        """A small fact about this database."""
        ...

    async def set_fact(self, name: str, value: str) -> None:
        """Remember a small fact."""
        ...

    # -- reading the log --------------------------------------------------------------------------

    async def events(self, public_id: str, organization: str | None) -> list[Event]:
        """Events by that id, in every organization or in one."""
        ...

    async def deliveries(self, filter_: DeliveryFilter) -> list[Delivery]:
        """Deliveries that match, newest first."""
        ...

    async def delivery(self, delivery_id: bytes) -> Delivery | None:
        """One delivery."""
        ...

    async def attempts(self, delivery_id: bytes) -> list[Attempt]:
        """Its attempts, oldest first."""
        ...

    async def attempt_body(self, delivery_id: bytes) -> AttemptBody | None:
        """The parts of the body that every attempt of it sends."""
        ...

    async def latest_instant(self) -> int:
        """The newest instant at which something was recorded or settled; 0 for an empty store.

        A clock that goes on from here puts nothing that is stored into the future, but for due times.
        Exact for events; for settlements up to a second less.
        """
        ...

    # -- upkeep -----------------------------------------------------------------------------------

    @property
    def tally(self) -> StoreTally:
        """What it has counted since it was opened."""
        ...

    async def backlog(self) -> Backlog:
        """What waits. It looks at each waiting delivery's place in an index: not for every second."""
        ...

    async def timeout_counts(self, now: int, span_us: int) -> dict[str, int]:
        """How many timeouts count within the span, by slug; those that have none are not in it."""
        ...

    async def purge(self, ages: Ages, cursor: bytes, limit: int) -> Purged:
        """Delete a chunk of what is old: at most ``limit`` rows, after looking at as many.

        A sweep begins with an empty cursor, goes on with that of the answer, and ends at None. It
        deletes attempts whose delivery is final; deliveries that are final, were settled before
        the event's age and belong to events of that age; events without a delivery; plans without
        an event. What it passes over, the next sweep looks at again, so nothing need be remembered
        between two of them.
        """
        ...

    async def ping(self) -> None:
        """Prove that the database takes writes: returns, or raises ``Unavailable``."""
        ...

    async def close(self) -> None:
        """Finish what was asked for, then let go of the database."""
        ...
