"""Retention in an engine's parts: what it deletes, that it waits for nobody and nobody for it."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
import structlog

from hookline.core.lifecycle import State
from hookline.core.outcome import Answered
from hookline.send.counts import Counts
from hookline.send.retention import SWEEP_EVERY_S, Keep, Retention
from hookline.store.sqlite.store import SqliteStore
from hookline.store.upkeep import Ages
from hookline.store.values import DeliveryFilter

DAY = 24 * 60 * 60 * 1_000_000
SWEEP_EVERY_US = int(SWEEP_EVERY_S * 1_000_000)
TABLES = ("attempts", "deliveries", "events", "plans")


def retention(bench, keep: Keep, **how) -> Retention:
    """One that does not sleep, unless it is told how."""

    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    counts = Counts()
    how = {"rest": at_once, "chunk_rows": 8} | how
    return Retention(bench.store, keep, counts, clock=bench.clock, **how)


async def delivered(bench, count: int) -> None:
    """Publish so many events, each in its own way to the receiver, and settle them."""
    await bench.publish(count)
    await bench.settled()


async def ids(bench) -> list[str]:
    return [each.id for each in await bench.store.deliveries(DeliveryFilter(limit=1000))]


@pytest.mark.parametrize(
    ("keep", "ages"),
    [
        (Keep(90, 30), Ages(-30 * DAY, -90 * DAY)),
        (Keep(0, 30), Ages(-30 * DAY, None)),
        (Keep(90, 0), Ages(None, -90 * DAY)),
    ],
)
def test_days_become_ages(keep, ages):
    """Zero days are for ever."""
    assert keep.ages(0) == ages


async def test_a_sweep_deletes_what_is_old_and_nothing_else(bench):
    """Ninety days of events, thirty of attempts, seen through the store."""
    await bench.register()
    await delivered(bench, 20)
    bench.clock.now += 60 * DAY
    await delivered(bench, 20)
    bench.clock.now += 31 * DAY
    await delivered(bench, 20)
    sweeper = retention(bench, Keep(90, 30))
    await sweeper.sweep()
    kept = await ids(bench)
    assert len(kept) == 40
    attempts = [len(await bench.store.attempts(bytes.fromhex(each))) for each in kept]
    assert attempts == [1] * 20 + [0] * 20
    assert sweeper._counts.purged == {"attempts": 40, "deliveries": 20, "events": 20, "plans": 0}


async def test_what_waits_is_sent_however_old(bench):
    """A delivery that waited for longer than events are kept is still delivered, and then goes."""
    bench.sender.script = lambda _outbound: Answered(500)
    await bench.register(retry_schedule=[0, 1])
    await bench.publish()
    await bench.settled()
    bench.clock.now += 1000 * DAY
    sweeper = retention(bench, Keep(90, 30))
    await sweeper.sweep()
    (waiting,) = await bench.store.deliveries(DeliveryFilter())
    assert waiting.state == State.WAITING
    bench.sender.script = lambda _outbound: Answered(204)
    bench.dispatcher.wake()
    await bench.settled()
    (sent,) = await bench.store.deliveries(DeliveryFilter())
    assert (sent.state, sent.attempts_made) == (State.DELIVERED, 2)
    bench.clock.now += 91 * DAY
    await sweeper.sweep()
    assert await ids(bench) == []


async def test_publishers_commit_between_any_two_chunks(bench):
    """At each rest a publisher gets in at once: no transaction of the sweep is open then."""
    await bench.register()
    await delivered(bench, 100)
    bench.clock.now += 100 * DAY
    rests = 0

    async def publish(_seconds: float) -> None:
        nonlocal rests
        rests += 1
        async with asyncio.timeout(10):
            await bench.publish(resource="comment")

    sweeper = retention(bench, Keep(90, 30), rest=publish)
    await sweeper.sweep()
    assert rests > 100 * 3 // 8
    assert await ids(bench) == []


async def test_publishers_and_chunks_share_the_writer_in_turn(bench):
    """A publisher that asks while a chunk is under way is answered before the sweep is through."""
    await bench.register()
    await delivered(bench, 200)
    bench.clock.now += 100 * DAY
    sweeping = asyncio.create_task(retention(bench, Keep(90, 30), chunk_rows=1).sweep())
    for _ in range(10):
        await bench.publish(resource="comment")
    assert not sweeping.done()
    await asyncio.wait_for(sweeping, 30)
    assert await ids(bench) == []


async def test_a_rest_is_longer_than_its_chunk(bench):
    """The writer belongs to the others for most of the time: how long is asked for after each chunk."""
    await bench.register()
    await delivered(bench, 20)
    bench.clock.now += 100 * DAY
    asked = []

    async def rest(seconds: float) -> None:
        asked.append(seconds)

    await retention(bench, Keep(90, 30), rest=rest).sweep()
    assert asked
    assert min(asked) >= 0.005


async def test_a_locked_database_is_waited_out(bench, tmp_path):
    """The sweep goes on where it was when the lock is let go, and no chunk is left out."""
    await bench.register()
    await delivered(bench, 20)
    bench.clock.now += 100 * DAY
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    waited = []

    async def rest(seconds: float) -> None:
        if seconds > 1:
            waited.append(seconds)
            other.execute("ROLLBACK")

    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        await retention(bench, Keep(90, 30), rest=rest).sweep()
    assert len(waited) == 1
    assert await ids(bench) == []


async def test_of_two_nodes_one_sweeps(bench):
    """The other looks whenever its time comes, and sweeps once the first has not for a while."""
    await bench.register()
    await delivered(bench, 5)
    bench.clock.now += 100 * DAY
    keep = Keep(90, 30)
    now = bench.clock.now
    assert await bench.store.claim("retention", "another", now, now + SWEEP_EVERY_US)
    left: list[int] = []

    async def rest(seconds: float) -> None:
        if seconds > 1:
            left.append(len(await ids(bench)))
            if len(left) == 3:
                raise asyncio.CancelledError
            bench.clock.now += SWEEP_EVERY_US // 2 + 1

    with pytest.raises(asyncio.CancelledError):
        await retention(bench, keep, rest=rest, node="this").run()
    assert left == [5, 5, 0]


async def test_it_sweeps_again_and_again(bench):
    """What has grown old since the last sweep goes with the next one."""
    await bench.register()
    swept = asyncio.Event()

    async def rest(seconds: float) -> None:
        if seconds > 1:
            swept.set()
            bench.clock.now += 100 * DAY
        await asyncio.sleep(0)

    running = asyncio.create_task(retention(bench, Keep(90, 30), rest=rest).run())
    await delivered(bench, 5)
    async with asyncio.timeout(20):
        while await ids(bench):
            swept.clear()
            await swept.wait()
    running.cancel()


async def test_a_bug_does_not_end_it(bench):
    """A sweep that fails is in the log, and the next one is made."""
    swept = asyncio.Event()
    readings = 0

    def clock() -> int:
        nonlocal readings
        readings += 1
        if readings == 1:
            raise ZeroDivisionError
        swept.set()
        return bench.clock.now

    sweeper = retention(bench, Keep(90, 30))
    sweeper._clock = clock
    with structlog.testing.capture_logs() as logged:
        running = asyncio.create_task(sweeper.run())
        await asyncio.wait_for(swept.wait(), 10)
        running.cancel()
    assert [entry["event"] for entry in logged] == ["retention.failed"]


async def test_keeping_for_ever_deletes_nothing(bench):
    """It goes on looking, for a store may have days to make ready, but no chunk is asked for."""
    await bench.register()
    await delivered(bench, 5)
    rests = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        bench.clock.now += 1000 * DAY
        if len(rests) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await retention(bench, Keep(0, 0), rest=rest).run()
    assert rests == [SWEEP_EVERY_S] * 3
    assert len(await ids(bench)) == 5


async def test_a_sweep_goes_on_after_a_restart(bench, tmp_path):
    """A process that died in mid-sweep leaves nothing behind that the next one must know of."""
    await bench.register()
    await delivered(bench, 30)
    bench.clock.now += 100 * DAY
    chunks = 0

    async def die(_seconds: float) -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await retention(bench, Keep(90, 30), rest=die).sweep()
    before = len(await ids(bench))
    bench.dispatcher.stop_leasing()
    await bench.store.close()
    bench.store = await SqliteStore.open(tmp_path / "test.db", bench.clock.now)
    await retention(bench, Keep(90, 30)).sweep()
    assert before > 0
    assert await ids(bench) == []
    assert await bench.store._read(
        lambda c: [c.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES]
    ) == [0] * len(TABLES)
    await bench.store.close()
