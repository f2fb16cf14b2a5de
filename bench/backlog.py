"""Record a backlog into a database that nobody serves.

``python -m bench.backlog FOLDER EVENTS PREFIX ORGANIZATIONS``: so many events, in turn over the
organizations ``PREFIX-0``, ``PREFIX-1``, …
"""

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

AT_ONCE = 500


async def main() -> None:
    path, count, prefix, organizations = (
        Path(sys.argv[1]) / "bench.db",
        int(sys.argv[2]),
        sys.argv[3],
        int(sys.argv[4]),
    )
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
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        shares: dict[int, list[int]] = {}
        for n in numbers:
            shares.setdefault(n % organizations, []).append(n)
        await asyncio.gather(
            *(
                publisher.publish(
                    f"{prefix}-{organization}",
                    [read_event(json.dumps(event(n)).encode(), Limits()) for n in share],
                )
                for organization, share in shares.items()
            )
        )
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
