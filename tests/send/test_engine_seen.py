"""A whole engine with a real receiver: it deletes what is old, and tells what it does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hookline.core.address import AllowList
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.send.attempt_log import AttemptLog
from hookline.send.clock import wall_us
from hookline.send.engine import Engine, EngineConfig
from hookline.send.intake import Limits, Submission, read_event
from hookline.send.retention import Keep
from hookline.store.values import DeliveryFilter

DAY = 24 * 60 * 60 * 1_000_000


class Kept:
    """Lines, kept; somebody can wait for them."""

    def __init__(self) -> None:
        self.dropped = 0
        self.came: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def write(self, data: bytes, lines: int) -> None:
        self.came += [json.loads(line) for line in data.splitlines()]
        assert lines == len(data.splitlines())
        self._changed.set()

    async def wait(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(20):
            while len(self.came) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.came


@contextlib.asynccontextmanager
async def running(
    folder: Path, receiver: Any, lines: Kept, *, days_ago: int = 0, **how: Any
) -> AsyncIterator[Engine]:
    config = EngineConfig(
        folder / "seen.db",
        AllowList.parse(f"127.0.0.1:{receiver.port}"),
        wall=lambda: wall_us() - days_ago * DAY,
        attempt_log=AttemptLog(lines, form="json", which="all"),
        **how,
    )
    engine = await Engine.open(config)
    try:
        yield engine
    finally:
        await engine.close()


def event(n: int) -> Submission:
    fields = {"resource": "issue", "action": "created", "data": {"n": n}, "id": f"e{n}"}
    return read_event(json.dumps(fields).encode(), Limits())


async def register(engine: Engine, receiver: Any, **more: Any) -> None:
    fields = {"name": "App", "organization": "acme", "resources": ["issue"], "timeout": 10}
    await engine.registry.create_integration(fields | {"webhook_url": receiver.url} | more)


async def settled(engine: Engine) -> None:
    async with asyncio.timeout(20):
        while not engine.dispatcher.idle:
            await asyncio.sleep(0.01)


async def test_what_was_accepted_long_ago_is_deleted_after_the_start(receiver, tmp_path):
    """Its publisher's id names a new event then; what was accepted lately is still there."""
    lines = Kept()
    async with running(tmp_path, receiver, lines, days_ago=100) as engine:
        await register(engine, receiver)
        await engine.publisher.publish("acme", [event(1)])
        await lines.wait(1)
        await settled(engine)
    async with running(tmp_path, receiver, lines, days_ago=10, keep=Keep(0, 0)) as engine:
        (again,) = await engine.publisher.publish("acme", [event(1)])
        assert again.duplicate
        await engine.publisher.publish("acme", [event(2)])
        await lines.wait(2)
        await settled(engine)
        assert len(await engine.store.deliveries(DeliveryFilter())) == 2
    async with running(tmp_path, receiver, lines, keep=Keep(90, 30)) as engine:
        async with asyncio.timeout(20):
            while len(await engine.store.events("e1", None)) > 0:
                await asyncio.sleep(0.01)
        assert len(await engine.store.events("e2", None)) == 1
        (new,) = await engine.publisher.publish("acme", [event(1)])
        assert not new.duplicate


async def test_a_receiver_that_never_answers_is_in_the_figures(receiver, tmp_path):
    """Its timeouts are counted against the limit, its attempts told with the time that they took."""
    silent = asyncio.Event()

    async def never(_request: Any, _writer: Any) -> None:
        await silent.wait()

    receiver.answer = never
    lines = Kept()
    rules = Rules(timeouts=7)
    async with running(tmp_path, receiver, lines, rules=rules) as engine:
        await register(engine, receiver, timeout=0.1, retry_schedule=[0])
        for n in range(3):
            await engine.publisher.publish("acme", [event(n)])
        came = await lines.wait(3)
        await settled(engine)
        reading = await engine.figures.read()
    assert (reading.timeouts, reading.timeouts_limit) == ({"app": 3}, 7)
    assert reading.counts.attempts_us[Counted.TIMEOUT].cumulative()[-1] == 3
    assert {(each["outcome"], each["verdict"], each["reason"]) for each in came} == {
        ("timeout", "parked", "exhausted")
    }
    assert all(each["total_ms"] >= 100 and each["detail"] for each in came)
    assert {each["address"] for each in came} == {f"127.0.0.1:{receiver.port}"}
    silent.set()
