"""Row 6: what dead receivers cost the living.

A thousand integrations, each of an organization of its own. 300 of them never answer, and have a backlog
and new events all the time; the others get 200 events a second. Their p99, from the publisher's sending
to the first byte at the receiver, with the dead ones over their p99 without them, in turns.
"""

import statistics
import time

from bench import rig
from bench.database import Databases
from bench.row import Row

__all__ = ["measure"]

LIVING, DEAD, PER_SECOND = 700, 300, 200
BACKLOG_EACH = 50


def measure(sink: rig.Process, databases: Databases, *, quick: bool) -> Row:
    """Rounds of without and with; the ratio is of the medians of their p99."""
    rounds, seconds = (1, 5) if quick else (3, 15)
    without, with_dead = [], []
    with rig.dead() as dead, databases() as database:
        with rig.server(database, sink.port, dead.port) as server:
            rig.register(server, sink.port, "living", LIVING)
            rig.register(server, dead.port, "dead", DEAD)
        for _ in range(rounds):
            with rig.server(database, sink.port, dead.port) as server:
                without.append(_waits(server, sink, seconds, dead=False))
            rig.backlog(database, DEAD * BACKLOG_EACH, "dead", DEAD)
            with rig.server(database, sink.port, dead.port) as server:
                _until_all_were_tried(dead)
                with_dead.append(_waits(server, sink, seconds, dead=True))
                connections = int(dead.ask("count"))
    before, after = _p99(without), _p99(with_dead)
    return Row(
        f"healthy receivers, {PER_SECOND}/s, while {DEAD} of {LIVING + DEAD} never answer",
        f"p99 {after:.1f} ms, {before:.1f} ms without them: {after / before:.2f} x",
        "≤ 1.5 x",
        f"p50 {_p50(with_dead):.1f} and {_p50(without):.1f} ms; {connections:,} attempts hung",
        None,
    )


def _until_all_were_tried(dead: rig.Process) -> None:
    # The first second is spent on finding out; what is measured is how it goes on.
    before, deadline = int(dead.ask("count")), time.monotonic() + 30
    while int(dead.ask("count")) < before + DEAD * 3 and time.monotonic() < deadline:
        time.sleep(0.2)


def _waits(server: rig.Process, sink: rig.Process, seconds: int, *, dead: bool) -> list[float]:
    organizations = [f"living-{n}" for n in range(LIVING)]
    numbers = set(range(LIVING))
    if dead:  # seven living, three dead, and so on
        organizations = [
            f"living-{n // 10 * 7 + n % 10}" if n % 10 < 7 else f"dead-{n // 10 * 3 + n % 10 - 7}"
            for n in range(LIVING + DEAD)
        ]
        numbers = {n for n, name in enumerate(organizations) if name.startswith("living")}
    rate = PER_SECOND * len(organizations) / LIVING
    count = int(rate * seconds)
    plan = {
        "organizations": organizations,
        "key": rig.KEY,
        "port": server.port,
        "batch": 1,
        "connections": 16,
        "events": count,
        "per_second": rate,
    }
    sink.ask("reset")
    sink.ask("times")
    result = rig.load(plan)
    due = [n for n in range(count) if n % len(organizations) in numbers]
    rig.wait_for(sink, len(due))
    rig.check_exact(sink, len(due))
    arrived = {int(n): at for n, at in sink.ask("times").items()}
    sink.ask("reset")
    return sorted((arrived[n] - result["sent_ns"][n]) / 1e6 for n in due)


def _p99(runs: list[list[float]]) -> float:
    return statistics.median(run[int(len(run) * 0.99)] for run in runs)


def _p50(runs: list[list[float]]) -> float:
    return statistics.median(statistics.median(run) for run in runs)
