"""``Receiver``: handlers, and what takes webhooks for them.

    >>> from hookline.receive import Receiver
    >>> hooks = Receiver(secrets="s3cret")
    >>> @hooks.on("issue", "created")
    ... def tell_the_team(webhook):
    ...     print("new:", webhook.data["issue"]["title"])

The order is always the same: verify, take a place, claim the key, answer, run, confirm the key, give the
place back. ``take`` is the pure part; ``answer`` and ``answer_sync`` are the whole, for programs with an
event loop and without one; the adapters read a request and call one of them.
"""

import atexit
import contextlib
import logging
import os
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from hookline.receive.answering import Taken, accepted, error_answer, refuse, take
from hookline.receive.deduplication import Deduplicator
from hookline.receive.errors import WebhookError
from hookline.receive.headers import GivenHeaders
from hookline.receive.routing import Handler, Routes
from hookline.receive.running import Job, Runner
from hookline.receive.schemes import SENTRY, Scheme
from hookline.receive.verifying import check_secrets
from hookline.receive.webhook import Webhook

if TYPE_CHECKING:
    from hookline.receive.asgi import ASGIReceiver
    from hookline.receive.wsgi import WSGIReceiver

__all__ = ["Receiver"]

AnyHandler = TypeVar("AnyHandler", bound=Handler)
Secrets: TypeAlias = str | Sequence[str]

MAX_BODY: Final = 1_048_576
"""Bytes of a body; the documented sender's limit for data."""

log = logging.getLogger("hookline.receive")


