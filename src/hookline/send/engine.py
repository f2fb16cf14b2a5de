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
from hookline.core.secret import Secret
from hookline.send.clock import SteadyClock, Ticker, boot_us, wall_us
from hookline.send.directory import Directory
from hookline.send.dispatch import Dispatcher, Limits
from hookline.send.publish import Publisher
from hookline.send.registry import Registry
from hookline.send.sender import CurlSender
from hookline.store.contract import Store
from hookline.store.sqlite.store import SqliteStore
from hookline.store.vault import Vault, load_key

__all__ = ["Engine", "EngineConfig"]

LONGEST_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What an engine must be told; the clocks are the machine's."""

    database: Path
    allow: AllowList
    secret_key: Secret | None = None
    limits: Limits = field(default_factory=Limits)
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
        self.dispatcher = Dispatcher(
            store,
            self.directory,
            clock=self.clock,
            wall=config.wall,
            dice=random.random,
            entropy=os.urandom,
            limits=config.limits,
        )
        self.publisher = Publisher(
            store,
            self.directory,
            clock=self.clock,
            ticker=ticker,
            entropy=os.urandom,
            on_deliveries=self.dispatcher.wake,
        )
        self.registry = Registry(
            store,
            self.directory,
            vault,
            clock=self.clock,
            ticker=ticker,
            entropy=os.urandom,
            on_deliveries=self.dispatcher.wake,
        )
        self._sender = CurlSender(
            allow=config.allow,
            on_completed=self.dispatcher.completed_soon,
            user_agent=f"hookline/{__version__}",
        )
        self.dispatcher.start(self._sender)
        self._running = asyncio.create_task(self.dispatcher.run(), name="hookline-dispatch")

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

    def stop(self) -> None:
        """Begin no more attempts; those under way go on. ``close`` comes after it."""
        self.dispatcher.stop_leasing()

    def abandon(self) -> None:
        """Let ``close`` wait for no attempt: they are made again by the next engine."""
        self.dispatcher.abandon()

    async def close(self) -> None:
        """Begin nothing new, settle what is under way, and let go of the database."""
        self.stop()
        try:
            await asyncio.wait_for(self._running, LONGEST_TIMEOUT_S + 1)
        except TimeoutError:
            pass  # what is left is attempted again under the next lease
        finally:
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
