"""An event loop on a clock of its own, on which threads' work is done too.

When nothing is ready, the clock jumps to the next timer. When there is no timer either, nothing can ever
happen again: that is a deadlock, and an error. There are no sockets and no threads, so that the same
tasks run in the same order each time.

Work for a thread (``run_in_executor``) is done on the loop, before or after a pause that ``pause``
chooses: other tasks run meanwhile, as they would. A crash in the pause comes before the work or after.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any

__all__ = ["Deadlock", "Life", "Livelock", "VirtualLoop", "now_us", "passes", "run"]

MOST_TURNS_AT_ONE_INSTANT = 200_000


class Deadlock(Exception):
    """Nothing is ready and no timer is set, but somebody still waits."""


class Livelock(Exception):
    """The loop turns and turns, and the clock stands still."""


class Life:
    """One life of a process: its tasks, which end with it."""

    current: ContextVar["Life | None"] = ContextVar("life", default=None)

    def __init__(self) -> None:
        self.alive = True
        self.tasks: dict[asyncio.Task[Any], None] = {}  # a set would have no order

    def context(self) -> Context:
        """A context in which tasks belong to this life, and the tasks that they make."""
        context = Context()
        context.run(Life.current.set, self)
        return context

    async def end(self) -> None:
        """Nothing of it runs on."""
        self.alive = False
        while tasks := list(self.tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Idle:
    """Stands in for the selector: waiting is to move the clock."""

    def __init__(self) -> None:
        self.now_us = 0
        self._turns = 0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready, and no timer is set")
        if timeout > 0:
            # Rounded up, so that no timer comes early; but not for the error of a float.
            self.now_us += max(1, math.ceil(timeout * 1e6 - 1e-3))
            self._turns = 0
        else:
            self._turns += 1
            if self._turns > MOST_TURNS_AT_ONE_INSTANT:
                raise Livelock(f"{self._turns} turns of the loop at {self.now_us} µs")
        return []


def _no_pause() -> tuple[bool, float]:
    return True, 0.0


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop; ``pause`` says for each piece of work whether it is done first, and the seconds.

    Its time begins at 0.
    """

    def __init__(self, pause: Callable[[], tuple[bool, float]] = _no_pause):
        super().__init__()
        self._idle = self._selector = _Idle()
        self._clock_resolution = 5e-7  # the usual 1e-9 is lost in a float of more than half a year
        self._pause = pause

    @property
    def now_us(self) -> int:
        """The time in µs."""
        return self._idle.now_us

    def time(self) -> float:
        return self._idle.now_us / 1e6

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass  # wakes a loop that waits in its selector; this one never does

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **options)
        life = (options.get("context") or {}).get(Life.current) or Life.current.get()
        if life is not None:
            life.tasks[task] = None
            task.add_done_callback(lambda done: life.tasks.pop(done, None))
        return task

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = self.create_future()
        life = Life.current.get()
        if life is not None and not life.alive:
            return answer  # a dead process does no more work, and gets no answer
        first, seconds = self._pause()
        if first:
            result = _outcome(func, args)
            self._later(seconds, life, lambda: _answer(answer, *result))
        else:
            self._later(seconds, life, lambda: _answer(answer, *_outcome(func, args)))
        return answer

    def _later(self, seconds: float, life: Life | None, act: Callable[[], None]) -> None:
        def unless_dead() -> None:
            if life is None or life.alive:
                act()

        if seconds:
            self.call_later(seconds, unless_dead)
        else:
            act()


def _outcome(func: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return func(*args), None
    except Exception as error:
        return None, error


def _answer(answer: "asyncio.Future[Any]", value: Any, error: Exception | None) -> None:
    if answer.done():  # whoever asked was cancelled
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


def now_us() -> int:
    """The running loop's time in µs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now_us


async def passes(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, so long at most; whether it came."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def run(main: Coroutine[Any, Any, Any], loop: VirtualLoop) -> Any:
    """Run to the end on this loop, and close it."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)
