"""Looks names up, in threads of its own, so that names of dead servers delay nobody.

libcurl resolves in at most 20 threads for all its transfers: with 300 names whose server never answers,
a healthy one waited six seconds (ADR 0006). Here the threads are many, and those who hang wait for each
other (``core.names`` says who comes next).

A name is looked up once at a time, however many attempts wait for it. Who waits has a deadline of its
own: it is let go then, though the thread is still in the resolver, from which nothing can call it back.

What was found is remembered by libcurl, to which the sender hands it (``sender.py``). Here is kept only
what libcurl cannot keep: failures, for less than the shortest time to a retry, and what was found when
nobody waited for it any more, for the first retry.

One thread owns a ``Names`` (the sender's); the other threads share nothing with it but queues.
"""

import heapq
import itertools
import math
import queue
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from hookline.core.names import FRESH_S, HUNG_S, MOST_FRESH, Standing, next_of

__all__ = ["FOUND_S", "LATE_S", "Answer", "Failed", "Found", "Names", "look_up"]

# An answer serves for a minute, as libcurl has it by itself: LATE_S here at most, then FOUND_S there.
LATE_S = 10.0
FOUND_S = 50
FAILED_S = 3.0  # the first retry comes after 4 s at the earliest, and asks anew

MOST_ADDRESSES = 16  # of one name; a stranger's server may list thousands
MOST_REMEMBERED = 10_000  # names, in each of the memories below
IDLE_THREADS = 16
NO_THREAD_S = 0.1  # between two tries to start a thread

W = TypeVar("W")


class Found(NamedTuple):
    """The name's addresses, in the resolver's order."""

    addresses: tuple[str, ...]


class Failed(NamedTuple):
    """The name has no address, or the resolver gave up; ``text`` is its own sentence."""

    text: str


Answer = Found | Failed


def look_up(host: str) -> Answer:
    """Ask the system's resolver; it may take as long as it likes."""
    try:
        # Bytes: text would go through Python's IDNA codec, which libcurl's look-up did not.
        rows = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    except OSError as trouble:
        return Failed(trouble.strerror or type(trouble).__name__)
    except ValueError as trouble:
        return Failed(f"{type(trouble).__name__}: {trouble}")
    # A zone says which wire, and libcurl takes none here.
    found = dict.fromkeys(str(row[4][0]).partition("%")[0] for row in rows)
    return Found(tuple(found)[:MOST_ADDRESSES])


@dataclass(slots=True)
class _LookUp(Generic[W]):
    """A name in a queue or with a thread, and who waits for it: by number."""

    standing: Standing
    waiting: dict[int, W] = field(default_factory=dict)


