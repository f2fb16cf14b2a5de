"""Processes for whole-flow tests: servers on one file, and receivers that count and outlive them."""

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

KEY = "flow-key-0123456789abcdef0123456789abcdef"
HERE = Path(__file__).parent
DEADLINE_S = 60
LONGEST_LINE = 64 * 1_048_576


class Counter:
    """A receiver process (``counting.py``)."""

    def __init__(self, process: Process, port: int):
        self.process = process
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def ask(self, what: Any = None) -> Any:
        """Its counts; ``what`` may hold secrets that it learns first, or be the name of a list."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what or {}).encode() + b"\n")
        return json.loads(await self.process.stdout.readline())


@contextlib.asynccontextmanager
async def counters(*behaviours: tuple[float, ...]) -> AsyncIterator[list[Counter]]:
    """A receiver process for each behaviour: the arguments of ``counting.py``."""
    made: list[Counter] = []
    try:
        for behaviour in behaviours:
            process = await start(str(HERE / "counting.py"), *map(str, behaviour))
            assert process.stdout is not None
            made.append(Counter(process, int(await process.stdout.readline())))
        yield made
    finally:
        for each in made:
            await stop(each.process)


async def start(
    *arguments: str, log: Path | None = None, before: Sequence[str] = (), **environ: str
) -> Process:
    """A Python process; its stderr goes to the file ``log``, its command begins with ``before``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    with contextlib.ExitStack() as stack:
        stderr = DEVNULL if log is None else stack.enter_context(log.open("ab"))
        return await asyncio.create_subprocess_exec(
            *before,
            sys.executable,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=stderr,
            env=clean | environ,
            limit=LONGEST_LINE,
        )


async def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds that nobody tells of."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        await asyncio.sleep(0.01)


async def stop(process: Process) -> int:
    """End a process of ours, and its exit code."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    await process.communicate()
    return process.returncode or 0


@dataclass
class Server:
    """A ``hookline serve`` that answers; ``log`` has its stderr."""

    process: Process
    url: str
    log: Path

    def client(self, timeout_s: float = DEADLINE_S) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, trust_env=False, timeout=timeout_s
        )

    def told(self, signal_number: int) -> None:
        self.process.send_signal(signal_number)

    async def said(self, words: str) -> None:
        """Wait until its log has these words."""
        await until(lambda: words in self.log.read_text(), words)

    async def ended(self) -> int:
        """Wait until it ended by itself; its exit code."""
        async with asyncio.timeout(DEADLINE_S):
            await self.process.wait()
        assert self.process.returncode is not None
        return self.process.returncode


async def begin(
    folder: Path, ports: Sequence[int], *, port: int = 0, before: Sequence[str] = (), **more: str
) -> tuple[Process, Path]:
    """Start a server on ``folder/data/hookline.db``, and do not wait for it."""
    (folder / "data").mkdir(exist_ok=True)
    log = folder / "server.log"
    process = await start(
        *("-m", "hookline", "serve", "--json"),
        log=log,
        before=before,
        HOOKLINE_DATABASE=f"sqlite:///{folder}/data/hookline.db",
        HOOKLINE_PORT=str(port),
        HOOKLINE_API_KEY=KEY,
        HOOKLINE_ALLOW_ADDRESSES=",".join(f"127.0.0.1:{each}" for each in ports),
        **more,
    )
    return process, log


@contextlib.asynccontextmanager
async def serving(folder: Path, ports: Sequence[int], **more: Any) -> AsyncIterator[Server]:
    """A server that answers; it is killed at the end of the block if it still runs then."""
    process, log = await begin(folder, ports, **more)
    async with answering(process, log) as server:
        yield server


@contextlib.asynccontextmanager
async def answering(process: Process, log: Path) -> AsyncIterator[Server]:
    """A server that was started, once it answers; killed at the end, whatever state it is in."""
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, f"the server ended before it served: {log.read_text()[-2000:]}"
        yield Server(process, json.loads(line)["url"], log)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.communicate()


async def register(
    client: httpx.AsyncClient, receivers: Sequence[Counter], count: int, **more: Any
) -> None:
    """Register so many integrations of one organization, dealt out to the receivers."""
    for n in range(count):
        receiver = receivers[n % len(receivers)]
        integration = {
            "name": f"App {n}",
            "organization": "acme",
            "webhook_url": receiver.url,
            "resources": ["issue"],
            "retry_schedule": [0, 0.2, 0.5, 1, 2, 5],
            "timeout": 10,
        }
        answer = await client.post("/api/v1/integrations", json=integration | more)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        await receiver.ask({made["installations"][0]["uuid"]: made["client_secret"]})


async def wait_until_all_arrived(
    receivers: Sequence[Counter], each_due: int, timeout_s: float = 300
) -> list[dict[str, Any]]:
    """Wait until each receiver accepted so many distinct webhooks; what they counted."""
    async with asyncio.timeout(timeout_s):
        while True:
            stats = [await each.ask() for each in receivers]
            if all(each["distinct"] >= each_due for each in stats):
                return stats
            await asyncio.sleep(0.2)
