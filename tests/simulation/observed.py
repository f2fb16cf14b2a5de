"""The real store, watched: every call is noted, and trouble is made between the calls and in them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.ledger import Due, Ledger, Settling, Turn

from hookline.core.errors import HooklineError, Unavailable
from hookline.core.unsubscribing import Rules
from hookline.store.sqlite.store import SqliteStore
from hookline.store.values import Leases, NewEvent, Recorded, Settled, Settlement

__all__ = ["CrashPoint", "ObservedStore"]

READS = frozenset({"candidates", "routes", "integration", "installation", "installations", "fact"})


@dataclass
class CrashPoint:
    """Where the process will be killed: before or after one of the next calls of the store."""

    points: int | None = None  # this many are passed before
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def passing(self) -> None:
        """The process gets no further than the point."""
        if self.points is None:
            return
        self.points -= 1
        if self.points < 0:
            self.points = None
            self.reached.set()
            await asyncio.get_running_loop().create_future()


class ObservedStore:
    """A store that tells the ledger what it is asked, and whose reads can fail."""

    def __init__(
        self,
        store: SqliteStore,
        ledger: Ledger,
        *,
        life: int,
        leased: dict[bytes, tuple[int, int]],
        crash: CrashPoint,
    ):
        self.real = store
        self.reads_fail = False
        self._ledger = ledger
        self._life = life
        self._leased = leased
        self._crash = crash
        self._recording: list[list[Due]] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            return await self._call(name, *arguments, **named)

        return call

    async def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        await self._crash.passing()
        if self.reads_fail and name in READS:
            raise Unavailable("database-io", "simulated")
        result = await getattr(self.real, name)(*arguments, **named)
        await self._crash.passing()
        return result

    async def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        made = self._asked(events)
        try:
            answers: list[Recorded] = await self._call("record", events)
        except Unavailable:
            self._ledger.refused.update(event.id for event in events)
            self._ledger.trace.note("record refused", len(events))
            raise
        finally:
            self._answered(made)
        note = [f"{e.id.hex()}{'=' if a.duplicate else ''}" for e, a in zip(events, answers)]  # noqa: B905
        self._ledger.trace.note("record", *note)
        return answers

    def _asked(self, events: Sequence[NewEvent | None]) -> list[Due]:
        return self._ledger.recording([event for event in events if event is not None])

    def _answered(self, made: list[Due]) -> None:
        # After a crash too: whoever is asked from now on comes after what was recorded then.
        self._ledger.recorded(made)

    async def create_installation(self, new: Any, announcement: NewEvent | None) -> Any:
        return await self._announced("create_installation", new, announcement)

    async def delete_installation(self, uuid: str, now: int, announcement: NewEvent | None) -> Any:
        return await self._announced("delete_installation", uuid, now, announcement)

    async def _announced(self, name: str, *arguments: Any) -> Any:
        made = self._asked([arguments[-1]])
        try:
            return await self._call(name, *arguments)
        finally:
            self._answered(made)

    async def lease(self, **named: Any) -> Leases:
        asked = self._ledger.call()
        leases: Leases = await self._call("lease", **named)
        for each in leases.deliveries:
            self._leased[each.id] = (named["now"], asked)
        if leases.deliveries:
            self._ledger.trace.note("lease", *(each.id.hex() for each in leases.deliveries))
        return leases

    async def settle(self, settlements: Sequence[Settlement], rules: Rules) -> Settled:
        settling = Settling(settlements, self._ledger.call())
        self._ledger.operations.append(settling)
        try:
            answer: Settled = await self._call("settle", settlements, rules)
        except Unavailable:
            self._ledger.operations.remove(settling)
            self._ledger.trace.note("settle refused", len(settlements))
            raise
        finally:
            settling.answered = self._ledger.call()
        for each, counted in zip(settlements, answer.counted, strict=True):
            self._ledger.trace.note(
                "settle", each.delivery_id.hex(), each.attempt.number, each.verdict, counted
            )
        return answer

    async def unsubscribe(self, integration_id: int, detail: str, now: int) -> bool:
        return bool(await self._turned("unsubscribe", integration_id, detail, now, at=now))

    async def resubscribe(self, integration_id: int, now: int, recovery: Any) -> Any:
        return await self._turned("resubscribe", integration_id, now, recovery, at=now)

    async def delete_integration(self, integration_id: int, now: int) -> bool:
        return bool(await self._turned("delete_integration", integration_id, now, at=now))

    async def _turned(self, name: str, integration_id: int, *rest: Any, at: int) -> Any:
        turn = Turn(name, integration_id, at, self._ledger.call())
        self._ledger.operations.append(turn)
        try:
            return await self._call(name, integration_id, *rest)
        except HooklineError:
            self._ledger.operations.remove(turn)
            raise
        finally:
            turn.answered = self._ledger.call()
            self._ledger.trace.note(name, integration_id)

    async def rescue(self, *arguments: Any) -> int:
        rescued: int = await self._call("rescue", *arguments)
        if rescued:
            self._ledger.trace.note("rescue", rescued)
        return rescued

    async def close(self) -> None:
        await self.real.close()

    def read_only(self, *, on: bool) -> None:
        """Let every write fail as on a read-only file, or no more."""
        connection = self.real._writer._connection
        connection.execute(f"PRAGMA query_only = {'ON' if on else 'OFF'}")

    def drop(self) -> None:
        """What the end of the process does: connections are gone, uncommitted work with them."""
        for connection in [self.real._writer._connection, *self.real._readers._connections]:
            connection.close()
        self.real._lock.close()
