"""Reading a SQLite file: in threads of their own, with connections that cannot write."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from hookline.store.sqlite import database

__all__ = ["Readers"]

T = TypeVar("T")

READERS = 2


class Readers:
    """Runs jobs that only read, some at a time; looking at the log never holds up the way out."""

    def __init__(self, path: Path):
        self._path = path
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="hookline-reader")
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job. Raises ``Unavailable``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, job)

    def _run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        try:
            if connection is None:
                connection = database.connect(self._path, read_only=True)
                self._own.connection = connection
                self._connections.append(connection)
            return job(connection)
        except sqlite3.DatabaseError as trouble:
            raise database.unavailable(trouble) from trouble

    async def close(self) -> None:
        """Finish what was asked for, then close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()
        self._connections.clear()
