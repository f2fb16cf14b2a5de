"""One life of a Hookline, from its start to its end, by hand or by a crash."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from tests.simulation.ledger import Ledger
from tests.simulation.loop import Life, now_us
from tests.simulation.observed import CrashPoint, ObservedStore
from tests.simulation.receivers import Receivers, SimulatedSender

from hookline.core.unsubscribing import Rules
from hookline.send.chores import Chores
from hookline.send.client_secrets import ClientSecrets
from hookline.send.clock import SteadyClock, Ticker
from hookline.send.directory import Directory
from hookline.send.dispatch import Dispatcher, Limits
from hookline.send.notify import Notifier
from hookline.send.publish import Publisher
from hookline.send.registry import Registry
from hookline.send.subscriptions import Subscriptions
from hookline.store.sqlite.store import SqliteStore
from hookline.store.vault import Vault

__all__ = ["ConnectionLost", "Process"]

T = TypeVar("T")
LONGEST_STOP_S = 31  # as the engine's
EPOCH = 1_800_000_000_000_000


class ConnectionLost(Exception):
    """The process was not there, or ended before it answered."""


class Wall:
    """The machine's clock, which somebody sets forth and back."""

    def __init__(self) -> None:
        self.offset = 0

    def __call__(self) -> int:
        return EPOCH + now_us() + self.offset


class Process:
    """A life of Hookline: ``start`` it, send it ``request``s, ``stop`` or ``crash`` it."""

    def __init__(
        self,
        number: int,
        path: Path,
        *,
        ledger: Ledger,
        receivers: Receivers,
        wall: Wall,
        seed: str,
        limits: Limits,
        rules: Rules,
    ):
        self.number = number
        self.crash_point = CrashPoint()
        self._path = path
        self._ledger = ledger
        self._receivers = receivers
        self._wall = wall
        self._chance = Random(f"{seed} life {number}")
        self._limits = limits
        self._rules = rules
        self._life = Life()
        self._up = False

    async def start(self) -> None:
        """Open the file and begin to dispatch."""
        await self._within(self._start())
        self._up = True

    async def _start(self) -> None:
        """What ``Engine.open`` does, with other clocks, chance and network."""
        leased: dict[bytes, tuple[int, int]] = {}
        self.store = ObservedStore(
            await SqliteStore.open(self._path, self._wall()),
            self._ledger,
            life=self.number,
            leased=leased,
            crash=self.crash_point,
        )
        latest = await self.store.latest_instant()
        self.clock = SteadyClock(self._wall, now_us, latest)
        self.directory = Directory(self.store, Vault(b"k" * 32))
        self.dispatcher = Dispatcher(
            self.store,
            self.directory,
            clock=self.clock,
            wall=self._wall,
            dice=self._chance.random,
            entropy=self._chance.randbytes,
            limits=self._limits,
            rules=self._rules,
            on_notice=self._on_notice,
            on_unswept=self._on_chore,
        )
        self._chores = Chores(self.store, clock=self.clock, on_deliveries=self.dispatcher.wake)
        self._take_requests(Ticker(self.clock, latest))
        self._sender = SimulatedSender(
            self._ledger,
            self._receivers,
            life=self.number,
            clock=self.clock,
            leased=leased,
            completed=self.dispatcher.completed,
        )
        await self.directory.load()
        self.dispatcher.start(self._sender)
        self._running = asyncio.create_task(self.dispatcher.run())
        beside = (self._chores.run(), self._notifier.run(), self.client_secrets.run())
        self._beside = [asyncio.create_task(each) for each in beside]
        for task in (self._running, *self._beside):
            task.add_done_callback(self._ended)
        self._ledger.trace.note("start", self.number)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        bug = None if task.cancelled() else task.exception()
        if bug is not None and self._life.alive:
            self._ledger.complain("nothing breaks", repr(bug))

    def _on_notice(self) -> None:
        self._notifier.wake()

    def _on_chore(self) -> None:
        self._chores.wake()

    def _take_requests(self, ticker: Ticker) -> None:
        common: Any = {
            "clock": self.clock,
            "ticker": ticker,
            "entropy": self._chance.randbytes,
            "on_deliveries": self.dispatcher.wake,
        }
        self.publisher = Publisher(self.store, self.directory, **common)
        self.registry = Registry(
            self.store, self.directory, Vault(b"k" * 32), **common, on_chore=self._on_chore
        )
        self.subscriptions = Subscriptions(
            self.store,
            self.registry,
            clock=self.clock,
            rules=self._rules,
            on_deliveries=self.dispatcher.wake,
            on_chore=self._on_chore,
            on_notice=self._on_notice,
        )
        self.client_secrets = ClientSecrets(
            self.store,
            self.directory,
            Vault(b"k" * 32),
            find=self.registry.integration,
            clock=self.clock,
            entropy=self._chance.randbytes,
        )
        self._notifier = Notifier(
            self.store, self.directory, self.publisher, clock=self.clock, mailing=None
        )

    async def _within(self, work: Any) -> Any:
        """Run in this life; ``ConnectionLost`` where it ends before the work does."""
        task = asyncio.get_running_loop().create_task(work, context=self._life.context())
        try:
            return await task
        except asyncio.CancelledError:
            if self._life.alive:
                raise
            raise ConnectionLost from None

    async def request(self, work: Callable[[], Awaitable[T]]) -> T:
        """Ask it for something, as a client does.

        Raises:
            ConnectionLost: it is not up, or ended before it answered.
        """
        if not self._up or not self._life.alive:
            raise ConnectionLost

        async def ask() -> T:
            return await work()

        answer: T = await self._within(ask())
        return answer

    async def stop(self) -> None:
        """As on SIGTERM: begin nothing, settle what is under way, let go of the file."""
        self._ledger.trace.note("stop", self.number)
        self._up = False
        self.dispatcher.stop_leasing()
        for task in self._beside:
            task.cancel()
        await asyncio.wait([self._running], timeout=LONGEST_STOP_S)
        self._sender.close()
        await self._within(self.store.close())
        await self._life.end()

    async def crash(self) -> None:
        """As on SIGKILL: nothing runs on, and nothing is said to anybody."""
        self._ledger.trace.note("crash", self.number)
        self._ledger.crashed[self.number] = now_us()
        self._up = False
        self._life.alive = False
        self.store.drop()
        self._sender.close()
        await self._life.end()
        self._ledger.trace.note("dead", self.number)
