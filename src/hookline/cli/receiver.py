"""The demo's receiver: a process of its own that checks each webhook as real receivers do.

``python -m hookline.cli.receiver`` listens on 127.0.0.1 and speaks NDJSON with whoever started it:

==============================  ==================================================================
stdout, the first line          ``{"url", "javascript"}``: where it is; its engine's name, or null
stdin ``{"secret": "…"}``       one more secret that signatures may be made with
stdout ``{"learned": 2}``       so many secrets are known now
stdout, one line a webhook      ``{"request_id", "resource", "action", "path", "raw", "js", "bytes",
                                "status", "received_at"}``
==============================  ==================================================================

``raw``: the signature is right over the bytes as they came. ``js``: it is right over
``JSON.stringify(JSON.parse(body))``, which is what the documented receivers sign; null where there is
no JavaScript engine. It answers 200 if ``raw`` holds and 401 if not, and it ends with its stdin.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import threading
from dataclasses import dataclass, field
from typing import Any, Final

from hookline.cli.javascript import Javascript, open_javascript
from hookline.core.headers import REQUEST_ID, RESOURCE, SIGNATURE
from hookline.core.instants import isoformat
from hookline.core.signing import matches
from hookline.send.clock import wall_us

__all__ = ["main"]

MOST_HEAD: Final = 65_536
MOST_BODY: Final = 64 * 1_048_576
IDLE_S: Final = 60.0

_PHRASES: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 500: "Failing On Purpose"}


@dataclass(slots=True)
class _Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Receiver:
    javascript: Javascript | None
    fail_first: int
    secrets: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with contextlib.suppress(
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            TimeoutError,
            ValueError,
        ):
            while (request := await _read(reader)) is not None:
                status, raw = self._answer(request)
                writer.write(_response(status, {"raw": raw}))
                await writer.drain()
                _tell(self._report(request, status, raw))
        writer.close()

    def _answer(self, request: _Request) -> tuple[int, bool]:
        raw = self._signed(request.body, request.headers.get(SIGNATURE.lower(), ""))
        if self.fail_first > 0:
            self.fail_first -= 1
            return 500, raw
        return 200 if raw else 401, raw

    def _report(self, request: _Request, status: int, raw: bool) -> dict[str, Any]:
        # Made after the answer went out: a sender gives a receiver one second, and an engine that
        # is just starting would take a good part of it.
        js = None
        if self.javascript is not None:
            again = self.javascript.reprint(request.body)
            signature = request.headers.get(SIGNATURE.lower(), "")
            js = again is not None and self._signed(again, signature)
        return {
            "request_id": request.headers.get(REQUEST_ID.lower()),
            "resource": request.headers.get(RESOURCE.lower()),
            "action": _action(request.body),
            "path": request.path,
            "raw": raw,
            "js": js,
            "bytes": len(request.body),
            "status": status,
            "received_at": isoformat(wall_us()),
        }

    def _signed(self, body: bytes, signature: str) -> bool:
        return any(matches(secret, body, signature) for secret in self.secrets)


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    """One request; None where the sender hung up between two."""
    async with asyncio.timeout(IDLE_S):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= MOST_BODY:
            raise ValueError(f"{length} bytes are more than a webhook has")
        return _Request(first.split(" ")[1], headers, await reader.readexactly(length))


def _response(status: int, document: dict[str, Any]) -> bytes:
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _action(body: bytes) -> str | None:
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(body)
        if isinstance(document, dict):
            return str(document.get("action"))
    return None


def _tell(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


async def _run(fail_first: int, javascript: Javascript | None) -> None:
    receiver = _Receiver(javascript, fail_first)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, limit=MOST_HEAD)
    port = server.sockets[0].getsockname()[1]
    name = None if javascript is None else javascript.name
    _tell({"url": f"http://127.0.0.1:{port}", "javascript": name})
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    listening = threading.Thread(target=_learn, args=(receiver, loop, ended), daemon=True)
    listening.start()
    await ended.wait()
    # Not "async with": that would wait for the connections that senders keep open for reuse.
    server.close()


def _learn(receiver: _Receiver, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    with os.fdopen(os.dup(0), "rb") as lines:
        for line in lines:
            loop.call_soon_threadsafe(_learned, receiver, json.loads(line)["secret"])
    loop.call_soon_threadsafe(ended.set)


def _learned(receiver: _Receiver, secret: str) -> None:
    receiver.secrets.append(secret)
    _tell({"learned": len(receiver.secrets)})


def main() -> None:
    """Receive until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m hookline.cli.receiver", description=__doc__)
    parser.add_argument("--fail-first", type=int, default=0, metavar="N", help="answer N times 500")
    arguments = parser.parse_args()
    with (
        contextlib.suppress(KeyboardInterrupt, BrokenPipeError),
        open_javascript() as javascript,
    ):
        asyncio.run(_run(arguments.fail_first, javascript))


if __name__ == "__main__":
    main()
