"""The engine: store, directory, publisher, dispatcher and sender, put together.

It knows nothing of HTTP. The server wraps an API around it; a program that wants no server can use it
as it is.
"""

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hookline import __version__
from hookline.core.address import AllowList
from hookline.core.errors import UsageError
from hookline.core.mail import Mailing
from hookline.core.secret import Secret
from hookline.core.unsubscribing import Rules
from hookline.send.attempt_log import AttemptLog
from hookline.send.chores import Chores
from hookline.send.client_secrets import ClientSecrets
from hookline.send.clock import SteadyClock, Ticker, boot_us, wall_us
from hookline.send.counts import Counts
from hookline.send.directory import Directory
from hookline.send.dispatch import Dispatcher
from hookline.send.figures import Figures
from hookline.send.notify import Notifier
from hookline.send.publish import Publisher
from hookline.send.readiness import check_ready
from hookline.send.registry import Registry
from hookline.send.retention import Keep, Retention
from hookline.send.sender import CurlSender
from hookline.send.slots import Limits
from hookline.send.subscriptions import Subscriptions
from hookline.store.contract import Store
from hookline.store.sqlite.foreign import watch
from hookline.store.sqlite.store import SqliteStore
from hookline.store.vault import Vault, load_key

__all__ = ["Engine", "EngineConfig"]

LONGEST_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What an engine must be told; the clocks are the machine's.

    Attributes:
        rules: when integrations are unsubscribed.
        mailing: where operators' e-mail goes; None: nowhere.
        attempt_log: is shown each attempt that ended; None: nobody is.
    """

    database: Path
    allow: AllowList
    secret_key: Secret | None = None
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    mailing: Mailing | None = None
    keep: Keep = field(default_factory=Keep)
    attempt_log: AttemptLog | None = None
    wall: Callable[[], int] = wall_us
    boot: Callable[[], int] = boot_us


class Engine:
    """A running Hookline without a server around it. Make one with ``Engine.open``.

    Attributes:
        clock: the time by which everything here is decided; it never goes back.
    """

    def __init__(self, store: Store, vault: Vault, config: EngineConfig, latest: int):
        self.store = store
        self.clock = SteadyClock(config.wall, config.boot, latest)
        ticker = Ticker(self.clock, latest)
        self.directory = Directory(store, vault)
        counts = Counts()
        self.dispatcher = Dispatcher(
            store,
            self.directory,
            clock=self.clock,
            wall=config.wall,
            dice=random.random,
            entropy=os.urandom,
            limits=config.limits,
            rules=config.rules,
            on_notice=self._on_notice,
            on_unswept=self._on_chore,
            counts=counts,
            observer=config.attempt_log,
        )
        self.publisher = Publisher(
            store,
            self.directory,
            clock=self.clock,
            ticker=ticker,
            entropy=os.urandom,
            on_deliveries=self.dispatcher.wake,
            counts=counts,
        )
        self.registry = Registry(
            store,
            self.directory,
            vault,
            clock=self.clock,
            ticker=ticker,
            entropy=os.urandom,
            on_deliveries=self.dispatcher.wake,
            on_chore=self._on_chore,
        )
        self.subscriptions = Subscriptions(
            store,
            self.registry,
            clock=self.clock,
            rules=config.rules,
            on_deliveries=self.dispatcher.wake,
            on_chore=self._on_chore,
            on_notice=self._on_notice,
        )
        self._chores = Chores(store, clock=self.clock, on_deliveries=self.dispatcher.wake)
        self._notifier = Notifier(
            store, self.directory, self.publisher, clock=self.clock, mailing=config.mailing
        )
        self.figures = Figures(
            store, self.dispatcher, counts, config.attempt_log, clock=self.clock, rules=config.rules
        )
        self.client_secrets = ClientSecrets(
            store,
            self.directory,
            vault,
            find=self.registry.integration,
            clock=self.clock,
            entropy=os.urandom,
        )
        self._sender = CurlSender(
            allow=config.allow,
            on_completed=self.dispatcher.completed_soon,
            user_agent=f"hookline/{__version__}",
        )
        self.dispatcher.start(self._sender)
        self._running = asyncio.create_task(self.dispatcher.run(), name="hookline-dispatch")
        retention = Retention(store, config.keep, counts, clock=self.clock)
        self._beside = [
            asyncio.create_task(retention.run(), name="hookline-retention"),
            asyncio.create_task(self._chores.run(), name="hookline-chores"),
            asyncio.create_task(self._notifier.run(), name="hookline-notifier"),
            asyncio.create_task(self.client_secrets.run(), name="hookline-secrets"),
        ]
        if isinstance(store, SqliteStore):
            watching = watch(store.version, self.dispatcher.wake)
            self._beside.append(asyncio.create_task(watching, name="hookline-watch"))

    def _on_notice(self) -> None:
        self._notifier.wake()

    def _on_chore(self) -> None:
        self._chores.wake()

    @classmethod
    async def open(cls, config: EngineConfig) -> "Engine":
        """Open the store and begin to dispatch.

        Raises:
            UsageError: the database cannot be used, or its secrets were sealed with another key.
        """
        store = await SqliteStore.open(config.database, config.wall())
        try:
            vault = Vault(load_key(config.secret_key, config.database))
            await _check_fingerprint(store, vault)
            latest = await store.latest_instant()
        except BaseException:
            await store.close()
            raise
        engine = cls(store, vault, config, latest)
        try:
            await engine.directory.load()
        except BaseException:
            await engine.close()  # the sender's thread and the dispatcher run already
            raise
        return engine

    @property
    def failed(self) -> "asyncio.Task[None]":
        """The dispatcher's task: it ends only on ``close`` or through a bug."""
        return self._running

    async def check_ready(self) -> None:
        """Return if events can be taken and sent. Raises ``Unavailable`` that says what cannot."""
        await check_ready(self.store, self.dispatcher, self._running)

    def stop(self) -> None:
        """Begin no more attempts; those under way go on. ``close`` comes after it."""
        self.dispatcher.stop_leasing()

    def abandon(self) -> None:
        """Let ``close`` wait for no attempt: they are made again by the next engine."""
        self.dispatcher.abandon()

    async def close(self) -> None:
        """Begin nothing new, settle what is under way, and let go of the database."""
        self.stop()
        for task in self._beside:
            task.cancel()
        try:
            await asyncio.wait_for(self._running, LONGEST_TIMEOUT_S + 1)
        except TimeoutError:
            pass  # what is left is attempted again under the next lease
        finally:
            await asyncio.gather(*self._beside, return_exceptions=True)
            await asyncio.to_thread(self._sender.close)
            await self.store.close()


async def _check_fingerprint(store: Store, vault: Vault) -> None:
    known = await store.fact("key-fingerprint")
    if known is None:
        await store.set_fact("key-fingerprint", vault.fingerprint())
    elif known != vault.fingerprint():
        raise UsageError(
            "wrong-secret-key",
            "the secrets in this database were sealed with another key",
            "set HOOKLINE_SECRET_KEY to that key, or bring back the .key file beside the database",
        )
