"""Where handlers run: a bounded number of places, threads, and a loop for async handlers without one.

The threads are our own and not those of ``concurrent.futures``: that module takes no more work once the
main thread has ended, and what was accepted before has to be finished then. These threads are daemons,
which go on while ``atexit`` waits for them.

Nothing is started before it is needed, so that a receiver can be made before a server forks.
"""

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

__all__ = ["LoopThread", "Places", "Threads"]

Result = TypeVar("Result")
Work: TypeAlias = Callable[[], None]


class Places:
    """How many webhooks were accepted and are not done with, and how many bytes they have.

    Never more than ``most``, and never more than ``most_bytes`` unless it is a single one.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self._taken = 0
        self._bytes = 0
        self._changed = threading.Condition()
        self._waiters: set[Callable[[], None]] = set()

    def __len__(self) -> int:
        return self._taken

    def take(self, size: int) -> bool:
        """Take a place for so many bytes; False if there is none."""
        with self._changed:
            over = self._bytes + size > self.most_bytes and self._taken > 0
            if self._taken >= self.most or over:
                return False
            self._taken += 1
            self._bytes += size
            return True

    def leave(self, size: int) -> None:
        """Give a place back, with its bytes."""
        with self._changed:
            self._taken -= 1
            self._bytes -= size
            if self._taken:
                return
            self._changed.notify_all()
            waiters = list(self._waiters)
        for tell in waiters:
            tell()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until all places are free; False if the time was up before."""
        with self._changed:
            return self._changed.wait_for(lambda: self._taken == 0, timeout_s)

    async def wait_async(self, timeout_s: float | None) -> bool:
        """The same on a loop."""
        loop, empty = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(empty.set)

        with self._changed:
            self._waiters.add(tell)
        try:
            async with asyncio.timeout(timeout_s):
                while self._taken:
                    await empty.wait()
                    empty.clear()
        except TimeoutError:
            return self._taken == 0
        finally:
            with self._changed:
                self._waiters.discard(tell)
        return True


class Threads:
    """Threads that are started as they are needed, up to ``most``, and used again."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started = 0

    def submit(self, work: Work) -> None:
        """Have some work done, which must not raise, once a thread is free."""
        with self._lock:
            self._queue.put(work)
            if self._idle.acquire(blocking=False) or self._started >= self.most:
                return
            self._started += 1
            name = f"hookline-receive-{self._started}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    async def run(self, function: Callable[[], Result]) -> Result:
        """Await what a function gives that runs in a thread, in the caller's context."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[tuple[Result | None, BaseException | None]] = loop.create_future()
        context = contextvars.copy_context()

        def tell(outcome: tuple[Result | None, BaseException | None]) -> None:
            if not ended.done():
                ended.set_result(outcome)

        def work() -> None:
            outcome: tuple[Result | None, BaseException | None]
            try:
                outcome = context.run(function), None
            except BaseException as error:
                outcome = None, error
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(tell, outcome)

        self.submit(work)
        result, error = await ended
        if isinstance(error, Exception):
            raise error
        if error is not None:
            # A thread's SystemExit ends that thread's work, and not the server's loop.
            raise RuntimeError(f"it raised {type(error).__name__}") from error
        return result  # type: ignore[return-value]

    def close(self) -> None:
        """End the threads once they have done what was submitted."""
        with self._lock:
            for _ in range(self._started):
                self._queue.put(None)
            self._started = 0
            self._idle = threading.Semaphore(0)

    def _serve(self) -> None:
        idle = self._idle  # that of before a close is nobody's
        while (work := self._queue.get()) is not None:
            work()
            idle.release()


class LoopThread:
    """An event loop in a thread, for async handlers of servers that have none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run it there, and wait for what it gives."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._running()).result()

    def close(self) -> None:
        """Stop the loop; the next ``run`` makes another one."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_serve, args=(self._loop,), name="hookline-receive-loop", daemon=True
                ).start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
