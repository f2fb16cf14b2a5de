"""What sends, and what is done beside it: the part of an engine that a node of the API alone has not."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hookline import __version__
from hookline.core.address import AllowList
from hookline.send.chores import Chores
from hookline.send.client_secrets import ClientSecrets
from hookline.send.dispatch import Dispatcher
from hookline.send.notify import Notifier
from hookline.send.retention import Retention
from hookline.send.sender import CurlSender

__all__ = ["Worker"]

LONGEST_TIMEOUT_S = 30.0


class Worker:
    """A dispatcher with its sender, and the chores.

    Attributes:
        dispatching: the dispatcher's task: it ends only on ``close`` or through a bug.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        chores: Chores,
        notifier: Notifier,
        retention: Retention,
        client_secrets: ClientSecrets,
        allow: AllowList,
    ):
        self.dispatcher = dispatcher
        self.chores = chores
        self.notifier = notifier
        self._sender = CurlSender(
            allow=allow,
            on_completed=dispatcher.completed_soon,
            user_agent=f"hookline/{__version__}",
        )
        dispatcher.start(self._sender)
        self.dispatching = asyncio.create_task(dispatcher.run(), name="hookline-dispatch")
        self._beside = _begun(
            ("retention", retention.run),
            ("chores", chores.run),
            ("notifier", notifier.run),
            ("secrets", client_secrets.run),
        )

    async def close(self) -> None:
        """Begin nothing new, and settle what is under way."""
        self.dispatcher.stop_leasing()
        for task in self._beside:
            task.cancel()
        try:
            await asyncio.wait_for(self.dispatching, LONGEST_TIMEOUT_S + 1)
        except TimeoutError:
            pass  # what is left is attempted again under the next lease
        finally:
            await asyncio.gather(*self._beside, return_exceptions=True)
            await asyncio.to_thread(self._sender.close)


def _begun(
    *loops: tuple[str, Callable[[], Coroutine[Any, Any, None]]],
) -> Sequence["asyncio.Task[None]"]:
    return [asyncio.create_task(run(), name=f"hookline-{name}") for name, run in loops]
