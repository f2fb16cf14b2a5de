"""The engine: store, directory, publisher, dispatcher and sender, put together.

It knows nothing of HTTP. The server wraps an API around it; a program that wants no server can use it
as it is.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hookline.core.address import AllowList
from hookline.core.errors import Unavailable, UsageError
from hookline.core.mail import Mailing
from hookline.core.role import Role
from hookline.core.secret import Secret
from hookline.core.unsubscribing import Rules
from hookline.send.attempt_log import AttemptLog
from hookline.send.chores import Chores
from hookline.send.client_secrets import ClientSecrets
from hookline.send.clock import SharedClock, SteadyClock, Ticker, boot_us, wall_us
from hookline.send.counts import Counts
from hookline.send.directory import Directory
from hookline.send.dispatch import Dispatcher
from hookline.send.figures import Figures
from hookline.send.following import Following
from hookline.send.gateway import Gateway
from hookline.send.notify import Notifier
from hookline.send.publish import Publisher
from hookline.send.readiness import check_ready
from hookline.send.refusals import Refusals
from hookline.send.registry import Registry
from hookline.send.retention import Keep, Retention
from hookline.send.slots import Limits
from hookline.send.sources import Sources
from hookline.send.subscriptions import Subscriptions
from hookline.send.worker import Worker
from hookline.store.contract import Store
from hookline.store.opening import DatabaseAt, open_store
from hookline.store.signals import Signal
from hookline.store.vault import Vault

__all__ = ["Engine", "EngineConfig"]

POLL_S = 5.0  # between two looks for signals of other nodes that were lost
CLOCK_EVERY_S = 60.0  # between two looks at the database's clock: two of quartz part by 6 ms in it
CLOCK_LOOKS = 5


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What an engine must be told; the clocks are the machine's.

    Attributes:
        database: SQLite's file, or PostgreSQL's URL.
        rules: when integrations are unsubscribed.
        mailing: where operators' e-mail goes; None: nowhere.
        attempt_log: is shown each attempt that ended; None: nobody is.
        role: what this process does of what there is to do.
        poll_s: between two looks for signals of other processes that were lost.
    """

    database: DatabaseAt
    allow: AllowList
    secret_key: Secret | None = None
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    mailing: Mailing | None = None
    keep: Keep = field(default_factory=Keep)
    attempt_log: AttemptLog | None = None
    role: Role = Role.ALL
    poll_s: float = POLL_S
    wall: Callable[[], int] = wall_us
    boot: Callable[[], int] = boot_us


