"""An accepted event reaches every installation that wants it: ten thousand events, counted there."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

EVENTS, CONNECTIONS, INTEGRATIONS = 10_000, 8, 20
FAIL_EVERY = (0, 0, 7, 3)  # one receiver each: how many of the webhooks it refuses at first
KEY = "flow-key-0123456789abcdef0123456789abcdef"
HERE = Path(__file__).parent


class Counter:
    """A receiver process."""

    def __init__(self, process: Process, port: int):
        self.process = process
        self.port = port

    async def ask(self, secrets: dict[str, str] | None = None) -> dict[str, int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(secrets or {}).encode() + b"\n")
        return json.loads(await self.process.stdout.readline())


async def start(*arguments: str, **environ: str) -> Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=clean | environ
    )


async def stop(process: Process) -> int:
    if process.returncode is None:
        process.terminate()
    await process.communicate()
    return process.returncode or 0


@pytest.fixture
async def receivers() -> AsyncIterator[list[Counter]]:
    made = []
    for every in FAIL_EVERY:
        process = await start(str(HERE / "counting.py"), str(every))
        assert process.stdout is not None
        made.append(Counter(process, int(await process.stdout.readline())))
    yield made
    for each in made:
        await stop(each.process)


async def serve(database: Path, receivers: list[Counter]) -> tuple[Process, str]:
    allowed = ",".join(f"127.0.0.1:{each.port}" for each in receivers)
    process = await start(
        "-m",
        "hookline",
        "serve",
        HOOKLINE_DATABASE=f"sqlite:///{database}",
        HOOKLINE_PORT="0",
        HOOKLINE_API_KEY=KEY,
        HOOKLINE_ALLOW_ADDRESSES=allowed,
    )
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if "http://127.0.0.1:" in line:
            return process, "http://" + line.split("http://")[1].split()[0].rstrip("/.,")
    raise AssertionError("the server ended before it served")


async def register(client: httpx.AsyncClient, receivers: list[Counter]) -> None:
    for n in range(INTEGRATIONS):
        receiver = receivers[n % len(receivers)]
        answer = await client.post(
            "/api/v1/integrations",
            json={
                "name": f"App {n}",
                "organization": "acme",
                "webhook_url": f"http://127.0.0.1:{receiver.port}/hook",
                "resources": ["issue"],
                "retry_schedule": [0, 0.2, 0.5, 1, 2, 5],
                "timeout": 10,
            },
        )
        made = answer.json()
        await receiver.ask({made["installations"][0]["uuid"]: made["client_secret"]})


async def publish(client: httpx.AsyncClient, first: int, last: int) -> None:
    path = "/api/v1/organizations/acme/events"
    for n in range(first, last):
        event = {"resource": "issue", "action": "created", "data": {"n": n, "title": "é 👀"}}
        answer = await client.post(path, json=event)
        assert (answer.status_code, answer.json()["deliveries"]) == (202, INTEGRATIONS), answer.text


async def wait_until_all_arrived(receivers: list[Counter], each_due: int) -> list[dict[str, int]]:
    async with asyncio.timeout(300):
        while True:
            stats = [await each.ask() for each in receivers]
            if all(each["distinct"] >= each_due for each in stats):
                return stats
            await asyncio.sleep(0.2)


async def test_every_event_reaches_every_installation_once(receivers, tmp_path):
    """Eight publishers, twenty integrations, receivers that refuse some at first: none is lost."""
    server, url = await serve(tmp_path / "flow.db", receivers)
    headers = {"Authorization": f"Bearer {KEY}"}
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, trust_env=False, timeout=60, limits=limits
    ) as client:
        await register(client, receivers)
        share = EVENTS // CONNECTIONS
        async with asyncio.TaskGroup() as group:
            for n in range(CONNECTIONS):
                group.create_task(publish(client, n * share, (n + 1) * share))
        each_due = EVENTS * INTEGRATIONS // len(receivers)
        stats = await wait_until_all_arrived(receivers, each_due)
    server.send_signal(signal.SIGTERM)
    assert await stop(server) == 0
    for each in stats:
        print(each)
    assert [each["distinct"] for each in stats] == [each_due] * len(receivers)
    assert [each["again"] for each in stats] == [0] * len(receivers)
    assert [each["wrong"] for each in stats] == [0] * len(receivers)
    assert [each["came"] > each["distinct"] for each in stats] == [bool(e) for e in FAIL_EVERY]
