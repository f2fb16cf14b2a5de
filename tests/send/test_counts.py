"""What an engine's parts count: each thing once, where it happened."""

import asyncio
import sqlite3

from hookline.core.outcome import Answered, Counted, Reason, Unanswered
from hookline.core.unsubscribing import Rules
from hookline.send.counts import Counts
from hookline.send.figures import Figures


def counting(bench) -> Counts:
    """Let publisher and dispatcher count in one place, as the engine does."""
    counts = Counts()
    bench.publisher._counts = bench.dispatcher._counts = counts
    return counts


def number(histogram) -> int:
    return histogram.cumulative()[-1]


async def test_events_deliveries_and_duplicates(bench):
    """An event counts when it is recorded, a duplicate apart, a delivery for each installation."""
    counts = counting(bench)
    await bench.register("One")
    await bench.register("Other")
    await bench.publish(3)
    await bench.publish(id="a")
    await bench.publish(id="a")
    await bench.publish(resource="comment")
    assert (counts.events, counts.duplicates, counts.deliveries) == (5, 1, 8)
    assert counts.group_events.total == 6
    assert number(counts.publish_us) == number(counts.group_events) == 4


async def test_publishers_that_share_a_commit_each_have_a_latency(bench):
    """The group counts once, those who waited for it each."""
    counts = counting(bench)
    await bench.register()
    await asyncio.gather(*(bench.publish() for _ in range(20)))
    assert number(counts.publish_us) == 20
    assert counts.group_events.total == 20
    assert number(counts.group_events) < 20


async def test_attempts_by_outcome_and_verdicts(bench):
    """Each attempt that ended is counted by what it counted as, each delivery by what became of it."""
    counts = counting(bench)
    await bench.register()
    for outcome in (Answered(204), Answered(500), Unanswered(Reason.SLOW, ""), Answered(410)):
        bench.sender.script = lambda _outbound, outcome=outcome: outcome
        await bench.publish()
        await bench.settled()
    ended = {outcome: number(each) for outcome, each in counts.attempts_us.items()}
    assert ended == {
        Counted.SUCCESS: 1,
        Counted.FAILURE: 2,
        Counted.TIMEOUT: 1,
        Counted.BLOCKED: 0,
    }
    assert counts.attempts_us[Counted.SUCCESS].total == 1_000
    assert counts.verdicts == {("delivered", ""): 1, ("retry", ""): 2, ("parked", "gone"): 1}


async def test_an_attempt_whose_lease_was_lost(bench):
    """It was made, so it counts as an attempt; nothing became of its delivery."""
    counts = counting(bench)
    bench.sender.script = None
    await bench.register()
    await bench.publish()
    await bench.sender.wait(1)
    bench.clock.now += 10 * 60 * 1_000_000
    await bench.store.rescue(bench.clock.now)
    bench.sender.finish(0, Answered(204))
    bench.dispatcher.wake()
    await bench.sender.wait(2)
    bench.sender.finish(1, Answered(204))
    await bench.settled()
    assert (number(counts.attempts_us[Counted.SUCCESS]), counts.leases_lost) == (2, 1)
    assert counts.verdicts == {("delivered", ""): 1}


def figures(bench, counts: Counts) -> Figures:
    return Figures(bench.store, bench.dispatcher, counts, None, clock=bench.clock, rules=Rules())


async def test_a_reading_is_a_copy(bench):
    """What is counted after it is not in it."""
    counts = counting(bench)
    await bench.register()
    reading = await figures(bench, counts).read()
    await bench.publish(2)
    await bench.settled()
    assert (reading.counts.events, counts.events) == (0, 2)
    assert number(reading.counts.attempts_us[Counted.SUCCESS]) == 0
    assert number(reading.group_jobs) < number(bench.store.tally.group_jobs)


async def test_what_is_under_way_and_what_waits(bench):
    """Attempts in flight from the dispatcher, the rest from the database."""
    bench.sender.script = None
    await bench.register(max_in_flight=3)
    await bench.publish(10)
    await bench.sender.wait(3)
    reading = await figures(bench, Counts()).read()
    assert (reading.in_flight, reading.max_in_flight) == (3, 1_000)
    assert reading.backlog is not None
    assert reading.backlog.waiting == 7
    assert reading.backlog.first_due_at == bench.clock.now


async def test_the_database_is_not_asked_each_time(bench):
    """For some seconds the last answer is good enough."""
    bench.sender.script = None
    await bench.register(max_in_flight=1)
    await bench.publish(2)
    await bench.sender.wait(1)
    found = figures(bench, Counts())
    first = await found.read()
    await bench.publish(5)
    second = await found.read()
    assert first.backlog == second.backlog
    found._fresh_until = 0.0
    third = await found.read()
    assert third.backlog is not None
    assert third.backlog.waiting == 6


async def test_timeouts_are_told_with_their_limit(bench):
    """Those of integrations that have any, and how many unsubscribe."""
    bench.sender.script = lambda _outbound: Unanswered(Reason.SLOW, "")
    await bench.register("Dead")
    await bench.register("Quiet", resources=["comment"])
    for _ in range(3):
        await bench.publish()
        await bench.settled()
    reading = await figures(bench, Counts()).read()
    assert (reading.timeouts, reading.timeouts_limit) == ({"dead": 3}, 1_000)


async def test_figures_without_the_database(bench, tmp_path):
    """Where it cannot be read, what is counted in memory is still told."""
    counts = counting(bench)
    await bench.register()
    await bench.publish()
    await bench.settled()
    with sqlite3.connect(tmp_path / "test.db", isolation_level=None) as other:
        other.execute("ALTER TABLE deliveries RENAME TO away")
        reading = await figures(bench, counts).read()
        other.execute("ALTER TABLE away RENAME TO deliveries")
    other.close()
    assert reading.backlog is None
    assert reading.counts.events == 1
