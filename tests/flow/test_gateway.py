"""Through the gateway to a slow application, with real processes, and with some of them killed.

The sender is answered in milliseconds, whatever the application takes; the application gets every
webhook, verified by itself, byte for byte; whoever dies in the middle loses nothing that was accepted.
"""

import asyncio
import base64
import contextlib
import json
import os
import sqlite3
import statistics
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.flow.payloads import CONTRACT, contract_documents
from tests.flow.processes import (
    DEADLINE_S,
    HERE,
    KEY,
    Server,
    answering,
    begin,
    serving,
    start,
    until,
)
from tests.flow.slow_app import SECRET

from hookline import samples
from hookline.core.signing import sign
from hookline.receive.testing import signed_request

NAMES = [each.name for each in contract_documents()]
SLOW_S = 3.0


@dataclass(frozen=True)
class Webhook:
    """What a sender posts."""

    body: bytes
    headers: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        return dict(self.headers)["Request-ID"]


@dataclass
class App:
    """A slow application, which can be killed and started again on its port."""

    seconds: float
    notes: Path
    port: int = 0
    process: Process | None = None

    async def up(self) -> None:
        arguments = (str(HERE / "slow_app.py"), str(self.port), str(self.seconds), str(self.notes))
        self.process = await start(*arguments)
        assert self.process.stdout is not None
        self.port = int(await self.process.stdout.readline())

    async def down(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    def handled(self) -> list[dict[str, Any]]:
        """What it noted, in order; a line that was cut by a kill is none."""
        if not self.notes.exists():
            return []
        lines = self.notes.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]


@contextlib.asynccontextmanager
async def app(folder: Path, seconds: float) -> AsyncIterator[App]:
    made = App(seconds, folder / "handled.ndjson")
    await made.up()
    try:
        yield made
    finally:
        await made.down()


async def connect(server: Server, port: int, **source: Any) -> str:
    """Make a source and a route to the application; the path of the source."""
    given = {"name": "S", "organization": "acme", "scheme": "sentry", "secrets": [SECRET]}
    route = {
        "name": "App",
        "source": "s",
        "webhook_url": f"http://127.0.0.1:{port}/webhooks",
        "max_in_flight": 200,
        "retry_schedule": [0, *[0.3] * 40],
    }
    async with server.client() as client:
        made = await client.post("/api/v1/sources", json=given | source)
        assert made.status_code == 201, made.text
        routed = await client.post("/api/v1/integrations", json=route)
        assert routed.status_code == 201, routed.text
    return made.json()["path"]


def contract_webhooks() -> list[Webhook]:
    """Every payload of the contract as its sender would post it: the very bytes of the file."""
    found = []
    for name in NAMES:
        path = CONTRACT / name
        body = path.read_bytes()
        headers = json.loads(path.with_suffix(".headers.json").read_bytes())
        ours = {"Request-ID": uuid4().hex, "Sentry-Hook-Signature": sign(SECRET, body)}
        found.append(Webhook(body, tuple((headers | ours).items())))
    return found


def sample_webhooks(count: int) -> list[Webhook]:
    names = samples.names()
    made = (signed_request(SECRET, names[n % len(names)]) for n in range(count))
    return [Webhook(body, tuple(headers.items())) for body, headers in made]


