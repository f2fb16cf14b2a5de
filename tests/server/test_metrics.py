"""``/metrics`` on a live server, read by the parser of prometheus_client."""

import re
from contextlib import closing
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hookline.send.counts import Counts
from hookline.send.figures import Reading
from hookline.server.metrics import MAX_INTEGRATIONS, render
from hookline.store.upkeep import Backlog, StoreTally

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    """Each sample by its name and labels; none twice."""
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def scraped(live: Any) -> Samples:
    answer = live.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.text)


def at(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def reading(**given: Any) -> Reading:
    tally = StoreTally()
    fields = {
        "now": 1_800_000_000_000_000,
        "counts": Counts(),
        "in_flight": 0,
        "max_in_flight": 1_000,
        "backlog": None,
        "group_jobs": tally.group_jobs,
        "commit_us": tally.commit_us,
        "lines_dropped": 0,
        "timeouts": None,
        "timeouts_limit": 1_000,
    }
    return Reading(**fields | given)


def test_what_happened_is_counted(live: Any) -> None:
    """Events, deliveries, attempts by outcome, verdicts, commits: by as much as was done."""
    before = scraped(live)
    good = live.register(resources=["issue"])
    bad = live.register(resources=["issue"], retry_schedule=[0])
    live.receiver.answers[f"/{bad['slug']}"] = (500, {})
    for event in (live.publish(), live.publish(id="twice"), live.publish(id="twice")):
        for delivery in live.get(f"/api/v1/events/{event['id']}")["deliveries"]:
            state = "delivered" if delivery["integration"] == good["slug"] else "parked"
            live.settled(delivery["id"], state)
    after = scraped(live)

    def grew(name: str, **labels: str) -> float:
        return at(after, name, **labels) - before.get((name, tuple(sorted(labels.items()))), 0)

    assert grew("hookline_events_total") == 2
    assert grew("hookline_duplicate_events_total") == 1
    assert grew("hookline_deliveries_total") == 4
    assert grew("hookline_attempts_total", outcome="success") == 2
    assert grew("hookline_attempts_total", outcome="failure") == 2
    assert grew("hookline_attempts_total", outcome="timeout") == 0
    assert grew("hookline_attempt_duration_seconds_count", outcome="success") == 2
    assert grew("hookline_attempt_duration_seconds_sum", outcome="success") > 0
    assert grew("hookline_verdicts_total", verdict="delivered", reason="") == 2
    assert grew("hookline_verdicts_total", verdict="parked", reason="exhausted") == 2
    assert grew("hookline_publish_duration_seconds_count") == 3
    assert grew("hookline_group_commit_events_sum") == 3
    assert grew("hookline_group_commit_jobs_sum") >= grew("hookline_group_commit_jobs_count") > 0
    assert grew("hookline_commit_duration_seconds_sum") > 0
    assert at(after, "hookline_in_flight") == 0
    assert at(after, "hookline_in_flight_limit") == 1_000
    assert at(after, "hookline_log_lines_dropped_total") == 0
    assert after["process_resident_memory_bytes", ()] > 0
    assert [key for key in before if key not in after] == []


def test_a_key_is_needed(live: Any) -> None:
    """The figures tell of the publishers' business."""
    with closing(httpx.Client(base_url=live.served.url, trust_env=False)) as stranger:
        live.refused(stranger.get("/metrics"), 401, "missing-key")
        wrong = stranger.get("/metrics", headers={"Authorization": "Bearer nobodys"})
        live.refused(wrong, 401, "wrong-key")


def test_the_text_follows_the_conventions(live: Any) -> None:
    """Each family has a help and a type, once; counters end in _total, times are in seconds."""
    text = live.client.get("/metrics").text
    assert text.endswith("\n")
    named = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert len(named) == len({name for name, _ in named}) > 20
    assert re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE) == [name for name, _ in named]
    for name, kind in named:
        if name.startswith("hookline_"):
            assert (kind == "counter") == name.endswith("_total"), name
            assert not re.search(r"_(ms|us|millis|micros)(_|$)", name), name