class Names(Generic[W]):
    """Looks names up for whoever waits.

    Args:
        wake: called from any thread when ``ready`` has something to return.
        look_up: what a thread does with a name.
    """

    def __init__(self, wake: Callable[[], None], look_up: Callable[[str], Answer] = look_up):
        self._wake = wake
        self._look_up = look_up
        self._under_way: dict[str, _LookUp[W]] = {}
        self._queues: dict[Standing, deque[str]] = {each: deque() for each in Standing}
        self._busy = dict.fromkeys(Standing, 0)
        self._deadlines: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        self._ready: list[tuple[W, Answer | None]] = []
        self._standings: OrderedDict[str, Standing] = OrderedDict()
        self._kept: OrderedDict[str, tuple[float, Answer]] = OrderedDict()
        self._closing = threading.Lock()
        self._closed = False
        self._threads = 0
        # A start waits until the thread runs, for milliseconds on a busy machine: too long for us.
        self._starts: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._starter = threading.Thread(target=self._start, name="hookline-starter", daemon=True)
        self._starter.start()
        self._jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._fresh: dict[str, float] = {}  # names whose look-up began a moment ago, oldest first
        self._done: deque[tuple[str, Answer, float, float]] = deque()  # and when it began and ended

    def ask(self, host: str, waiter: W, deadline: float) -> None:
        """Look a name up; the waiter comes back from ``ready``, with the answer or at its deadline.

        Args:
            host: the name, in ASCII and small letters.
            waiter: whatever the caller wants back.
            deadline: when it waits no longer, by ``time.monotonic``.
        """
        kept = self._kept.get(host)
        if kept is not None:
            if time.monotonic() < kept[0]:
                self._ready.append((waiter, kept[1]))
                return
            del self._kept[host]
        number = next(self._numbers)
        self._joined(host).waiting[number] = waiter
        heapq.heappush(self._deadlines, (deadline, number, host))
        self._feed()

    def ready(self) -> list[tuple[W, Answer | None]]:
        """Return who need not wait any longer: with the answer, or with None where the time is up."""
        now = time.monotonic()
        self._let_go(now)
        while self._done:
            self._take(*self._done.popleft())
        self._feed()
        ready, self._ready = self._ready, []
        return ready

    @property
    def active(self) -> bool:
        """Whether anything is under way: then ``ready`` must be called whenever ``wake`` was."""
        return bool(self._under_way or self._ready)

    def wait_s(self) -> float | None:
        """How long ``ready`` will have nothing, unless ``wake`` is called; None: for ever."""
        if self._ready or self._done:
            return 0.0
        while self._deadlines:
            deadline, number, host = self._deadlines[0]
            if self._waits(number, host):
                return max(0.0, min(deadline, self._next_room()) - time.monotonic())
            heapq.heappop(self._deadlines)
        return None

    def close(self) -> None:
        """Wake nobody any more; threads that are still in the resolver end with the process."""
        with self._closing:
            self._closed = True
        self._starts.put(False)
        for _ in range(self._threads):
            self._jobs.put(None)

    # -- the owner's thread -----------------------------------------------------------------------

    def _joined(self, host: str) -> _LookUp[W]:
        """The look-up of this name that is under way, or a new one at the end of its queue."""
        look = self._under_way.get(host)
        if look is None:
            look = _LookUp(self._standings.get(host, Standing.NEW))
            self._under_way[host] = look
            waiting = self._queues[look.standing]
            waiting.append(host)
            if len(waiting) > MOST_REMEMBERED:
                dropped = self._under_way.pop(waiting.popleft())
                self._answer(dropped, Failed("too many names wait to be looked up"))
        return look

    def _waits(self, number: int, host: str) -> bool:
        look = self._under_way.get(host)
        return look is not None and number in look.waiting

    def _let_go(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number, host = heapq.heappop(self._deadlines)
            if self._waits(number, host):
                waiter = self._under_way[host].waiting.pop(number)
                self._ready.append((waiter, None))

    def _take(self, host: str, answer: Answer, began: float, ended: float) -> None:
        look = self._under_way.pop(host)
        self._busy[look.standing] -= 1
        self._fresh.pop(host, None)
        self._judge(host, answer, ended - began)
        if isinstance(answer, Failed):
            _keep(self._kept, host, (ended + FAILED_S, answer))
        elif not look.waiting:
            _keep(self._kept, host, (ended + LATE_S, answer))
        self._answer(look, answer)

    def _judge(self, host: str, answer: Answer, took_s: float) -> None:
        if took_s >= HUNG_S:
            _keep(self._standings, host, Standing.HUNG)
        elif isinstance(answer, Found):
            _keep(self._standings, host, Standing.KNOWN)
        else:
            self._standings.pop(host, None)

    def _answer(self, look: _LookUp[W], answer: Answer) -> None:
        self._ready += [(waiter, answer) for waiter in look.waiting.values()]
        look.waiting.clear()

    def _next_room(self) -> float:
        """When a name that waits for its turn may have it for no other's being fresh any more."""
        if len(self._fresh) >= MOST_FRESH and any(self._queues.values()):
            return next(iter(self._fresh.values())) + FRESH_S
        return math.inf

    def _feed(self) -> None:
        """Give the threads what they may have, and as many threads as that takes."""
        now = time.monotonic()
        while self._fresh and next(iter(self._fresh.values())) <= now - FRESH_S:
            del self._fresh[next(iter(self._fresh))]
        lengths = {each: len(waiting) for each, waiting in self._queues.items()}
        while (standing := next_of(lengths, self._busy, len(self._fresh))) is not None:
            host = self._queues[standing].popleft()
            lengths[standing] -= 1
            if standing is not Standing.HUNG and not self._under_way[host].waiting:
                # Nobody waits any more. A hung one is asked all the same: that is how it gets out.
                del self._under_way[host]
                continue
            self._busy[standing] += 1
            self._fresh[host] = now
            self._jobs.put(host)
        self._fit_threads()

    def _fit_threads(self) -> None:
        busy = sum(self._busy.values())
        while self._threads > max(busy, IDLE_THREADS):
            self._jobs.put(None)
            self._threads -= 1
        for _ in range(busy - self._threads):
            self._starts.put(True)
        self._threads = max(self._threads, busy)

    # -- the looking threads ----------------------------------------------------------------------

    def _start(self) -> None:
        while self._starts.get():
            thread = threading.Thread(target=self._work, name="hookline-names", daemon=True)
            while not self._closed:
                try:
                    thread.start()
                    break
                except RuntimeError:  # the system gives none now; who waits too long is let go
                    time.sleep(NO_THREAD_S)

    def _work(self) -> None:
        while (host := self._jobs.get()) is not None:
            began = time.monotonic()
            answer = self._look_up(host)
            self._done.append((host, answer, began, time.monotonic()))
            with self._closing:
                if not self._closed:
                    self._wake()


K = TypeVar("K")
V = TypeVar("V")


def _keep(memory: OrderedDict[K, V], key: K, value: V) -> None:
    """Remember it as the newest, and forget the oldest."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MOST_REMEMBERED:
        memory.popitem(last=False)
