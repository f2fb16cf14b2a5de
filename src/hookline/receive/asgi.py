"""A ``Receiver`` as an ASGI app: alone, or inside Starlette, FastAPI, Litestar, or any other.

What is read of a stranger is bounded in bytes (``max_body``), in time (``body_timeout_s``), and in
pieces. A body that is too large is not kept; what is still under way of it is thrown away, up to a
limit, since many clients do not read an answer while they send.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hookline.receive.answering import Taken, refuse

if TYPE_CHECKING:
    from hookline.receive.receiver import Receiver

__all__ = ["ASGIReceiver"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

MOST_PIECES: Final = 10_000
"""Servers hand over what a socket gave, some kilobytes at a time; only floods come in more pieces."""

DISCARD: Final = 8 * 1_048_576
DISCARD_S: Final = 2.0


class _HungUpError(Exception):
    """The sender went away before its request was complete."""


class ASGIReceiver:
    """The app. An object and not a function, which is what Starlette's ``Route`` takes for an app."""

    def __init__(self, hooks: "Receiver", path: str | None = None) -> None:
        self.hooks = hooks
        self.path = path

    # Every framework has types of its own for these three.
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection of the protocol."""
        kind = scope["type"]
        if kind == "http":
            await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            raise ValueError(f"an ASGI scope of type {kind!a} is not known")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            taken, read_all = await self._take(scope, receive)
            if not read_all and taken.code != "body-too-slow":
                await _discard(receive)
        except _HungUpError:
            return
        await _answer(taken, send, hang_up=not read_all and scope["http_version"].startswith("1"))

    async def _take(self, scope: Scope, receive: Receive) -> tuple[Taken, bool]:
        """The answer, and whether the request was read to its end."""
        code = self._refused(scope)
        if code:
            return refuse(code), False
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        try:
            async with asyncio.timeout(self.hooks.body_timeout_s):
                body, code, read_all = await _read(receive, self.hooks.max_body)
        except TimeoutError:
            return refuse("body-too-slow"), False
        if code:
            return refuse(code), read_all
        length = _length(scope)
        if length is not None and length != len(body):
            return refuse("body-incomplete"), True
        return await self.hooks.answer(body, headers), True

    def _refused(self, scope: Scope) -> str:
        """Why it is refused before its body is read; ``""`` if it is not."""
        if self.path is not None:
            where = scope["path"].removeprefix(scope.get("root_path", ""))
            if where.rstrip("/") != self.path.rstrip("/"):
                return "not-found"
        if scope["method"] != "POST":
            return "method-not-allowed"
        length = _length(scope)
        if length is not None and length < 0:
            return "length-malformed"
        if length is not None and length > self.hooks.max_body:
            return "body-too-large"
        return ""

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                async with self.hooks.lifespan():
                    pass
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _read(receive: Receive, most: int) -> tuple[bytes, str, bool]:
    """The body, the code by which it is refused, and whether it was read to its end."""
    body = bytearray()
    for _ in range(MOST_PIECES):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _HungUpError
        body += message.get("body", b"")
        ended = not message.get("more_body", False)
        if len(body) > most:
            return b"", "body-too-large", ended
        if ended:
            return bytes(body), "", True
    return b"", "body-in-pieces", False


async def _discard(receive: Receive) -> None:
    """Read on for a little, and keep nothing."""
    left = DISCARD
    try:
        async with asyncio.timeout(DISCARD_S):
            for _ in range(MOST_PIECES):
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _HungUpError
                left -= len(message.get("body", b""))
                if left < 0 or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _length(scope: Scope) -> int | None:
    """What Content-Length says; None where there is none, -1 where it is no number."""
    given = {value for name, value in scope["headers"] if name.lower() == b"content-length"}
    if not given:
        return None
    value = given.pop()
    return int(value) if not given and value.isdigit() and len(value) <= 15 else -1


async def _answer(taken: Taken, send: Send, *, hang_up: bool) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in taken.headers]
    headers.append((b"content-length", str(len(taken.body)).encode()))
    if hang_up:  # HTTP/2 and later know no such header
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": taken.status, "headers": headers})
    await send({"type": "http.response.body", "body": taken.body})
