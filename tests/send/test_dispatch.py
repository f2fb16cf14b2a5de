"""The dispatcher on a clock of the test's: retries, bounds, trouble of the store, stopping."""

import asyncio
import sqlite3
from email.utils import formatdate

import pytest

from hookline.core.errors import Unavailable
from hookline.core.lifecycle import State
from hookline.core.outcome import Answered, Blocked, Counted, Reason, Unanswered
from hookline.send.slots import Limits, Slots
from hookline.store.values import DeliveryFilter

SECOND = 1_000_000


def hold_the_lock(tmp_path) -> sqlite3.Connection:
    """What another process does that writes to the database."""
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def let_go(other: sqlite3.Connection) -> None:
    other.execute("ROLLBACK")
    other.close()


async def states(bench) -> list[State]:
    return [each.state for each in await bench.store.deliveries(DeliveryFilter(limit=200))]


async def test_what_is_published_is_attempted_and_settled(bench):
    """One event for one integration: one attempt, delivered."""
    await bench.register()
    await bench.publish()
    await bench.settled()
    assert len(bench.sender.posted) == 1
    assert await states(bench) == [State.DELIVERED]


async def test_the_attempt_is_in_the_log(bench):
    """The log has what the sender reported, and the signature that went out."""
    await bench.register()
    await bench.publish()
    await bench.settled()
    (_, outbound) = bench.sender.posted[0]
    (delivery,) = await bench.store.deliveries(DeliveryFilter())
    (attempt,) = await bench.store.attempts(bytes.fromhex(delivery.id))
    assert attempt.number == 1
    assert attempt.signature == outbound.signature
    assert attempt.outcome == Counted.SUCCESS
    assert attempt.address == "192.0.2.1:443"


async def test_retries_follow_the_schedule_with_the_same_bytes(bench):
    """Each retry comes when it is due, not before, with the same body and Request-ID."""
    bench.sender.script = lambda _outbound: Answered(500)
    await bench.register(retry_schedule=[0, 10, 60])
    await bench.publish()
    await bench.settled()
    for number, wait in ((2, 10), (3, 60)):
        bench.clock.now += (wait - 1) * SECOND
        bench.dispatcher.wake()
        await bench.settled()
        assert len(bench.sender.posted) == number - 1
        bench.clock.now += 1 * SECOND
        bench.dispatcher.wake()
        await bench.settled()
        assert len(bench.sender.posted) == number
    assert await states(bench) == [State.PARKED]
    assert len({outbound.body for _, outbound in bench.sender.posted}) == 1
    assert len({dict(outbound.headers)["Request-ID"] for _, outbound in bench.sender.posted}) == 1
    stamps = [dict(o.headers)["Sentry-Hook-Timestamp"] for _, o in bench.sender.posted]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (Answered(204), State.DELIVERED, None),
        (Answered(301), State.WAITING, None),
        (Answered(410), State.PARKED, "gone"),
        (Answered(500), State.WAITING, None),
        (Unanswered(Reason.SLOW, "too slow"), State.WAITING, None),
        (Blocked("10.0.0.1:80", "private"), State.PARKED, "blocked"),
    ],
)
async def test_each_outcome_has_its_verdict(bench, outcome, state, reason):
    """What came of an attempt decides where the delivery stands."""
    bench.sender.script = lambda _outbound: outcome
    await bench.register()
    await bench.publish()
    await bench.settled()
    (delivery,) = await bench.store.deliveries(DeliveryFilter())
    assert (delivery.state, delivery.park_reason) == (state, reason)


async def test_an_integration_has_at_most_its_cap_in_flight(bench):
    """The cap holds while attempts hang, and each that ends makes room for one."""
    bench.sender.script = None
    await bench.register(max_in_flight=3)
    await bench.publish(10)
    await bench.sender.wait(3)
    await bench.publish(1)  # a commit later, still three
    assert len(bench.sender.posted) == 3
    bench.sender.finish(0, Answered(204))
    await bench.sender.wait(4)
    assert len(bench.sender.posted) == 4


