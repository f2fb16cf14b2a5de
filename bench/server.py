"""The server under test: what ``hookline serve`` runs, with its port on standard output."""

import asyncio
import os
import signal

import uvloop

from hookline.server.serve import serving
from hookline.settings import Settings


async def main() -> None:
    settings = Settings.from_environ(os.environ)
    async with serving(settings, signals=(signal.SIGTERM, signal.SIGINT)) as served:
        print(served.url.rpartition(":")[2], flush=True)
        await asyncio.shield(served.done)


if __name__ == "__main__":
    uvloop.run(main())
