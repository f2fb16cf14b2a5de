"""The store on one SQLite file: each verb is one job for the writer or one read."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO, TypeVar

from hookline.core.errors import Unavailable
from hookline.core.gate import Gate
from hookline.core.matching import Candidate
from hookline.core.model import Attempt, Delivery, Event, Installation, Integration
from hookline.core.notice import Notice
from hookline.core.rotation import SignWith
from hookline.core.scopes import Scope
from hookline.core.unsubscribing import Rules
from hookline.store.credentials import ApiKey, Erased, SealedSecret
from hookline.store.signals import Signal
from hookline.store.sources import Sources
from hookline.store.sqlite import database, foreign
from hookline.store.sqlite.leftovers import void_leases
from hookline.store.sqlite.readers import Readers
from hookline.store.sqlite.rows import job
from hookline.store.sqlite.ways import Ways
from hookline.store.sqlite.writer import Writer
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

__all__ = ["SqliteStore"]

T = TypeVar("T")
Connection = sqlite3.Connection

PROBE_BYTES = 32_768  # an event with its deliveries, roughly
BRIEF_ROWS = 512  # so many rows are written in a few milliseconds


class SqliteStore:
    """``store.contract.Store`` on a SQLite file of which this process is the only owner.

    Writes go through one thread (``writer``), reads through a few others with connections that cannot
    write, so that looking at the log never holds up the way out.
    """

    in_order = True  # one writer does it all

    def __init__(self, path: Path, connection: Connection, lock: IO[bytes]):
        self._path = path
        self._lock = lock
        self._writer = Writer(connection, database.still_there(path))
        self._readers = Readers(path)
        self._refused = False  # whether the last events could not be recorded
        self._to_fold = True  # the log may hold what the last process erased
        self.sources = Sources(Ways(self._writer, self._readers, self._erased))

    @classmethod
    async def open(cls, path: Path, now: int) -> "SqliteStore":
        """Take the file, bring its schema up to date, and void the leases of a process that died.

        Raises:
            UsageError: the file is in use, not ours, newer than this version, or cannot be opened.
            Unavailable: another program holds its lock, or it cannot be written.
        """
        lock = database.lock(path)
        try:
            connection = await asyncio.to_thread(database.open_checked, path)
        except BaseException:
            lock.close()
            raise
        store = cls(path, connection, lock)
        try:
            await store._write(lambda c: void_leases(c, now))
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what was asked for, then let go of the file."""
        await self._writer.close()
        await self._readers.close()
        self._lock.close()

    async def _write(
        self, job: Callable[[Connection], T], *, durable: bool = True, brief: bool = False
    ) -> T:
        return await self._writer.run(job, durable=durable, brief=brief)

    async def _read(self, job: Callable[[Connection], T]) -> T:
        return await self._readers.run(job)

    # -- the way out ------------------------------------------------------------------------------

    async def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        rows = len(events) + sum(len(event.deliveries) for event in events)
        try:
            answers = await self._write(job(outbound.record, events), brief=rows <= BRIEF_ROWS)
        except Unavailable:
            self._refused = True
            raise
        self._refused = False
        return answers

    async def lease(
        self, *, limit: int, slow_limit: int, each: int, now: int, until: int, token: int
    ) -> Leases:
        return await self._write(
            job(
                leasing.lease,
                limit=limit,
                slow_limit=slow_limit,
                each=each,
                now=now,
                until=until,
                token=token,
            ),
            durable=False,
            brief=limit <= BRIEF_ROWS,
        )

    async def settle(self, settlements: Sequence[Settlement], rules: Rules) -> Settled:
        brief = len(settlements) <= BRIEF_ROWS
        return await self._write(job(settling.settle, settlements, rules), brief=brief)

    async def sweep(self, limit: int, now: int) -> int:
        return await self._write(job(lanes.sweep, limit, now), brief=limit <= BRIEF_ROWS)

    async def rescue(self, now: int, keep: Collection[bytes] = ()) -> int:
        return await self._write(job(outbound.rescue, now, keep))

    async def replay(self, delivery_id: bytes, now: int) -> Delivery | None:
        return await self._write(job(outbound.replay, delivery_id, now))

    # -- unsubscribing ----------------------------------------------------------------------------

    async def unsubscribe(self, integration_id: int, detail: str, now: int) -> bool:
        return await self._write(
            job(subscriptions.unsubscribe_by_hand, integration_id, detail, now)
        )

    async def resubscribe(
        self, integration_id: int, now: int, recovery: NewRecovery | None
    ) -> Recovery | None:
        return await self._write(job(subscriptions.resubscribe, integration_id, now, recovery))

    async def count_recovery(self, recovery: NewRecovery) -> dict[str, int]:
        return await self._read(job(subscriptions.count_recovery, recovery))

    async def begin_recovery(self, recovery: NewRecovery) -> Recovery:
        return await self._write(job(subscriptions.begin_recovery, recovery))

    async def recover_some(self, limit: int, now: int) -> bool:
        return await self._write(job(subscriptions.recover_some, limit, now))

    async def recoveries(self, integration_id: int) -> list[Recovery]:
        return await self._read(job(subscriptions.recoveries, integration_id))

    async def health(self, integration_id: int, now: int, rules: Rules) -> IntegrationHealth:
        return await self._read(job(subscriptions.health, integration_id, now, rules))

    async def gate(self, integration_id: int) -> Gate:
        return await self._read(job(lanes.see_gate, integration_id))

    async def ahead_of(self, delivery_id: bytes) -> bytes | None:
        return await self._read(job(log.ahead_of, delivery_id))

    async def notices(
        self, *, before: int | None, integration_id: int | None, limit: int
    ) -> list[Notice]:
        return await self._read(job(subscriptions.notices, before, integration_id, limit))

    async def unpublished_notices(self, limit: int) -> list[Notice]:
        return await self._read(job(subscriptions.unpublished_notices, limit))

    async def unmailed_notices(self, limit: int) -> list[Notice]:
        return await self._read(job(subscriptions.unmailed_notices, limit))

    async def close_notice(
        self, notice_id: int, *, published_at: int | None, mailed_at: int | None
    ) -> None:
        await self._write(job(subscriptions.close_notice, notice_id, published_at, mailed_at))

    # -- integrations and installations -----------------------------------------------------------

    async def create_integration(self, new: NewIntegration) -> Integration:
        return await self._write(job(registry.create_integration, new))

    async def update_integration(self, integration: Integration) -> Integration:
        return await self._write(job(registry.update_integration, integration))

    async def delete_integration(self, integration_id: int, now: int) -> bool:
        return await self._write(job(registry.delete_integration, integration_id, now))

    async def integration(self, slug: str) -> Integration | None:
        return await self._read(job(registry.integration, slug))

    async def integrations(self, after: str, limit: int) -> list[Integration]:
        return await self._read(job(registry.integrations, after, limit))

    async def create_installation(
        self, new: NewInstallation, announcement: NewEvent | None
    ) -> Installation:
        return await self._write(job(registry.create_installation, new, announcement))

    async def delete_installation(
        self, uuid: str, now: int, announcement: NewEvent | None
    ) -> Installation | None:
        return await self._write(job(registry.delete_installation, uuid, now, announcement))

    async def installation(self, uuid: str) -> Installation | None:
        return await self._read(job(registry.installation, uuid))

    async def installations(
        self, *, organization: str | None = None, integration_id: int | None = None
    ) -> list[Installation]:
        return await self._read(job(registry.installations, organization, integration_id))

    async def ensure_organization(self, slug: str, now: int) -> int:
        return await self._write(job(registry.ensure_organization, slug, now))

    async def candidates(self, organization: str) -> tuple[int | None, list[Candidate]]:
        return await self._read(job(registry.candidates, organization))

    async def routes(self, integration_ids: Sequence[int]) -> list[Route]:
        return await self._read(job(registry.routes, integration_ids))

    # -- client secrets ---------------------------------------------------------------------------

    async def secrets(self, integration_id: int) -> list[SealedSecret]:
        return await self._read(job(credentials.secrets, integration_id))

    async def rotate_secret(
        self, integration_id: int, sealed: bytes, *, now: int, until: int, sign_with: SignWith
    ) -> None:
        await self._write(
            job(
                credentials.rotate_secret,
                integration_id,
                sealed,
                now=now,
                until=until,
                sign_with=sign_with,
            )
        )
        self._to_fold = True

    async def choose_secret(self, integration_id: int, sign_with: SignWith, now: int) -> None:
        await self._write(job(credentials.choose_secret, integration_id, sign_with, now))

    async def erase_secrets(self, now: int) -> Erased:
        count = await self._write(job(credentials.erase_expired, now))
        if count or self._to_fold:
            self._to_fold = False  # set again by whoever erases meanwhile
            done = False
            try:
                done = await asyncio.to_thread(self._fold)
            finally:
                self._to_fold = self._to_fold or not done
        return Erased(count, not self._to_fold, await self._read(job(credentials.next_expiry)))

    async def _erased(self) -> None:
        self._to_fold = True  # by whoever erases next, which is told of it

    def _fold(self) -> bool:
        try:
            return database.fold(self._path)
        except sqlite3.DatabaseError as trouble:
            raise database.unavailable(trouble) from trouble

    # -- resources, keys, facts -------------------------------------------------------------------

    async def define_resource(self, name: str, actions: tuple[str, ...], now: int) -> None:
        await self._write(job(registry.define_resource, name, actions, now))

    async def resources(self) -> dict[str, tuple[str, ...]]:
        return await self._read(job(registry.resources))

    async def add_api_key(
        self, name: str, digest: bytes, scopes: tuple[Scope, ...], now: int
    ) -> ApiKey:
        return await self._write(job(credentials.add_api_key, name, digest, scopes, now))

    async def api_keys(self) -> list[ApiKey]:
        return await self._read(job(credentials.api_keys))

    async def revoke_api_key(self, key_id: int, now: int, *, keep_admin: bool) -> bool:
        return await self._write(
            job(credentials.revoke_api_key, key_id, now, keep_admin=keep_admin)
        )

    async def fact(self, name: str) -> str | None:
        return await self._read(job(facts.fact, name))

    async def set_fact(self, name: str, value: str) -> None:
        await self._write(job(facts.set_fact, name, value))

    async def keep_fact(self, name: str, value: str) -> str:
        return await self._write(job(facts.keep_fact, name, value))

    async def watch(self, on_signal: Callable[[Signal], None], poll_s: float) -> None:
        # The file has one server; but programs may publish into it on connections of their own.
        await foreign.watch(self._writer.version, lambda: on_signal(Signal.DELIVERIES))

    def tell(self, signal: Signal) -> None:
        pass

    async def clock(self) -> int | None:
        return await self._read(job(facts.clock))

    async def claim(self, chore: str, holder: str, now: int, until: int) -> bool:
        return await self._write(job(facts.claim, chore, holder, now, until), durable=False)

    # -- reading the log --------------------------------------------------------------------------

    async def events(self, public_id: str, organization: str | None) -> list[Event]:
        return await self._read(job(log.events, public_id, organization))

    async def deliveries(self, filter_: DeliveryFilter) -> list[Delivery]:
        return await self._read(job(log.deliveries, filter_))

    async def delivery(self, delivery_id: bytes) -> Delivery | None:
        return await self._read(job(log.delivery, delivery_id))

    async def attempts(self, delivery_id: bytes) -> list[Attempt]:
        return await self._read(job(log.attempts, delivery_id))

    async def attempt_body(self, delivery_id: bytes) -> AttemptBody | None:
        return await self._read(job(log.attempt_body, delivery_id))

    async def latest_instant(self) -> int:
        return await self._read(job(log.latest_instant))

    # -- upkeep -----------------------------------------------------------------------------------

    @property
    def tally(self) -> StoreTally:
        return self._writer.tally

    async def backlog(self) -> Backlog:
        return await self._read(job(watching.backlog))

    async def timeout_counts(self, now: int, span_us: int) -> dict[str, int]:
        return await self._read(job(watching.timeout_counts, now, span_us))

    async def turn_over(self, ages: Ages, now: int) -> Turned:
        return Turned()  # one table: a log of ninety would have to be asked ninety times

    async def purge(self, ages: Ages, cursor: bytes, limit: int) -> Purged:
        # Not durable: what comes back after a power failure is deleted by the next sweep.
        return await self._write(job(purge.purge, ages, cursor, limit), durable=False)

    async def ping(self) -> None:
        # On a full disk there may be room for one page and not for an event. Nothing is synced where all
        # is well: whoever asks needs no key.
        size = PROBE_BYTES if self._refused else 4
        await self._write(job(facts.probe, size), durable=self._refused)
        self._refused = False
