"""A receiver that costs as little as Python allows: it counts, and can note when each event arrived.

A process of its own: ``python -m bench.sink``. It prints its port, then answers each line on its
standard input with one JSON line: ``stats`` (count, first and last arrival), ``times`` (arrival by
event number) or ``reset``. An event number is looked for as ``"n":123`` in the body.
"""

import asyncio
import contextlib
import json
import sys
import time
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Counts:
    """What arrived."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.first = 0
        self.last = 0
        self.times: dict[int, int] = {}
        self.note_times = False

    def stats(self) -> dict[str, int]:
        return {"count": self.count, "first_ns": self.first, "last_ns": self.last}


COUNTS = Counts()


class Sink(asyncio.Protocol):
    """One connection: requests with a Content-Length, answered 204 each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        now = time.time_ns()
        data = self.pending + data if self.pending else data
        answered = 0
        while (head_end := data.find(b"\r\n\r\n")) >= 0:
            at = data.find(b"Content-Length: ", 0, head_end + 2)
            end = head_end + 4 + int(data[at + 16 : data.find(b"\r", at)])
            if len(data) < end:
                break
            if COUNTS.note_times:
                self._note(data, head_end, end, now)
            data = data[end:]
            answered += 1
        self.pending = data
        if answered:
            if not COUNTS.count:
                COUNTS.first = now
            COUNTS.count += answered
            COUNTS.last = now
            self.transport.write(ANSWER * answered)

    def _note(self, data: bytes, start: int, end: int, now: int) -> None:
        at = data.find(b'"n":', start, end)
        if at >= 0:
            digits = data[at + 4 : at + 16]
            COUNTS.times[int(digits[: min(digits.find(b","), 12)])] = now


def command(line: str) -> dict[str, object]:
    match line.strip():
        case "reset":
            COUNTS.reset()
        case "times":
            COUNTS.note_times = True
            return {str(n): at for n, at in COUNTS.times.items()}
    return dict(COUNTS.stats())


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(command(line.decode())), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
