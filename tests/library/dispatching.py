"""A dispatcher and a receiver in a thread, beside programs that publish on their own connections."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from hookline.core.address import AllowList
from hookline.send.clock import SteadyClock, boot_us, wall_us
from hookline.send.engine import Engine, EngineConfig
from hookline.store.contract import Store
from hookline.store.postgres.store import PostgresStore
from hookline.store.sqlite.store import SqliteStore
from hookline.store.vault import Vault

T = TypeVar("T")

DEADLINE_S = 20


class Dispatching:
    """What a `hookline serve` on the same database would be; it has one integration, of ``acme``."""

    def __init__(self, open_store: Callable[[], Awaitable[Store]]):
        self._open_store = open_store
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._arrived: list[Any] = []
        self._changed = asyncio.Condition()
        self.store: Store
        self._engine: Engine

    def __enter__(self) -> "Dispatching":
        self._thread.start()
        self.do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in its loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S + 10)

    def sells(self) -> None:
        """The integration also gets what the example apps tell: orders that were placed."""
        registry = self._engine.registry
        self.do(registry.define_resource("order", ["placed"]))
        self.do(registry.update_integration("app", {"resources": ["issue", "order"]}))

    async def arrived(self, count: int) -> list[Any]:
        """Wait until so many webhooks came; the ``data`` of all that did."""
        with ThreadPoolExecutor(1) as thread:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(thread, lambda: self.do(self._wait(count)))

    async def _wait(self, count: int) -> list[Any]:
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self._arrived) >= count)
        return list(self._arrived)

    async def _open(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = server
        port = server.sockets[0].getsockname()[1]
        self.store = await self._open_store()
        config = EngineConfig(Path("not-opened"), AllowList.parse(f"127.0.0.1:{port}"))
        clock = SteadyClock(wall_us, boot_us)
        self._engine = Engine(self.store, Vault(b"k" * 32), config, clock, 0)
        await self._engine.registry.create_integration(
            {
                "name": "App",
                "organization": "acme",
                "webhook_url": f"http://127.0.0.1:{port}/",
                "resources": ["issue"],
                "timeout": 20,
            }
        )

    async def _close(self) -> None:
        await self._engine.close()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                at = head.index(b"content-length: ") + 16
                body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
                async with self._changed:
                    self._arrived.append(json.loads(body)["data"])
                    self._changed.notify_all()
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def on_sqlite(path: Path) -> Dispatching:
    """On a file."""

    async def opened() -> Store:
        return await SqliteStore.open(path, 0)

    return Dispatching(opened)


def on_postgres(url: str) -> Dispatching:
    """On a database."""

    async def opened() -> Store:
        return await PostgresStore.open(url)

    return Dispatching(opened)
