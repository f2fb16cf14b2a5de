"""Telling operators: each notice becomes an event of our own, and an e-mail where a server is set.

A notice is stored in the transaction that it tells of, so none is lost. From there it is told at least
once by each way: the event carries the notice's id as its external id and is recorded once; an e-mail
may, after a crash in the wrong moment, go out twice with the same Message-ID.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from hookline.core import envelope
from hookline.core.actor import SYSTEM
from hookline.core.canonical import encode
from hookline.core.errors import Unavailable
from hookline.core.mail import Mailing, compose
from hookline.core.notice import Notice, notice_data
from hookline.core.resources import NOTICES, OPERATORS
from hookline.send.directory import Directory
from hookline.send.intake import Submission
from hookline.send.mail import MailRefused, send_mail
from hookline.send.publish import Publisher
from hookline.store.contract import Store

__all__ = ["Notifier"]

_log = structlog.get_logger("hookline.notice")

CLAIM_US = (
    60_000_000  # longer than a mail server is waited for; a node that died holds it up so long
)
RETRY_S = 30.0


class Notifier:
    """Tells operators of notices as they come, and of those left from before.

    Args:
        clock: never goes back.
        mailing: where e-mail goes; None: nowhere.
        node: this process, among those that share the database: one of them tells.
        retry_s: between two tries at a mail server, or at a store that is unavailable.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        publisher: Publisher,
        *,
        clock: Callable[[], int],
        mailing: Mailing | None,
        retry_s: float = RETRY_S,
        node: str = "node",
    ):
        self._node = node
        self._store = store
        self._directory = directory
        self._publisher = publisher
        self._clock = clock
        self._mailing = mailing
        self._retry_s = retry_s
        # Each way goes on by itself: a mail server that says nothing holds up no event.
        self._ways = ((self._tell_by_event, asyncio.Event()), (self._tell_by_mail, asyncio.Event()))
        self.wake()  # what the process before left

    def wake(self) -> None:
        """There is a notice."""
        for _, woken in self._ways:
            woken.set()

    async def run(self) -> None:
        """Tell for ever."""
        async with asyncio.TaskGroup() as group:
            for tell, woken in self._ways:
                group.create_task(self._go_on(tell, woken))

    async def _go_on(self, tell: Callable[[], Awaitable[None]], woken: asyncio.Event) -> None:
        while True:
            await woken.wait()
            woken.clear()
            if not await _told(tell):
                # Not wait_for: on Python 3.11 it loses a cancellation that comes at the moment of the
                # result, and whoever closes the engine would wait for ever.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._retry_s):
                        await woken.wait()
                woken.set()

    async def _tell_by_event(self) -> None:
        await self._tell_all("events", self._store.unpublished_notices, self._publish)

    async def _tell_by_mail(self) -> None:
        await self._tell_all("mail", self._store.unmailed_notices, self._mail)

    async def _tell_all(
        self,
        way: str,
        open_notices: Callable[[int], Awaitable[list[Notice]]],
        tell: Callable[[Notice], Awaitable[None]],
    ) -> None:
        """Tell of what is open in one way, unless another node is at it."""
        if not await open_notices(1):
            return
        chore = f"notices by {way}"
        while await self._claim(chore, CLAIM_US) and (notices := await open_notices(1)):
            await tell(notices[0])
        await self._claim(chore, 0)

    async def _claim(self, chore: str, duration: int) -> bool:
        now = self._clock()
        return await self._store.claim(chore, self._node, now, now + duration)

    async def _publish(self, notice: Notice) -> None:
        _log.warning(
            f"integration.{notice.kind}",
            integration=notice.integration,
            reason=notice.reason.value,
            message=notice.message,
        )
        operators = await self._directory.organization(OPERATORS)
        if operators.candidates:  # else nobody registered for it, and the notice stays readable
            await self._record(notice)
        await self._store.close_notice(notice.id, published_at=self._clock(), mailed_at=None)

    async def _record(self, notice: Notice) -> None:
        data = notice_data(notice)
        submission = Submission(
            NOTICES.name,
            notice.kind.value,
            f"hookline-notice-{notice.id}",
            None,
            envelope.tail(encode(data).text, SYSTEM.encode()),
            (),
            SYSTEM,
            {"data": data},
        )
        await self._publisher.publish_any(OPERATORS, [submission])

    async def _mail(self, notice: Notice) -> None:
        if self._mailing is not None:
            refused = await send_mail(self._mailing.server, compose(notice, self._mailing))
            if refused:  # the others have it: another try would send it to them again
                _log.warning("mail.partly-refused", addresses=refused)
        await self._store.close_notice(notice.id, published_at=None, mailed_at=self._clock())


async def _told(tell: Callable[[], Awaitable[None]]) -> bool:
    """Tell of what is open in one way; whether all of it is told."""
    try:
        await tell()
    except Unavailable as trouble:
        _log.warning("store.unavailable", code=trouble.code, reason=trouble.message)
    except MailRefused as refusal:
        _log.warning("mail.refused", reason=str(refusal))
    except Exception:
        _log.exception("notice.failed")  # a bug here must not stop what is sent
    else:
        return True
    return False
