"""The store on PostgreSQL: each verb is one transaction, or one read."""

from collections.abc import Callable, Collection, Sequence
from typing import ParamSpec, TypeVar

from hookline.core.errors import Unavailable
from hookline.core.gate import Gate
from hookline.core.matching import Candidate
from hookline.core.model import Attempt, Delivery, Event, Installation, Integration
from hookline.core.notice import Notice
from hookline.core.rotation import SignWith
from hookline.core.scopes import Scope
from hookline.core.unsubscribing import Rules
from hookline.store.credentials import ApiKey, Erased, SealedSecret
from hookline.store.postgres import database
from hookline.store.postgres.listening import Listener
from hookline.store.postgres.partitions import make_ahead, turn_over
from hookline.store.postgres.recording import Recorder
from hookline.store.postgres.runner import Runner
from hookline.store.postgres.ways import Ways
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
from hookline.store.verbs import (
    credentials,
    facts,
    lanes,
    leasing,
    log,
    outbound,
    purge,
    registry,
    settling,
    subscriptions,
    watching,
)
from hookline.store.verbs.asking import Verb

__all__ = ["PostgresStore"]

P = ParamSpec("P")
T = TypeVar("T")

PROBE_BYTES = 32_768  # an event with its deliveries, roughly


class PostgresStore:
    """``store.contract.Store`` on a PostgreSQL database, which any number of nodes share.

    Nothing is void because one of them starts: a lease that ran out is found by ``rescue``, on whichever
    node looks first.
    """

    in_order = False  # each has a connection of its own

    def __init__(self, pools: database.Pools, url: str):
        self._runner = Runner(pools)
        self._listener = Listener(url)
        self._recorder = Recorder(self._record_together)
        self.sources = Sources(Ways(self._runner))
        self._refused = False  # whether the last events could not be recorded
        self._to_vacuum = True  # what the last process erased may be there

    @classmethod
    async def open(cls, url: str) -> "PostgresStore":
        """Connect, and bring the schema up to date.

        Raises:
            UsageError: the URL cannot be read, or names what is not there or may not be used; or the
                schema is newer than this version.
            Unavailable: the server cannot be reached, or takes no connections now.
        """
        store = cls(await database.connect(url), url)
        try:
            await make_ahead(store._runner)
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what was asked for, then let go of the database."""
        await self._recorder.close()
        await self._runner.close()

    async def _write(self, verb: Callable[P, Verb[T]], *arguments: P.args, **named: P.kwargs) -> T:
        return await self._runner.write(lambda: verb(*arguments, **named))

    async def _change(
        self, signal: Signal, verb: Callable[P, Verb[T]], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Write what other nodes keep in memory, and tell them."""
        return await self._runner.write(lambda: verb(*arguments, **named), tell=lambda _: signal)

    async def _read(self, verb: Callable[P, Verb[T]], *arguments: P.args, **named: P.kwargs) -> T:
        return await self._runner.read(lambda: verb(*arguments, **named))

    # -- the way out ------------------------------------------------------------------------------

    async def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        try:
            answers = await self._recorder.record(events)
        except Unavailable:
            self._refused = True
            raise
        self._refused = False
        return answers

    async def _record_together(self, events: Sequence[NewEvent], publishers: int) -> list[Recorded]:
        return await self._runner.write(lambda: outbound.record(events), jobs=publishers)

    async def lease(
        self, *, limit: int, slow_limit: int, each: int, now: int, until: int, token: int
    ) -> Leases:
        def verb() -> Verb[Leases]:
            return leasing.lease(
                limit=limit, slow_limit=slow_limit, each=each, now=now, until=until, token=token
            )

        return await self._runner.write(verb, durable=False)

    async def settle(self, settlements: Sequence[Settlement], rules: Rules) -> Settled:
        return await self._write(settling.settle, settlements, rules)

    async def sweep(self, limit: int, now: int) -> int:
        return await self._write(lanes.sweep, limit, now)

    async def rescue(self, now: int, keep: Collection[bytes] = ()) -> int:
        return await self._write(outbound.rescue, now, keep)

    async def replay(self, delivery_id: bytes, now: int) -> Delivery | None:
        return await self._write(outbound.replay, delivery_id, now)

    # -- unsubscribing ----------------------------------------------------------------------------

    async def unsubscribe(self, integration_id: int, detail: str, now: int) -> bool:
        return await self._write(subscriptions.unsubscribe_by_hand, integration_id, detail, now)

    async def resubscribe(
        self, integration_id: int, now: int, recovery: NewRecovery | None
    ) -> Recovery | None:
        return await self._write(subscriptions.resubscribe, integration_id, now, recovery)

    async def count_recovery(self, recovery: NewRecovery) -> dict[str, int]:
        return await self._read(subscriptions.count_recovery, recovery)

    async def begin_recovery(self, recovery: NewRecovery) -> Recovery:
        return await self._write(subscriptions.begin_recovery, recovery)

    async def recover_some(self, limit: int, now: int) -> bool:
        return await self._write(subscriptions.recover_some, limit, now)

    async def recoveries(self, integration_id: int) -> list[Recovery]:
        return await self._read(subscriptions.recoveries, integration_id)

    async def health(self, integration_id: int, now: int, rules: Rules) -> IntegrationHealth:
        return await self._read(subscriptions.health, integration_id, now, rules)

    async def gate(self, integration_id: int) -> Gate:
        return await self._read(lanes.see_gate, integration_id)

    async def ahead_of(self, delivery_id: bytes) -> bytes | None:
        return await self._read(log.ahead_of, delivery_id)

    async def notices(
        self, *, before: int | None, integration_id: int | None, limit: int
    ) -> list[Notice]:
        return await self._read(subscriptions.notices, before, integration_id, limit)

    async def unpublished_notices(self, limit: int) -> list[Notice]:
        return await self._read(subscriptions.unpublished_notices, limit)

    async def unmailed_notices(self, limit: int) -> list[Notice]:
        return await self._read(subscriptions.unmailed_notices, limit)

    async def close_notice(
        self, notice_id: int, *, published_at: int | None, mailed_at: int | None
    ) -> None:
        await self._write(subscriptions.close_notice, notice_id, published_at, mailed_at)

    # -- integrations and installations -----------------------------------------------------------

    async def create_integration(self, new: NewIntegration) -> Integration:
        return await self._change(Signal.DIRECTORY, registry.create_integration, new)

    async def update_integration(self, integration: Integration) -> Integration:
        return await self._change(Signal.DIRECTORY, registry.update_integration, integration)

    async def delete_integration(self, integration_id: int, now: int) -> bool:
        return await self._change(
            Signal.DIRECTORY, registry.delete_integration, integration_id, now
        )

    async def integration(self, slug: str) -> Integration | None:
        return await self._read(registry.integration, slug)

    async def integrations(self, after: str, limit: int) -> list[Integration]:
        return await self._read(registry.integrations, after, limit)

    async def create_installation(
        self, new: NewInstallation, announcement: NewEvent | None
    ) -> Installation:
        return await self._change(Signal.DIRECTORY, registry.create_installation, new, announcement)

    async def delete_installation(
        self, uuid: str, now: int, announcement: NewEvent | None
    ) -> Installation | None:
        return await self._change(
            Signal.DIRECTORY, registry.delete_installation, uuid, now, announcement
        )

    async def installation(self, uuid: str) -> Installation | None:
        return await self._read(registry.installation, uuid)

    async def installations(
        self, *, organization: str | None = None, integration_id: int | None = None
    ) -> list[Installation]:
        return await self._read(registry.installations, organization, integration_id)

    async def ensure_organization(self, slug: str, now: int) -> int:
        return await self._write(registry.ensure_organization, slug, now)

    async def candidates(self, organization: str) -> tuple[int | None, list[Candidate]]:
        return await self._read(registry.candidates, organization)

    async def routes(self, integration_ids: Sequence[int]) -> list[Route]:
        return await self._read(registry.routes, integration_ids)

    # -- client secrets ---------------------------------------------------------------------------

    async def secrets(self, integration_id: int) -> list[SealedSecret]:
        return await self._read(credentials.secrets, integration_id)

    async def rotate_secret(
        self, integration_id: int, sealed: bytes, *, now: int, until: int, sign_with: SignWith
    ) -> None:
        await self._change(
            Signal.DIRECTORY,
            credentials.rotate_secret,
            integration_id,
            sealed,
            now=now,
            until=until,
            sign_with=sign_with,
        )

    async def choose_secret(self, integration_id: int, sign_with: SignWith, now: int) -> None:
        await self._change(
            Signal.DIRECTORY, credentials.choose_secret, integration_id, sign_with, now
        )

    async def erase_secrets(self, now: int) -> Erased:
        count = await self._runner.write(
            lambda: credentials.erase_expired(now),
            tell=lambda count: Signal.DIRECTORY if count else None,
        )
        if count or self._to_vacuum:
            # What an update leaves behind in a page goes when it is vacuumed. The server's log of
            # writes, and its replicas', keep it until they go round: that is not ours to erase.
            self._to_vacuum = True  # until it was done
            await self._runner.vacuum("secrets")
            self._to_vacuum = False
        return Erased(count, not self._to_vacuum, await self._read(credentials.next_expiry))

    # -- resources, keys, facts -------------------------------------------------------------------

    async def define_resource(self, name: str, actions: tuple[str, ...], now: int) -> None:
        await self._change(Signal.DIRECTORY, registry.define_resource, name, actions, now)

    async def resources(self) -> dict[str, tuple[str, ...]]:
        return await self._read(registry.resources)

    async def add_api_key(
        self, name: str, digest: bytes, scopes: tuple[Scope, ...], now: int
    ) -> ApiKey:
        return await self._change(Signal.KEYS, credentials.add_api_key, name, digest, scopes, now)

    async def api_keys(self) -> list[ApiKey]:
        return await self._read(credentials.api_keys)

    async def revoke_api_key(self, key_id: int, now: int, *, keep_admin: bool) -> bool:
        return await self._change(
            Signal.KEYS, credentials.revoke_api_key, key_id, now, keep_admin=keep_admin
        )

    async def fact(self, name: str) -> str | None:
        return await self._read(facts.fact, name)

    async def set_fact(self, name: str, value: str) -> None:
        await self._write(facts.set_fact, name, value)

    async def keep_fact(self, name: str, value: str) -> str:
        return await self._write(facts.keep_fact, name, value)

    # -- several processes on one database --------------------------------------------------------

    async def watch(self, on_signal: Callable[[Signal], None], poll_s: float) -> None:
        await self._listener.run(on_signal, poll_s)

    def tell(self, signal: Signal) -> None:
        self._listener.tell(signal)

    async def clock(self) -> int | None:
        return await self._read(facts.clock)

    async def claim(self, chore: str, holder: str, now: int, until: int) -> bool:
        return await self._runner.write(
            lambda: facts.claim(chore, holder, now, until), durable=False
        )

    # -- reading the log --------------------------------------------------------------------------

    async def events(self, public_id: str, organization: str | None) -> list[Event]:
        return await self._read(log.events, public_id, organization)

    async def deliveries(self, filter_: DeliveryFilter) -> list[Delivery]:
        return await self._read(log.deliveries, filter_)

    async def delivery(self, delivery_id: bytes) -> Delivery | None:
        return await self._read(log.delivery, delivery_id)

    async def attempts(self, delivery_id: bytes) -> list[Attempt]:
        return await self._read(log.attempts, delivery_id)

    async def attempt_body(self, delivery_id: bytes) -> AttemptBody | None:
        return await self._read(log.attempt_body, delivery_id)

    async def latest_instant(self) -> int:
        return await self._read(log.latest_instant)

    # -- upkeep -----------------------------------------------------------------------------------

    @property
    def tally(self) -> StoreTally:
        return self._runner.tally

    async def backlog(self) -> Backlog:
        return await self._read(watching.backlog)

    async def timeout_counts(self, now: int, span_us: int) -> dict[str, int]:
        return await self._read(watching.timeout_counts, now, span_us)

    async def turn_over(self, ages: Ages, now: int) -> Turned:
        return await turn_over(self._runner, ages, now)

    async def purge(self, ages: Ages, cursor: bytes, limit: int) -> Purged:
        # Not durable: what comes back after a power failure is deleted by the next sweep.
        return await self._runner.write(lambda: purge.purge(ages, cursor, limit), durable=False)

    async def ping(self) -> None:
        # On a full disk there may be room for one page and not for an event. Nothing is synced where all
        # is well: whoever asks needs no key.
        size = PROBE_BYTES if self._refused else 4
        await self._runner.write(lambda: facts.probe(size), durable=self._refused)
        self._refused = False
