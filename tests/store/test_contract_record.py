"""Recording, on every store: all or none, once per publisher's id, and what an answer says."""

import pytest

from hookline.core.lifecycle import State
from hookline.core.model import BodyEncoding, Considered
from hookline.store.values import AttemptBody, Recorded

CONSIDERED = '[["uuid","app",true,"subscribes to issue"]]'


async def test_an_event_and_its_deliveries_are_there(world):
    """What was handed in comes back: the event whole, and one waiting delivery for each app."""
    one, two = await world.app("one"), await world.app("two")
    event = world.event(one, two, considered=CONSIDERED, targets='["one","two"]', warnings="[]")
    assert await world.record(event) == [Recorded(event.id.hex(), 2, "[]", duplicate=False)]

    (found,) = await world.store.events(event.id.hex(), None)
    assert (found.id, found.key, found.organization) == (event.id.hex(), event.id, "acme")
    assert (found.resource, found.action, found.tail) == ("issue", "created", event.tail)
    assert (found.targets, found.accepted_at) == (("one", "two"), world.START)
    assert found.considered == (Considered("uuid", "app", True, "subscribes to issue"),)
    for app, new in zip((one, two), event.deliveries, strict=True):
        delivery = await world.delivery(new.id)
        assert (delivery.state, delivery.due_at) == (State.WAITING, world.START)
        assert (delivery.integration, delivery.installation) == (
            app.integration.slug,
            app.installation.uuid,
        )
        assert (delivery.attempts_made, delivery.schedule_position) == (0, 0)
        assert (delivery.settled_at, delivery.park_reason) == (None, None)


async def test_an_event_for_nobody_is_kept(world):
    """An event that no integration wants is in the log all the same."""
    await world.app()
    event = world.event(external_id="lonely")
    assert await world.record(event) == [Recorded("lonely", 0, None, duplicate=False)]
    (found,) = await world.store.events("lonely", "acme")
    assert (found.key, found.targets, found.considered) == (event.id, None, ())


async def test_nothing_to_record(world):
    """No events, no answers."""
    assert await world.record() == []


async def test_answers_stand_in_the_order_of_the_events(world):
    """Answer n is event n's, with fresh ones, known ones and nameless ones mixed."""
    app = await world.app()
    await world.record(world.event(app, external_id="b", warnings='["first"]'))
    events = [
        world.event(app, external_id="a"),
        world.event(app, app, external_id="b"),
        world.event(app),
        world.event(app, external_id="c"),
    ]
    assert await world.record(*events) == [
        Recorded("a", 1, None, duplicate=False),
        Recorded("b", 1, '["first"]', duplicate=True),
        Recorded(events[2].id.hex(), 1, None, duplicate=False),
        Recorded("c", 1, None, duplicate=False),
    ]


async def test_the_same_id_again_gets_the_first_answer(world):
    """A repeated event stores nothing and is answered as the first one was."""
    app = await world.app()
    first, second = (
        world.event(app, external_id="order-1", warnings='["w"]', tail=tail)
        for tail in (b"first", b"second")
    )
    await world.record(first)
    assert await world.record(second) == [Recorded("order-1", 1, '["w"]', duplicate=True)]
    assert [event.tail for event in await world.store.events("order-1", None)] == [b"first"]
    assert await world.store.delivery(second.deliveries[0].id) is None
    assert [each.id for each in await world.leased()] == [first.deliveries[0].id]


async def test_the_same_id_twice_within_one_call(world):
    """Inside one batch too the first one counts, and each repetition is answered as it was."""
    app = await world.app()
    events = [
        world.event(app, external_id="x", warnings='["first"]'),
        world.event(app, app, external_id="x"),
        world.event(external_id="x"),
    ]
    first = Recorded("x", 1, '["first"]', duplicate=False)
    again = first._replace(duplicate=True)
    assert await world.record(*events) == [first, again, again]
    assert len(await world.leased()) == 1