async def test_a_hanging_integration_does_not_hold_up_another(bench):
    """One integration's hundred hang at their cap; the other's all go out."""
    bench.sender.script = None
    await bench.register("Dead", resources=["issue"], max_in_flight=5)
    await bench.register("Alive", resources=["comment"])
    await bench.publish(100)
    await bench.sender.wait(5)
    await bench.publish(20, resource="comment")
    await bench.sender.wait(25)
    resources = [dict(o.headers)["Sentry-Hook-Resource"] for _, o in bench.sender.posted]
    assert (resources.count("issue"), resources.count("comment")) == (5, 20)


async def test_all_attempts_together_are_bounded(bench):
    """No more than max_in_flight attempts are under way, over all integrations."""
    bench.sender.script = None
    bench.dispatcher._slots = Slots(Limits(max_in_flight=7))
    for n in range(8):
        await bench.register(f"App {n}")
    await bench.publish(10)
    await bench.sender.wait(7)
    bench.sender.finish(0, Answered(204))
    await bench.sender.wait(8)
    assert len(bench.sender.posted) == 8


async def test_young_attempts_are_bounded_until_they_age(bench):
    """Attempts that have grown old leave their room to new ones."""
    bench.sender.script = None
    bench.dispatcher._slots = Slots(Limits(max_fresh=4))
    await bench.register()
    await bench.publish(10)
    await bench.sender.wait(4)
    assert len(bench.sender.posted) == 4
    bench.clock.now += SECOND
    bench.dispatcher.wake()
    await bench.sender.wait(8)
    assert len(bench.sender.posted) == 8


async def test_a_locked_database_is_waited_out(bench, tmp_path):
    """While another process holds the database nothing is lost, and it goes on by itself."""
    bench.sender.script = None
    await bench.register()
    await bench.publish()
    await bench.sender.wait(1)
    other = hold_the_lock(tmp_path)
    bench.sender.finish(0, Answered(204))
    with pytest.raises(Unavailable) as refused:
        await bench.publish()
    assert refused.value.code == "database-locked"
    assert await states(bench) == [State.LEASED]
    let_go(other)
    await bench.settled()
    assert await states(bench) == [State.DELIVERED]


async def test_a_long_outage_of_the_store_repeats_nothing(bench, tmp_path):
    """An attempt that ended while the store was away for longer than a lease is settled, once."""
    bench.sender.script = None
    await bench.register()
    await bench.publish()
    await bench.sender.wait(1)
    other = hold_the_lock(tmp_path)
    bench.sender.finish(0, Answered(204))
    with pytest.raises(Unavailable):
        await bench.publish()
    async with asyncio.timeout(10):
        while bench.dispatcher._turning:  # its try waits for the lock as well
            await asyncio.sleep(0.01)
    bench.clock.now += 10 * 60 * SECOND
    let_go(other)
    await bench.settled()
    assert await states(bench) == [State.DELIVERED]
    assert len(bench.sender.posted) == 1


async def test_a_late_settlement_is_refused(bench):
    """An attempt that ends after its lease ran out and was given away changes nothing."""
    bench.sender.script = None
    await bench.register()
    await bench.publish()
    await bench.sender.wait(1)
    bench.clock.now += 10 * 60 * SECOND
    assert await bench.store.rescue(bench.clock.now) == 1
    bench.dispatcher.wake()
    await bench.sender.wait(2)
    bench.sender.finish(0, Answered(500))
    bench.sender.finish(1, Answered(204))
    await bench.settled()
    (delivery,) = await bench.store.deliveries(DeliveryFilter())
    assert (delivery.state, delivery.attempts_made) == (State.DELIVERED, 1)


async def test_stopping_settles_what_is_under_way_and_begins_nothing(bench):
    """After stop_leasing the run ends when the last attempt is settled; the rest waits."""
    bench.sender.script = None
    await bench.register(max_in_flight=1)
    await bench.publish(2)
    await bench.sender.wait(1)
    bench.dispatcher.stop_leasing()
    bench.sender.finish(0, Answered(204))
    await bench.settled()
    assert sorted(await states(bench)) == [State.DELIVERED, State.WAITING]
    assert len(bench.sender.posted) == 1


