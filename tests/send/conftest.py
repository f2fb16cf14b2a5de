"""An engine's parts on a clock that the test turns, with a store that is real."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from hookline.core.address import AllowList
from hookline.core.model import Timings
from hookline.core.outcome import Answered, Outcome
from hookline.core.request import Outbound
from hookline.core.unsubscribing import Rules
from hookline.send.attempts import InFlight
from hookline.send.chores import Chores
from hookline.send.clock import Ticker
from hookline.send.directory import Directory
from hookline.send.dispatch import Dispatcher
from hookline.send.intake import Limits as IntakeLimits
from hookline.send.intake import Submission, read_event
from hookline.send.publish import Publisher
from hookline.send.registry import Registry
from hookline.send.sender import Completed
from hookline.send.slots import Limits
from hookline.send.subscriptions import Subscriptions
from hookline.store.sqlite.store import SqliteStore
from hookline.store.vault import Vault

# pytest imports tests by path and puts nothing on sys.path itself; the helpers here are modules.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.send.wire import LOOPBACK, Wire
from tests.send.world import World, begun

START = 1_800_000_000_000_000


@dataclass
class Clock:
    """Time stands still until the test moves it."""

    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass
class ScriptedSender:
    """Receivers that answer as the test says: at once by ``script``, or when it calls ``finish``."""

    script: Callable[[Outbound], Outcome] | None = None
    posted: list[tuple[InFlight, Outbound]] = field(default_factory=list)
    finished: Callable[[list[Completed]], None] = lambda _batch: None
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def post(self, requests) -> None:
        self.posted += requests
        self._arrived.set()
        if self.script is not None:
            loop = asyncio.get_running_loop()
            answers = [completed(key, self.script(outbound)) for key, outbound in requests]
            loop.call_soon(self.finished, answers)

    async def wait(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.posted) < number:
                self._arrived.clear()
                await self._arrived.wait()

    def finish(self, index: int, outcome: Outcome, **more: Any) -> None:
        self.finished([completed(self.posted[index][0], outcome)._replace(**more)])


def completed(key: Any, outcome: Outcome) -> Completed:
    return Completed(key, outcome, Timings(total=1000), "192.0.2.1:443", "1.1", b"", b"", False)


def ok(_outbound: Outbound) -> Outcome:
    return Answered(204)


@dataclass
class Bench:
    """The parts, put together."""

    store: SqliteStore
    directory: Directory
    publisher: Publisher
    registry: Registry
    dispatcher: Dispatcher
    sender: ScriptedSender
    clock: Clock
    subscriptions: Subscriptions
    chores: Chores
    noticed: asyncio.Event

    async def turn(self, us: int) -> None:
        """Let so much time pass, and wait until what became due is settled."""
        self.clock.now += us
        self.dispatcher.wake()
        await self.settled()

    async def register(self, name: str = "Pager", **given: Any) -> Any:
        fields = {
            "name": name,
            "organization": "acme",
            "webhook_url": "https://hooks.example.com/",
            "resources": ["issue"],
        }
        return await self.registry.create_integration(fields | given)

    async def publish(self, count: int = 1, organization: str = "acme", **given: Any) -> Any:
        return await self.publisher.publish(organization, [submission(**given)] * count)

    async def publish_batch(self, *given: dict[str, Any]) -> Any:
        batch = [submission(**each) for each in given]
        return await self.publisher.publish("acme", batch, batch=True)

    async def settled(self) -> None:
        """Wait until the dispatcher has nothing under way and nothing to settle."""
        async with asyncio.timeout(10):
            while not self.dispatcher.idle:
                await asyncio.sleep(0)


def submission(**given: Any) -> Submission:
    fields = {"resource": "issue", "action": "created", "data": {"n": 1}} | given
    return read_event(json.dumps(fields).encode(), IntakeLimits())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = await SqliteStore.open(tmp_path / "test.db", START)
    yield made
    await made.close()


@pytest.fixture
async def bench(store: SqliteStore) -> AsyncIterator[Bench]:
    clock, sender = Clock(), ScriptedSender(ok)
    vault = Vault(b"k" * 32)
    directory = Directory(store, vault)
    noticed = asyncio.Event()

    def unswept() -> None:
        chores.wake()

    dispatcher = Dispatcher(
        store,
        directory,
        clock=clock,
        wall=clock,
        dice=lambda: 0.5,
        entropy=os.urandom,
        limits=Limits(),
        rules=Rules(),
        on_notice=noticed.set,
        on_unswept=unswept,
    )
    common: Any = {
        "clock": clock,
        "ticker": Ticker(clock),
        "entropy": os.urandom,
        "on_deliveries": dispatcher.wake,
    }
    registry = Registry(store, directory, vault, **common)
    chores = Chores(store, clock=clock, on_deliveries=dispatcher.wake)
    subscriptions = Subscriptions(
        store,
        registry,
        clock=clock,
        rules=Rules(),
        on_deliveries=dispatcher.wake,
        on_chore=chores.wake,
        on_notice=noticed.set,
    )
    made = Bench(
        store,
        directory,
        Publisher(store, directory, **common),
        registry,
        dispatcher,
        sender,
        clock,
        subscriptions,
        chores,
        noticed,
    )
    sender.finished = dispatcher.completed
    dispatcher.start(sender)
    running = asyncio.create_task(dispatcher.run())
    doing = asyncio.create_task(chores.run())
    yield made
    doing.cancel()
    sender.script = ok
    dispatcher.stop_leasing()
    for key, _ in sender.posted:  # whatever a test left hanging
        if key.leased.id in dispatcher._slots:
            dispatcher.completed([completed(key, Answered(204))])
    await asyncio.wait_for(running, 10)


@pytest.fixture
async def make_wire() -> AsyncIterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def make(allow: AllowList = LOOPBACK) -> Wire:
        made.append(Wire(allow))
        return made[-1]

    yield make
    for wire in made:
        await asyncio.to_thread(wire.sender.close)


@pytest.fixture
async def wire(make_wire: Callable[..., Wire]) -> Wire:
    return make_wire()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of the module's own, in which every address answers and names are scripted."""
    with begun(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """A certificate authority that this process trusts, as an operator would have it trust one."""
    made = trustme.CA()
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return made
