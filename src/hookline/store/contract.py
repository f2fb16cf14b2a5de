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

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from hookline.core.gate import Gate
from hookline.core.matching import Candidate
from hookline.core.model import Attempt, Delivery, Event, Installation, Integration
from hookline.core.notice import Notice
from hookline.core.unsubscribing import Rules
from hookline.store.credentials import Credentials
from hookline.store.signals import Signal
from hookline.store.sources import Sources
from hookline.store.upkeep import Ages, Backlog, Purged, StoreTally, Turned
from hookline.store.values import (
    AttemptBody,
    DeliveryFilter,
    IntegrationHealth,
    Leases,
    NewEvent,
    NewInstallation,
    NewIntegration,
    NewRecovery,
    Recorded,
    Recovery,
    Route,
    Settled,
    Settlement,
)

__all__ = ["Store"]


class Store(Credentials, Protocol):
    """The durable state. Instants are µs since the epoch; ids of 16 bytes are UUIDs."""

    @property
    def sources(self) -> Sources:
        """The verbs about sources."""
        ...

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

    async def gate(self, integration_id: int) -> Gate:
        """What decides whether an integration's next attempt may begin."""
        ...

    async def ahead_of(self, delivery_id: bytes) -> bytes | None:
        """The delivery whose turn it is in the ordered lane in which this one waits.

        None where it is this one's turn, its lane is not ordered, or it does not wait.
        """
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

    async def keep_fact(self, name: str, value: str) -> str:
        """Remember a small fact unless it is known; what is known then, on every node the same."""
        ...

    # -- several processes on one database --------------------------------------------------------

    @property
    def in_order(self) -> bool:
        """Whether what is asked for sees all that was asked for before, though nobody waited for it."""
        ...

    async def watch(self, on_signal: Callable[[Signal], None], poll_s: float) -> None:
        """Pass on what other processes tell, until cancelled; returns where there can be none.

        Everything is signalled once at the beginning, and again whenever a signal may have been lost.
        What there may be to do is signalled every ``poll_s`` seconds besides, and what changed of what
        is kept in memory then at the latest.
        """
        ...

    def tell(self, signal: Signal) -> None:
        """Tell the other processes, after what it tells of was committed; returns at once.

        Only of what there is to do: changes of what others keep in memory tell of themselves.
        """
        ...

    async def clock(self) -> int | None:
        """The time that all processes go by; None where the machine's clock is the only one."""
        ...

    async def claim(self, chore: str, holder: str, now: int, until: int) -> bool:
        """Take a chore for oneself until an instant; whether no other process has it.

        Taking it again prolongs it; up to ``now``, gives it back. A process that died loses it in time.
        """
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

    async def turn_over(self, ages: Ages, now: int) -> Turned:
        """Before a sweep: let whole days of old attempts go at once, and make the next days ready.

        A day goes if its deliveries are all older than ``ages`` and none of them waits or is under way,
        and no attempt at them is younger. What else is old is left to ``purge``. What cannot be done
        now is put off: that is only late. A store that does not keep days apart does nothing.
        """
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
