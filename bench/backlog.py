"""Record a backlog into a database that nobody serves.

``python -m bench.backlog EVENTS PREFIX ORGANIZATIONS``: so many events, in turn over the organizations
``PREFIX-0``, ``PREFIX-1``, …, into the database that the environment names.
"""

import asyncio
import json
import os
import sys

from bench.database import open_given
from bench.load import event
from hookline.send.clock import Ticker, wall_us
from hookline.send.directory import Directory
from hookline.send.intake import Limits, read_event
from hookline.send.publish import Publisher

AT_ONCE = 500


async def main() -> None:
    count, prefix, organizations = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    store, vault = await open_given(dict(os.environ), wall_us())
    directory = Directory(store, vault)
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