async def test_the_same_id_in_two_organizations(world):
    """A publisher's id is unique within an organization, not beyond it: tenants do not collide."""
    ours, theirs = await world.app("ours"), await world.app("theirs", organization="globex")
    answers = await world.record(
        world.event(ours, external_id="1"), world.event(theirs, external_id="1")
    )
    assert answers == [Recorded("1", 1, None, duplicate=False)] * 2
    assert [e.organization for e in await world.store.events("1", "globex")] == ["globex"]
    assert sorted(e.organization for e in await world.store.events("1", None)) == ["acme", "globex"]


async def test_nameless_events_are_never_duplicates(world):
    """Two events without an id of the publisher's are two events, however equal."""
    app = await world.app()
    answers = await world.record(world.event(app), world.event(app))
    assert [answer.duplicate for answer in answers] == [False, False]
    assert len(await world.leased()) == 2


@pytest.mark.parametrize("position", [0, 1, 69])
async def test_a_batch_is_stored_whole_or_not_at_all(world, position):
    """One event that cannot be stored, wherever it stands, takes the whole batch with it."""
    app = await world.app()
    (taken,) = await world.waiting(app)
    events = [world.event(app, external_id=f"e{number}") for number in range(70)]
    bad = events[position]
    events[position] = bad._replace(deliveries=(bad.deliveries[0]._replace(id=taken),))
    with pytest.raises(Exception):  # noqa: B017 -- a defect of the caller, not a refusal
        await world.record(*events)
    assert [await world.store.events(f"e{number}", None) for number in range(70)] == [[]] * 70
    assert [each.id for each in await world.leased()] == [taken]


async def test_a_batch_larger_than_any_one_statement(world):
    """Batches of odd sizes are stored completely and in order."""
    app = await world.app(max_in_flight=1000)
    for count in (1, 63, 64, 65, 129, 200):
        events = [world.event(app, at=world.START + number) for number in range(count)]
        answers = await world.record(*events)
        assert [answer.id for answer in answers] == [event.id.hex() for event in events]
        leased = await world.leased(at=world.START + count)
        assert [each.id for each in leased] == [event.deliveries[0].id for event in events]
        await world.settle_all([world.settlement(each) for each in leased])


async def test_events_share_a_plan(world):
    """Equal decisions have one id and may come with any number of events, in one call or many."""
    app = await world.app()
    await world.record(*(world.event(app, plan_id=b"p1", considered=CONSIDERED) for _ in range(3)))
    other = '[["uuid","app",false,"not alertable"]]'
    await world.record(
        world.event(app, external_id="same", plan_id=b"p1", considered=CONSIDERED),
        world.event(app, external_id="other", plan_id=b"p2", considered=other),
    )
    (same,), (differs,) = [await world.store.events(name, None) for name in ("same", "other")]
    assert [each.reason for each in same.considered] == ["subscribes to issue"]
    assert [each.reason for each in differs.considered] == ["not alertable"]


@pytest.mark.parametrize(
    ("in_ascii", "tail_ascii", "sent"),
    [
        (False, None, "é".encode()),
        (False, b"\\u00e9", "é".encode()),
        (True, None, "é".encode()),
        (True, b"\\u00e9", b"\\u00e9"),
    ],
)
async def test_each_delivery_gets_its_spelling(world, in_ascii, tail_ascii, sent):
    """The ascii tail goes to deliveries that ask for it, where the two spellings differ at all."""
    app = await world.app(body_encoding=BodyEncoding.ASCII)
    event = world.event(app, in_ascii=in_ascii, tail="é".encode(), tail_ascii=tail_ascii)
    await world.record(event)
    (leased,) = await world.leased()
    assert leased.tail == sent
    body = await world.store.attempt_body(leased.id)
    assert body == AttemptBody("created", app.installation.uuid, sent)


async def test_a_stale_plan_for_a_deleted_integration(world):
    """An event that was planned before its integration was deleted is parked, not left waiting."""
    gone, stays = await world.app("gone"), await world.app("stays")
    event = world.event(gone, stays)
    await world.store.delete_integration(gone.integration.id, world.START)
    assert await world.record(event) == [Recorded(event.id.hex(), 2, None, duplicate=False)]
    parked, waits = [await world.delivery(new.id) for new in event.deliveries]
    assert (parked.state, parked.park_reason) == (State.PARKED, "deleted")
    assert waits.state == State.WAITING
    assert [each.id for each in await world.leased()] == [event.deliveries[1].id]