class Receiver:
    """Takes webhooks: verifies, answers, and runs the handlers that were registered with ``on``.

    With ``run="after"``, the default, the answer goes out at once and the handlers run afterwards. **A
    process that dies between the two loses the webhook**: its sender was told that it has arrived. With
    ``run="before"`` the answer goes out when the handlers are done, a failure is answered by 500, and
    the sender sends it again; a handler then has the time that the sender gives, one second with the
    documented one. What takes longer and must not be lost belongs behind a gateway, which stores first.

    Args:
        secrets: the secret, or all that are valid; or a function that gives them, which is called for
            each request, so that secrets can be rotated while it runs.
        scheme: how the sender signs.
        max_body: bytes; a longer body is refused by 413 and not read to its end.
        max_age_s: as for ``verify``.
        deduplicator: webhooks whose key it knows are answered and not handled again. A key is claimed
            before the answer, confirmed when the handlers are done, released when one failed.
        key: what to tell duplicates by; None is ``webhook.key``. ``lambda webhook: webhook.digest`` is
            for senders that make a new id for each attempt.
        run: ``after`` or ``before`` the answer.
        max_pending: so many webhooks wait or run at a time; more are answered by 503 with Retry-After,
            so that the sender sends them again.
        max_pending_bytes: the same for the bytes of their bodies; parsed, they take several times that.
        concurrency: so many of them run at a time.
        body_timeout_s: seconds in which a body has to have come.
        drain_s: seconds for which the end of the process waits for handlers.
        on_error: called with the webhook and the exception when a handler failed. It is logged anyway.

    Raises:
        WebhookError: ``no-secret``.
        ValueError: a number that makes no sense.
    """

    def __init__(
        self,
        secrets: Secrets | Callable[[], Secrets],
        *,
        scheme: Scheme = SENTRY,
        max_body: int = MAX_BODY,
        max_age_s: float | None = None,
        deduplicator: Deduplicator | None = None,
        key: Callable[[Webhook], str] | None = None,
        run: Literal["after", "before"] = "after",
        max_pending: int = 1_000,
        max_pending_bytes: int = 64 * 1_048_576,
        concurrency: int = 32,
        body_timeout_s: float = 10.0,
        drain_s: float = 30.0,
        on_error: Callable[[Webhook, Exception], object] | None = None,
    ) -> None:
        if not callable(secrets):
            secrets = check_secrets(secrets)
        limits = (max_body, max_pending, max_pending_bytes, concurrency)
        if min(limits) < 1 or not min(body_timeout_s, drain_s) > 0:
            raise ValueError("limits and times have to be more than 0")
        if run not in {"after", "before"}:
            raise ValueError('run is "after" or "before"')
        self._secrets = secrets
        self.scheme = scheme
        self.max_body = max_body
        self.max_age_s = max_age_s
        self.deduplicator = deduplicator
        self.run = run
        self.max_pending = max_pending
        self.max_pending_bytes = max_pending_bytes
        self.concurrency = concurrency
        self.body_timeout_s = body_timeout_s
        self.drain_s = drain_s
        self.on_error = on_error
        self.tidy: Callable[[], None] | None = None
        """Called in a thread of ours after each webhook that was handled there; set by adapters."""
        self._key = key or (lambda webhook: webhook.key)
        self._routes = Routes()
        self._begin()
        _all.add(self)

    # -- handlers ---------------------------------------------------------------------------------

    def on(self, resource: str = "", *actions: str) -> Callable[[AnyHandler], AnyHandler]:
        """Register a handler: a function or an async one that takes the webhook.

        Of the patterns that fit a webhook the most exact one counts, and all its handlers run, in the
        order in which they were registered; nobody else's do. If one fails, those after it do not run.

        >>> hooks = Receiver("s3cret")
        >>> @hooks.on("issue", "ignored", "archived")   # these actions
        ... @hooks.on("comment")                        # each other action of a resource
        ... @hooks.on()                                 # all that nobody else takes
        ... async def note(webhook: Webhook) -> None: ...

        Raises:
            ValueError: a name that no webhook of the scheme can have.
        """
        if self.scheme.name == "sentry" and "." in resource:
            name, _, action = resource.partition(".")
            raise ValueError(f"write it as two: @hooks.on({name!r}, {action!r})")

        def register(handler: AnyHandler) -> AnyHandler:
            self._routes.add(resource, actions, handler)
            return handler

        return register

    # -- taking -----------------------------------------------------------------------------------

    def take(self, body: bytes, headers: GivenHeaders, now: float | None = None) -> Taken:
        """Verify a request and decide what to answer. Nothing is run, counted or remembered.

        Args:
            body: the raw bytes of the request.
            headers: as for ``verify``.
            now: seconds since 1970; None is this machine's clock.
        """
        return take(
            body,
            headers,
            self._secrets() if callable(self._secrets) else self._secrets,
            scheme=self.scheme,
            max_body=self.max_body,
            max_age_s=self.max_age_s,
            now=time.time() if now is None else now,
        )

    async def answer(self, body: bytes, headers: GivenHeaders) -> Taken:
        """Take a request on an event loop: async handlers run on it, others in threads."""
        job = self._admit(self.take(body, headers))
        if isinstance(job, Taken):
            return job
        if self.run == "before":
            return await self._runner.run(job)
        self._runner.run_later(job)
        return job.taken

    def answer_sync(self, body: bytes, headers: GivenHeaders) -> Taken:
        """Take a request in a thread: handlers run in threads, async ones on a loop of their own.

        With ``run="before"`` handlers that are not async run in the caller's thread.
        """
        job = self._admit(self.take(body, headers))
        if isinstance(job, Taken):
            return job
        if self.run == "before":
            return self._runner.run_here(job)
        self._runner.run_there(job)
        return job.taken

    def _admit(self, taken: Taken) -> Taken | Job:
        """Take a place and the key; or the answer, where there is nothing to run."""
        _log_refusal(taken)
        webhook = taken.webhook
        if taken.code != "accepted" or webhook is None:
            return taken
        handlers = self._routes.find(webhook.resource, webhook.action)
        if not handlers:
            log.info("no handler for %.100a", webhook.event)
            return accepted(self.scheme, "no-handler", webhook)
        if not self._runner.places.take(len(webhook.body)):
            log.warning(
                "busy: %d webhooks wait; %.100a is refused", self.max_pending, webhook.event
            )
            return refuse("busy")
        try:
            job = self._claim(taken, webhook, handlers)
        except BaseException:
            self._runner.places.leave(len(webhook.body))
            raise
        if isinstance(job, Taken):
            self._runner.places.leave(len(webhook.body))
        return job

    def _claim(self, taken: Taken, webhook: Webhook, handlers: tuple[Handler, ...]) -> Taken | Job:
        key = self._key(webhook)
        if self.deduplicator is None:
            return Job(taken, webhook, handlers, key, None)
        try:
            token = self.deduplicator.claim(key)
        except WebhookError as error:
            refused = error_answer(error)
            _log_refusal(refused)
            return refused
        if token is not None:
            self._runner.keys.add(key)
            return Job(taken, webhook, handlers, key, token)
        if self.run == "before" and key in self._runner.keys:
            # 2xx would say that it is done, and the first one may still fail.
            return refuse("in-progress")
        return accepted(self.scheme, "duplicate", webhook)

    # -- the process ------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Hold what belongs to this process; on the other side of a fork it is begun anew."""
        self._runner = Runner(self)

    @property
    def pending(self) -> int:
        """How many webhooks were accepted and are not done with."""
        return len(self._runner.places)

    async def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until all that was accepted is done with; False if the time was up before."""
        return await self._runner.places.wait_async(timeout_s)

    def drain_sync(self, timeout_s: float | None = None) -> bool:
        """The same in a thread."""
        return self._runner.places.wait(timeout_s)

    def close(self) -> None:
        """Wait for what was accepted, ``drain_s`` at most, and end the threads."""
        if not self.drain_sync(self.drain_s):
            log.error("%d webhooks were accepted and not handled to their end", self.pending)
        self._runner.close()

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Any = None) -> AsyncIterator[None]:
        """Wait, when an app ends, for what runs: ``FastAPI(lifespan=hooks.lifespan)``."""
        yield
        if not await self.drain(self.drain_s):
            log.error("%d webhooks were accepted and not handled to their end", self.pending)

    # -- adapters ---------------------------------------------------------------------------------

    def asgi(self, path: str | None = None) -> "ASGIReceiver":
        """An ASGI app, alone or inside another one; with a path it answers others by 404."""
        from hookline.receive.asgi import ASGIReceiver  # noqa: PLC0415  (one adapter is needed)

        return ASGIReceiver(self, path)

    def wsgi(self, path: str | None = None) -> "WSGIReceiver":
        """A WSGI app, alone or inside another one; with a path it answers others by 404."""
        from hookline.receive.wsgi import WSGIReceiver  # noqa: PLC0415

        return WSGIReceiver(self, path)


_all: "weakref.WeakSet[Receiver]" = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    for receiver in list(_all):
        receiver.close()


def _in_child() -> None:
    for receiver in list(_all):
        receiver._begin()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)


def _log_refusal(taken: Taken) -> None:
    # A stranger can make us log as much as he likes, so what is his doing is not logged by default.
    if taken.status >= 500:
        log.error("refused: %s", taken.error or taken.code)
    elif taken.status >= 400:
        log.info("refused: %s", taken.error or taken.code)