async def test_a_changed_url_is_used_by_the_next_attempt(bench):
    """What an operator changes takes effect at once, also for what waits; the log keeps both."""
    bench.sender.script = lambda _outbound: Answered(500)
    await bench.register(retry_schedule=[0, 1])
    await bench.publish()
    await bench.settled()
    await bench.registry.update_integration("pager", {"webhook_url": "https://new.example.com/"})
    bench.clock.now += 2 * SECOND
    bench.dispatcher.wake()
    await bench.settled()
    urls = [outbound.url for _, outbound in bench.sender.posted]
    assert urls == ["https://hooks.example.com/", "https://new.example.com/"]
    (delivery,) = await bench.store.deliveries(DeliveryFilter())
    logged = [each.url for each in await bench.store.attempts(bytes.fromhex(delivery.id))]
    assert logged == urls


async def test_one_unreadable_secret_stops_nobody_else(bench, store):
    """A secret that was tampered with holds up its own integration only."""
    await bench.register("Broken", resources=["issue"])
    await bench.register("Whole", resources=["comment"])
    await store._write(
        lambda c: c.execute("UPDATE secrets SET sealed = x'00' WHERE id = 1") and None
    )
    bench.directory.changed()
    await bench.publish()
    await bench.publish(resource="comment")
    await bench.sender.wait(1)
    resources = [dict(o.headers)["Sentry-Hook-Resource"] for _, o in bench.sender.posted]
    assert resources == ["comment"]


async def test_publishers_share_a_commit(bench):
    """Forty publishers at once are answered by far fewer commits."""
    bench.sender.script = None
    groups = []
    record = bench.store.record

    async def counted(events):
        groups.append(len(events))
        return await record(events)

    bench.store.record = counted
    await bench.register()
    await asyncio.gather(*(bench.publish() for _ in range(40)))
    assert sum(groups) == 40
    assert len(groups) <= 5


async def test_what_was_leased_is_begun_when_its_route_can_be_read_again(bench):
    """Routes that cannot be read right after a lease cost a moment, not the time of a lease."""
    routes, asked = bench.store.routes, []

    async def failing(ids):
        asked.append(ids)
        if len(asked) <= 2:
            raise Unavailable("database-io", "the disk failed to read", "")
        return await routes(ids)

    bench.store.routes = failing
    await bench.register()
    await bench.publish(3)
    await bench.sender.wait(3)
    await bench.settled()
    assert await states(bench) == [State.DELIVERED] * 3
    assert len(bench.sender.posted) == 3


async def test_abandoning_settles_what_has_ended_and_leaves_the_rest(bench):
    """One attempt ended, one hangs: the run ends, and only the second is still leased."""
    bench.sender.script = None
    await bench.register()
    await bench.publish(2)
    await bench.sender.wait(2)
    bench.sender.finish(0, Answered(204))
    bench.dispatcher.abandon()
    await bench.settled()
    assert sorted(await states(bench)) == [State.DELIVERED, State.LEASED]


async def test_a_date_in_retry_after_is_of_the_receivers_clock(bench):
    """It is held against the wall clock, whatever the steady one is ahead of that."""
    bench.sender.script = None
    wall = bench.clock.now - 3600 * SECOND
    bench.dispatcher._wall = lambda: wall
    await bench.register(retry_schedule=[0, 1])
    await bench.publish()
    await bench.sender.wait(1)
    date = formatdate(wall // SECOND + 60, usegmt=True)
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {date}\r\n\r\n".encode()
    bench.sender.finish(0, Answered(503), response_head=head)
    await bench.settled()
    (delivery,) = await bench.store.deliveries(DeliveryFilter())
    assert delivery.due_at == bench.clock.now + 60 * SECOND
