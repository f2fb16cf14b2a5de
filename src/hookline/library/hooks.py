"""``Hookline``: what a program imports."""

import asyncio
import os
import threading
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Protocol, Unpack, overload

from hookline.core.errors import UsageError
from hookline.core.secret import Secret
from hookline.library.events import (
    Event,
    EventFields,
    Published,
    event_of,
    published,
    submission,
)
from hookline.send.clock import SteadyClock, Ticker, boot_us, wall_us
from hookline.send.engine import Engine
from hookline.send.inside import Publishing
from hookline.send.intake import Limits
from hookline.send.registry import Registered, Registry
from hookline.settings import Settings
from hookline.settings.engine import engine_config
from hookline.store.borrowed.connections import borrow
from hookline.store.borrowed.steps import BorrowedAsync

__all__ = ["Hookline"]


class Waits(Protocol):
    """A connection or session of a driver that waits: psycopg, SQLAlchemy, Django, sqlite3."""

    def commit(self) -> None:
        """What makes it one."""


class Awaited(Protocol):
    """A connection or session of a driver that is awaited: psycopg, SQLAlchemy, aiosqlite."""

    def commit(self) -> Awaitable[None]:
        """What makes it one."""
        ...


class AwaitedPg(Protocol):
    """A connection of asyncpg, or of one of its pools."""

    def is_in_transaction(self) -> bool:
        """What makes it one."""
        ...


class Hookline:
    """Publishes events, and can deliver them too.

    To publish inside a transaction of your own, make one and call ``publish_in``; it opens nothing, so
    it may be a global, and shared by threads. To deliver in this process, without a server, open it::

        async with Hookline("sqlite:///hookline.db") as hooks:
            await hooks.publish(organization="acme", resource="issue", action="created", data={})

    Args:
        database: as ``HOOKLINE_DATABASE``. What is not given is taken from the environment, as
            `hookline serve` does; so are all the other settings.
        allow_addresses: as ``HOOKLINE_ALLOW_ADDRESSES``.
        secret_key: as ``HOOKLINE_SECRET_KEY``.
        max_data_bytes: as ``HOOKLINE_MAX_DATA_BYTES``.

    Raises:
        UsageError: a setting is wrong.
    """

    def __init__(
        self,
        database: str | None = None,
        *,
        allow_addresses: str | None = None,
        secret_key: str | Secret | None = None,
        max_data_bytes: int | None = None,
    ):
        given = {
            "database": database,
            "allow_addresses": allow_addresses,
            "secret_key": secret_key,
            "max_data_bytes": max_data_bytes,
        }
        self._settings = Settings.from_environ(os.environ, given)
        self._limits = Limits(data_bytes=self._settings.max_data_bytes)
        self._clock = SteadyClock(wall_us, boot_us)
        self._ticker = Ticker(self._clock)
        self._ticking = threading.Lock()
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()

    # -- inside the caller's transaction ----------------------------------------------------------

    @overload
    def publish_in(
        self, connection: Awaited | AwaitedPg, event: Event, /
    ) -> Awaitable[Published]: ...
    @overload
    def publish_in(
        self, connection: Awaited | AwaitedPg, /, **fields: Unpack[EventFields]
    ) -> Awaitable[Published]: ...
    @overload
    def publish_in(self, connection: Waits, event: Event, /) -> Published: ...
    @overload
    def publish_in(self, connection: Waits, /, **fields: Unpack[EventFields]) -> Published: ...
    def publish_in(
        self, connection: object, event: Event | None = None, /, **fields: Any
    ) -> Published | Awaitable[Published]:
        """Publish an event in the transaction that is open on ``connection``.

        It is delivered if that transaction commits, and was never there if it rolls back. Nothing is
        begun, committed or closed here. An event that is refused raises before anything was written, and
        what fails later is undone: the transaction stays usable.

        Args:
            connection: of asyncpg, psycopg 3, sqlite3 or aiosqlite; a connection or session of
                SQLAlchemy; or Django's. It reaches the database that Hookline's tables are in.
            event: the event, where it is given whole.
            **fields: the fields of ``Event``, where they are given by name.

        Returns:
            What became of it; for a connection that is awaited, something to await for that.

        Raises:
            Invalid, TooLarge, Malformed: the event is refused.
            UsageError: the connection is in no transaction, of a kind that is not known, or reaches a
                database without our tables.
            Exception: the driver's own, where the database fails.
        """
        given = event_of(event, fields)
        lent = borrow(connection)
        if isinstance(lent, BorrowedAsync):
            return self._publish_awaited(lent, given)
        return published(lent.run(self._work(given)))

    async def _publish_awaited(self, lent: BorrowedAsync, event: Event) -> Published:
        return published(await lent.run(self._work(event)))

    def _work(self, event: Event) -> Publishing:
        checked = submission(event, self._limits)
        with self._ticking:
            now, tick = self._clock(), self._ticker()
        return Publishing(event.organization, checked, now, tick, os.urandom)

    # -- in this process --------------------------------------------------------------------------

    async def __aenter__(self) -> "Hookline":
        """Open the database and begin to deliver.

        Raises:
            UsageError: the database cannot be used, or this is open already.
        """
        if self._engine is not None or self._opening.locked():
            raise UsageError("open-already", "this Hookline is open already", "open it once")
        async with self._opening:
            self._engine = await Engine.open(engine_config(self._settings))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what is under way, and close the database."""
        engine, self._engine = self._open(), None
        await engine.close()

    async def publish(
        self, event: Event | None = None, /, **fields: Unpack[EventFields]
    ) -> Published:
        """Publish an event; returns once it is on the disk.

        Raises:
            Invalid, TooLarge, Malformed: the event is refused.
            Unavailable: the database cannot take it now; nothing was stored.
        """
        engine = self._open()
        given = event_of(event, fields)
        checked = submission(given, self._limits)
        (recorded,) = await engine.publisher.publish(given.organization, (checked,))
        return published(recorded)

    async def register(self, **fields: Any) -> Registered:
        """Register an integration, with the fields of ``POST /api/v1/integrations``.

        Returns:
            The integration, its installations, and its client secret, which is shown only now.

        Raises:
            Invalid: a field is against its rule.
            Conflict: the slug is taken.
        """
        return await self.registry.create_integration(fields)

    @property
    def registry(self) -> Registry:
        """What is registered, and changing it: integrations, installations, resources."""
        return self._open().registry

    def _open(self) -> Engine:
        if self._engine is None:
            raise UsageError(
                "not-open",
                "this Hookline is not open",
                "use it inside `async with Hookline(…) as hooks:`",
            )
        return self._engine
