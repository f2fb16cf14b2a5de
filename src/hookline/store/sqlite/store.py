"""The store on one SQLite file: each verb is one job for the writer or one read."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

from hookline.core.errors import Conflict, Unavailable
from hookline.core.gate import Gate
from hookline.core.matching import Candidate
from hookline.core.model import Attempt, Delivery, Event, Installation, Integration
from hookline.core.notice import Notice
from hookline.core.rotation import SignWith
from hookline.core.scopes import Scope
from hookline.core.unsubscribing import Rules
from hookline.store.credentials import ApiKey, Erased, SealedSecret
from hookline.store.sqlite import (
    credentials,
    database,
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
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.writer import Writer
from hookline.store.upkeep import Ages, Backlog, Purged, StoreTally
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

__all__ = ["SqliteStore"]

T = TypeVar("T")
Connection = sqlite3.Connection

READERS = 2
PROBE_BYTES = 32_768  # an event with its deliveries, roughly
BRIEF_ROWS = 512  # so many rows are written in a few milliseconds


class SqliteStore:
    """``store.contract.Store`` on a SQLite file of which this process is the only owner.

    Writes go through one thread (``writer``), reads through a few others with connections that cannot
    write, so that looking at the log never holds up the way out.
    """

    def __init__(self, path: Path, connection: Connection, lock: IO[bytes]):
        self._path = path
        self._lock = lock
        self._writer = Writer(connection, database.still_there(path))
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="hookline-reader")
        self._reading = threading.local()
        self._connections: list[Connection] = []
        self._refused = False  # whether the last events could not be recorded
        self._to_fold = True  # the log may hold what the last process erased

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
            await store._write(lambda c: outbound.reset_leases(c, now))
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what was asked for, then let go of the file."""
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._lock.close()

    async def _write(
        self, job: Callable[[Connection], T], *, durable: bool = True, brief: bool = False
    ) -> T:
        return await self._writer.run(job, durable=durable, brief=brief)

    async def _read(self, job: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._on_reader, job)

    def _on_reader(self, job: Callable[[Connection], T]) -> T:
        connection: Connection | None = getattr(self._reading, "connection", None)
        try:
            if connection is None:
                connection = database.connect(self._path, read_only=True)
                self._reading.connection = connection
                self._connections.append(connection)
            return job(connection)
        except sqlite3.DatabaseError as trouble:
            raise database.unavailable(trouble) from trouble

    # -- the way out ------------------------------------------------------------------------------

    async def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        rows = len(events) + sum(len(event.deliveries) for event in events)
        try:
            answers = await self._write(
                lambda c: outbound.record(c, events), brief=rows <= BRIEF_ROWS
            )
        except Unavailable:
            self._refused = True
            raise
        self._refused = False
        return answers

    async def lease(
        self, *, limit: int, slow_limit: int, each: int, now: int, until: int, token: int
    ) -> Leases:
        return await self._write(
            lambda c: leasing.lease(
                c,
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
        return await self._write(lambda c: settling.settle(c, settlements, rules), brief=brief)

    async def sweep(self, limit: int, now: int) -> int:
        return await self._write(lambda c: lanes.sweep(c, limit, now), brief=limit <= BRIEF_ROWS)

    async def rescue(self, now: int, keep: Collection[bytes] = ()) -> int:
        return await self._write(lambda c: outbound.rescue(c, now, keep))

    async def replay(self, delivery_id: bytes, now: int) -> Delivery | None:
        def job(connection: Connection) -> Delivery | None:
            replayed = outbound.replay(connection, delivery_id, now)
            found = log.delivery(connection, delivery_id)
            if found is not None and not replayed:
                raise Conflict(
                    "not-final",
                    f"delivery {found.id} is {found.state}: it is on its way already",
                    "replay is for deliveries that are delivered or parked",
                )
            return found

        return await self._write(job)

    # -- unsubscribing ----------------------------------------------------------------------------

    async def unsubscribe(self, integration_id: int, detail: str, now: int) -> bool:
        return await self._write(
            lambda c: subscriptions.unsubscribe_by_hand(c, integration_id, detail, now)
        )

    async def resubscribe(
        self, integration_id: int, now: int, recovery: NewRecovery | None
    ) -> Recovery | None:
        return await self._write(
            lambda c: subscriptions.resubscribe(c, integration_id, now, recovery)
        )

    async def count_recovery(self, recovery: NewRecovery) -> dict[str, int]:
        return await self._read(lambda c: subscriptions.count_recovery(c, recovery))

    async def begin_recovery(self, recovery: NewRecovery) -> Recovery:
        return await self._write(lambda c: subscriptions.begin_recovery(c, recovery))

    async def recover_some(self, limit: int, now: int) -> bool:
        return await self._write(lambda c: subscriptions.recover_some(c, limit, now))

    async def recoveries(self, integration_id: int) -> list[Recovery]:
        return await self._read(lambda c: subscriptions.recoveries(c, integration_id))

    async def health(self, integration_id: int, now: int, rules: Rules) -> IntegrationHealth:
        return await self._read(lambda c: subscriptions.health(c, integration_id, now, rules))

    async def gate(self, integration_id: int) -> Gate:
        return await self._read(lambda c: subscriptions.gate_of(c, integration_id))

    async def ahead_of(self, delivery_id: bytes) -> bytes | None:
        return await self._read(lambda c: log.ahead_of(c, delivery_id))

    async def notices(
        self, *, before: int | None, integration_id: int | None, limit: int
    ) -> list[Notice]:
        return await self._read(lambda c: subscriptions.notices(c, before, integration_id, limit))

    async def unpublished_notices(self, limit: int) -> list[Notice]:
        return await self._read(lambda c: subscriptions.unpublished_notices(c, limit))

    async def unmailed_notices(self, limit: int) -> list[Notice]:
        return await self._read(lambda c: subscriptions.unmailed_notices(c, limit))

    async def close_notice(
        self, notice_id: int, *, published_at: int | None, mailed_at: int | None
    ) -> None:
        await self._write(
            lambda c: subscriptions.close_notice(c, notice_id, published_at, mailed_at)
        )

    # -- integrations and installations -----------------------------------------------------------

    async def create_integration(self, new: NewIntegration) -> Integration:
        return await self._write(lambda c: registry.create_integration(c, new))

    async def update_integration(self, integration: Integration) -> Integration:
        return await self._write(lambda c: registry.update_integration(c, integration))

    async def delete_integration(self, integration_id: int, now: int) -> bool:
        return await self._write(lambda c: registry.delete_integration(c, integration_id, now))

    async def integration(self, slug: str) -> Integration | None:
        return await self._read(lambda c: registry.integration(c, slug))

    async def integrations(self, after: str, limit: int) -> list[Integration]:
        return await self._read(lambda c: registry.integrations(c, after, limit))

    async def create_installation(
        self, new: NewInstallation, announcement: NewEvent | None
    ) -> Installation:
        return await self._write(lambda c: registry.create_installation(c, new, announcement))

    async def delete_installation(
        self, uuid: str, now: int, announcement: NewEvent | None
    ) -> Installation | None:
        return await self._write(lambda c: registry.delete_installation(c, uuid, now, announcement))

    async def installation(self, uuid: str) -> Installation | None:
        return await self._read(lambda c: registry.installation(c, uuid))

    async def installations(
        self, *, organization: str | None = None, integration_id: int | None = None
    ) -> list[Installation]:
        return await self._read(lambda c: registry.installations(c, organization, integration_id))

    async def ensure_organization(self, slug: str, now: int) -> int:
        return await self._write(lambda c: registry.ensure_organization(c, slug, now))

    async def candidates(self, organization: str) -> tuple[int | None, list[Candidate]]:
        return await self._read(lambda c: registry.candidates(c, organization))

    async def routes(self, integration_ids: Sequence[int]) -> list[Route]:
        return await self._read(lambda c: registry.routes(c, integration_ids))

    # -- client secrets ---------------------------------------------------------------------------

    async def secrets(self, integration_id: int) -> list[SealedSecret]:
        found = await self._read(lambda c: credentials.secrets_of(c, [integration_id]))
        return list(found.get(integration_id, ()))

    async def rotate_secret(
        self, integration_id: int, sealed: bytes, *, now: int, until: int, sign_with: SignWith
    ) -> None:
        await self._write(
            lambda c: credentials.rotate_secret(
                c, integration_id, sealed, now=now, until=until, sign_with=sign_with
            )
        )
        self._to_fold = True

    async def choose_secret(self, integration_id: int, sign_with: SignWith, now: int) -> None:
        await self._write(lambda c: credentials.choose_secret(c, integration_id, sign_with, now))

    async def erase_secrets(self, now: int) -> Erased:
        count = await self._write(lambda c: credentials.erase_expired(c, now))
        if count or self._to_fold:
            self._to_fold = False  # set again by whoever erases meanwhile
            done = False
            try:
                done = await asyncio.to_thread(self._fold)
            finally:
                self._to_fold = self._to_fold or not done
        return Erased(count, not self._to_fold, await self._read(credentials.next_expiry))

    def _fold(self) -> bool:
        try:
            return database.fold(self._path)
        except sqlite3.DatabaseError as trouble:
            raise database.unavailable(trouble) from trouble

    # -- resources, keys, facts -------------------------------------------------------------------

    async def define_resource(self, name: str, actions: tuple[str, ...], now: int) -> None:
        await self._write(lambda c: registry.define_resource(c, name, actions, now))

    async def resources(self) -> dict[str, tuple[str, ...]]:
        return await self._read(registry.resources)

    async def add_api_key(
        self, name: str, digest: bytes, scopes: tuple[Scope, ...], now: int
    ) -> ApiKey:
        return await self._write(lambda c: credentials.add_api_key(c, name, digest, scopes, now))

    async def api_keys(self) -> list[ApiKey]:
        return await self._read(credentials.api_keys)

    async def revoke_api_key(self, key_id: int, now: int, *, keep_admin: bool) -> bool:
        return await self._write(
            lambda c: credentials.revoke_api_key(c, key_id, now, keep_admin=keep_admin)
        )

    async def fact(self, name: str) -> str | None:
        def job(connection: Connection) -> str | None:
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return None if row is None else str(row[0])

        return await self._read(job)

    async def set_fact(self, name: str, value: str) -> None:
        sql = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        await self._write(lambda c: c.execute(sql, (name, value)) and None)

    # -- reading the log --------------------------------------------------------------------------

    async def events(self, public_id: str, organization: str | None) -> list[Event]:
        return await self._read(lambda c: log.events(c, public_id, organization))

    async def deliveries(self, filter_: DeliveryFilter) -> list[Delivery]:
        return await self._read(lambda c: log.deliveries(c, filter_))

    async def delivery(self, delivery_id: bytes) -> Delivery | None:
        return await self._read(lambda c: log.delivery(c, delivery_id))

    async def attempts(self, delivery_id: bytes) -> list[Attempt]:
        return await self._read(lambda c: log.attempts(c, delivery_id))

    async def attempt_body(self, delivery_id: bytes) -> AttemptBody | None:
        return await self._read(lambda c: log.attempt_body(c, delivery_id))

    async def latest_instant(self) -> int:
        return await self._read(log.latest_instant)

    # -- upkeep -----------------------------------------------------------------------------------

    @property
    def tally(self) -> StoreTally:
        return self._writer.tally

    async def backlog(self) -> Backlog:
        return await self._read(watching.backlog)

    async def timeout_counts(self, now: int, span_us: int) -> dict[str, int]:
        return await self._read(lambda c: watching.timeout_counts(c, now, span_us))

    async def purge(self, ages: Ages, cursor: bytes, limit: int) -> Purged:
        # Not durable: what comes back after a power failure is deleted by the next sweep.
        return await self._write(lambda c: purge.purge(c, ages, cursor, limit), durable=False)

    async def ping(self) -> None:
        # On a full disk there may be room for one page and not for an event. Nothing is synced where all
        # is well: whoever asks needs no key.
        size = PROBE_BYTES if self._refused else 4
        sql = QUERIES["probe"]
        await self._write(lambda c: c.execute(sql, (size,)) and None, durable=self._refused)
        self._refused = False
