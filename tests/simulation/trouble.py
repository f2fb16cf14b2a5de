"""What goes wrong: restarts, crashes, a store that is away, clocks that are set."""

import asyncio
from random import Random
from typing import Protocol

from tests.simulation.ledger import Ledger
from tests.simulation.loop import now_us, passes
from tests.simulation.process import Process, Wall

__all__ = ["Trouble"]

KINDS = {
    "restart": 10,
    "crash": 15,
    "crash at a call": 30,
    "read-only": 10,
    "unreadable": 10,
    "clock": 15,
    "drift": 10,
}


class Site(Protocol):
    """What trouble needs of the world."""

    ledger: Ledger
    process: Process
    wall: Wall
    closing: asyncio.Event

    async def start(self) -> None:
        """Begin the next life of the process."""
        ...


class Trouble:
    """Makes trouble now and then, one at a time."""

    def __init__(self, site: Site, gap_s: float, dice: Random):
        self._site = site
        self._gap_s = gap_s
        self._dice = dice

    async def run(self) -> None:
        """Go on until the world closes; the process is up and well between two troubles."""
        while not await passes(self._site.closing, self._dice.expovariate(1 / self._gap_s)):
            (kind,) = self._dice.choices(list(KINDS), weights=list(KINDS.values()))
            await getattr(self, f"_{kind.replace(' ', '_').replace('-', '_')}")()

    async def _restart(self) -> None:
        await self._site.process.stop()
        await self._again()

    async def _crash(self) -> None:
        await self._site.process.crash()
        await self._again()

    async def _crash_at_a_call(self) -> None:
        point = self._site.process.crash_point
        point.points = int(self._dice.expovariate(1 / 10))
        if not await passes(point.reached, 3600):  # nothing was called for so long
            point.points = None
        await self._crash()

    async def _again(self) -> None:
        if self._dice.random() < 0.3:
            await asyncio.sleep(self._dice.expovariate(1 / 600))
        if self._dice.random() < 0.2:
            self._set_clock(self._dice.choice([-3600, 3600]))
        await self._site.start()

    async def _read_only(self) -> None:
        store, began = self._site.process.store, now_us()
        self._site.ledger.trace.note("read-only")
        store.read_only(on=True)
        await asyncio.sleep(self._dice.choice([0.1, 5, 60, 300]))
        store.read_only(on=False)
        self._over(began)

    async def _unreadable(self) -> None:
        store, began = self._site.process.store, now_us()
        self._site.ledger.trace.note("unreadable")
        store.reads_fail = True
        await asyncio.sleep(self._dice.choice([0.1, 5, 60]))
        store.reads_fail = False
        self._over(began)

    def _over(self, began: int) -> None:
        self._site.ledger.trace.note("the store is well")
        self._site.ledger.away.append((began, now_us()))

    async def _clock(self) -> None:
        self._set_clock(self._dice.choice([-3600, 3600]))

    async def _drift(self) -> None:
        self._set_clock(self._dice.uniform(-3, 3))

    def _set_clock(self, seconds: float) -> None:
        self._site.wall.offset += round(seconds * 1e6)
        self._site.ledger.trace.note("clock set by", round(seconds, 3))