def test_buckets_grow_and_end_at_infinity() -> None:
    """Each histogram's buckets are cumulative, and the last one is the count."""
    counts = Counts()
    for size in (0, 400, 499, 500, 501, 999_999_999):
        counts.publish_us.observe(size)
    samples = parsed(render(reading(counts=counts)).decode())
    name = "hookline_publish_duration_seconds"
    buckets = {
        dict(labels)["le"]: value
        for (found, labels), value in samples.items()
        if found == f"{name}_bucket"
    }
    assert list(buckets.values()) == sorted(buckets.values())
    assert (buckets["0.0005"], buckets["0.001"], buckets["+Inf"]) == (4, 5, 6)
    assert samples[f"{name}_count", ()] == 6
    assert samples[f"{name}_sum", ()] == pytest.approx(1_000.001899)


def test_what_waits() -> None:
    """How many, how old the oldest is, how late the first due one is; never below zero."""
    now = 1_800_000_000_000_000
    oldest = bytes.fromhex("01a318b1c5007000800000000000000000"[:32])
    found = parsed(render(reading(backlog=Backlog(7, oldest, now - 1_500_000))).decode())
    assert found["hookline_waiting", ()] == 7
    assert found["hookline_oldest_waiting_seconds", ()] >= 0
    assert found["hookline_most_overdue_seconds", ()] == 1.5
    nothing = parsed(render(reading(backlog=Backlog(0, None, None))).decode())
    later = parsed(render(reading(backlog=Backlog(1, oldest, now + 10))).decode())
    for samples in (nothing, later):
        assert samples["hookline_most_overdue_seconds", ()] == 0


def test_while_the_database_cannot_say() -> None:
    """Its series are left out; zeros would be a lie."""
    samples = parsed(render(reading()).decode())
    assert ("hookline_waiting", ()) not in samples
    assert not any(name == "hookline_timeouts_in_window" for name, _ in samples)
    assert ("hookline_events_total", ()) in samples


HOSTILE = ['a"b', "a\\b", "a\nb 1", 'x"} 1\n# TYPE evil counter', "\ud800", "\x00", "é\u2028"]


def test_no_label_can_break_the_format() -> None:
    """Whatever an integration were called, there is one sample for it and nothing besides."""
    clean = parsed(render(reading(timeouts={}, timeouts_limit=1_000)).decode())
    timeouts = {slug: n for n, slug in enumerate(HOSTILE, 1)}
    samples = parsed(render(reading(timeouts=timeouts, timeouts_limit=1_000)).decode())
    added = {
        key: value for key, value in samples.items() if key[0].startswith("hookline_timeouts_in")
    }
    assert sorted(added.values()) == [*range(1, len(HOSTILE) + 1)]
    names = {name for name, _ in samples} - {name for name, _ in clean}
    assert names == {"hookline_timeouts_in_window"}


def test_series_of_integrations_are_bounded() -> None:
    """Those without timeouts have none; of the others the highest are shown."""
    timeouts = {f"app-{n}": n for n in range(MAX_INTEGRATIONS + 51)}
    samples = parsed(render(reading(timeouts=timeouts, timeouts_limit=1_000)).decode())
    shown = {
        dict(labels)["integration"]: value
        for (name, labels), value in samples.items()
        if name == "hookline_timeouts_in_window"
    }
    assert len(shown) == MAX_INTEGRATIONS
    assert min(shown.values()) == 51
    assert samples["hookline_timeouts_limit", ()] == 1_000


def test_two_servers_have_each_their_own_figures() -> None:
    """Nothing is registered globally."""
    one, other = Counts(events=1), Counts(events=2)
    for counts in (one, other):
        samples = parsed(render(reading(counts=counts)).decode())
        assert samples["hookline_events_total", ()] == counts.events
