"""What a store promises, whichever database is under it.

A store is a small set of verbs, each one transaction. Two of them carry the product:

* ``record``: events and their deliveries, durable before it returns;
* ``settle``: attempts, what became of their deliveries, and the freed slots of their lanes.

Between them stands ``lease``: it hands out deliveries that are due, each under a ``token``. A
settlement counts only while its token is still the delivery's (the lease is *fenced*): a dispatcher
that stalled past its lease and woke up again changes nothing. A lease itself need not survive a power
failure, since losing it only means that the attempt is made again, with the same Request-ID.

Deliveries wait in **lanes**, one an integration. A lane is runnable when something in it is due and a
slot is free (``max_in_flight``); leasing takes runnable lanes in turn and never looks at the others, so
that a dead integration's backlog costs nothing.

The contract is a test suite: ``tests/store/test_contract.py`` runs it on every store, and a store
exists when it passes. No row type, session or SQL leaves the room.

Every verb may raise ``Unavailable``: the database cannot do it now, and nothing was stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hookline.core.lifecycle import State
from hookline.core.matching import Candidate
from hookline.core.model import Attempt, Delivery, Event, Installation, Integration, Kind, Policy
from hookline.core.verdict import Verdict
from hookline.store.credentials import ApiKey, Credentials, Erased, SealedSecret

__all__ = [
    "ApiKey",
    "AttemptBody",
    "DeliveryFilter",
    "Erased",
    "Leased",
    "Leases",
    "NewDelivery",
    "NewEvent",
    "NewInstallation",
    "NewIntegration",
    "Recorded",
    "Route",
    "SealedSecret",
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
    """A delivery to attempt, with all that its request needs but the integration's secret and URL."""

    id: bytes
    token: int
    integration_id: int
    installation: str
    resource: str
    action: str
    tail: bytes
    attempts_made: int
    schedule_position: int


class Leases(NamedTuple):
    """What a lease gave, and when the next lane is ready (None: nothing waits for a time)."""

    deliveries: list[Leased]
    next_ready_at: int | None


class Settlement(NamedTuple):
    """What came of a leased delivery."""

    delivery_id: bytes
    token: int
    integration_id: int
    attempt: Attempt
    verdict: Verdict
    settled_at: int


@dataclass(frozen=True, slots=True)
class Route:
    """What a dispatcher must know of an integration to make its requests.

    ``secrets``: the oldest first; expired ones may be among them until they are erased.
    """

    integration_id: int
    uuid: str
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

        An event whose ``external_id`` its organization already has is not stored again: its
        answer is the first one, with ``duplicate`` set.
        """
        ...

    async def lease(self, *, limit: int, now: int, until: int, token: int) -> Leases:
        """Hand out at most ``limit`` due deliveries under ``token``, taking lanes in turn."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Store attempts and what became of their deliveries, in one durable transaction.

        Returns, for each, whether it counted: False where the lease was no longer ours, and then
        nothing of it was stored.
        """
        ...

    async def rescue(self, now: int) -> int:
        """Return deliveries whose lease ran out to waiting; how many."""
        ...

    async def replay(self, delivery_id: bytes, now: int) -> Delivery | None:
        """Make a final delivery wait again, due now, with its schedule begun anew.

        Returns None where there is no such delivery; raises ``Conflict`` where it is not final.
        """
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

    async def delete_integration(self, integration_id: int, now: int) -> None:
        """Delete it and its installations; what waits for it is parked."""
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

    async def ping(self) -> None:
        """Prove that the database takes writes: returns, or raises ``Unavailable``."""
        ...

    async def close(self) -> None:
        """Finish what was asked for, then let go of the database."""
        ...
