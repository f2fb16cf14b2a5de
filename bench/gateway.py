"""Row 7: how soon a sender is answered whose webhooks come in by a source, while they are passed on."""

import statistics

from bench import rig
from bench.database import Databases
from bench.row import Row

__all__ = ["measure"]

SECRET = "bench-secret-of-the-sender"


def measure(sink: rig.Process, databases: Databases, *, per_second: int, seconds: int) -> Row:
    """From the moment a sender sends its request to its 200, which is after the commit."""
    count = per_second * seconds
    with databases() as database, rig.server(database, sink.port) as server:
        plan = {"source": _source(server, sink.port), "organizations": [], "key": rig.KEY}
        plan |= {"port": server.port, "batch": 1, "connections": 16}
        rig.load({**plan, "events": 500, "per_second": per_second})
        rig.wait_for(sink, 500)
        sink.ask("reset")
        before, beneath = rig.cpu_seconds(server.child.pid), database.cpu_seconds()
        result = rig.load({**plan, "events": count, "per_second": per_second})
        rig.wait_for(sink, count)
        rig.check_exact(sink, count)
        cpu = rig.cpu_seconds(server.child.pid) - before + database.cpu_seconds() - beneath
    pairs = zip(result["sent_ns"], result["accepted_ns"], strict=True)
    waits = sorted((accepted - sent) / 1e6 for sent, accepted in pairs)
    p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99)]
    return Row(
        f"sent to a source → answered, {per_second}/s",
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        "p99 ≤ 10 ms",
        f"max {waits[-1]:.1f} ms; {cpu / count * 1e6:.0f} ms CPU per 1,000, delivered",
        None,
    )


def _source(server: rig.Process, port: int) -> dict[str, str]:
    source = {"name": "Bench", "organization": "bench", "scheme": "sentry", "secrets": [SECRET]}
    made = rig.call(server, "/sources", source)
    route = {
        "name": "App",
        "source": made["slug"],
        "webhook_url": f"http://127.0.0.1:{port}/hook",
        "max_in_flight": 64,
    }
    rig.call(server, "/integrations", route)
    return {"path": made["path"], "secret": SECRET}
