"""Reading the log, on every store: filters, pages, and who may see which event."""

import pytest

from hookline.core.lifecycle import State
from hookline.core.verdict import Parked, ParkReason
from hookline.store.values import DeliveryFilter


@pytest.fixture
async def log(world):
    """Eight deliveries: two organizations, three apps, every state."""
    one, two = await world.app("one"), await world.app("two")
    far = await world.app("far", organization="globex")
    events = [world.event(one, two), world.event(one), world.event(two), world.event(far)]
    await world.record(*events)
    for leased in await world.leased(limit=3):
        verdict = Parked(ParkReason.GONE) if leased.integration_id == two.integration.id else None
        await world.settle(leased, verdict)
    await world.waiting(one, 2)
    await world.leased(limit=1)
    await world.waiting(far)
    return events


async def every(world, **filters):
    return await world.store.deliveries(DeliveryFilter(**filters))


async def test_newest_first(world, log):
    """Without a filter everything is listed, in falling order of id."""
    ids = [each.id for each in await every(world)]
    assert len(ids) == 8
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ({"organization": "globex"}, lambda each: each.organization == "globex"),
        ({"organization": "nobody"}, lambda _: False),
        ({"integration": "two"}, lambda each: each.integration == "two"),
        *(
            ({"state": state}, lambda each, state=state: each.state is state)
            for state in (State.WAITING, State.LEASED, State.DELIVERED, State.PARKED)
        ),
        (
            {"organization": "acme", "integration": "one", "state": State.DELIVERED},
            lambda each: (each.integration, each.state) == ("one", State.DELIVERED),
        ),
    ],
)
async def test_filters(world, log, filters, holds):
    """A filter lists what matches and nothing else; several must all match."""
    everything = await every(world)
    assert await every(world, **filters) == [each for each in everything if holds(each)]


async def test_the_deliveries_of_an_event(world, log):
    """An event's own deliveries, by its 16 bytes."""
    found = await every(world, event_id=log[0].id)
    assert {bytes.fromhex(each.id) for each in found} == {each.id for each in log[0].deliveries}
    assert await every(world, event_id=world.new_id()) == []


@pytest.mark.parametrize("limit", [1, 3, 8, 50])
async def test_pages_make_up_the_whole(world, log, limit):
    """Turning pages by the last id gives each delivery once, also while new ones come in."""
    everything = await every(world)
    pages, before = [], None
    while page := await every(world, before=before, limit=limit):
        assert len(page) <= limit
        pages += page
        before = bytes.fromhex(page[-1].id)
        await world.record(world.event())
    assert pages == everything


async def test_the_states_of_this_log(world, log):
    """The log that these tests read holds every state, or the filters above prove nothing."""
    assert {each.state for each in await every(world)} == set(State)


async def test_a_delivery_names_its_event_as_its_publisher_does(world):
    """The publisher's id where it gave one, ours where it did not."""
    app = await world.app()
    named, nameless = world.event(app, external_id="order-1"), world.event(app)
    await world.record(named, nameless)
    found = [await world.delivery(event.deliveries[0].id) for event in (named, nameless)]
    assert [each.event for each in found] == ["order-1", nameless.id.hex()]
    assert [each.id for each in found] == [
        event.deliveries[0].id.hex() for event in (named, nameless)
    ]
    assert found[0].webhook_url == app.integration.webhook_url
    assert found[0].accepted_at == world.START


async def test_an_event_is_found_by_either_id(world):
    """By the publisher's id and by ours, and it is named by the publisher's."""
    app = await world.app()
    event = world.event(app, external_id="order-1")
    await world.record(event)
    by_ours, by_theirs = [
        await world.store.events(name, None) for name in (event.id.hex(), "order-1")
    ]
    assert by_ours == by_theirs
    assert [each.id for each in by_ours] == ["order-1"]


async def test_an_event_is_seen_in_its_own_organization_only(world):
    """With an organization named, nobody else's event is given, by either id."""
    app = await world.app()
    event = world.event(app, external_id="order-1")
    await world.record(event)
    for name in ("order-1", event.id.hex()):
        assert len(await world.store.events(name, "acme")) == 1
        assert await world.store.events(name, "globex") == []


@pytest.mark.parametrize(
    "name", ["", "never", "00" * 16, "00" * 15, "zz" * 16, "' OR 1 --", "a\0b", "\N{SNOWMAN}" * 99]
)
async def test_an_id_that_names_nothing(world, name):
    """Any text is a question, and the answer is an empty list."""
    await world.waiting(await world.app())
    assert await world.store.events(name, None) == []


async def test_what_is_not_there(world):
    """None for a delivery and its body, no attempts."""
    unknown = world.new_id()
    assert await world.store.delivery(unknown) is None
    assert await world.store.attempts(unknown) == []
    assert await world.store.attempt_body(unknown) is None


async def test_the_log_outlives_what_it_tells_of(world):
    """Deliveries, events and bodies can be read after their integration was deleted."""
    app = await world.app("app")
    event = world.event(app, external_id="e")
    await world.record(event)
    await world.store.delete_integration(app.integration.id, world.START)
    (found,) = await every(world, integration="app")
    assert (found.integration, found.installation) == ("app", app.installation.uuid)
    assert len(await world.store.events("e", "acme")) == 1
    body = await world.store.attempt_body(event.deliveries[0].id)
    assert (body.action, body.installation, body.tail) == (
        event.action,
        app.installation.uuid,
        event.tail,
    )
