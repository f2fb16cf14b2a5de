"""SQLite under real processes: many that want the file at once, and some that die holding it."""

import subprocess
import sys
from pathlib import Path

import pytest

from hookline.core.lifecycle import State
from hookline.store.sqlite.store import SqliteStore
from hookline.store.values import DeliveryFilter

HERE = Path(__file__).parent

# Twenty processes that were all waiting for one word; each says what it got, and keeps it until told.
RACERS = """
import asyncio, os, sys
from pathlib import Path
from hookline.core.errors import UsageError
from hookline.store.sqlite.store import SqliteStore

async def race(path):
    try:
        store = await SqliteStore.open(path, 0)
    except UsageError as refusal:
        os.write(1, f"{refusal.code}\\n".encode())
        return
    await store.set_fact("winner", str(os.getpid()))
    os.write(1, b"opened\\n")
    sys.stdin.read()
    await store.close()

waiting, word = os.pipe()
for _ in range(20):
    if os.fork() == 0:
        os.close(word)
        os.read(waiting, 1)
        asyncio.run(race(Path(sys.argv[1])))
        os._exit(0)
os.close(word)
for _ in range(20):
    os.wait()
"""

# Records and leases without end, saying the id of each event only when record() has returned.
PUBLISHER = """
import asyncio, itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import START, World
from hookline.store.sqlite.store import SqliteStore

async def publish(path, first):
    world = World(await SqliteStore.open(Path(path), START), first)
    app = await world.app(max_in_flight=1000)
    for number in itertools.count(first):
        (answer,) = await world.record(world.event(app, external_id=str(number)))
        await world.lease(limit=2)
        print(answer.id, flush=True)

asyncio.run(publish(sys.argv[2], int(sys.argv[3])))
"""


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_one_of_twenty_gets_the_file(tmp_path):
    """Twenty that open a fresh file at once: one has it, nineteen are told, and it is sound."""
    path = tmp_path / "hookline.db"
    with started(RACERS, path) as racers:
        got = [racers.stdout.readline().strip() for _ in range(20)]
        racers.stdin.close()
        assert racers.wait(20) == 0
    assert sorted(got) == ["database-in-use"] * 19 + ["opened"]
    store = await SqliteStore.open(path, 0)
    assert await store.fact("winner") is not None
    check = await store._read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0])
    assert check == "ok"
    await store.close()


@pytest.mark.parametrize("killed_after", [1, 2, 10, 40, 99])
async def test_what_was_answered_survives_kill_9(tmp_path, worlds, killed_after):
    """Killed at once after an answer: the events are there, and the dead process's leases are void."""
    path, said = tmp_path / "hookline.db", []
    for first in (1_000, 1_000_000):  # the second one finds what the first one left
        with started(PUBLISHER, HERE, path, first) as publisher:
            said += [publisher.stdout.readline().strip() for _ in range(killed_after)]
            publisher.kill()
    assert len(set(said)) == 2 * killed_after

    store = await SqliteStore.open(path, worlds.START)
    for name in said:
        assert len(await store.events(name, "acme")) == 1
    found = await store.deliveries(DeliveryFilter(limit=100_000))
    assert len(found) >= len(said)
    assert {each.state for each in found} == {State.WAITING}
    again = []
    world = worlds(store, 2_000_000)
    while batch := await world.leased():
        again += [each.id for each in batch]
    assert sorted(again) == sorted(bytes.fromhex(each.id) for each in found)
    await store.close()
