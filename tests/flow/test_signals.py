"""Engines on one PostgreSQL tell each other, and go by one clock: with real receivers, and no poll."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.store.postgres_server import PostgresServer

from hookline.core.address import AllowList
from hookline.core.role import Role
from hookline.core.secret import Secret
from hookline.send.clock import wall_us
from hookline.send.engine import Engine, EngineConfig
from hookline.send.intake import Limits, Submission, read_event
from hookline.store.signals import Signal

NEVER_S = 3_600.0  # a poll that no test waits for
HOUR = 3_600_000_000


@contextlib.asynccontextmanager
async def engine(url: str, receiver: Any, role: Role, **how: Any) -> AsyncIterator[Engine]:
    config = EngineConfig(
        Secret(url),
        AllowList.parse(f"127.0.0.1:{receiver.port}"),
        Secret("ab" * 32),
        role=role,
        **({"poll_s": NEVER_S} | how),
    )
    made = await Engine.open(config)
    try:
        yield made
    finally:
        await made.close()


def event(n: int) -> Submission:
    fields = {"resource": "issue", "action": "created", "data": {"n": n}}
    return read_event(json.dumps(fields).encode(), Limits())


async def register(made: Engine, receiver: Any, **more: Any) -> None:
    fields = {"name": "App", "organization": "acme", "resources": ["issue"]}
    await made.registry.create_integration(fields | {"webhook_url": receiver.url} | more)


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():
            await asyncio.sleep(0.005)


async def connected(url: str, postgres: PostgresServer, number: int) -> None:
    """Wait until so many nodes listen."""
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'hookline signals' AND wait_event = 'ClientRead'"
        " AND query NOT LIKE 'LISTEN%' AND query <> ''"
    )
    name = urlsplit(url).path.lstrip("/")

    async def listen() -> bool:
        return await asyncio.to_thread(postgres.sql, asked, name) == str(number)

    await until(listen)


@pytest.fixture
def url(postgres, database) -> str:
    return postgres.url(database)


async def test_a_worker_sends_what_the_api_took_without_waiting_for_a_poll(url, postgres, receiver):
    """The poll of both comes in an hour, the event at once; and the connection may be cut before."""
    async with engine(url, receiver, Role.API) as api, engine(url, receiver, Role.WORKER):
        await register(api, receiver)
        await connected(url, postgres, 2)
        await api.publisher.publish("acme", [event(1)])
        await receiver.wait(1)
        name = urlsplit(url).path.lstrip("/")
        ended = postgres.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name LIKE 'hookline%'",
            name,
        )
        assert int(ended) >= 2
        await connected(url, postgres, 2)
        await api.publisher.publish("acme", [event(2)])
        await receiver.wait(2)
        assert api.dispatcher is None
        await api.check_ready()


async def test_the_poll_finds_what_no_signal_told_of(url, postgres, receiver):
    """Whoever wrote may have died between its commit and its signal."""
    quick: Any = {"poll_s": 0.05}
    async with engine(url, receiver, Role.API) as api:
        await register(api, receiver)
        async with engine(url, receiver, Role.WORKER, **quick):
            await connected(url, postgres, 2)
            api.store.tell = lambda _: None  # type: ignore[method-assign]
            await api.publisher.publish("acme", [event(1)])
            await receiver.wait(1)


async def test_what_nodes_keep_in_memory_follows_a_change_on_another(url, postgres, receiver):
    """A URL, a resource and a key: read again by the others, by a signal of the very commit."""
    async with (
        engine(url, receiver, Role.ALL) as here,
        engine(url, receiver, Role.API) as there,
    ):
        keys: list[int] = []

        async def read_keys() -> None:
            keys[:] = [key.id for key in await there.store.api_keys()]

        there.following.read_on(Signal.KEYS, read_keys)
        await register(here, receiver, webhook_url="http://127.0.0.1:1/old")
        await connected(url, postgres, 2)
        integration = await there.registry.integration("app")

        async def url_there() -> str:
            return (await there.directory.routes([integration.id]))[integration.id].webhook_url

        assert await url_there() == "http://127.0.0.1:1/old"
        await here.registry.update_integration("app", {"webhook_url": receiver.url})
        await here.registry.define_resource("order", ["paid"])
        made, _ = await here.registry.create_key("second")

        async def followed() -> bool:
            return (
                await url_there() == receiver.url
                and "order" in there.directory.resources
                and keys == [made.id]
            )

        await until(followed)


async def test_nodes_whose_clocks_are_hours_apart_go_by_one(url, receiver):
    """They agree on the time, and so on leases; receivers are told each machine's own."""
    async with (
        engine(url, receiver, Role.ALL, wall=lambda: wall_us() + HOUR) as ahead,
        engine(url, receiver, Role.WORKER, wall=lambda: wall_us() - HOUR) as behind,
    ):
        before, middle, after = behind.clock(), ahead.clock(), behind.clock()
        assert before - 1_000_000 < middle < after + 1_000_000
        held = asyncio.Event()

        async def answer(_request: Any, writer: asyncio.StreamWriter) -> None:
            await held.wait()
            writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")

        receiver.answer = answer
        await register(ahead, receiver, timeout=20)
        await ahead.publisher.publish("acme", [event(n) for n in range(4)])
        await receiver.wait(4)
        assert await ahead.store.rescue(ahead.clock()) == 0
        assert await behind.store.rescue(behind.clock()) == 0
        held.set()

        async def settled() -> bool:
            return (await ahead.store.backlog()).waiting == 0 and bool(behind.dispatcher.idle)

        await until(settled)
        told = {int(each.header("Sentry-Hook-Timestamp")) for each in receiver.requests}
    now = wall_us() // 1_000_000
    assert all(abs(abs(each - now) - 3_600) < 60 for each in told)
    assert len(receiver.requests) == 4


async def test_of_nodes_with_different_keys_the_first_one_says_which(url, receiver):
    """A second key would seal what the others cannot open."""
    async with engine(url, receiver, Role.API):
        config = EngineConfig(Secret(url), AllowList(), Secret("cd" * 32))
        with pytest.raises(Exception, match="sealed with another key"):
            await Engine.open(config)
