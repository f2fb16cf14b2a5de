"""The dispatcher: lease, build, hand to the sender; judge, settle, and lease again.

One turn of its loop is one commit: the settlements that gathered since the last turn and the next lease
go to the store together. Where the store does them side by side, the next turn leases what the
settlements of this one freed. While a turn commits, attempts go on in the sender; what they bring
gathers for the next turn. When there is nothing to settle and nothing to lease, the loop sleeps until
something wakes it: a publisher's commit, a completed attempt, or the time at which the next lane is
ready.

How much is under way at once is decided by ``send.slots``.

A delivery that trips over a defect of ours stops no other. What can be settled of it is; else it is left
to its lease, and is tried again when that runs out: late enough to keep nobody busy.

Decisions are made in the core (``judge``); the clocks, the dice and the sender are arguments, so the
same loop runs on a virtual clock with scripted receivers.
"""

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Protocol

import structlog

from hookline.core.errors import Unavailable
from hookline.core.request import Outbound
from hookline.core.unsubscribing import Rules
from hookline.send.attempts import InFlight, judged, request, without_words
from hookline.send.counts import Counts
from hookline.send.directory import Directory
from hookline.send.sender import Completed
from hookline.send.slots import Limits, Room, Slots
from hookline.store.contract import Store
from hookline.store.values import Leased, Leases, Settled, Settlement

__all__ = ["Dispatcher", "Observer", "Sender"]

_log = structlog.get_logger("hookline.dispatch")

SECOND = 1_000_000
SAFETY_S = 30.0  # it looks again after this long, though nobody woke it: the clock may leap forward
AGING_US = 10_000  # between two looks whether fresh attempts have aged
ELSEWHERE_US = 5_000  # until what is due is looked at again, where another node was at its gate
NO_ROOM = Room(0, 0, 0)
RECOVERY_S = 0.5  # between two tries at a store that is unavailable


class Sender(Protocol):
    """What carries requests out; each key comes back with what came of it."""

    def post(self, requests: Sequence[tuple[InFlight, Outbound]]) -> None:
        """Begin these attempts."""
        ...


Observer = Callable[[Sequence[tuple[Completed, Settlement]]], None]


def _unobserved(_ended: Sequence[tuple[Completed, Settlement]]) -> None:
    pass


