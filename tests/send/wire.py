"""A sender whose answers can be awaited one by one."""

import asyncio
import itertools

from hookline.core.address import AllowList
from hookline.core.request import Outbound
from hookline.send.sender import Completed, CurlSender

LOOPBACK = AllowList.parse("127.0.0.1, ::1")


class Wire:
    """A real sender; ``completed`` holds all that it ever reported, in order."""

    def __init__(self, allow: AllowList = LOOPBACK):
        self.completed: list[Completed] = []
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[Completed]] = {}
        self._keys = itertools.count()
        self.sender = CurlSender(allow=allow, on_completed=self._take, user_agent="hookline/test")

    def post(self, url: str, **given: object) -> "asyncio.Future[Completed]":
        """Begin an attempt."""
        headers = (("Content-Type", "application/json"), ("Request-ID", "a" * 32))
        request = Outbound(url, headers, b'{"a":1}', 2_000, "0" * 64, 0)._replace(**given)
        key = next(self._keys)
        future = self._waiting[key] = self._loop.create_future()
        self.sender.post([(key, request)])
        return future

    def _take(self, batch: list[Completed]) -> None:
        self._loop.call_soon_threadsafe(self._settle, batch)

    def _settle(self, batch: list[Completed]) -> None:
        for each in batch:
            self.completed.append(each)
            future = self._waiting.pop(each.key, None)
            if future is not None and not future.done():
                future.set_result(each)
