"""Where a benchmark keeps its data: a SQLite file, or a database of a PostgreSQL server of its own."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.store.postgres_server import PostgresServer, postgres_server

from hookline.settings import Settings
from hookline.store.contract import Store
from hookline.store.opening import open_store
from hookline.store.vault import Vault

__all__ = ["Database", "Databases", "databases", "open_given"]

SECRET_KEY = "62656e6368" * 6 + "abcd"
# As it would be set up: everything that a commit promises is synced.
SERVER = {"shared_buffers": "256MB", "max_connections": "100", "max_wal_size": "4GB"}


@dataclass(frozen=True, slots=True)
class Database:
    """An empty database.

    Attributes:
        url: as ``HOOKLINE_DATABASE``.
        pid: of the server beneath, where there is one.
    """

    url: str
    pid: int | None = None

    @property
    def environ(self) -> dict[str, str]:
        """How a process is told of it."""
        return {"HOOKLINE_DATABASE": self.url, "HOOKLINE_SECRET_KEY": SECRET_KEY}

    async def open(self, now: int) -> tuple[Store, Vault]:
        """Open its store in this process."""
        return await open_given(self.environ, now)

    def cpu_seconds(self) -> float:
        """User and system time that the server beneath has used, with all its processes."""
        return 0.0 if self.pid is None else _family(self.pid)


Databases = Callable[[], AbstractContextManager[Database]]


async def open_given(environ: dict[str, str], now: int) -> tuple[Store, Vault]:
    """Open the store that an environment names."""
    settings = Settings.from_environ(environ)
    return await open_store(settings.database_at(), settings.secret_key, now)


@contextlib.contextmanager
def databases(*, postgres: bool) -> Iterator[Databases]:
    """Gives a new database each time; the server beneath runs for the length of the block."""
    if not postgres:
        yield _file
        return
    with postgres_server(SERVER) as server:
        yield lambda: _of(server)


@contextlib.contextmanager
def _file() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        yield Database(f"sqlite:///{folder}/bench.db")


@contextlib.contextmanager
def _of(server: PostgresServer) -> Iterator[Database]:
    name = server.make_database()
    yield Database(server.url(name), server.pid)
    server.drop_databases([name])


def _family(pid: int) -> float:
    """CPU of a process, of its children, and of those of them that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if stat.parent.name == str(pid):
                ticks += sum(int(field) for field in fields[11:15])
            elif fields[1] == str(pid):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
