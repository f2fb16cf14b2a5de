"""The rules of unsubscribing and what comes after, through the dispatcher, on a clock of the test's."""

import asyncio
import itertools
from typing import Any

import pytest

from hookline.core.errors import Conflict, Invalid
from hookline.core.lifecycle import State
from hookline.core.notice import NoticeKind
from hookline.core.outcome import Answered, Reason, Unanswered
from hookline.core.unsubscribing import Reason as Why
from hookline.send.subscriptions import Span
from hookline.store.values import DeliveryFilter

SECOND = 1_000_000
DAY = 86_400 * SECOND
PARKED, BOTH = frozenset({State.PARKED}), frozenset({State.PARKED, State.DELIVERED})
SILENT = Unanswered(Reason.SLOW, "the time was up")


async def found(bench: Any, slug: str = "pager") -> Any:
    return await bench.registry.integration(slug)


async def kinds(bench: Any) -> list[tuple[NoticeKind, Why]]:
    """The notices, oldest first."""
    notices = await bench.store.notices(before=None, integration_id=None, limit=100)
    return [(each.kind, each.reason) for each in reversed(notices)]


async def tally(bench: Any) -> dict[str, int]:
    """How many deliveries stand how."""
    counts: dict[str, int] = {}
    before = None
    while page := await bench.store.deliveries(DeliveryFilter(before=before, limit=200)):
        for each in page:
            name = each.park_reason or each.state.value
            counts[name] = counts.get(name, 0) + 1
        before = bytes.fromhex(page[-1].id)
    return counts


async def until_done(bench: Any, slug: str = "pager") -> Any:
    """Wait until the newest recovery is done; what became of it."""
    async with asyncio.timeout(20):
        while True:
            recovery = (await bench.subscriptions.recoveries(slug))[0]
            if recovery.done_at is not None:
                return recovery
            await asyncio.sleep(0.001)


async def missed(bench: Any, count: int, **given: Any) -> None:
    """An integration that was unsubscribed before so many events came."""
    await bench.register(**given)
    await bench.subscriptions.unsubscribe("pager")
    for _ in range(count):
        await bench.publish()


# -- the rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart_s", "trips"), [(86, True), (87, False)])
async def test_a_thousand_timeouts_in_24_hours(bench, apart_s, trips):
    """The documented numbers: 86 s apart the thousandth is within the span, 87 s apart it is not."""

    def silent(_outbound: Any) -> Any:
        bench.clock.now += apart_s * SECOND
        return SILENT

    bench.sender.script = silent
    await bench.register(retry_schedule=[0], max_in_flight=1)
    await bench.publish(999)
    await bench.settled()
    assert (len(bench.sender.posted), (await found(bench)).unsubscribed) == (999, None)
    await bench.publish(3)
    await bench.settled()
    since = (await found(bench)).unsubscribed
    told = await kinds(bench)
    if trips:
        assert (since.reason, since.at) == (Why.TIMEOUTS, bench.clock.now)
        assert since.detail == "1,000 attempts within 24 hours timed out."
        assert await tally(bench) == {"exhausted": 1000, "unsubscribed": 2}
        assert told == [(NoticeKind.WARNED, Why.TIMEOUTS)] * 2 + [
            (NoticeKind.UNSUBSCRIBED, Why.TIMEOUTS)
        ]
    else:
        assert since is None
        assert len(bench.sender.posted) == 1002
        assert told == [(NoticeKind.WARNED, Why.TIMEOUTS)] * 2


async def days(bench: Any, *answers: Any) -> None:
    """One attempt a day with that answer; on a day of None there is no attempt."""
    for answer in answers:
        if answer is not None:
            bench.sender.script = lambda _outbound, answer=answer: answer
            await bench.publish()
            await bench.settled()
        await bench.turn(DAY)


async def test_five_days_of_failure_only(bench):
    """The attempt that completes the fifth day unsubscribes; the one before it does not."""
    await bench.register(retry_schedule=[0])
    await days(bench, *[Answered(500)] * 5)
    assert (await found(bench)).unsubscribed is None
    await days(bench, Answered(500))
    since = (await found(bench)).unsubscribed
    assert (since.reason, since.detail) == (
        Why.FAILURES,
        "Every attempt of 5 days running failed.",
    )
    assert await kinds(bench) == [(NoticeKind.UNSUBSCRIBED, Why.FAILURES)]


@pytest.mark.parametrize("between", [Answered(204), None], ids=["a success", "a day without"])
async def test_what_begins_the_five_days_anew(bench, between):
    """One success, or a whole day in which nothing was tried, and it takes five days again."""
    await bench.register(retry_schedule=[0])
    await days(bench, *[Answered(500)] * 4, between, *([None] if between is None else []))
    await days(bench, *[Answered(500)] * 5)
    assert (await found(bench)).unsubscribed is None
    await days(bench, Answered(500))
    assert (await found(bench)).unsubscribed is not None


