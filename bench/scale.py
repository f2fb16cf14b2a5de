"""Rows 7 and 8: a delivery's cost with a million waiting over ten thousand integrations, and the memory.

The cost is the CPU of this process, and of the database's server, for leasing and settling alone: what
else a delivery costs does not depend on how much waits. Once 1,000 wait over 10 integrations (and are
recorded anew, untimed, each time they are through), once 1,000,000 over 10,000. The memory is a server's
that drains the large one.

On PostgreSQL a lease first does what publishing left to the next one, so many notes at a time. That is a
part of publishing's cost, and so these leases are not timed.
"""

import asyncio
import itertools
import os
import time

from bench import rig
from bench.database import Database, Databases
from bench.row import Row
from hookline.core.model import Attempt, Timings
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered
from hookline.send.clock import Ticker, wall_us
from hookline.send.directory import Directory
from hookline.send.registry import Registry
from hookline.store.values import Leased, Settlement
from hookline.store.verbs.leasing import NOTES_AT_ONCE

__all__ = ["measure"]

AT_ONCE = 128  # leased, and then settled, together
MINUTE = 60_000_000


def measure(sink: rig.Process, databases: Databases, *, quick: bool) -> Row:
    """Cost and memory."""
    many, integrations, drained = (100_000, 1_000, 10_000) if quick else (1_000_000, 10_000, 40_000)
    with databases() as database:
        asyncio.run(_register(database, sink.port, 10))
        small = 0.0
        for _ in range(drained // 1_000):
            rig.backlog(database, 1_000, "bench", 10)
            small += asyncio.run(_cost(database, 1_000))
    with databases() as database:
        asyncio.run(_register(database, sink.port, integrations))
        rig.backlog(database, many, "bench", integrations)
        asyncio.run(_cost(database, many // NOTES_AT_ONCE, at_once=1))
        large = asyncio.run(_cost(database, drained))
        memory = _memory(database, sink, drained)
    return Row(
        f"leasing and settling with {many:,} waiting over {integrations:,} integrations, "
        "against 1,000 over 10",
        f"{large / drained * 1e6:.0f} µs CPU, {small / drained * 1e6:.0f} µs: {large / small:.2f} x",
        "≤ 1.3 x, ≤ 150 MB",
        f"a server that drains it: {memory:.0f} MB at its highest",
        None,
    )


async def _cost(database: Database, count: int, at_once: int = AT_ONCE) -> float:
    """CPU seconds for so many deliveries."""
    store, _ = await database.open(wall_us())
    tokens = itertools.count(1)
    left, began = count, time.process_time() + database.cpu_seconds()
    while left > 0:
        now = wall_us()
        leases = await store.lease(
            limit=min(at_once, left),
            slow_limit=0,
            each=1_000,
            now=now,
            until=now + MINUTE,
            token=next(tokens),
        )
        if not leases.deliveries:
            raise SystemExit(f"void: {left} of {count} are missing")
        await store.settle([_delivered(each, now) for each in leases.deliveries], Rules())
        left -= len(leases.deliveries)
    cost = time.process_time() + database.cpu_seconds() - began
    await store.close()
    return cost


def _delivered(leased: Leased, now: int) -> Settlement:
    attempt = Attempt(
        1, now, "http://127.0.0.1/hook", Counted.SUCCESS, "", 204, "0" * 64, Timings(1, 1, 1, 1, 1),
        "127.0.0.1:80", "1.1", b"HTTP/1.1 204 No Content\r\n\r\n", b"", False,
    )  # fmt: skip
    return Settlement(
        leased.id, leased.token, leased.organization_id, leased.integration_id, attempt,
        Delivered(), now, now,
    )  # fmt: skip


def _memory(database: Database, sink: rig.Process, count: int) -> float:
    sink.ask("reset")
    with rig.server(database, sink.port) as server:
        rig.wait_for(sink, count)
        return rig.rss_mb(server.child.pid)


async def _register(database: Database, port: int, number: int) -> None:
    store, vault = await database.open(wall_us())
    registry = Registry(
        store,
        Directory(store, vault),
        vault,
        clock=wall_us,
        ticker=Ticker(wall_us),
        entropy=os.urandom,
        on_deliveries=lambda: None,
    )
    await store.set_fact("key-fingerprint", vault.fingerprint())
    for n in range(number):
        await registry.create_integration(
            {
                "name": f"Bench {n}",
                "organization": f"bench-{n}",
                "webhook_url": f"http://127.0.0.1:{port}/hook",
                "resources": ["issue"],
                "max_in_flight": 64,
            }
        )
    await store.close()
