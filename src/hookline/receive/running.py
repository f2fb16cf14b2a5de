"""Running handlers: on an event loop or without one, and what follows when they are done or failed."""

import asyncio
import contextlib
import inspect
import logging
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from hookline.receive.answering import Taken, handled, refuse
from hookline.receive.background import LoopThread, Places, Threads
from hookline.receive.routing import Handler, is_async
from hookline.receive.webhook import Webhook

if TYPE_CHECKING:
    from hookline.receive.deduplication import Deduplicator
    from hookline.receive.receiver import Receiver

__all__ = ["Job", "Runner"]

log = logging.getLogger("hookline.receive")


class Job(NamedTuple):
    """A webhook that has a place, its handlers, and its key.

    Attributes:
        taken: the answer, if it goes out before the handlers run.
        token: that of the key; None where nobody looks for duplicates.
    """

    taken: Taken
    webhook: Webhook
    handlers: tuple[Handler, ...]
    key: str
    token: str | None


class Runner:
    """Runs the jobs of one receiver in one process. Each job gives its place and its key back."""

    def __init__(self, hooks: "Receiver") -> None:
        self._hooks = hooks
        self.places = Places(hooks.max_pending, hooks.max_pending_bytes)
        self.keys: set[str] = set()
        """Keys of what runs now."""
        self._threads = Threads(hooks.concurrency)
        self._loop = LoopThread()
        self._tasks: set[asyncio.Task[Taken]] = set()
        self._gates: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )

    def close(self) -> None:
        """End the threads."""
        self._threads.close()
        self._loop.close()

    # -- on an event loop -------------------------------------------------------------------------

    def run_later(self, job: Job) -> "asyncio.Task[Taken]":
        """Run it in a task of its own."""
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)  # the loop holds tasks weakly
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, job: Job) -> Taken:
        """Run it, and give the answer.

        Where the sender hangs up, some servers cancel what answers it; a handler is not cut off by that.
        """
        return await asyncio.shield(self.run_later(job))

    async def _run(self, job: Job) -> Taken:
        result: object = None
        try:
            with self._finishing(job):
                async with self._gate():
                    for handler in job.handlers:
                        result = _kept(result, await self._call(handler, job.webhook))
                return self._answer(job, result)
        except Exception:  # whatever a handler raises
            return refuse("handler-failed")

    def _gate(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._gates:
            self._gates[loop] = asyncio.Semaphore(self._hooks.concurrency)
        return self._gates[loop]

    async def _call(self, handler: Handler, webhook: Webhook) -> object:
        if is_async(handler):
            result = handler(webhook)
        else:
            result = await self._threads.run(lambda: self._tidily(handler, webhook))
        return await result if inspect.isawaitable(result) else result

    def _tidily(self, handler: Handler, webhook: Webhook) -> object:
        try:
            return handler(webhook)
        finally:
            self._tidy()

    # -- without one ------------------------------------------------------------------------------

    def run_there(self, job: Job) -> None:
        """Run it in a thread of ours."""

        def work() -> None:
            # What a handler raises that is no Exception would end the thread, and it is needed.
            with contextlib.suppress(BaseException):
                self.run_here(job)
            with contextlib.suppress(Exception):
                self._tidy()

        self._threads.submit(work)

    def run_here(self, job: Job) -> Taken:
        """Run it in the caller's thread, async handlers on a loop of our own, and give the answer."""
        result: object = None
        try:
            with self._finishing(job):
                for handler in job.handlers:
                    given = handler(job.webhook)
                    if inspect.isawaitable(given):
                        given = self._loop.run(_awaited(given))
                    result = _kept(result, given)
                return self._answer(job, result)
        except Exception:  # whatever a handler raises
            return refuse("handler-failed")

    # -- afterwards -------------------------------------------------------------------------------

    def _tidy(self) -> None:
        if self._hooks.tidy is not None:
            self._hooks.tidy()

    def _answer(self, job: Job, result: object) -> Taken:
        wanted = result if self._hooks.run == "before" else None
        return handled(self._hooks.scheme, job.webhook, wanted)

    @contextlib.contextmanager
    def _finishing(self, job: Job) -> Iterator[None]:
        """Finish the job, however what is in the block ends."""
        error: BaseException | None = None
        try:
            yield
        except BaseException as trouble:
            error = trouble
            raise
        finally:
            self._finish(job, error)

    def _finish(self, job: Job, error: BaseException | None) -> None:
        """Settle the key, tell of a failure, give the place back; raises nothing."""
        try:
            if error is not None:
                self._tell(job.webhook, error)
            if job.token is not None and self._hooks.deduplicator is not None:
                _settle(self._hooks.deduplicator, job.key, job.token, done=error is None)
        finally:
            self.keys.discard(job.key)
            self.places.leave(len(job.webhook.body))

    def _tell(self, webhook: Webhook, error: BaseException) -> None:
        log.error("a handler of %.100a failed", webhook.event, exc_info=error)
        if self._hooks.on_error is None or not isinstance(error, Exception):
            return
        try:
            self._hooks.on_error(webhook, error)
        except Exception:
            log.exception("on_error failed")


def _settle(seen: "Deduplicator", key: str, token: str, *, done: bool) -> None:
    try:
        held = seen.confirm(key, token) if done else seen.release(key, token)
    except Exception:
        log.exception("a key could not be settled; it is free again after its lease")
        return
    if not held:
        log.warning("a handler took longer than the lease of its key: it may have run twice")


async def _awaited(given: Any) -> object:
    return await given


def _kept(before: object, given: object) -> object:
    return given if isinstance(given, dict | list) else before
