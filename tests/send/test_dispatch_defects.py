"""A delivery that trips over a defect of ours stops no other, and is not lost."""

from dataclasses import replace

import structlog
from tests.send.conftest import completed, ok

from hookline.core.errors import Unavailable
from hookline.core.lifecycle import State
from hookline.core.outcome import Answered, Counted, Reason, Unanswered
from hookline.send.slots import Limits
from hookline.store.values import DeliveryFilter

UNSTORABLE = Unanswered(Reason.RESET, "\udcff")  # half of a pair: no UTF-8, so nothing to SQLite


async def states(bench) -> list[State]:
    return [each.state for each in await bench.store.deliveries(DeliveryFilter())]


async def still_delivers(bench) -> None:
    """The dispatcher runs, and has room."""
    bench.sender.script = ok
    await bench.publish()
    posted = len(bench.sender.posted)
    await bench.sender.wait(posted)
    await bench.settled()
    assert State.DELIVERED in await states(bench)
    assert bench.dispatcher.in_flight == 0


async def three_ended(bench, outcome) -> dict[str, object]:
    """Three attempts end in one batch, the second with this outcome; deliveries in that order."""
    bench.sender.script = None
    await bench.register()
    await bench.publish(3)
    await bench.sender.wait(3)
    keys = [key for key, _ in bench.sender.posted]
    batch = [completed(key, Answered(204)) for key in keys]
    batch[1] = completed(keys[1], outcome)
    with structlog.testing.capture_logs() as logged:
        bench.dispatcher.completed(batch)
        await bench.settled()
    ids = [key.leased.id.hex() for key in keys]
    found = {each.id: each for each in await bench.store.deliveries(DeliveryFilter())}
    errors = [each for each in logged if each["log_level"] == "error"]
    return {"deliveries": [found[each] for each in ids], "errors": errors}


async def test_an_attempt_that_cannot_be_stored_as_it_is_stops_no_other(bench):
    """It is settled without its words, the others as they are, and the log names its delivery."""
    told = await three_ended(bench, UNSTORABLE)
    one, bad, three = told["deliveries"]
    assert (one.state, bad.state, three.state) == (
        State.DELIVERED, State.WAITING, State.DELIVERED,
    )  # fmt: skip
    (attempt,) = await bench.store.attempts(bytes.fromhex(bad.id))
    assert attempt.outcome == Counted.TIMEOUT
    assert "a defect of Hookline" in attempt.detail
    ((event, delivery),) = [(each["event"], each["delivery"]) for each in told["errors"]]
    assert (event, delivery) == ("settlement.words_refused", bad.id)
    await still_delivers(bench)


async def test_an_attempt_that_cannot_be_stored_at_all_is_left_to_its_lease(bench):
    """It is tried again when that has run out, and not before."""
    told = await three_ended(bench, Answered(2**70))
    assert [each.state for each in told["deliveries"]] == [
        State.DELIVERED, State.LEASED, State.DELIVERED,
    ]  # fmt: skip
    ((event, delivery),) = [(each["event"], each["delivery"]) for each in told["errors"]]
    assert (event, delivery) == ("settlement.refused", told["deliveries"][1].id)
    await still_delivers(bench)
    posted = len(bench.sender.posted)
    bench.clock.now += 2 * Limits().lease_us
    bench.dispatcher.wake()
    await bench.sender.wait(posted + 1)
    await bench.settled()
    assert set(await states(bench)) == {State.DELIVERED}


async def test_an_attempt_that_cannot_be_judged_stops_no_other(bench):
    """What is no outcome at all is left to its lease; its slot is free."""
    told = await three_ended(bench, "no outcome")
    assert [each.state for each in told["deliveries"]] == [
        State.DELIVERED, State.LEASED, State.DELIVERED,
    ]  # fmt: skip
    assert [each["event"] for each in told["errors"]] == ["attempt.unjudged"]
    await still_delivers(bench)


async def test_what_cannot_be_settled_waits_with_the_store(bench, tmp_path):
    """A store that goes away among the defects loses none of the batch."""
    bench.sender.script = None
    await bench.register()
    await bench.publish(3)
    await bench.sender.wait(3)
    settle, sizes = bench.store.settle, []

    async def failing(settlements, rules):
        sizes.append(len(settlements))
        if sizes == [3, 1]:
            raise Unavailable("database-io", "the disk failed to write", "")
        return await settle(settlements, rules)

    bench.store.settle = failing
    keys = [key for key, _ in bench.sender.posted]
    bench.dispatcher.completed([completed(each, UNSTORABLE) for each in keys])
    await bench.settled()
    assert sizes[:3] == [3, 1, 3]
    assert await states(bench) == [State.WAITING] * 3


async def test_a_request_that_cannot_be_built_stops_no_other(bench):
    """It is left to its lease; what was leased with it goes out."""
    await bench.register("Broken", resources=["issue"])
    await bench.register("Whole", resources=["comment"])
    routes = bench.directory.routes

    async def broken(ids):
        found = await routes(ids)
        return {
            number: replace(route, policy=None) if route.slug == "broken" else route
            for number, route in found.items()
        }

    bench.directory.routes = broken
    with structlog.testing.capture_logs() as logged:
        await bench.publish_batch({"resource": "issue"}, {"resource": "comment"})
        await bench.sender.wait(1)
        await bench.settled()
    resources = [dict(o.headers)["Sentry-Hook-Resource"] for _, o in bench.sender.posted]
    assert resources == ["comment"]
    assert [e["event"] for e in logged if e["log_level"] == "error"] == ["request.unbuildable"]
