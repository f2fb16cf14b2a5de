"""Telling operators: each notice becomes an event of our own, and an e-mail where a server is set.

A notice is stored in the transaction that it tells of, so none is lost. From there it is told at least
once by each way: the event carries the notice's id as its external id and is recorded once; an e-mail
may, after a crash in the wrong moment, go out twice with the same Message-ID.
"""

import asyncio
import contextlib
from collections.abc import Callable

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

AT_ONCE = 50
RETRY_S = 30.0  # between two tries at a mail server, or at a store that is unavailable


class Notifier:
    """Tells operators of notices as they come, and of those left from before."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        publisher: Publisher,
        *,
        clock: Callable[[], int],
        mailing: Mailing | None,
    ):
        self._store = store
        self._directory = directory
        self._publisher = publisher
        self._clock = clock
        self._mailing = mailing
        self._woken = asyncio.Event()
        self._woken.set()

    def wake(self) -> None:
        """There is a notice."""
        self._woken.set()

    async def run(self) -> None:
        """Tell for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            if not await self._tell_all():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), RETRY_S)
                self._woken.set()

    async def _tell_all(self) -> bool:
        """Tell of what is open; whether all of it is told."""
        try:
            while notices := await self._store.unpublished_notices(AT_ONCE):
                for notice in notices:
                    await self._publish(notice)
            while notices := await self._store.unmailed_notices(AT_ONCE):
                for notice in notices:
                    await self._mail(notice)
        except Unavailable as trouble:
            _log.warning("store.unavailable", code=trouble.code, reason=trouble.message)
        except MailRefused as refusal:
            _log.warning("mail.refused", reason=str(refusal))
        except Exception:
            _log.exception("notice.failed")  # a bug here must not stop what is sent
        else:
            return True
        return False

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
        now = self._clock()
        mailed_at = now if self._mailing is None else None
        await self._store.close_notice(notice.id, published_at=now, mailed_at=mailed_at)

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
            await send_mail(self._mailing.server, compose(notice, self._mailing))
        await self._store.close_notice(notice.id, published_at=None, mailed_at=self._clock())