@dataclass
class Sender:
    """Posts webhooks; what is not answered it posts again, as senders do."""

    url: Callable[[], str]
    took_s: list[float] = field(default_factory=list)
    again: int = 0
    answered: int = 0

    async def post_all(self, webhooks: Sequence[Webhook], at_once: int = 4) -> None:
        waiting = list(reversed(webhooks))

        async def post_some(client: httpx.AsyncClient) -> None:
            while waiting:
                await self._post(client, waiting.pop())

        async with (
            httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(at_once):
                group.create_task(post_some(client))

    async def _post(self, client: httpx.AsyncClient, webhook: Webhook) -> None:
        while True:
            began = time.perf_counter()
            try:
                answer = await client.post(
                    self.url(), content=webhook.body, headers=list(webhook.headers)
                )
            except httpx.TransportError:
                self.again += 1
                await asyncio.sleep(0.02)
                continue
            assert answer.status_code == 200, answer.text
            self.took_s.append(time.perf_counter() - began)
            self.answered += 1
            return

    def tell(self) -> None:
        took = sorted(self.took_s)
        print(
            f"{len(took)} webhooks: p50 {statistics.median(took) * 1000:.1f} ms, "
            f"p99 {took[int(len(took) * 0.99)] * 1000:.1f} ms; {self.again} posted again"
        )


async def all_handled(made: App, webhooks: Sequence[Webhook]) -> None:
    """Wait until the application has handled each of them."""
    wanted = {each.id for each in webhooks}

    async def wait() -> None:
        while not wanted <= {request_id(each) for each in made.handled()}:
            await asyncio.sleep(0.1)

    await asyncio.wait_for(wait(), 120)


def request_id(note: dict[str, Any]) -> str:
    return dict(map(tuple, note["headers"]))["Request-ID"]


def check_as_sent(made: App, webhooks: Sequence[Webhook]) -> Counter[str]:
    """Everything that was handled is what was sent, and verifies; how often each came."""
    sent = {each.id: each for each in webhooks}
    for note in made.handled():
        webhook = sent[request_id(note)]
        assert base64.b64decode(note["body"]) == webhook.body
        kept = [tuple(each) for each in note["headers"] if each[0].lower() not in CLIENTS]
        assert kept == [each for each in webhook.headers if each[0].lower() not in CLIENTS]
        assert "." in note["said"], note["said"]
    return Counter(map(request_id, made.handled()))


# What HTTP clients add, on the way here and on the way on.
CLIENTS = ("accept", "accept-encoding", "user-agent", "content-length", "host", "connection")


@pytest.mark.skipif(not NAMES, reason=f"NO CONTRACT PAYLOADS: there is no {CONTRACT}")
async def test_every_payload_reaches_a_slow_application_once(tmp_path):
    """3 s a request there, milliseconds here; each arrives once, as it was sent, and verifies."""
    webhooks = contract_webhooks()
    async with app(tmp_path, SLOW_S) as made, serving(tmp_path, [made.port]) as server:
        path = await connect(server, made.port)
        sender = Sender(lambda: server.url + path)
        await sender.post_all(webhooks)
        sender.tell()
        await all_handled(made, webhooks)
        assert set(check_as_sent(made, webhooks).values()) == {1}
        assert len(made.handled()) == len(webhooks)


async def test_an_application_that_is_killed_loses_nothing(tmp_path):
    """It dies with requests in hand, is away for a while, and gets all of them when it is back."""
    webhooks = sample_webhooks(120)
    async with app(tmp_path, 0.5) as made, serving(tmp_path, [made.port]) as server:
        path = await connect(server, made.port)
        sender = Sender(lambda: server.url + path)
        await sender.post_all(webhooks[:60])
        await until(made.handled, "the application to be in the middle of it")
        await made.down()
        assert made.process is not None
        assert made.process.returncode == -9
        await sender.post_all(webhooks[60:])
        sender.tell()
        await made.up()
        await all_handled(made, webhooks)
        check_as_sent(made, webhooks)
    assert sender.again == 0


async def test_a_server_that_is_killed_loses_nothing_that_it_accepted(tmp_path):
    """The sender posts again what was not answered; the source drops what it had already."""
    webhooks = sample_webhooks(600)
    async with app(tmp_path, 0.2) as made:
        async with serving(tmp_path, [made.port]) as server:
            path = await connect(server, made.port, deduplicate="request-id")
            port = int(server.url.rpartition(":")[2])
            sender = Sender(lambda: server.url + path)
            posting = asyncio.create_task(sender.post_all(webhooks))
            process = server.process
            try:
                for _ in range(3):
                    goal = sender.answered + 60
                    await until(lambda goal=goal: sender.answered >= goal, "some to be answered")
                    process.kill()
                    await process.communicate()
                    process, _ = await begin(tmp_path, [made.port], port=port)
                await posting
                sender.tell()
                await all_handled(made, webhooks)
            finally:
                process.kill()
                await process.communicate()
        check_as_sent(made, webhooks)
    assert sender.answered == len(webhooks)


# -- a flood -----------------------------------------------------------------------------------------


async def test_a_flood_of_bad_tokens_changes_nothing(tmp_path):
    """Bounded memory, no row, and publishers beside it go on; 2,000 requests."""
    await flood(tmp_path, 2_000)


@pytest.mark.long
async def test_a_long_flood_of_bad_tokens_changes_nothing(tmp_path):
    """The same with 20,000."""
    await flood(tmp_path, 20_000)


async def flood(folder: Path, count: int) -> None:
    async with app(folder, 0) as made, serving(folder, [made.port]) as server:
        path = await connect(server, made.port)
        sender = Sender(lambda: server.url + path)
        await sender.post_all(sample_webhooks(1))
        (webhook,) = sample_webhooks(1)
        await strangers(server, webhook, count // 10)  # whatever grows once has grown then
        before, resident = brought(folder), resident_bytes(server)
        over = asyncio.Event()
        publishing = asyncio.create_task(publish_until(over, server))
        await strangers(server, webhook, count)
        over.set()
        took = await publishing
        grown = resident_bytes(server) - resident
        print(f"{count} bad tokens: {grown // 1024} KiB more; {len(took)} published beside it,")
        print(f"p50 {statistics.median(took) * 1000:.1f} ms, slowest {max(took) * 1000:.1f} ms")
        assert grown < 16 * 1_048_576
        assert brought(folder) == before
        await sender.post_all(sample_webhooks(1))
        await until(lambda: len(made.handled()) == 2, "what came after the flood")


def brought(folder: Path) -> list[int]:
    """How many rows there are of what sources brought or refused."""
    tables = ("events WHERE forwarded IS NOT NULL", "deliveries", "refused_requests")
    with contextlib.closing(sqlite3.connect(folder / "data" / "hookline.db")) as file:
        return [file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


def resident_bytes(server: Server) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def strangers(server: Server, webhook: Webhook, count: int) -> None:
    """Post a webhook to so many tokens that nobody has, each on a connection of its own."""
    host, port = server.url.removeprefix("http://").split(":")
    lines = "".join(f"{name}: {value}\r\n" for name, value in webhook.headers)
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            reader, writer = await asyncio.open_connection(host, int(port))
            head = f"POST /in/{number:043d} HTTP/1.1\r\nHost: h\r\n{lines}"
            length = f"Content-Length: {len(webhook.body)}\r\n\r\n"
            writer.write((head + length).encode() + webhook.body)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 404 "), answer
            writer.close()
            await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(some())


async def publish_until(over: asyncio.Event, server: Server) -> list[float]:
    """Publish one event after the other; how long each took."""
    took = []
    event = {"resource": "issue", "action": "created", "data": {"n": 1}}
    async with server.client() as client:
        while not over.is_set() or not took:
            began = time.perf_counter()
            answer = await client.post("/api/v1/organizations/globex/events", json=event)
            assert answer.status_code == 202, answer.text
            took.append(time.perf_counter() - began)
    return took


# -- many nodes --------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def node(folder: Path, name: str, url: str, port: int) -> AsyncIterator[Server]:
    """One of the processes that share a database."""
    log = folder / f"{name}.log"
    process = await start(
        *("-m", "hookline", "serve", "--json"),
        log=log,
        HOOKLINE_DATABASE=url,
        HOOKLINE_SECRET_KEY="ab" * 32,
        HOOKLINE_PORT="0",
        HOOKLINE_API_KEY=KEY,
        HOOKLINE_ALLOW_ADDRESSES=f"127.0.0.1:{port}",
    )
    async with answering(process, log) as server:
        yield server


async def test_every_node_takes_what_any_of_them_was_told_of(tmp_path, postgres, database):
    """On PostgreSQL: what comes in by a source of another node, and what is a duplicate there."""
    (webhook,) = sample_webhooks(1)
    async with app(tmp_path, 0) as made, contextlib.AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(node(tmp_path, name, postgres.url(database), made.port))
            for name in ("one", "two")
        ]
        path = await connect(one, made.port, deduplicate="request-id")
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S) as client:

            async def post(server: Server) -> httpx.Response:
                return await client.post(
                    server.url + path, content=webhook.body, headers=list(webhook.headers)
                )

            while (answer := await post(two)).status_code == 404:  # until it has heard of it
                await asyncio.sleep(0.01)
            assert answer.json()["duplicate"] is False
            assert (await post(one)).json() == answer.json() | {"duplicate": True}
            await until(made.handled, "the webhook")
            async with two.client() as admin:
                assert (await admin.delete("/api/v1/sources/s")).status_code == 204
            while (answer := await post(one)).status_code == 200:
                await asyncio.sleep(0.01)
            assert answer.status_code == 404
        assert len(check_as_sent(made, [webhook])) == 1
