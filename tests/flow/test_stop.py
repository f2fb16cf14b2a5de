"""Stopping a server process: what is under way is finished, nothing is begun, nobody holds it up."""

import asyncio
import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.flow.processes import KEY, Server, serving

STOPPING = "stopping: what is under way"
EVENTS = "/api/v1/organizations/acme/events"
DEADLINE_S = 20  # a stop that is held up by what must not hold it up takes longer


class Held:
    """A receiver that answers nobody until it is told, and then everybody."""

    def __init__(self, receiver: Any):
        self.receiver = receiver
        self.released = asyncio.Event()
        receiver.answer = self._answer

    async def _answer(self, _request: Any, writer: asyncio.StreamWriter) -> None:
        await self.released.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    @property
    def ids(self) -> list[str]:
        return [each.header("Request-ID") for each in self.receiver.requests]


@pytest.fixture
def held(receiver) -> Held:
    return Held(receiver)


@contextlib.asynccontextmanager
async def begun(
    folder: Path, held: Held, *, events: int, **more: Any
) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """A server with as many attempts under way as the receiver's integration may have: two."""
    async with serving(folder, [held.receiver.port]) as server, server.client() as client:
        app = {"name": "App", "organization": "acme", "resources": ["issue"], "timeout": 30}
        url = {"webhook_url": held.receiver.url, "max_in_flight": 2}
        answer = await client.post("/api/v1/integrations", json=app | url | more)
        assert answer.status_code == 201, answer.text
        for n in range(events):
            event = {"resource": "issue", "action": "created", "data": {"n": n}}
            assert (await client.post(EVENTS, json=event)).status_code == 202
        await held.receiver.wait(min(events, 2))
        yield server, client


def states(folder: Path) -> list[tuple[str, int]]:
    """State and number of attempts of each delivery, from the file of a server that ended."""
    with closing(sqlite3.connect(folder / "data" / "hookline.db")) as file:
        return file.execute("SELECT state, attempts_made FROM deliveries ORDER BY id").fetchall()


async def test_what_is_under_way_is_settled_and_nothing_is_begun(held, tmp_path):
    """Freed slots stay free after SIGTERM; the rest waits for the next start, and comes once."""
    async with begun(tmp_path, held, events=6) as (server, _):
        server.told(signal.SIGTERM)
        await server.said(STOPPING)
        held.released.set()
        assert await server.ended() == 0
    assert states(tmp_path) == [("delivered", 1)] * 2 + [("waiting", 0)] * 4
    assert len(held.ids) == 2
    async with serving(tmp_path, [held.receiver.port]):
        await held.receiver.wait(6)
    assert len(set(held.ids)) == len(held.ids) == 6


async def test_attempts_that_never_end_are_settled_as_timeouts(held, tmp_path):
    """The server waits for their time to be up, and no longer."""
    async with begun(tmp_path, held, events=2, timeout=1) as (server, _):
        server.told(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await server.ended() == 0
    assert states(tmp_path) == [("waiting", 1)] * 2


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_abandons_what_is_under_way(held, tmp_path, second):
    """It ends before its attempts do; they are made again by the next one, with the same ids."""
    async with begun(tmp_path, held, events=2) as (server, _):
        server.told(signal.SIGTERM)
        await server.said(STOPPING)
        server.told(second)
        async with asyncio.timeout(DEADLINE_S):
            assert await server.ended() == 0
    assert states(tmp_path) == [("leased", 0)] * 2
    first = held.ids
    held.released.set()
    async with serving(tmp_path, [held.receiver.port]) as server:
        await held.receiver.wait(4)
        server.told(signal.SIGTERM)
        assert await server.ended() == 0
    assert sorted(held.ids) == sorted(first * 2)
    assert states(tmp_path) == [("delivered", 1)] * 2


async def test_nobody_who_dawdles_holds_it_up(held, tmp_path):
    """Idle connections, half a head, an upload that never ends."""
    held.released.set()
    async with (
        begun(tmp_path, held, events=2) as (server, client),
        contextlib.AsyncExitStack() as s,
    ):
        port = int(server.url.rpartition(":")[2])

        async def dawdle(request: bytes) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            s.push_async_callback(_hang_up, writer)
            writer.write(request)
            await writer.drain()

        post = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n".encode()
        post += b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        await dawdle(b"")
        await dawdle(post[:20])
        await dawdle(post)
        assert (await client.get("/healthz")).status_code == 200  # kept alive, and idle
        server.told(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await server.ended() == 0
    assert "Traceback" not in server.log.read_text()


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_database_that_is_away_does_not_hold_it_up(held, tmp_path):
    """What cannot be settled is said, left, and made again by the next one, with the same ids."""
    async with begun(tmp_path, held, events=2) as (server, _):
        with closing(
            sqlite3.connect(tmp_path / "data" / "hookline.db", isolation_level=None)
        ) as other:
            other.execute("BEGIN IMMEDIATE")
            held.released.set()
            server.told(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                assert await server.ended() == 0
            other.execute("ROLLBACK")
    assert "stopped.unsettled" in server.log.read_text()
    first = held.ids
    async with serving(tmp_path, [held.receiver.port]) as server:
        await held.receiver.wait(4)
        server.told(signal.SIGTERM)
        assert await server.ended() == 0
    assert sorted(held.ids) == sorted(first * 2)
    assert states(tmp_path) == [("delivered", 1)] * 2
