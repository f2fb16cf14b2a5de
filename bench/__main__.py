"""Measure the speed targets, each beside the bare limit of the same minute: ``make bench``.

``make bench-postgres`` measures the same on PostgreSQL, whose CPU is then a part of the cost.

Bare libcurl is measured before and after each row, since a machine's speed drifts; a row's ratio is to
the mean of the two.

A result counts only if the receiver saw every event once; anything else makes the run void, and the
exit code 1. Times are compared with nothing here: a target is a line of the table, not a test.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable

from bench import gateway, isolation, rig, scale
from bench.database import Databases, databases
from bench.row import Row

INTEGRATIONS = 20


def drain(sink: rig.Process, databases: Databases, count: int) -> Row:
    """Row 1: a backlog is there when the server starts."""
    with databases() as database:
        with rig.server(database, sink.port) as server:
            rig.register(server, sink.port, "bench", INTEGRATIONS)
        rig.backlog(database, count, "bench", INTEGRATIONS)
        sink.ask("reset")
        beneath = database.cpu_seconds()
        with rig.server(database, sink.port) as server:
            stats = rig.wait_for(sink, count)
            rig.check_exact(sink, count)
            cpu, rss = rig.cpu_seconds(server.child.pid), rig.rss_mb(server.child.pid)
            beneath = database.cpu_seconds() - beneath
    rate = (stats["count"] - 1) / (stats["last_ns"] - stats["first_ns"]) * 1e9
    return Row(
        f"drain a backlog of {count:,}",
        f"{rate:,.0f}/s",
        "≥ 50 % of bare",
        _cost(cpu, beneath, count, rss),
        rate,
    )


def publish(
    sink: rig.Process,
    databases: Databases,
    *,
    batch: int,
    count: int,
    connections: int,
    target: str,
) -> Row:
    """Rows 2 and 4: publishing and delivering at once, until all has arrived."""
    with databases() as database, rig.server(database, sink.port) as server:
        rig.register(server, sink.port, "bench", 1)
        plan = {
            "organizations": ["bench-0"],
            "key": rig.KEY,
            "port": server.port,
            "batch": batch,
            "connections": connections,
        }
        rig.load({**plan, "events": 2_000})
        rig.wait_for(sink, 2_000)
        sink.ask("reset")
        before, beneath = rig.cpu_seconds(server.child.pid), database.cpu_seconds()
        began = time.time_ns()
        result = rig.load({**plan, "events": count})
        stats = rig.wait_for(sink, count)
        rig.check_exact(sink, count)
        cpu, rss = rig.cpu_seconds(server.child.pid) - before, rig.rss_mb(server.child.pid)
        beneath = database.cpu_seconds() - beneath
    first = min(result["sent_ns"])
    accepted = count / result["seconds"]
    delivered = count / (stats["last_ns"] - first) * 1e9
    assert first >= began
    kind = "one event a request" if batch == 1 else f"batches of {batch}"
    return Row(
        f"publish, {kind}",
        f"{accepted:,.0f}/s accepted, {delivered:,.0f}/s delivered",
        target,
        _cost(cpu, beneath, count, rss),
        delivered,
    )


def latency(sink: rig.Process, databases: Databases, *, per_second: int, seconds: int) -> Row:
    """Row 5: from the moment a publisher sends its request to the first byte at the receiver."""
    count = per_second * seconds
    with databases() as database, rig.server(database, sink.port) as server:
        rig.register(server, sink.port, "bench", 1)
        plan = {"organizations": ["bench-0"], "key": rig.KEY, "port": server.port}
        plan |= {"batch": 1, "connections": 16}
        rig.load({**plan, "events": 500})
        rig.wait_for(sink, 500)
        sink.ask("reset")
        sink.ask("times")
        result = rig.load({**plan, "events": count, "per_second": per_second})
        rig.wait_for(sink, count)
        rig.check_exact(sink, count)
        arrived = {int(n): at for n, at in sink.ask("times").items()}
        sink.ask("reset")
    waits = sorted((arrived[n] - sent) / 1e6 for n, sent in enumerate(result["sent_ns"]))
    p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99)]
    return Row(
        f"sent by the publisher → first byte at the receiver, {per_second}/s",
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        "p50 ≤ 4 ms, p99 ≤ 20 ms",
        f"max {waits[-1]:.1f} ms",
        None,
    )


def _cost(cpu: float, beneath: float, count: int, rss: float) -> str:
    server = f" + {beneath / count * 1e6:.0f} in PostgreSQL" if beneath else ""
    return f"{cpu / count * 1e6:.0f}{server} ms CPU per 1,000, {rss:.0f} MB"


def main() -> None:
    quick = "--quick" in sys.argv
    share = 10 if quick else 1
    postgres = "--postgres" in sys.argv
    only = [name for name in sys.argv[1:] if not name.startswith("-")]
    with databases(postgres=postgres) as new, rig.sink() as sink:
        single = {"batch": 1, "count": 60_000 // share, "connections": 32}
        batch = {"batch": 100, "count": 100_000 // share, "connections": 4}
        first = "≥ 4,500/s" if postgres else "≥ 6,000/s"
        rows = {
            "drain": lambda: drain(sink, new, 100_000 // share),
            "single": lambda: publish(sink, new, **single, target=first),
            "batch": lambda: publish(sink, new, **batch, target="≥ 20,000/s"),
            "isolation": lambda: isolation.measure(sink, new, quick=quick),
            "scale": lambda: scale.measure(sink, new, quick=quick),
            "latency": lambda: latency(sink, new, per_second=500, seconds=5 if quick else 20),
            "gateway": lambda: gateway.measure(
                sink, new, per_second=500, seconds=5 if quick else 20
            ),
        }
        print(
            f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
            f"{'PostgreSQL' if postgres else 'SQLite'}\n"
        )
        print("| work | figure | target | bare libcurl | of it | cost |")
        print("|---|---|---|---|---|---|")
        for name, measure in rows.items():
            if not only or name in only:
                show(sink, measure, 40_000 // share)


def show(sink: rig.Process, measure: Callable[[], Row], posts: int) -> None:
    """Measure a row between two runs of bare libcurl, and print it."""
    before = rig.bare(sink.port, posts)
    sink.ask("reset")
    row = measure()
    sink.ask("reset")
    bare = (before + rig.bare(sink.port, posts)) / 2
    sink.ask("reset")
    ratio = "" if row.rate is None else f"{row.rate / bare:.0%}"
    cells = (row.work, row.figure, row.target, f"{bare:,.0f}/s", ratio, row.cost)
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
