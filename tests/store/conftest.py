"""The stores under test, one factory each, and a small world to try any of them in.

A second store joins the suite by adding its factory to ``FACTORIES``: nothing in the files named
``test_contract*.py`` knows which store it runs on.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.store.postgres_server import FAST, PostgresServer, postgres_server

from hookline.core.lifecycle import State
from hookline.core.model import (
    Attempt,
    BodyEncoding,
    Delivery,
    Installation,
    Integration,
    Kind,
    Policy,
    Timings,
)
from hookline.core.outcome import Counted
from hookline.core.rate import RateLimit
from hookline.core.schedule import DEFAULT_SCHEDULE
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered, RetryAt, Verdict
from hookline.store.contract import Store
from hookline.store.postgres.store import PostgresStore
from hookline.store.sqlite.store import SqliteStore
from hookline.store.values import (
    Leased,
    Leases,
    NewDelivery,
    NewEvent,
    NewInstallation,
    NewIntegration,
    Recorded,
    Settled,
    Settlement,
)

T = TypeVar("T")

START = 1_800_000_000_000_000  # µs since the epoch; every test's clock begins here
SECOND = 1_000_000
MINUTE = 60 * SECOND
RULES = Rules()
MIGRATED = "migrated"  # the database that each test's own is a copy of
EMPTY = """
DO $$ BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    EXECUTE (
        SELECT format('TRUNCATE %s RESTART IDENTITY', string_agg(format('hookline.%I', tablename), ','))
        FROM pg_tables WHERE schemaname = 'hookline' AND tablename <> 'migrations'
    );
    INSERT INTO hookline.facts TABLE public.first_facts;
END $$
"""


Factory = Callable[[Path], Awaitable[Store]]


async def open_sqlite(folder: Path) -> Store:
    return await SqliteStore.open(folder / "hookline.db", START)


@contextlib.contextmanager
def sqlite_factory(_request: pytest.FixtureRequest) -> Iterator[Factory]:
    yield open_sqlite


@contextlib.contextmanager
def postgres_factory(request: pytest.FixtureRequest) -> Iterator[Factory]:
    databases: dict[Path, str] = {}
    server: PostgresServer = request.getfixturevalue("postgres")

    async def open_postgres(folder: Path) -> Store:
        """The folder is only a name for a database of its own."""
        for gone in [each for each in databases if not each.exists()]:
            empty(server, databases.pop(gone))
        if folder not in databases:
            spare = server.spare
            databases[folder] = spare.pop() if spare else server.make_database(MIGRATED)
        return await PostgresStore.open(server.url(databases[folder]))

    yield open_postgres
    for name in databases.values():
        empty(server, name)


def empty(server: PostgresServer, name: str) -> None:
    """Make a database as it was when it was new, for the next test: that is faster than a new one."""
    server.sql(EMPTY, name)
    server.spare.append(name)


# Name of a store -> what gives, for one test, what opens an empty one, given an empty folder of its own.
FACTORIES = {"postgres": postgres_factory, "sqlite": sqlite_factory}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the session, which does not wait for the disk."""
    with postgres_server(FAST) as server:
        server.sql(f"CREATE DATABASE {MIGRATED}")
        in_a_loop_of_its_own(lambda: migrated(server.url(MIGRATED)))
        server.sql("CREATE TABLE public.first_facts AS TABLE hookline.facts", MIGRATED)
        yield server


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """A new database of PostgreSQL with our schema, of one test alone."""
    name = postgres.make_database(MIGRATED)
    yield postgres.url(name)
    postgres.drop_databases([name])


async def migrated(url: str) -> None:
    await (await PostgresStore.open(url)).close()


