"""Record a backlog into a database that nobody serves: ``python -m bench.backlog FOLDER COUNT``."""

import asyncio
import json
import os
import sys
from pathlib import Path

from bench.load import event
from hookline.send.clock import Ticker, wall_us
from hookline.send.directory import Directory
from hookline.send.intake import Limits, read_event
from hookline.send.publish import Publisher
from hookline.store.sqlite.store import SqliteStore
from hookline.store.vault import Vault, load_key

INTEGRATIONS = 20


async def main() -> None:
    path, count = Path(sys.argv[1]) / "bench.db", int(sys.argv[2])
    store = await SqliteStore.open(path, wall_us())
    directory = Directory(store, Vault(load_key(None, path)))
    publisher = Publisher(
        store,
        directory,
        clock=wall_us,
        ticker=Ticker(wall_us),
        entropy=os.urandom,
        on_deliveries=lambda: None,
    )
    for start in range(0, count, 500):
        submissions = [
            read_event(json.dumps(event(start + n)).encode(), Limits()) for n in range(500)
        ]
        for n in range(INTEGRATIONS):
            await publisher.publish(f"bench-{n}", submissions[n::INTEGRATIONS])
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
