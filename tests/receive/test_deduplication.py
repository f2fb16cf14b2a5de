"""Duplicates: one of many gets the key, a failure gives it back, and nothing grows for ever."""

import asyncio
import multiprocessing
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from hookline.receive import Deduplicator, InMemory, SQLite, WebhookError, verify
from hookline.receive.testing import SECRET, signed_request

Make = Callable[..., Deduplicator]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a deduplicator of either kind; all are closed after the test."""
    made: list[Deduplicator] = []

    def made_now(**more: float) -> Deduplicator:
        one: Deduplicator
        if request.param == "memory":
            one = InMemory(**more)  # type: ignore[arg-type]
        else:
            one = SQLite(tmp_path / f"{len(made)}.db", **more)  # type: ignore[arg-type]
        made.append(one)
        return one

    yield made_now
    for one in made:
        one.close()


def test_a_duplicate_is_told(make: Make) -> None:
    """The same webhook again, under the same Request-ID, is not the first; another one is."""
    seen = make()
    body, headers = signed_request()
    keys = [verify(body, headers, SECRET).key for _ in range(2)]
    keys.append(verify(*signed_request(), SECRET).key)
    assert [seen.first(key) for key in keys] == [True, False, True]


def test_a_key_is_forgotten_in_time(make: Make) -> None:
    """Up to ``ttl_s`` it is known, from then on it is new again."""
    seen = make(ttl_s=60)
    assert [seen.first("k", now=now) for now in (0, 59.9, 60, 61, 120)] == [
        *(True, False, True, False, True)
    ]


def test_claim_and_confirm(make: Make) -> None:
    """A claimed key is nobody else's, and a confirmed one is done for ``ttl_s``."""
    seen = make(ttl_s=60, lease_s=10)
    token = seen.claim("k", now=0)
    assert token
    assert seen.claim("k", now=9) is None
    assert not seen.first("k", now=9)
    assert seen.confirm("k", token, now=9)
    assert seen.claim("k", now=60) is None
    assert seen.claim("k", now=69)


def test_a_failure_lets_the_retry_through(make: Make) -> None:
    """What was released can be claimed at once."""
    seen = make()
    token = seen.claim("k")
    assert token
    assert seen.release("k", token)
    assert seen.claim("k")


def test_a_claim_runs_out(make: Make) -> None:
    """A claim of somebody who died runs out; if he was only slow, his word does not count any more."""
    seen = make(lease_s=10)
    slow = seen.claim("k", now=0)
    fast = seen.claim("k", now=10)
    assert slow
    assert fast
    assert slow != fast
    assert not seen.confirm("k", slow, now=11)
    assert not seen.release("k", slow)
    assert seen.claim("k", now=11) is None
    assert seen.confirm("k", fast, now=12)
    assert not seen.release("k", fast)
    assert not seen.confirm("unknown", fast, now=12)


def test_once_is_a_block(make: Make) -> None:
    """A block that ends is done; one that raises is given back, and the error comes through."""
    seen = make()

    def fail() -> None:
        with seen.once("k") as mine:
            assert mine
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with seen.once("k") as mine:
        assert mine
        with seen.once("k") as also_mine:
            assert not also_mine
    with seen.once("k") as mine:
        assert not mine


async def test_once_around_async_work(make: Make) -> None:
    """In async code the block is the same, and of two tasks one does the work."""
    seen = make()
    handled = []

    async def handle(name: str) -> None:
        with seen.once("k") as mine:
            await asyncio.sleep(0)
            if mine:
                handled.append(name)

    await asyncio.gather(handle("a"), handle("b"))
    assert len(handled) == 1


def test_threads_race(make: Make) -> None:
    """Of eight threads that meet at each of a hundred keys, one gets it."""
    seen = make()
    meet = threading.Barrier(8)
    won: list[int] = []

    def run() -> None:
        for number in range(100):
            meet.wait(30)
            if seen.first(f"k{number}"):
                won.append(number)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(100))


def _race(folder: str, meet: Barrier, results: "multiprocessing.Queue[list[str]]") -> None:
    won = []
    for file in range(10):  # each of them new, so that opening is a race too
        seen = SQLite(f"{folder}/{file}.db")
        for number in range(10):
            meet.wait(60)
            if seen.first(f"k{number}"):
                won.append(f"{file} k{number}")
        seen.close()
    results.put(won)


