"""A real server on a file of its own, a real receiver, and a client of the API."""

import asyncio
import json
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.server.serve import Served, serving
from hookline.settings import Settings

KEY = "k" * 40
DEADLINE_S = 10.0
TABLES = (
    "organizations", "integrations", "installations", "secrets", "lanes", "events", "deliveries",
    "attempts", "resources", "api_keys",
)  # fmt: skip
# What a caller never needs to see: our libraries, our modules, our language.
INTERNAL = re.compile(
    r"Traceback|litestar|msgspec|uvicorn|sqlite3\.|hookline\.|asyncio|\bNone\b|Error\(|0x[0-9a-f]{8}"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the receiver got, byte for byte."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The one header by that name."""
        (value,) = [value for key, value in self.headers if key.lower() == name.lower()]
        return value

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """A web server that keeps what it gets and answers each path as told (204 if not).

    A path in ``held`` is not answered for as long as it is there.
    """

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str) -> str:
        """Where integrations send to."""
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Request]:
        """What came to a path so far."""
        return [each for each in self.requests if each.path == path]

    def wait(self, path: str, count: int = 1) -> list[Request]:
        """Wait until that many requests came to a path, and return all that did."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.at(path)) >= count, DEADLINE_S), (
                f"{len(self.at(path))} of {count} requests came to {path}"
            )
            return self.at(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = tuple(
                (name, value.lstrip()) for name, _, value in (s.partition(":") for s in lines)
            )
            length = int(next(v for k, v in headers if k.lower() == "content-length"))
            request = Request(first.split(" ")[1], headers, await reader.readexactly(length))
            status, extra = self.answers.get(request.path, (204, {}))
            with self._arrived:
                self.requests.append(request)
                self._arrived.notify_all()
            while request.path in self.held:
                await asyncio.sleep(0.01)
            rows = {**extra, "Content-Length": "0", "Connection": "close"}.items()
            text = "".join(f"{name}: {value}\r\n" for name, value in rows)
            writer.write(f"HTTP/1.1 {status} Scripted\r\n{text}\r\n".encode())
            await writer.drain()
        finally:
            writer.close()


class Live:
    """A server that answers, its receiver, and what tests ask of them."""

    def __init__(
        self, served: Served, receiver: Receiver, database: Path, loop: asyncio.AbstractEventLoop
    ):
        self.served = served
        self.receiver = receiver
        self.database = database
        self.key = KEY
        self._loop = loop
        self._names = 0
        self.client = httpx.Client(
            base_url=served.url,
            headers={"Authorization": f"Bearer {KEY}"},
            trust_env=False,
            timeout=DEADLINE_S,
        )

    def run(self, job: Callable[[], Awaitable[Any]]) -> Any:
        """Run a coroutine in the server's loop."""

        async def inside() -> Any:
            return await job()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(DEADLINE_S)

    def name(self, stem: str = "app") -> str:
        """A name that no other test has."""
        self._names += 1
        return f"{stem}-{self._names}"

    def post(
        self, path: str, body: bytes, content_type: str | None = "application/json"
    ) -> httpx.Response:
        """POST these very bytes."""
        headers = {} if content_type is None else {"Content-Type": content_type}
        return self.client.post(path, content=body, headers=headers)

    def register(self, **given: Any) -> dict[str, Any]:
        """Register an integration whose webhooks come to the receiver, at the path of its slug."""
        slug = given.setdefault("slug", self.name())
        given.setdefault("name", slug)
        given.setdefault("webhook_url", self.receiver.url(f"/{slug}"))
        if given.get("kind") != "public":
            given.setdefault("organization", "acme")
        return self.ok(self.client.post("/api/v1/integrations", json=given), 201)

    def publish(self, organization: str = "acme", **event: Any) -> dict[str, Any]:
        """Publish an event; issue.created unless said otherwise."""
        event = {"resource": "issue", "action": "created", "data": {"n": 1}} | event
        path = f"/api/v1/organizations/{organization}/events"
        return self.ok(self.client.post(path, json=event), 202)

    def delivery_of(self, event: dict[str, Any]) -> dict[str, Any]:
        """The only delivery of a published event."""
        (delivery,) = self.get(f"/api/v1/events/{event['id']}")["deliveries"]
        return delivery

    def settled(self, delivery_id: str, state: str, attempts: int = 1) -> dict[str, Any]:
        """Wait until a delivery stands so, and return it with its attempts."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            found = self.get(f"/api/v1/deliveries/{delivery_id}")
            if found["state"] == state and found["attempts_made"] >= attempts:
                return found
            time.sleep(0.01)
        pytest.fail(f"delivery is {found['state']} after {found['attempts_made']} attempts")

    def get(self, path: str, **query: Any) -> Any:
        """GET what is there."""
        return self.ok(self.client.get(path, params=query or None), 200)

    def ok(self, response: httpx.Response, status: int) -> Any:
        """A success with that status, and what it holds."""
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def stored(self) -> dict[str, int]:
        """How many rows each table has, seen through a connection of the test's own."""
        with closing(sqlite3.connect(self.database)) as connection:
            return {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in TABLES
            }

    def raw(self, request: bytes, *, hang_up: bool = False) -> bytes:
        """Send bytes on a connection of their own, and return what comes until it is quiet."""
        with socket.create_connection(
            ("127.0.0.1", int(self.served.url.rpartition(":")[2]))
        ) as sock:
            sock.sendall(request)
            if hang_up:
                return b""
            sock.settimeout(DEADLINE_S)
            answer = b""
            while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < _length(
                answer
            ):
                more = sock.recv(65_536)
                if not more:
                    break
                answer += more
            return answer

    def refused(
        self, response: httpx.Response, status: int, code: str, where: str | None = None
    ) -> dict[str, str]:
        """Assert that this is a refusal in the one error shape.

        ``{"error": {"code", "message", "hint", "where"}}`` and nothing besides: the code is
        kebab-case, message and hint are for people and not empty, ``where`` is a JSON Pointer or
        null, and nothing tells of the inside.
        """
        text = response.content.decode()
        assert response.headers["content-type"] == "application/json", text
        document = json.loads(text)
        assert list(document) == ["error"], text
        error = document["error"]
        assert list(error) == ["code", "message", "hint", "where"], text
        assert (response.status_code, error["code"], error["where"]) == (status, code, where), text
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", error["code"])
        assert error["message"].strip(), text
        assert error["hint"].strip(), text
        assert not INTERNAL.search(text), text
        assert len(text) < 2_000, text
        assert where is None or re.fullmatch(r"(/([^~/]|~[01])*)*", where)
        return error


