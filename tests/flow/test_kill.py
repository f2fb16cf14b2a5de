"""``kill -9`` of a server process at random instants under load: what was accepted arrives all the same.

Publishers go on through every kill, and publish again what was not answered, under the same id. Two
receiver processes outlive it all and keep what came. After each kill, before the next start, the file is
copied and asked which deliveries were leased: only those may come to a receiver twice.
"""

import asyncio
import itertools
import json
import random
import shutil
import sqlite3
import time
from asyncio.subprocess import Process
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.flow.processes import (
    DEADLINE_S,
    KEY,
    begin,
    counters,
    register,
    serving,
    wait_until_all_arrived,
)

EVENTS = "/api/v1/organizations/acme/events"
BEHAVIOURS = ((0, 0.02), (5,))  # one receiver takes its time, one refuses every fifth at first
INTEGRATIONS = 4
BATCHES = (1, 1, 7, 20)  # what each publisher hands in at once
MAX_IN_FLIGHT = 64
SOON_S = 0.05


@dataclass
class Load:
    """Publishers that never give up."""

    url: str = ""
    up: asyncio.Event = field(default_factory=asyncio.Event)
    answered: set[int] = field(default_factory=set)
    enough: bool = False
    again: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def publish(self, size: int) -> None:
        """Hand in events, ``size`` at once, until it is enough."""
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(
            headers=headers, trust_env=False, timeout=DEADLINE_S
        ) as client:
            while not self.enough:
                numbers = [next(self._numbers) for _ in range(size)]
                while not await self._answered(client, numbers):
                    self.again += 1
                self.answered.update(numbers)

    async def _answered(self, client: httpx.AsyncClient, numbers: list[int]) -> bool:
        await self.up.wait()
        events = [
            {"id": f"e{n}", "resource": "issue", "action": "created", "data": {"n": n, "t": "é"}}
            for n in numbers
        ]
        path, content = EVENTS, json.dumps(events[0])
        if len(events) > 1:
            path, content = f"{EVENTS}/batch", json.dumps(events)
        try:
            answer = await client.post(self.url + path, content=content)
        except httpx.TransportError:
            await asyncio.sleep(0.01)
            return False
        assert answer.status_code == 202, answer.text
        return True


@dataclass(frozen=True)
class Kill:
    """When the server was killed (CLOCK_MONOTONIC, ns), and what was leased then."""

    at: int
    leased: frozenset[str]


async def kill_soon(process: Process, load: Load, chance: random.Random) -> None:
    """Kill a starting server: some at once, most when they have answered a little."""
    try:
        if chance.random() < 0.2:
            await asyncio.sleep(chance.uniform(0, 0.8))
        else:
            await answers(process, load, chance.randint(1, 150))
            await asyncio.sleep(chance.uniform(0, SOON_S))
    finally:
        process.kill()
        load.up.clear()
        await process.communicate()


async def answers(process: Process, load: Load, count: int) -> None:
    """Wait until a starting server has answered so many events."""
    assert process.stdout is not None
    load.url = json.loads(await process.stdout.readline())["url"]
    goal = len(load.answered) + count
    load.up.set()
    async with asyncio.timeout(DEADLINE_S):
        while len(load.answered) < goal:
            await asyncio.sleep(0.001)


def leased(folder: Path) -> frozenset[str]:
    """The deliveries that are leased in the file as the kill left it; looked at in a copy."""
    copy = folder / "copy"
    shutil.copytree(folder / "data", copy)
    with closing(sqlite3.connect(copy / "hookline.db")) as file:
        rows = file.execute("SELECT lower(hex(id)) FROM deliveries WHERE state = 'leased'")
        found = frozenset(row[0] for row in rows)
    shutil.rmtree(copy)
    return found


async def kill_and_restart(folder: Path, rounds: int, seed: int) -> int:
    """Do it all, check it all; returns how many webhooks came twice."""
    chance, load, kills = random.Random(seed), Load(), []
    async with counters(*BEHAVIOURS) as receivers:
        ports = [each.port for each in receivers]
        async with serving(folder, ports) as server, server.client() as client:
            await register(client, receivers, INTEGRATIONS)
        async with asyncio.TaskGroup() as publishers:
            tasks = [publishers.create_task(load.publish(size)) for size in BATCHES]
            for _ in range(rounds):
                process, _log = await begin(
                    folder, ports, HOOKLINE_MAX_IN_FLIGHT=f"{MAX_IN_FLIGHT}"
                )
                await kill_soon(process, load, chance)
                kills.append(Kill(time.monotonic_ns(), leased(folder)))
            async with serving(folder, ports) as server:
                load.url = server.url
                load.enough = True
                load.up.set()
                await asyncio.wait(tasks)
                each_due = len(load.answered) * INTEGRATIONS // len(receivers)
                stats = await wait_until_all_arrived(receivers, each_due)
                server.process.terminate()
                assert await server.ended() == 0
        accepted = [await each.ask("accepted") for each in receivers]
        repeats = [each for receiver in receivers for each in await receiver.ask("repeats")]
    print(f"{seed=}: {rounds} kills, {len(load.answered)} events, {load.again} handed in again;")
    print(f"{sum(each['came'] for each in stats)} webhooks came, {len(repeats)} of them again;")
    print(f"leased at the kills: {[len(each.leased) for each in kills]}")
    assert [each["wrong"] for each in stats] == [0] * len(receivers)
    arrived = {uuid: sorted(numbers) for each in accepted for uuid, numbers in each.items()}
    assert list(arrived.values()) == [sorted(load.answered)] * INTEGRATIONS
    for request_id, answered_at, came_at in repeats:
        assert answered_at < came_at
        assert any(each.at < came_at and request_id in each.leased for each in kills), request_id
    # What has ended and is not settled yet is leased, too: as much again as is under way.
    assert all(len(each.leased) <= 2 * MAX_IN_FLIGHT for each in kills)
    return len(repeats)


async def test_five_kills(tmp_path):
    """Nothing that was accepted is lost; only what was under way may come again, the same."""
    await kill_and_restart(tmp_path, 5, random.randrange(2**32))


@pytest.mark.long
async def test_fifty_kills(tmp_path):
    """The same fifty times on one file, and some webhooks do come again."""
    assert await kill_and_restart(tmp_path, 50, random.randrange(2**32)) > 0