def test_processes_race(tmp_path: Path) -> None:
    """Of two processes that open new files at once and meet at a hundred keys, one gets each."""
    context = multiprocessing.get_context("spawn")
    meet, results = context.Barrier(2), context.Queue()
    running = [context.Process(target=_race, args=(str(tmp_path), meet, results)) for _ in range(2)]
    for process in running:
        process.start()
    won = [key for _ in running for key in results.get(timeout=60)]
    for process in running:
        process.join(60)
    results.close()
    results.join_thread()
    assert sorted(won) == sorted(f"{file} k{number}" for file in range(10) for number in range(10))
    seen = SQLite(tmp_path / "0.db")
    assert not seen.first("k0"), "a restart forgot it"
    seen.close()


DYING = """
import os, signal, sys
from hookline.receive import SQLite
seen = SQLite(sys.argv[1], lease_s=50)
with seen.once("k") as mine:
    print(mine, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_dies_in_its_handler(tmp_path: Path) -> None:
    """Its claim outlives it for ``lease_s``, and then the retry is handled."""
    path = tmp_path / "seen.db"
    made = subprocess.run(
        [sys.executable, "-c", DYING, str(path)], capture_output=True, text=True, check=False
    )
    assert (made.returncode, made.stdout) == (-signal.SIGKILL, "True\n")
    seen = SQLite(path, lease_s=50)
    assert seen.claim("k") is None
    assert seen.claim("k", now=time.time() + 50)
    seen.close()


FORKING = """
import os, sys
from hookline.receive import SQLite
seen = SQLite(sys.argv[1])
assert seen.first("before")
inherited = seen._connection
child = os.fork()
if child == 0:
    told = [seen.first("before"), seen.first("child")]
    print(told, seen._connection is inherited, flush=True)
    seen.close()
    os._exit(0)
os.waitpid(child, 0)
print([seen.first("child"), seen.first("after")])
seen.close()
"""


def test_one_object_before_and_after_a_fork(tmp_path: Path) -> None:
    """A server makes it, uses it, and forks: the child opens the file for itself."""
    made = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path / "seen.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.splitlines() == ["[False, True] False", "[False, True]"]


def test_memory_is_bounded() -> None:
    """However many keys of whatever length come, the newest ones are kept, as hashes."""
    seen = InMemory(max_entries=100)
    for number in range(1_000):
        assert seen.first(f"{number}" * 1_000, now=number)
    assert len(seen) == 100
    assert not seen.first("999" * 1_000, now=1_000)
    assert seen.first("1" * 1_000, now=1_000)
    assert all(len(key) == 16 for key in seen._entries)


def test_a_confirmed_key_is_newer_than_a_claimed_one() -> None:
    """What was done last is forgotten last."""
    seen = InMemory(max_entries=2)
    token = seen.claim("a", now=0)
    assert token
    seen.first("b", now=1)
    seen.confirm("a", token, now=2)
    seen.first("c", now=3)
    assert not seen.first("a", now=4)


def rows(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM seen").fetchone()[0])
    finally:
        connection.close()


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ran out is deleted as new keys come; over the limit the oldest go."""
    monkeypatch.setattr("hookline.receive.deduplication.COUNT_EVERY", 10)
    seen = SQLite(tmp_path / "a.db", ttl_s=50)
    for now in range(500):
        assert seen.first(f"{now}", now=now)
    assert rows(tmp_path / "a.db") <= 51
    small = SQLite(tmp_path / "b.db", max_entries=20)
    for now in range(100):
        assert small.first(f"{now}", now=now)
    assert rows(tmp_path / "b.db") <= 30
    assert not small.first("99", now=100)
    seen.close()
    small.close()


def test_a_file_that_fails(tmp_path: Path) -> None:
    """A folder that is not there, or a file that is no database, is the one exception with 503."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database at all" * 100)
    for path in (tmp_path / "nowhere" / "seen.db", broken):
        with pytest.raises(WebhookError) as caught:
            SQLite(path).first("k")
        assert (caught.value.code, caught.value.status) == ("deduplicator-failed", 503)
    connection = sqlite3.connect(tmp_path / "busy.db", isolation_level=None)
    seen = SQLite(tmp_path / "busy.db")
    assert seen.first("k")
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(WebhookError, match="locked"):
        seen.first("l")
    connection.execute("ROLLBACK")
    assert seen.first("l")
    connection.close()
    seen.close()


@pytest.mark.parametrize("wrong", [{"max_entries": 0}, {"ttl_s": 0}, {"lease_s": -1}])
def test_limits_have_to_be_limits(wrong: dict[str, float], make: Make) -> None:
    """A limit that would forget at once is a mistake."""
    with pytest.raises(ValueError, match="more than 0"):
        make(**wrong)


def test_any_text_is_a_key(make: Make) -> None:
    """Strangers choose the ids: empty, huge, and what has no UTF-8."""
    seen = make()
    for key in ("", "\ud800", "\0", "é", "k" * 100_000):
        assert seen.first(key)
        assert not seen.first(key)