async def test_a_long_queue_is_parked_beside_the_dispatching(bench):
    """More than one transaction parks at once: the rest follows, and nothing of it is sent."""
    bench.sender.script = lambda _outbound: Answered(410)
    await bench.register(max_in_flight=1)
    await bench.publish_batch(*[{}] * 1_500)
    await bench.settled()
    async with asyncio.timeout(20):
        while (await tally(bench)).get("waiting"):
            await asyncio.sleep(0.001)
    assert await tally(bench) == {"gone": 1, "unsubscribed": 1_499}
    assert len(bench.sender.posted) == 1


# -- coming back ----------------------------------------------------------------------------------


async def test_a_dry_run_counts_what_is_then_recovered(bench):
    """Though ids are ahead of a clock that stands still, and nothing changes by counting."""
    await missed(bench, 20)
    assert await bench.subscriptions.missed("pager") == {"unsubscribed": 20}
    assert (await found(bench)).unsubscribed is not None
    _, recovery = await bench.subscriptions.resubscribe("pager", recover=True)
    assert recovery is not None
    assert (await until_done(bench)).recovered == 20
    await bench.settled()
    assert await tally(bench) == {"delivered": 20}
    assert len(bench.sender.posted) == 20


async def test_what_comes_while_a_recovery_goes_on_is_not_recovered(bench):
    """It ends where the deliveries ended when it began."""
    await bench.register(retry_schedule=[0])
    bench.sender.script = lambda _outbound: Answered(500)
    await bench.publish(3)
    await bench.settled()
    recovery = await bench.subscriptions.recover("pager", Span(0, None, PARKED))
    await bench.publish(2)
    assert (await until_done(bench)).recovered == 3
    await bench.settled()
    assert recovery.recovered == 0
    assert len(bench.sender.posted) == 8


async def test_recovered_ones_are_retried_with_the_whole_schedule(bench):
    """The first attempt of each fails again, and the second delivers it."""
    await missed(bench, 3, retry_schedule=[0, 10])
    answers = iter([Answered(500)] * 3)
    bench.sender.script = lambda _outbound: next(answers, Answered(204))
    await bench.subscriptions.resubscribe("pager", recover=True)
    await until_done(bench)
    await bench.settled()
    assert await tally(bench) == {"waiting": 3}
    await bench.turn(12 * SECOND)
    assert await tally(bench) == {"delivered": 3}
    ids = [key.leased.id for key, _ in bench.sender.posted]
    assert sorted(ids[:3]) == sorted(ids[3:])


async def test_delivered_ones_too_where_that_is_asked_for(bench):
    """Only then; each goes out once more with its own id."""
    await bench.register()
    await bench.publish(4)
    await bench.settled()
    span = Span(0, None, BOTH)
    assert await bench.subscriptions.count("pager", span) == {"delivered": 4}
    assert await bench.subscriptions.count("pager", Span(0, None, PARKED)) == {}
    await bench.subscriptions.recover("pager", span)
    assert (await until_done(bench)).recovered == 4
    await bench.settled()
    ids = [key.leased.id for key, _ in bench.sender.posted]
    assert sorted(ids[:4]) == sorted(ids[4:])


async def test_recovering_keeps_to_the_cap(bench):
    """However much is to be sent again, no more is under way than the integration takes."""
    await missed(bench, 12, max_in_flight=3)
    bench.sender.script = None
    await bench.subscriptions.resubscribe("pager", recover=True)
    await until_done(bench)
    for ended in range(12):
        await bench.sender.wait(min(ended + 3, 12))
        assert len(bench.sender.posted) == min(ended + 3, 12)
        bench.sender.finish(ended, Answered(204))
    await bench.settled()
    assert await tally(bench) == {"delivered": 12}


async def test_an_ordered_one_gets_what_it_missed_in_order(bench):
    """As accepted, one at a time, before anything newer; a failing head holds back the rest."""
    await missed(bench, 0, ordered=True, retry_schedule=[0, 10])
    for n in range(8):
        await bench.publish(data={"n": n})
    answers = iter([Answered(500)])
    bench.sender.script = lambda _outbound: next(answers, Answered(204))
    await bench.subscriptions.resubscribe("pager", recover=True)
    await bench.publish(data={"n": 8})
    await bench.settled()
    assert len(bench.sender.posted) == 1
    await bench.turn(12 * SECOND)
    numbers = [int(outbound.body.split(b'"n":')[1][:1]) for _, outbound in bench.sender.posted]
    assert numbers == [0, *range(9)]


