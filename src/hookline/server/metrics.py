"""``/metrics``: the engine's figures in the text format of Prometheus.

What is rendered is a ``Reading``, a copy, and it is rendered in a thread, so that a thousand series do
not hold up the loop. Names and units are those that Prometheus recommends: seconds, ``_total`` for what
only grows. Nothing is registered globally: two servers in one process have each their own figures.
"""

import asyncio
from collections.abc import Iterator, Mapping
from heapq import nlargest
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from hookline import __version__
from hookline.core.ids import uuid7_instant
from hookline.core.quoting import visible
from hookline.core.tally import Histogram
from hookline.send.engine import Engine
from hookline.send.figures import Reading

__all__ = ["MAX_INTEGRATIONS", "MEDIA_TYPE", "metrics_text", "render"]

MEDIA_TYPE: Final = "text/plain; version=0.0.4"  # the framework adds the charset
MAX_INTEGRATIONS: Final = 1_000  # series that have one for each integration show the highest

SECOND: Final = 1_000_000


async def metrics_text(engine: Engine) -> bytes:
    """The figures of an engine and of its process, as they are now."""
    reading = await engine.figures.read()
    return await asyncio.to_thread(render, reading)


def render(reading: Reading) -> bytes:
    """A reading, and the figures of the process, in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(reading))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return generate_latest(registry)


class _Families(Collector):
    """What prometheus-client collects from: once, a moment later."""

    def __init__(self, reading: Reading):
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """All series of the engine."""
        yield InfoMetricFamily("hookline", "The version.", {"version": __version__})
        yield from _attempts(self._reading)
        yield from _publishing(self._reading)
        yield from _receiving(self._reading)
        yield from _commits(self._reading)
        yield from _waiting(self._reading)
        yield from _retention(self._reading)
        yield from _timeouts(self._reading)
        yield _counter(
            "hookline_log_lines_dropped",
            "Lines that the log lost, because nobody took them.",
            self._reading.lines_dropped,
        )


def _attempts(reading: Reading) -> Iterator[Metric]:
    counts = reading.counts
    number = CounterMetricFamily(
        "hookline_attempts", "Attempts that ended, by what they counted as.", labels=["outcome"]
    )
    duration = HistogramMetricFamily(
        "hookline_attempt_duration_seconds",
        "How long attempts took, from their start to the end of the answer.",
        labels=["outcome"],
    )
    for outcome, histogram in counts.attempts_us.items():
        number.add_metric([outcome], histogram.cumulative()[-1])
        _add(duration, [outcome], histogram, SECOND)
    yield number
    yield duration
    verdicts = CounterMetricFamily(
        "hookline_verdicts",
        "What became of deliveries after an attempt; the reason is why one was parked.",
        labels=["verdict", "reason"],
    )
    for labels, value in sorted(
        {("delivered", ""): 0, ("retry", ""): 0, **counts.verdicts}.items()
    ):
        verdicts.add_metric(labels, value)
    yield verdicts
    yield _counter(
        "hookline_leases_lost",
        "Attempts that did not count, because their lease had run out.",
        counts.leases_lost,
    )
    yield _gauge("hookline_in_flight", "Attempts under way.", reading.in_flight)
    yield _gauge(
        "hookline_in_flight_limit", "Attempts that may be under way.", reading.max_in_flight
    )


def _publishing(reading: Reading) -> Iterator[Metric]:
    counts = reading.counts
    yield _counter("hookline_events", "Events recorded.", counts.events)
    yield _counter(
        "hookline_duplicate_events",
        "Events that were recorded before, by their publisher's id.",
        counts.duplicates,
    )
    yield _counter("hookline_deliveries", "Deliveries recorded with events.", counts.deliveries)
    yield _histogram(
        "hookline_publish_duration_seconds",
        "From a publisher's call until its events were on disk.",
        counts.publish_us,
        SECOND,
    )


def _receiving(reading: Reading) -> Iterator[Metric]:
    received = CounterMetricFamily(
        "hookline_received",
        "Requests to sources, by what came of them; without a source where the token belongs to none.",
        labels=["source", "result"],
    )
    for (source, result), value in sorted(reading.counts.received.items()):
        received.add_metric([visible(source), result], value)
    yield received


def _commits(reading: Reading) -> Iterator[Metric]:
    yield _histogram(
        "hookline_group_commit_jobs",
        "Jobs of the store (publishing, leasing, settling) that shared a commit.",
        reading.group_jobs,
    )
    yield _histogram(
        "hookline_group_commit_events",
        "Events that were recorded with one commit.",
        reading.counts.group_events,
    )
    yield _histogram(
        "hookline_commit_duration_seconds", "How long commits took.", reading.commit_us, SECOND
    )


def _waiting(reading: Reading) -> Iterator[Metric]:
    """What the database knows; left out while it cannot be asked."""
    backlog = reading.backlog
    if backlog is None:
        return
    yield _gauge("hookline_waiting", "Deliveries that wait, due or not.", backlog.waiting)
    oldest = None if backlog.oldest_id is None else uuid7_instant(backlog.oldest_id)
    yield _gauge(
        "hookline_oldest_waiting_seconds",
        "How long ago the event of the oldest delivery that waits was accepted; 0: none waits.",
        _age(reading.now, oldest),
    )
    yield _gauge(
        "hookline_most_overdue_seconds",
        "How long the delivery that is due first has been due; 0: none is.",
        _age(reading.now, backlog.first_due_at),
    )


def _age(now: int, since: int | None) -> float:
    return 0.0 if since is None else max(0, now - since) / SECOND


def _retention(reading: Reading) -> Iterator[Metric]:
    purged = CounterMetricFamily(
        "hookline_purged_rows", "Rows that were deleted because of their age.", labels=["table"]
    )
    for table in ("attempts", "deliveries", "events", "plans"):
        purged.add_metric([table], reading.counts.purged[table])
    yield purged


def _timeouts(reading: Reading) -> Iterator[Metric]:
    yield _gauge(
        "hookline_timeouts_limit",
        "Timeouts within the window that unsubscribe an integration; 0: none do.",
        reading.timeouts_limit,
    )
    if reading.timeouts is None:
        return
    family = GaugeMetricFamily(
        "hookline_timeouts_in_window",
        f"Timeouts of an integration within the window, where there are any; the {MAX_INTEGRATIONS} "
        "highest.",
        labels=["integration"],
    )
    for slug, count in _highest(reading.timeouts):
        family.add_metric([visible(slug)], count)
    yield family


def _highest(timeouts: Mapping[str, int]) -> list[tuple[str, int]]:
    some = [(slug, count) for slug, count in timeouts.items() if count > 0]
    return nlargest(MAX_INTEGRATIONS, some, key=lambda each: (each[1], each[0]))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _histogram(name: str, text: str, histogram: Histogram, unit: int = 1) -> Metric:
    family = HistogramMetricFamily(name, text)
    _add(family, [], histogram, unit)
    return family


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram, unit: int) -> None:
    bounds = [f"{bound / unit:g}" for bound in histogram.bounds] + ["+Inf"]
    buckets = list(zip(bounds, histogram.cumulative(), strict=True))
    family.add_metric(labels, buckets, sum_value=histogram.total / unit)
