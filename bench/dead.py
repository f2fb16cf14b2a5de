"""Receivers that never answer: ``python -m bench.dead`` accepts, reads, and says nothing.

It prints its port; any line on its standard input is answered with how many connections it has had.
"""

import asyncio
import contextlib
import sys

import uvloop


class Silent(asyncio.Protocol):
    """One connection that waits in vain."""

    had = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Silent.had += 1


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Silent, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(Silent.had, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