async def test_refused_while_unsubscribed_and_while_subscribed(bench):
    """What is recovered could not be sent; and there is nothing to resubscribe."""
    await missed(bench, 1)
    with pytest.raises(Conflict) as caught:
        await bench.subscriptions.recover("pager", Span(0, None, PARKED))
    assert caught.value.code == "integration-unsubscribed"
    await bench.subscriptions.resubscribe("pager", recover=False)
    assert await tally(bench) == {"unsubscribed": 1}
    for call in (bench.subscriptions.missed("pager"), resubscribed(bench)):
        with pytest.raises(Conflict) as caught:
            await call
        assert caught.value.code == "already-subscribed"


async def resubscribed(bench: Any) -> Any:
    return await bench.subscriptions.resubscribe("pager", recover=True)


@pytest.mark.parametrize(
    ("since", "until", "states", "code"),
    [
        (5, 5, PARKED, "empty-span"),
        (9, 5, PARKED, "empty-span"),
        (2**62, None, PARKED, "empty-span"),
        (2**62, 2**62 + 1, PARKED, "empty-span"),
        (-5, -9, PARKED, "empty-span"),
        (0, None, frozenset(), "invalid-states"),
        (0, None, frozenset({State.WAITING}), "invalid-states"),
        (0, None, frozenset(State), "invalid-states"),
    ],
)
async def test_spans_that_are_refused(bench, since, until, states, code):
    """Empty ones, those of the future, and states that are not final."""
    await bench.register()
    with pytest.raises(Invalid) as caught:
        await bench.subscriptions.recover("pager", Span(since, until, states))
    assert caught.value.code == code


async def test_a_span_before_all_time_finds_nothing(bench):
    """Before 1970 nothing was accepted."""
    await missed(bench, 2)
    for until in (-1, 0, 1):
        assert await bench.subscriptions.count("pager", Span(-(10**15), until, BOTH)) == {}
    assert await bench.subscriptions.count("pager", Span(-1, None, BOTH)) == {"unsubscribed": 2}


@pytest.mark.parametrize("detail", ["x" * 201, "two\nlines", "\x1b[31m", "\u202e"])
async def test_a_reason_is_one_short_line(bench, detail):
    """It is shown on terminals and in mail."""
    await bench.register()
    with pytest.raises(Invalid) as caught:
        await bench.subscriptions.unsubscribe("pager", detail)
    assert (caught.value.code, caught.value.where) == ("invalid-detail", "/detail")


# -- rates ----------------------------------------------------------------------------------------


def most_within(instants: list[int], span: int) -> int:
    """The most of these that lie within any span of that length."""
    return max(
        sum(first <= each < first + span for each in instants[index:])
        for index, first in enumerate(instants)
    )


@pytest.mark.parametrize(("number", "per", "period"), [(5, "second", 1), (30, "minute", 60)])
@pytest.mark.parametrize("recovered", [False, True], ids=["published", "recovered"])
async def test_a_rate_is_kept_on_every_way(bench, number, per, period, recovered):
    """Counted where it arrives: never more in 99 % of a period, and no slower than the rate."""
    came: list[int] = []

    def taken(_outbound: Any) -> Any:
        came.append(bench.clock.now)
        return Answered(204)

    bench.sender.script = taken
    rate = {"rate_limit": {"number": number, "per": per}}
    count = 3 * number
    await missed(bench, count if recovered else 0, **rate)
    begun = bench.clock.now
    await bench.subscriptions.resubscribe("pager", recover=recovered)
    await (until_done(bench) if recovered else bench.publish(count))
    await bench.settled()
    step = period * SECOND // number // 4
    for _ in range(4 * count + 4):
        await bench.turn(step)
    assert len(came) == count
    assert most_within(came, period * SECOND * 99 // 100) <= number
    assert came[-1] - begun <= 3 * period * SECOND + 4 * step


async def test_a_rate_with_a_failing_head(bench):
    """An ordered integration's retries count like first attempts, and keep the order."""
    came: list[tuple[int, bytes]] = []
    refusals = itertools.chain([Answered(500)] * 3, itertools.repeat(Answered(204)))

    def taken(outbound: Any) -> Any:
        came.append((bench.clock.now, outbound.body))
        return next(refusals)

    bench.sender.script = taken
    await bench.register(
        ordered=True,
        retry_schedule=[0, 0, 0, 0],
        rate_limit={"number": 2, "per": "second"},
    )
    for n in range(4):
        await bench.publish(data={"n": n})
    await bench.settled()
    for _ in range(40):
        await bench.turn(SECOND // 10)
    numbers = [int(body.split(b'"n":')[1][:1]) for _, body in came]
    assert numbers == [0, 0, 0, 0, 1, 2, 3]
    assert most_within([at for at, _ in came], SECOND * 99 // 100) <= 2
