"""Signals between nodes: LISTEN and NOTIFY on a connection that is used for nothing else.

Two ways in which a signal is sent:

* What others keep in memory (the directory, the keys) changes rarely, and a change that nobody hears of
  would be acted against. So its signal is sent by the transaction that changes it, which also counts up
  a version; whoever lost the signal finds the other version at the next poll.
* That there is something to do is told after the commit, from here. NOTIFY makes transactions commit one
  after the other through the whole server, their wait for the disk included; so publishers' commits have
  none in them. Kinds that come while one is being told gather, and share the next statement.

The connection may be lost at any moment. It is made again, for ever; once it is back everything is
signalled, for nobody knows what was missed. Between two polls it is quiet but for signals.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import structlog

from hookline.core.errors import HooklineError
from hookline.store.postgres.database import connect_one
from hookline.store.postgres.trouble import TROUBLE, unavailable
from hookline.store.signals import Signal

__all__ = ["CHANNEL", "Listener", "tell_changed"]

_log = structlog.get_logger("hookline.signals")

CHANNEL: Final = "hookline"
FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 5.0
_TO_DO: Final = (Signal.DELIVERIES, Signal.NOTICES, Signal.CHORES)
_KEPT: Final = (Signal.DIRECTORY, Signal.KEYS)

_TELL: Final = "SELECT pg_notify('hookline', kind) FROM unnest($1::text[]) AS kind"
_CHANGED: Final = "UPDATE facts SET value = (value::bigint + 1)::text WHERE name = 'version'"
_LOOK: Final = """
SELECT value, current_setting('transaction_read_only') = 'on' FROM facts WHERE name = 'version'
"""


async def tell_changed(connection: Any, signal: Signal) -> None:
    """Tell, by the commit of this transaction, that what nodes keep in memory changes by it.

    The row of the version is held from here to the end, so this comes last.
    """
    await connection.execute(_CHANGED)
    await connection.execute(_TELL, [signal.value])


class Listener:
    """Hears what other nodes tell, and tells them.

    Args:
        url: of the database.
    """

    def __init__(self, url: str):
        self._url = url
        self._to_tell: set[Signal] = set()
        self._woken = asyncio.Event()
        self._version: str | None = None

    def tell(self, signal: Signal) -> None:
        """Tell the others, as soon as that can be done; returns at once."""
        self._to_tell.add(signal)
        self._woken.set()

    async def run(self, on_signal: Callable[[Signal], None], poll_s: float) -> None:
        """Hear for ever. ``poll_s``: between two looks for what was told and not heard."""
        retry_s = FIRST_RETRY_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._hear(on_signal, poll_s)
            except HooklineError as trouble:
                _log.warning("signals.lost", code=trouble.code, reason=trouble.message)
            except TROUBLE as trouble:
                told = unavailable(trouble)
                _log.warning("signals.lost", code=told.code, reason=told.message)
            held_s = asyncio.get_running_loop().time() - began
            retry_s = FIRST_RETRY_S if held_s > LONGEST_RETRY_S else retry_s
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    async def _hear(self, on_signal: Callable[[Signal], None], poll_s: float) -> None:
        connection = await connect_one(self._url)
        try:
            own = connection.get_server_pid()

            def heard(_connection: Any, sender: int, _channel: Any, kind: object) -> None:
                if sender != own and kind in set(Signal):  # others may use the channel, too
                    on_signal(Signal(str(kind)))

            connection.add_termination_listener(lambda _connection: self._woken.set())
            await connection.add_listener(CHANNEL, heard)
            self._version = None  # whatever was told while nobody listened
            while await self._look(connection, on_signal):
                await self._stand_by(connection, poll_s)
        finally:
            connection.terminate()

    async def _look(self, connection: Any, on_signal: Callable[[Signal], None]) -> bool:
        """The safety poll; whether this is still a server that takes writes."""
        version, read_only = await connection.fetchrow(_LOOK)
        for signal in _TO_DO if version == self._version else (*_KEPT, *_TO_DO):
            on_signal(signal)
        self._version = version
        return not read_only

    async def _stand_by(self, connection: Any, poll_s: float) -> None:
        """Tell what is to be told, until it is time to look or the connection is lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(poll_s):
                while not connection.is_closed():
                    await self._tell_all(connection)
                    await self._woken.wait()
                    self._woken.clear()

    async def _tell_all(self, connection: Any) -> None:
        kinds, self._to_tell = self._to_tell, set()
        if not kinds:
            return
        try:
            await connection.execute(_TELL, sorted(kinds))
        except BaseException:
            self._to_tell |= kinds  # once it is back
            raise