def _length(answer: bytes) -> int:
    found = re.search(rb"(?i)content-length: *(\d+)", answer)
    return int(found[1]) if found else 0


class Loop:
    """An event loop in a thread, and what was opened in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Run something in the loop."""

        async def inside() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(30)

    async def live(self, folder: Path, **environ: str) -> Live:
        """Start a receiver and a server that may send to it, and to nothing else that is private."""
        receiver = Receiver()
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        self._stack.push_async_callback(_stop, server)
        receiver.port = server.sockets[0].getsockname()[1]
        given = {
            "HOOKLINE_DATABASE": f"sqlite:///{folder}/hookline.db",
            "HOOKLINE_PORT": "0",
            "HOOKLINE_API_KEY": KEY,
            "HOOKLINE_ALLOW_ADDRESSES": f"127.0.0.1:{receiver.port}",
        }
        settings = Settings.from_environ({**given, **environ})
        served = await self._stack.enter_async_context(serving(settings))
        return Live(served, receiver, folder / "hookline.db", self.loop)

    def close(self) -> None:
        """Close what was opened, then the loop."""
        try:
            self.run(self._stack.aclose())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server for the tests of a module."""
    loop = Loop()
    try:
        found = loop.run(loop.live(tmp_path_factory.mktemp("live")))
        with closing(found.client):
            yield found
    finally:
        loop.close()
