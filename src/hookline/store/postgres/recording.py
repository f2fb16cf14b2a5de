"""Recording in groups: what comes while a commit is under way shares the next one.

PostgreSQL has a group commit of its own, but each transaction in it costs a connection and its round
trips. So here the events of all who publish at the same time are recorded as one batch, in one
transaction, as ``store.sqlite.writer`` does. Nothing waits for a timer: events that come alone are
recorded alone, at once.

A batch is all or nothing to the database. Where it is refused for a value that PostgreSQL does not take,
a defect of ours, it is recorded again publisher by publisher, and only the one at fault fails.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from hookline.core.errors import HooklineError, Unavailable
from hookline.store.values import NewEvent, Recorded

__all__ = ["Recorder"]

MAX_GROUP: Final = 64  # as in SQLite's writer: beyond this many the disk is paid for


class _Wish(NamedTuple):
    events: Sequence[NewEvent]
    answer: "asyncio.Future[list[Recorded]]"


class Recorder:
    """Records events, in groups; for the event loop that it was made on.

    Args:
        record: stores events in one durable transaction; the second argument is the number of those
            who share it.
    """

    def __init__(self, record: Callable[[Sequence[NewEvent], int], Awaitable[list[Recorded]]]):
        self._record = record
        self._waiting: list[_Wish] = []
        self._serving: asyncio.Task[None] | None = None
        self._closed = False

    async def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        """Store events; returns once they are durable, or raises ``Unavailable``."""
        if self._closed:
            raise Unavailable("database-unavailable", "the store is closed", "start it again")
        loop = asyncio.get_running_loop()
        wish = _Wish(events, loop.create_future())
        self._waiting.append(wish)
        if self._serving is None:
            self._serving = loop.create_task(self._serve(), name="hookline-recorder")
        return await wish.answer

    async def close(self) -> None:
        """Record what was handed in so far."""
        self._closed = True
        if self._serving is not None:
            await self._serving

    async def _serve(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                await self._record_group(group)
        finally:
            self._serving = None
            for wish in self._waiting:  # only where the loop is being ended
                wish.answer.cancel()

    async def _record_group(self, group: Sequence[_Wish]) -> None:
        try:
            events = [event for wish in group for event in wish.events]
            answers = await self._record(events, len(group))
        except Exception as trouble:
            if len(group) > 1 and not isinstance(trouble, HooklineError):
                for wish in group:
                    await self._record_group([wish])
                return
            for wish in group:
                if not wish.answer.done():
                    wish.answer.set_exception(trouble)
            return
        start = 0
        for wish in group:
            end = start + len(wish.events)
            if not wish.answer.done():  # else whoever asked went away
                wish.answer.set_result(answers[start:end])
            start = end
