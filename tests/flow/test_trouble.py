"""Trouble of the database under a running server: no answer, no harm.

Each trouble comes while two attempts are under way, which end before it does. Publishers get 503 and a
reason; the process stays up, and goes on by itself when the trouble is over; and then each webhook has
come once, those two as well.
"""

import asyncio
import contextlib
import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.flow.processes import Server, serving

EVENTS = "/api/v1/organizations/acme/events"
REFUSED = 300
BIG = "x" * 200_000
PAD = {"pad": "x" * 2_000}
EVENT = {"resource": "issue", "action": "created"}
ROOM = 48 * 1_048_576  # bytes that the process may grow by while it refuses 60 MB


class Trouble:
    """Something that is wrong with a server's database, for the length of the block ``there``.

    Attributes:
        code: of the error that publishers are told.
        before: what the server's command begins with.
    """

    code: str
    before: tuple[str, ...] = ()

    def __init__(self, folder: Path):
        self.data = folder / "data"

    @contextlib.contextmanager
    def there(self, server: Server) -> Iterator[None]:
        raise NotImplementedError


class Locked(Trouble):
    """Another process writes, for longer than we wait."""

    code = "database-locked"

    @contextlib.contextmanager
    def there(self, server: Server) -> Iterator[None]:
        with closing(sqlite3.connect(self.data / "hookline.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


class Moved(Trouble):
    """The file's folder is gone, and comes back."""

    code = "database-moved"

    @contextlib.contextmanager
    def there(self, server: Server) -> Iterator[None]:
        away = self.data.rename(self.data.with_name("away"))
        yield
        away.rename(self.data)


class Replaced(Trouble):
    """Somebody puts a copy in the file's place, and then the file again."""

    code = "database-moved"

    @contextlib.contextmanager
    def there(self, server: Server) -> Iterator[None]:
        file = self.data / "hookline.db"
        away = file.rename(file.with_name("away.db"))
        file.write_bytes(away.read_bytes())
        yield
        away.rename(file)


class Failing(Trouble):
    """Nothing can be written, as on a disk that fails or that was made read-only: by a limit of size.

    (A file system cannot be made read-only while a file on it is open for writing, except by its own
    errors; then writing fails with EROFS, and here with EFBIG: to SQLite both are errors of I/O.)
    """

    code = "database-io"

    @contextlib.contextmanager
    def there(self, server: Server) -> Iterator[None]:
        pid = server.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


class Full(Trouble):
    """The disk is full: a small one of the server's own, in a mount namespace of its own."""

    code = "disk-full"
    size = "4m"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.data.mkdir()
        mount = f'mount -t tmpfs -o size={self.size} none "{self.data}" && exec "$@"'
        self.before = ("unshare", "-m", "sh", "-c", mount, "sh")
        tried = subprocess.run([*self.before, "true"], capture_output=True, check=False)
        if tried.returncode:
            pytest.skip(f"NO DISK CAN BE FILLED HERE: {tried.stderr.decode().strip()}")

    @contextlib.contextmanager
    def there(self, server: Server) -> Iterator[None]:
        filler = self.seen(server) / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (65_536, 4_096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        yield
        filler.unlink()

    def seen(self, server: Server) -> Path:
        """The folder as the server sees it."""
        return Path(f"/proc/{server.process.pid}/root{self.data}")


class Filling(Full):
    """The disk fills up through our own writing, in the middle of moving the log into the file."""

    size = "14m"

    @contextlib.contextmanager
    def there(self, server: Server) -> Iterator[None]:
        ballast = self.seen(server) / "ballast"
        ballast.write_bytes(bytes(8 * 1_048_576))
        yield
        ballast.unlink()


@pytest.fixture(
    params=[Locked, Moved, Replaced, Failing, Full, Filling], ids=lambda kind: kind.__name__
)
def trouble(request, tmp_path) -> Trouble:
    return request.param(tmp_path)


async def publish(client: httpx.AsyncClient, **data: Any) -> httpx.Response:
    return await client.post(EVENTS, json=EVENT | {"data": data})


async def refused(client: httpx.AsyncClient, trouble: Trouble) -> int:
    """Publish until it is refused, since a log has some room left; how many were accepted."""
    for accepted in range(5_000):
        answer = await publish(client, n=accepted, **PAD)
        if answer.status_code != 202:
            check_refusal(answer, trouble.code)
            return accepted
    raise AssertionError("it goes on accepting")


def check_refusal(answer: httpx.Response, code: str) -> None:
    """503 in the one error shape, with a reason, what to do, and when to come again."""
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["where"]) == (code, None)
    assert error["message"]
    assert error["hint"]
    assert answer.headers["retry-after"] == "1"


async def register(client: httpx.AsyncClient, receiver: Any) -> None:
    app = {"name": "App", "organization": "acme", "resources": ["issue"], "timeout": 30}
    answer = await client.post("/api/v1/integrations", json=app | {"webhook_url": receiver.url})
    assert answer.status_code == 201, answer.text


def hold(receiver: Any) -> asyncio.Event:
    """Let nobody have an answer before the event is set."""
    released = asyncio.Event()

    async def answer(_request: Any, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    receiver.answer = answer
    return released


async def all_delivered(client: httpx.AsyncClient) -> bool:
    answer = await client.get("/api/v1/deliveries", params={"limit": 200})
    return all(each["state"] == "delivered" for each in answer.json()["deliveries"])


async def until_all_delivered(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while not await all_delivered(client):
            await asyncio.sleep(0.05)


async def until_it_accepts(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (await publish(client, n="after")).status_code != 202:
            await asyncio.sleep(0.05)


async def test_publishers_are_refused_and_it_goes_on_by_itself(trouble, receiver, tmp_path):
    """503 with a reason, a process that stays, and afterwards every webhook has come once."""
    released = hold(receiver)
    ports = [receiver.port]
    async with (
        serving(tmp_path, ports, before=trouble.before) as server,
        server.client() as client,
    ):
        await register(client, receiver)
        for n in range(2):
            assert (await publish(client, n=n)).status_code == 202
        await receiver.wait(2)
        with trouble.there(server):
            accepted = 2 + await refused(client, trouble)
            released.set()
            answers = await asyncio.gather(
                client.get("/readyz"),
                client.post(f"{EVENTS}/batch", json=[EVENT | {"data": PAD}] * 9),
                *(publish(client, **PAD) for _ in range(5)),
            )
            for answer in answers:
                check_refusal(answer, trouble.code)
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/api/v1/deliveries")).status_code in {200, 503}
        await until_it_accepts(client)
        assert (await client.get("/readyz")).status_code == 200
        await receiver.wait(accepted + 1, 60)
        await until_all_delivered(client)
        assert server.process.returncode is None
        server.process.terminate()
        assert await server.ended() == 0
    ids = [each.header("Request-ID") for each in receiver.requests]
    assert len(ids) == len(set(ids)) == accepted + 1
    assert "Traceback" not in server.log.read_text()


def resident(pid: int) -> int:
    """How many bytes of memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_memory_stays_flat_while_the_store_is_away(receiver, tmp_path):
    """Sixty megabytes of refused events, and as many ended attempts as may be under way, are no more."""
    released = hold(receiver)
    in_flight = 32  # an integration's, unless it says otherwise
    async with (
        serving(tmp_path, [receiver.port]) as server,
        server.client() as client,
    ):
        await register(client, receiver)
        for n in range(2 * in_flight):
            assert (await publish(client, n=n)).status_code == 202
        await receiver.wait(in_flight)
        with Failing(tmp_path).there(server):
            released.set()
            for _ in range(20):  # what is allocated once is allocated now
                check_refusal(await publish(client, pad=BIG), "database-io")
            before = resident(server.process.pid)
            for _ in range(REFUSED):
                check_refusal(await publish(client, pad=BIG), "database-io")
            grown = resident(server.process.pid) - before
            assert len(receiver.requests) == in_flight  # ended ones are not settled, so none begins
        print(f"grown by {grown / 1_048_576:.1f} MB")
        assert grown < ROOM
        await until_all_delivered(client)
    assert len(receiver.requests) == 2 * in_flight


async def test_a_database_on_a_read_only_disk_is_refused_at_the_start(tmp_path):
    """In one line that says what, and one that says what to do; nothing is changed."""
    full = Full(tmp_path)
    async with serving(tmp_path, []) as server:
        server.process.terminate()
        assert await server.ended() == 0
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    before = ("unshare", "-m", "sh", "-c", mount, str(full.data))
    with pytest.raises(AssertionError, match="cannot open the database"):
        async with serving(tmp_path, [], before=before):
            pytest.fail("it serves")