def in_a_loop_of_its_own(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """For fixtures that are no coroutines: in a thread, so that the tests' loop is not disturbed."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


@pytest.fixture(params=sorted(FACTORIES))
def factory(request: pytest.FixtureRequest) -> Iterator[Factory]:
    with FACTORIES[request.param](request) as made:
        yield made


@pytest.fixture
async def store(
    factory: Callable[[Path], Awaitable[Store]], tmp_path: Path
) -> AsyncIterator[Store]:
    opened = await factory(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def world(store: Store) -> "World":
    return World(store)


@pytest.fixture
def worlds() -> Callable[[Store], "World"]:
    return World


@dataclass(frozen=True)
class App:
    """An integration and one installation of it."""

    integration: Integration
    installation: Installation


def policy(
    max_in_flight: int = 32,
    body_encoding: BodyEncoding = BodyEncoding.JAVASCRIPT,
    rate_limit: RateLimit | None = None,
    ordered: bool = False,
) -> Policy:
    return Policy(1000, max_in_flight, DEFAULT_SCHEDULE, body_encoding, rate_limit, ordered)


class World:
    """Makes what a store is asked to keep; every value that a test does not name is a plain one."""

    START = START
    SECOND = SECOND
    MINUTE = MINUTE

    def __init__(self, store: Store, first: int = 1):
        self.store = store
        self._numbers = itertools.count(first)

    def new_id(self) -> bytes:
        """16 bytes, greater than those before."""
        return next(self._numbers).to_bytes(16, "big")

    def new_uuid(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012x}"

    def new_integration(
        self,
        slug: str | None = None,
        *,
        kind: Kind = Kind.INTERNAL,
        organization: str | None = "acme",
        max_in_flight: int = 32,
        body_encoding: BodyEncoding = BodyEncoding.JAVASCRIPT,
        rate_limit: RateLimit | None = None,
        ordered: bool = False,
    ) -> NewIntegration:
        uuid = self.new_uuid()
        internal = kind is Kind.INTERNAL
        return NewIntegration(
            uuid=uuid,
            slug=slug or f"app-{next(self._numbers)}",
            name="App",
            kind=kind,
            organization=organization if internal else None,
            webhook_url="https://receiver.example/hook",
            client_id=f"client-{uuid}",
            sealed_secret=b"sealed " + uuid.encode(),
            resources=("issue",),
            alertable=False,
            policy=policy(max_in_flight, body_encoding, rate_limit, ordered),
            installation_uuid=self.new_uuid() if internal else None,
            now=START,
        )

    async def app(self, slug: str | None = None, **values) -> App:
        """An internal integration, installed."""
        made = await self.store.create_integration(self.new_integration(slug, **values))
        (installation,) = await self.store.installations(integration_id=made.id)
        return App(made, installation)

    def new_installation(self, integration: Integration, organization: str) -> NewInstallation:
        return NewInstallation(self.new_uuid(), integration.id, organization, b"digest", START)

    async def public(self, slug: str | None = None, *organizations: str, **values) -> list[App]:
        """A public integration, installed in some organizations: it as an app in each."""
        new = self.new_integration(slug, kind=Kind.PUBLIC, **values)
        made = await self.store.create_integration(new)
        return [
            App(
                made,
                await self.store.create_installation(self.new_installation(made, each), None),
            )
            for each in organizations
        ]

    async def change(self, app: App, *, at: int = START, **policy) -> None:
        """Change an integration's policy."""
        found = await self.store.integration(app.integration.slug)
        assert found is not None
        wanted = replace(found.policy, **policy)
        await self.store.update_integration(replace(found, policy=wanted, updated_at=at))

    async def recap(self, app: App, cap: int, *, at: int = START) -> None:
        """Give an app's lane another cap."""
        wanted = replace(app.integration.policy, max_in_flight=cap)
        await self.store.update_integration(replace(app.integration, policy=wanted, updated_at=at))

    def event(self, *apps: App, at: int = START, in_ascii: bool = False, **values) -> NewEvent:
        """An event for these apps, in the organization of the first."""
        deliveries = tuple(
            NewDelivery(self.new_id(), app.installation.id, app.integration.id, in_ascii)
            for app in apps
        )
        defaults = {
            "id": self.new_id(),
            "organization_id": apps[0].installation.organization_id if apps else 1,
            "external_id": None,
            "resource": "issue",
            "action": "created",
            "tail": b'"data":{},"actor":{}}',
            "tail_ascii": None,
            "targets": None,
            "warnings": None,
            "plan_id": b"plan of nobody",
            "considered": "[]",
            "accepted_at": at,
            "deliveries": deliveries,
        }
        return NewEvent(**defaults | values)

    async def record(self, *events: NewEvent) -> list[Recorded]:
        return await self.store.record(events)

    async def waiting(self, app: App, count: int = 1, *, at: int = START) -> list[bytes]:
        """Record that many events for an app; the ids of their deliveries."""
        events = [self.event(app, at=at) for _ in range(count)]
        await self.store.record(events)
        return [event.deliveries[0].id for event in events]

    async def lease(
        self,
        *,
        at: int = START,
        limit: int = 1000,
        slow_limit: int = 1000,
        each: int = 1000,
        token: int | None = None,
    ) -> Leases:
        """Lease for a minute, under a token of its own."""
        token = next(self._numbers) if token is None else token
        return await self.store.lease(
            limit=limit,
            slow_limit=slow_limit,
            each=each,
            now=at,
            until=at + MINUTE,
            token=token,
        )

    async def leased(
        self, *, at: int = START, limit: int = 1000, slow_limit: int = 1000
    ) -> list[Leased]:
        return (await self.lease(at=at, limit=limit, slow_limit=slow_limit)).deliveries

    def settlement(
        self,
        leased: Leased,
        verdict: Verdict | None = None,
        *,
        at: int = START,
        outcome: Counted = Counted.SUCCESS,
        status: int | None = 204,
        began_at: int | None = None,
        asked_us: int | None = None,
    ) -> Settlement:
        """What an attempt brought: delivered, unless another verdict is given."""
        attempt = Attempt(
            number=leased.attempts_made + 1,
            started_at=at - SECOND,
            url="https://hooks.example.com/then",
            outcome=outcome,
            detail="detail",
            status=status,
            signature="ab" * 32,
            timings=Timings(1, 2, 3, 4, 5),
            address="192.0.2.1:443",
            http_version="1.1",
            response_head=b"HTTP/1.1 204 No Content\r\n",
            response_body=b"\x00body",
            response_cut=True,
        )
        return Settlement(
            leased.id,
            leased.token,
            leased.organization_id,
            leased.integration_id,
            attempt,
            verdict or Delivered(),
            at,
            at - SECOND if began_at is None else began_at,
            asked_us,
        )

    async def settle(
        self, leased: Leased, verdict: Verdict | None = None, *, at: int = START, **attempt
    ) -> bool:
        (counted,) = await self.settle_all([self.settlement(leased, verdict, at=at, **attempt)])
        return counted

    async def time_out(
        self, leased: Leased, *, at: int = START, again_at: int | None = None, rules: Rules = RULES
    ) -> Settled:
        """Settle it as a timeout that is retried."""
        settlement = self.settlement(
            leased,
            RetryAt(at if again_at is None else again_at),
            at=at,
            outcome=Counted.TIMEOUT,
            status=None,
        )
        return await self.store.settle([settlement], rules)

    async def settle_all(self, settlements: list[Settlement], rules: Rules = RULES) -> list[bool]:
        """Which of these counted."""
        return (await self.store.settle(settlements, rules)).counted

    async def delivery(self, delivery_id: bytes) -> Delivery:
        found = await self.store.delivery(delivery_id)
        assert found is not None
        return found

    async def state(self, delivery_id: bytes) -> State:
        return (await self.delivery(delivery_id)).state