class Engine:
    """A running Hookline without a server around it. Make one with ``Engine.open``.

    Attributes:
        clock: the time by which everything here is decided; it never goes back.
        node: a name of this process's own.
        worker: what sends; None where other processes do.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        config: EngineConfig,
        clock: Callable[[], int],
        latest: int,
    ):
        self.store = store
        self.clock = clock
        self.node = os.urandom(8).hex()
        self.role = config.role
        ticker = Ticker(clock, latest)
        self.directory = Directory(store, vault)
        self._counts = Counts()
        self.publisher = Publisher(
            store,
            self.directory,
            clock=clock,
            ticker=ticker,
            entropy=os.urandom,
            on_deliveries=self.wake,
            counts=self._counts,
        )
        self.registry = Registry(
            store,
            self.directory,
            vault,
            clock=clock,
            ticker=ticker,
            entropy=os.urandom,
            on_deliveries=self.wake,
            on_chore=self._on_chore,
        )
        self.subscriptions = Subscriptions(
            store,
            self.registry,
            clock=clock,
            rules=config.rules,
            on_deliveries=self.wake,
            on_chore=self._on_chore,
            on_notice=self._on_notice,
        )
        self.client_secrets = ClientSecrets(
            store,
            self.directory,
            vault,
            find=self.registry.integration,
            clock=clock,
            entropy=os.urandom,
        )
        sources = Sources(
            store,
            vault,
            clock=clock,
            entropy=os.urandom,
            on_erased=self.client_secrets.wake,
            on_stale=lambda: self.following.heard(Signal.DIRECTORY),
        )
        self.gateway = Gateway(
            sources,
            Refusals(store),
            self.directory,
            self.publisher,
            self._counts,
            clock=clock,
        )
        self.worker = self._worker(config) if config.role.sends else None
        self.figures = Figures(
            store,
            self.dispatcher,
            self._counts,
            config.attempt_log,
            clock=clock,
            rules=config.rules,
        )
        self._stopped = asyncio.Event()
        self._standing = asyncio.create_task(self._stand(), name="hookline-engine")
        self.following = Following(store, self._wakes(), config.poll_s)
        self.following.read_on(Signal.DIRECTORY, self._load)
        self._beside = [asyncio.create_task(self.following.run(), name="hookline-signals")]
        if isinstance(clock, SharedClock):
            going = _keep_going(clock, store, config.boot)
            self._beside.append(asyncio.create_task(going, name="hookline-clock"))

    def _worker(self, config: EngineConfig) -> Worker:
        dispatcher = Dispatcher(
            self.store,
            self.directory,
            clock=self.clock,
            wall=config.wall,
            dice=random.random,
            entropy=os.urandom,
            limits=config.limits,
            rules=config.rules,
            on_notice=self._on_notice,
            on_unswept=self._on_chore,
            counts=self._counts,
            observer=config.attempt_log,
        )
        notifier = Notifier(
            self.store,
            self.directory,
            self.publisher,
            clock=self.clock,
            mailing=config.mailing,
            node=self.node,
        )
        chores = Chores(self.store, clock=self.clock, on_deliveries=self.wake)
        retention = Retention(
            self.store, config.keep, self._counts, clock=self.clock, node=self.node
        )
        return Worker(dispatcher, chores, notifier, retention, self.client_secrets, config.allow)

    # -- signals ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something became deliverable here: others may send it too."""
        self._on_deliveries()
        self.store.tell(Signal.DELIVERIES)

    def _on_deliveries(self) -> None:
        if self.worker is not None:
            self.worker.dispatcher.wake()

    def _on_notice(self) -> None:
        if self.worker is not None:
            self.worker.notifier.wake()
        else:
            self.store.tell(Signal.NOTICES)

    def _on_chore(self) -> None:
        if self.worker is not None:
            self.worker.chores.wake()
        else:
            self.store.tell(Signal.CHORES)

    def _wakes(self) -> dict[Signal, Callable[[], None]]:
        """What the signals of others wake here, which is told to nobody again."""
        wakes: dict[Signal, Callable[[], None]] = dict.fromkeys(Signal, lambda: None)
        wakes[Signal.DIRECTORY] = self._on_directory
        if self.worker is not None:
            wakes[Signal.DELIVERIES] = self.worker.dispatcher.wake
            wakes[Signal.NOTICES] = self.worker.notifier.wake
            wakes[Signal.CHORES] = self.worker.chores.wake
        return wakes

    def _on_directory(self) -> None:
        self.directory.changed()
        self.client_secrets.wake()

    async def _load(self) -> None:
        """Read what is needed from the first event and the first webhook on."""
        await self.directory.load()
        await self.gateway.sources.load()

    # -- opening and closing ----------------------------------------------------------------------

    @classmethod
    async def open(cls, config: EngineConfig) -> "Engine":
        """Open the store and begin to dispatch.

        Raises:
            UsageError: the database cannot be used, or its secrets were sealed with another key.
            Unavailable: it cannot be used at this moment.
        """
        store, vault = await open_store(config.database, config.secret_key, config.wall())
        try:
            await _check_fingerprint(store, vault)
            latest = await store.latest_instant()
            clock = await _clock(store, config, latest)
        except BaseException:
            await store.close()
            raise
        engine = cls(store, vault, config, clock, latest)
        try:
            await engine._load()
        except BaseException:
            await engine.close()  # the sender's thread and the dispatcher run already
            raise
        return engine

    @property
    def dispatcher(self) -> Dispatcher | None:
        """What sends; None where other processes do."""
        return None if self.worker is None else self.worker.dispatcher

    @property
    def failed(self) -> "asyncio.Task[None]":
        """A task that ends only on ``close`` or through a bug."""
        return self._standing if self.worker is None else self.worker.dispatching

    async def _stand(self) -> None:
        await self._stopped.wait()

    async def check_ready(self) -> None:
        """Return if this process can do its part. Raises ``Unavailable`` that says what cannot."""
        await check_ready(self.store, self.dispatcher, self.failed)

    def stop(self) -> None:
        """Begin no more attempts; those under way go on. ``close`` comes after it."""
        if self.worker is not None:
            self.worker.dispatcher.stop_leasing()

    def abandon(self) -> None:
        """Let ``close`` wait for no attempt: they are made again by the next engine."""
        if self.worker is not None:
            self.worker.dispatcher.abandon()

    async def close(self) -> None:
        """Begin nothing new, settle what is under way, and let go of the database."""
        self._stopped.set()
        for task in self._beside:
            task.cancel()
        try:
            if self.worker is not None:
                await self.worker.close()
        finally:
            await asyncio.gather(self._standing, *self._beside, return_exceptions=True)
            await self.gateway.refusals.close()
            await self.store.close()


async def _clock(store: Store, config: EngineConfig, latest: int) -> Callable[[], int]:
    if await store.clock() is None:
        return SteadyClock(config.wall, config.boot, latest)
    clock = SharedClock(config.boot, latest)
    await _set(clock, store, config.boot)
    return clock


async def _set(clock: SharedClock, store: Store, boot: Callable[[], int]) -> None:
    """Set a clock by the database's, by the quickest of some answers."""
    looks = []
    for _ in range(CLOCK_LOOKS):
        asked = boot()
        there = await store.clock()
        answered = boot()
        if there is not None:
            looks.append((answered - asked, there, asked, answered))
    if looks:
        _, there, asked, answered = min(looks)
        clock.follow(there, asked, answered)


async def _keep_going(clock: SharedClock, store: Store, boot: Callable[[], int]) -> None:
    while True:
        await asyncio.sleep(CLOCK_EVERY_S)
        with contextlib.suppress(Unavailable):  # it goes on by itself until it can be asked again
            await _set(clock, store, boot)


async def _check_fingerprint(store: Store, vault: Vault) -> None:
    # Of nodes that start together on a new database with different keys, one is the first.
    known = await store.keep_fact("key-fingerprint", vault.fingerprint())
    if known != vault.fingerprint():
        raise UsageError(
            "wrong-secret-key",
            "the secrets in this database were sealed with another key",
            "set HOOKLINE_SECRET_KEY to that key, or bring back the .key file beside the SQLite file",
        )
