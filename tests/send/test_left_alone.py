"""Receivers that ask to be left alone: a real engine and real receivers, on a clock that is set."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from hookline.core.address import AllowList
from hookline.send.clock import wall_us
from hookline.send.engine import Engine, EngineConfig
from hookline.send.intake import Limits, read_event

SECOND = 1_000_000
HOUR_S = 3_600


class SetClock:
    """The machine's clock, which somebody sets."""

    def __init__(self) -> None:
        self.off = 0

    def __call__(self) -> int:
        return wall_us() + self.off


class World:
    """An engine with one integration that asks to be left alone, and one that never does."""

    def __init__(self, engine: Engine, receiver: Any, wall: SetClock):
        self.engine = engine
        self.receiver = receiver
        self.wall = wall

    async def publish(self, organization: str) -> None:
        event = read_event(b'{"resource":"issue","action":"created","data":{}}', Limits())
        await self.engine.publisher.publish(organization, [event])

    async def register(self, slug: str) -> None:
        await self.engine.registry.create_integration(
            {
                "name": slug,
                "organization": slug,
                "resources": ["issue"],
                "webhook_url": self.receiver.url + "/" + slug,
                "timeout": 20,
                "retry_schedule": [0, 0.5, 0.5],
            }
        )

    def came(self, slug: str) -> int:
        """How many requests came to an integration."""
        paths = [each.head.split(b" ")[1].decode() for each in self.receiver.requests]
        return sum(path.endswith("/" + slug) for path in paths)

    async def until(self, slug: str, count: int) -> None:
        """Wait until so many requests came to an integration."""
        async with asyncio.timeout(20):
            while self.came(slug) < count:
                await self.receiver.wait(len(self.receiver.requests) + 1)

    async def turn(self, seconds: float) -> None:
        """Set the clock forward, and see that whatever became due has begun."""
        self.wall.off += int(seconds * SECOND)
        self.engine.dispatcher.wake()
        before = self.came("calm")
        await self.publish("calm")  # leased after all that was due before it, or with it
        await self.until("calm", before + 1)

    async def health(self) -> Any:
        return (await self.engine.subscriptions.standing("upset")).health

    async def settled(self) -> None:
        """Wait until nothing of the upset one is under way."""
        async with asyncio.timeout(20):
            while (await self.health()).in_flight:
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def opened(folder: Path, receiver: Any) -> AsyncIterator[World]:
    wall = SetClock()
    allow = AllowList.parse(f"127.0.0.1:{receiver.port}")
    engine = await Engine.open(EngineConfig(folder / "left.db", allow, wall=wall))
    world = World(engine, receiver, wall)
    try:
        for slug in ("upset", "calm"):
            await world.register(slug)
        yield world
    finally:
        await engine.close()


def upset(receiver: Any, head: str, times: int = 1) -> None:
    """Let the upset one answer so for so many times, and 204 then."""
    left = [times]

    async def answer(request: Any, writer: asyncio.StreamWriter) -> None:
        if b"/upset" in request.head.split(b"\r\n")[0] and left[0]:
            left[0] -= 1
            writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    receiver.answer = answer


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_nothing_comes_before_the_time_that_it_asked_for(receiver, tmp_path, status, form):
    """Neither the retry nor anything newer of that integration; afterwards all of it."""
    async with opened(tmp_path, receiver) as world:
        at = formatdate(wall_us() / SECOND + HOUR_S, usegmt=True)
        wait = str(HOUR_S) if form == "seconds" else at
        upset(receiver, f"{status} Busy\r\nRetry-After: {wait}")
        await world.publish("upset")
        await world.until("upset", 1)
        await world.settled()
        await world.publish("upset")
        for _ in range(3):
            await world.turn(HOUR_S / 3 - 10)
        assert world.came("upset") == 1
        assert (await world.health()).held_until is not None
        await world.turn(60)
        await world.until("upset", 3)
        await world.settled()
        assert (await world.health()).held_until is None


async def test_an_answer_without_it_slows_down(receiver, tmp_path):
    """A quarter of the attempts at once and a second of rest; each success widens it by one."""
    async with opened(tmp_path, receiver) as world:
        upset(receiver, "503 Busy", times=2)
        await world.publish("upset")
        await world.until("upset", 1)
        await world.settled()
        first = await world.health()
        assert (first.window, first.slow) == (8, False)
        assert first.held_until is not None
        await world.turn(2)
        await world.until("upset", 2)
        await world.settled()
        second = await world.health()
        assert second.window == 2
        assert second.held_until - first.held_until >= 2 * SECOND  # twice as long as the first time
        await world.turn(4)
        await world.until("upset", 3)
        await world.settled()
        last = await world.health()
        assert (last.window, last.held_until) == (3, None)


async def test_other_failures_slow_nothing_down(receiver, tmp_path):
    """A 500 says nothing about load, with Retry-After or without."""
    async with opened(tmp_path, receiver) as world:
        upset(receiver, "500 Broken\r\nRetry-After: 3600")
        await world.publish("upset")
        await world.until("upset", 1)
        await world.settled()
        assert ((await world.health()).window, (await world.health()).held_until) == (32, None)
        await world.turn(2)
        await world.until("upset", 2)
