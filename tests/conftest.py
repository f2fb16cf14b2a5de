"""What several rooms' tests need: a scripted receiver, and a clean environment."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pycurl
import pytest


def pytest_report_header() -> str:
    """Name the versions that decide how the tests behave."""
    return f"sqlite {sqlite3.sqlite_version}, {pycurl.version}"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("HOOKLINE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@dataclass
class Request:
    """A request as it came."""

    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode().lower() == name.lower():
                return value.decode().strip()
        return None


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


async def answer_204(_request: Request, writer: asyncio.StreamWriter) -> None:
    """What a good receiver answers."""
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@dataclass
class Receiver:
    """A real server on loopback that answers as its script says, and keeps what it got."""

    answer: Answer = answer_204
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def wait(self, number: int, timeout_s: float = 20) -> None:
        """Wait until that many requests have come."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= number)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Request(head.removesuffix(b"\r\n\r\n"), b"")
                request.body = await reader.readexactly(int(request.header("content-length") or 0))
                async with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                await self.answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    def stop(self) -> None:
        """End what is still being answered."""
        for task in list(self._tasks):
            task.cancel()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that answers 204 unless its ``answer`` is changed."""
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, limit=4 * 1_048_576)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    made.stop()
    await server.wait_closed()
    await asyncio.sleep(0)