class Dispatcher:
    """Moves deliveries from the store to receivers, and what came of it back.

    Args:
        clock: decides: it never goes back.
        wall: the clock that receivers are told, which may be set.
        counts: where attempts and verdicts are counted.
        observer: is shown each batch of attempts that ended, as they were judged.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        *,
        clock: Callable[[], int],
        wall: Callable[[], int],
        dice: Callable[[], float],
        entropy: Callable[[int], bytes],
        limits: Limits,
        rules: Rules | None = None,
        on_notice: Callable[[], None] = lambda: None,
        on_unswept: Callable[[], None] = lambda: None,
        counts: Counts | None = None,
        observer: Observer | None = None,
    ):
        self._store = store
        self._directory = directory
        self._counts = counts or Counts()
        self._observer = observer or _unobserved
        self._clock = clock
        self._wall = wall
        self._dice = dice
        self._entropy = entropy
        self._slots = Slots(limits)
        self._rules = rules or Rules()
        self._on_notice = on_notice
        self._on_unswept = on_unswept
        self._sender: Sender | None = None
        self._settlements: list[Settlement] = []
        self._unbegun: list[Leased] = []  # leased, but their routes could not be read yet
        self._woken = asyncio.Event()
        self._leasing = True
        self._turning = False
        self._turn_began = 0.0
        self._lease_due: int | None = 0  # when a lease may find something; None: not before a wake
        self._rescue_due = 0
        self._loop = asyncio.get_running_loop()

    def start(self, sender: Sender) -> None:
        """Send through ``sender`` from now on."""
        self._sender = sender

    def wake(self) -> None:
        """Something became deliverable."""
        self._lease_due = 0
        self._woken.set()

    def completed_soon(self, batch: list[Completed]) -> None:
        """Take a batch of completed attempts, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody settles any more
            self._loop.call_soon_threadsafe(self.completed, batch)

    def completed(self, batch: Iterable[Completed]) -> None:
        """Judge what came of attempts; the next turn settles it."""
        now = self._clock()
        ended = []
        for each in batch:
            began = self._slots.end(each.key.leased.id)
            began = now if began is None else began
            try:
                settlement = judged(
                    each, began=began, now=now, wall=self._wall(), dice=self._dice()
                )
            except Exception as bug:
                _defect("attempt.unjudged", each.key.leased.id, bug)
                continue
            ended.append((each, settlement))
        settlements = [settlement for _, settlement in ended]
        self._settlements += settlements
        if self._store.in_order:  # the next turn's lease sees what its settlements free, at no cost
            self._lease_due = 0
        self._woken.set()
        self._counts.attempted(settlements)
        self._observer(ended)

    @property
    def in_flight(self) -> int:
        """How many attempts are under way."""
        return len(self._slots)

    @property
    def max_in_flight(self) -> int:
        """How many may be."""
        return self._slots.limits.max_in_flight

    @property
    def stopped(self) -> bool:
        """Whether it begins nothing new any more."""
        return not self._leasing

    @property
    def turning_s(self) -> float:
        """For how many seconds the turn under way has been waiting for the store; 0 between turns."""
        return self._loop.time() - self._turn_began if self._turning else 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, to be settled, or due."""
        return not (self._slots or self._settlements or self._turning or self._lease_is_due())

    def _lease_is_due(self) -> bool:
        due = self._lease_due
        return self._leasing and due is not None and due <= self._clock()

    def stop_leasing(self) -> None:
        """Begin nothing new; ``run`` returns once what is under way is settled."""
        self._leasing = False
        self._woken.set()

    def abandon(self) -> None:
        """Wait for nothing that is under way: ``run`` returns once what has ended is settled.

        What is given up is attempted again under its next lease, with the same Request-ID.
        """
        self._slots.clear()
        self.stop_leasing()

    async def run(self) -> None:
        """Dispatch until ``stop_leasing``, then until nothing is under way.

        A store that is away at the end is tried once more and not waited for.
        """
        while self._leasing or self._slots or self._settlements:
            self._woken.clear()
            self._turning = True
            self._turn_began = self._loop.time()
            try:
                await self._turn()
                rest = self._idle_s()
            except Unavailable as trouble:
                _log.warning("store.unavailable", code=trouble.code, reason=trouble.message)
                if not (self._leasing or self._slots):
                    _log.error("stopped.unsettled", attempts=len(self._settlements))
                    return
                rest = RECOVERY_S
            finally:
                self._turning = False
            await self._rest(rest)

    async def _rest(self, seconds: float | None) -> None:
        if seconds == 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)

    def _idle_s(self) -> float | None:
        """How long nothing is to be done, unless something wakes us; 0 for not at all."""
        if self._settlements:
            return 0
        if not self._leasing:
            return None if self._slots else 0
        if self._lease_due is None:
            return None if self._slots else SAFETY_S
        if not self._slots.room(self._clock()).quick:
            # Until an attempt ends, or the oldest of the fresh ones has aged.
            return None if self._slots.full else AGING_US / SECOND
        return min(max(0.0, (self._lease_due - self._clock()) / SECOND), SAFETY_S)

    async def _turn(self) -> None:
        """One commit: settle what gathered, and lease what there is room for."""
        now = self._clock()
        settlements, self._settlements = self._settlements, []
        room = self._slots.room(now) if self._leasing else NO_ROOM
        jobs = []
        if settlements:
            jobs.append(self._settle(settlements))
        if room.quick and self._lease_is_due():
            # Taken back here and not in the job, which runs later: a wake in between must count.
            self._lease_due = None
            jobs.append(self._lease(room, now))
        if jobs:
            results = await asyncio.gather(*jobs, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        await self._rescue(now)

    async def _rescue(self, now: int) -> None:
        # After settling: while the store was away, leases ran out of attempts that have ended.
        if now >= self._rescue_due:
            self._rescue_due = now + self._slots.limits.lease_us
            ended = (each.delivery_id for each in self._settlements)
            unbegun = (each.id for each in self._unbegun)
            if await self._store.rescue(now, {*self._slots.ids(), *ended, *unbegun}):
                self._lease_due = 0

    async def _settle(self, settlements: list[Settlement]) -> None:
        try:
            settled = await self._store.settle(settlements, self._rules)
        except Unavailable:
            self._settle_later(settlements)
            raise
        except Exception as bug:
            await self._settle_apart(settlements, bug)
            return
        self._conclude(settlements, settled)

    def _settle_later(self, settlements: list[Settlement]) -> None:
        self._settlements = settlements + self._settlements
        self._lease_due = 0  # the slots that they will free are to be leased again

    async def _settle_apart(self, settlements: list[Settlement], bug: Exception) -> None:
        """Find the settlement that is at fault, and settle the others."""
        if len(settlements) == 1:
            await self._settle_bare(settlements[0], bug)
            return
        for number, each in enumerate(settlements):
            try:
                await self._settle([each])
            except Unavailable:
                self._settle_later(settlements[number + 1 :])
                raise

    async def _settle_bare(self, settlement: Settlement, bug: Exception) -> None:
        """Settle without the receiver's and the transport's words: they are what may be at fault."""
        bare = [without_words(settlement)]
        try:
            settled = await self._store.settle(bare, self._rules)
        except Unavailable:
            self._settle_later([settlement])
            raise
        except Exception as again:
            _defect("settlement.refused", settlement.delivery_id, again)
            return
        _defect("settlement.words_refused", settlement.delivery_id, bug)
        self._conclude(bare, settled)

    def _conclude(self, settlements: Sequence[Settlement], settled: Settled) -> None:
        self._counts.settled(settlements, settled.counted)
        if settled.leasable and not self._store.in_order:  # this turn's lease may not have seen it
            self._lease_due = 0
        lost = settled.counted.count(False)
        if lost:
            _log.warning("lease.lost", attempts=lost)
        if settled.noticed:
            self._on_notice()
        if settled.unswept:
            self._on_unswept()

    async def _lease(self, room: Room, now: int) -> None:
        if self._unbegun:  # they had their room when they were leased
            self._lease_due = 0
            await self._begin()
            return
        token = int.from_bytes(self._entropy(8), "big") >> 1
        try:
            leases = await self._store.lease(
                limit=room.quick,
                slow_limit=room.slow,
                each=room.each,
                now=now,
                until=now + self._slots.limits.lease_us,
                token=token,
            )
            self._unbegun = leases.deliveries
            await self._begin()
        except BaseException:
            self._lease_due = 0
            raise
        self._lease_again(room, leases, now)

    def _lease_again(self, room: Room, leases: Leases, now: int) -> None:
        """When a lease may find something again, unless something wakes us before."""
        slow = sum(each.slow for each in leases.deliveries)
        quick = len(leases.deliveries) - slow
        if quick == room.quick or (room.slow and slow == room.slow):
            self._lease_due = 0  # a line gave all that was asked for: there may be more
        elif self._lease_due is None:
            due = leases.next_ready_at
            if due is not None and due <= now and not leases.deliveries:
                due = now + ELSEWHERE_US
            if not room.slow:  # into the slow line nobody looked
                again = now + AGING_US
                due = again if due is None else min(due, again)
            self._lease_due = due

    async def _begin(self) -> None:
        if not self._unbegun:
            return
        # If this fails they stay, and are begun when the store can be read again.
        routes = await self._directory.routes(each.integration_id for each in self._unbegun)
        now, wall = self._clock(), self._wall()
        requests = []
        for leased in self._unbegun:
            route = routes.get(leased.integration_id)
            if route is None:  # its secret is unreadable; the lease runs out, and it is tried again
                continue
            try:
                outbound = request(leased, route, now=now, wall=wall)
            except Exception as bug:
                _defect("request.unbuildable", leased.id, bug)
                continue
            requests.append((InFlight(leased, route, outbound), outbound))
            self._slots.begin(leased.id, now, slow=leased.slow)
        self._unbegun = []
        assert self._sender is not None, "started before it leases"  # noqa: S101
        self._sender.post(requests)


def _defect(event: str, delivery_id: bytes, bug: Exception) -> None:
    """Tell of a defect by its kind and place: its text may hold what it stumbled over."""
    frames = traceback.extract_tb(bug.__traceback__)
    place = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    _log.error(event, delivery=delivery_id.hex(), error=type(bug).__name__, place=place)
