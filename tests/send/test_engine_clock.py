"""An engine with real receivers on a machine whose clock is set, an hour forth and an hour back."""

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hookline.core.address import AllowList
from hookline.core.lifecycle import State
from hookline.send.clock import wall_us
from hookline.send.engine import Engine, EngineConfig
from hookline.send.intake import Limits, Submission, read_event
from hookline.store.values import DeliveryFilter

SECOND = 1_000_000
HOUR = 3600 * SECOND
WAIT_S = 0.2
EVENTS = 40


class SetClock:
    """The machine's clock, which somebody sets."""

    def __init__(self) -> None:
        self.off = 0

    def __call__(self) -> int:
        return wall_us() + self.off


def event(n: int) -> Submission:
    fields = {"resource": "issue", "action": "created", "data": {"n": n}}
    return read_event(json.dumps(fields).encode(), Limits())


@contextlib.asynccontextmanager
async def running(folder: Path, receiver: Any, wall: SetClock) -> AsyncIterator[Engine]:
    allow = AllowList.parse(f"127.0.0.1:{receiver.port}")
    engine = await Engine.open(EngineConfig(folder / "clock.db", allow, wall=wall))
    try:
        yield engine
    finally:
        await engine.close()


async def register(engine: Engine, receiver: Any, **more: Any) -> None:
    fields = {"name": "App", "organization": "acme", "resources": ["issue"], "timeout": 20}
    await engine.registry.create_integration(fields | {"webhook_url": receiver.url} | more)


async def until_settled(engine: Engine, count: int) -> None:
    async with asyncio.timeout(20):
        while True:
            found = await engine.store.deliveries(DeliveryFilter(limit=200))
            if sum(each.state is State.DELIVERED for each in found) == count:
                return
            await asyncio.sleep(0.01)


async def test_a_clock_that_is_set_in_mid_load(receiver, tmp_path):
    """Retries come after their waits, nothing stalls, nothing is lost, and nothing comes twice."""
    wall = SetClock()
    came: dict[str, list[int]] = defaultdict(list)
    held: list[asyncio.Event] = []
    async with running(tmp_path, receiver, wall) as engine:

        async def answer(request, writer):
            arrivals = came[request.header("Request-ID")]
            arrivals.append(engine.clock())
            if json.loads(request.body)["data"]["n"] == 0 and len(arrivals) == 1:
                held.append(asyncio.Event())
                await held[-1].wait()
            status = b"204" if len(arrivals) == 3 else b"500"
            writer.write(b"HTTP/1.1 " + status + b" -\r\nContent-Length: 0\r\n\r\n")

        receiver.answer = answer
        await register(engine, receiver, retry_schedule=[0, *[WAIT_S] * 5])
        for n in range(EVENTS):
            await engine.publisher.publish("acme", [event(n)])
            if n % 10 == 9:
                wall.off += (-HOUR, 2 * HOUR, -HOUR, HOUR)[n // 10]
        await receiver.wait(EVENTS + 10)  # the first attempt's lease looks run out by now
        held[0].set()
        await until_settled(engine, EVENTS)
    assert [len(each) for each in came.values()] == [3] * EVENTS
    waits = [b - a for each in came.values() for a, b in itertools.pairwise(each)]
    assert min(waits) >= 0.8 * WAIT_S * SECOND


async def test_receivers_are_told_the_wall_clock(receiver, tmp_path):
    """The timestamp is the machine's time, before and after a step; the log says the same."""
    wall = SetClock()
    async with running(tmp_path, receiver, wall) as engine:
        await register(engine, receiver)
        before = wall()
        for n, off in enumerate((0, -HOUR, HOUR)):
            wall.off = off
            await engine.publisher.publish("acme", [event(n)])
            await until_settled(engine, n + 1)
        deliveries = await engine.store.deliveries(DeliveryFilter())
        logged = {
            each.id: (await engine.store.attempts(bytes.fromhex(each.id)))[0].started_at // SECOND
            for each in deliveries
        }
    told = {
        each.header("Request-ID"): int(each.header("Sentry-Hook-Timestamp"))
        for each in receiver.requests
    }
    assert told == logged
    hours = [round((stamp - before / SECOND) / 3600) for stamp in told.values()]
    assert hours == [0, -1, 1]


async def test_a_restart_after_the_clock_was_set_back(receiver, tmp_path):
    """What waits is not an hour in the future, and later events have greater ids."""
    wall = SetClock()
    refusing = True

    async def answer(_request, writer):
        status = b"500" if refusing else b"204"
        writer.write(b"HTTP/1.1 " + status + b" -\r\nContent-Length: 0\r\n\r\n")

    receiver.answer = answer
    async with running(tmp_path, receiver, wall) as engine:
        await register(engine, receiver, retry_schedule=[0, WAIT_S, WAIT_S, WAIT_S, 60])
        (first,) = await engine.publisher.publish("acme", [event(0)])
        await receiver.wait(2)
        latest = engine.clock()
    refusing = False
    wall.off = -HOUR
    async with running(tmp_path, receiver, wall) as engine:
        assert engine.clock() > latest - 2 * SECOND
        await until_settled(engine, 1)
        (second,) = await engine.publisher.publish("acme", [event(1)])
        await until_settled(engine, 2)
    assert second.id > first.id
