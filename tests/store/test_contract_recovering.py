"""Where a recovery ends, whose turn it is in an ordered lane, and what a gate says, on every store."""

from hookline.core.ids import uuid7_floor
from hookline.core.lifecycle import State
from hookline.core.verdict import Parked, ParkReason, RetryAt
from hookline.store.values import DeliveryFilter, NewRecovery

ALL = frozenset({State.PARKED, State.DELIVERED})


def everything(app, now, **given) -> NewRecovery:
    wanted = NewRecovery(app.integration.id, ALL, b"", b"\xff" * 16, now)
    return wanted._replace(**given)


async def recovered(world, app) -> int:
    while await world.store.recover_some(2, world.START):
        pass
    return (await world.store.recoveries(app.integration.id))[0].recovered


async def parked(world, app, count: int) -> list[bytes]:
    ids = await world.waiting(app, count)
    for each in await world.leased():
        await world.settle(each, Parked(ParkReason.BLOCKED))
    return ids


async def test_a_recovery_ends_where_the_deliveries_end(world):
    """What is parked while it goes on is not taken along, however late it is allowed to end."""
    app = await world.app()
    first = await parked(world, app, 5)
    await world.store.begin_recovery(everything(app, world.START))
    await world.store.recover_some(2, world.START)
    held = await world.leased()
    assert {each.id for each in held} == set(first[:2])
    later = await world.waiting(app, 3)
    for each in await world.leased():
        await world.settle(each)
    assert await recovered(world, app) == 5
    assert [await world.state(each) for each in later] == [State.DELIVERED] * 3


async def test_a_recovery_of_nothing(world):
    """An integration without a delivery: it is done at once, also where some come after."""
    app = await world.app()
    await world.store.begin_recovery(everything(app, world.START))
    await parked(world, app, 2)
    assert await recovered(world, app) == 0


async def test_an_earlier_end_is_kept(world):
    """The end that is asked for wins where it is before that of the deliveries."""
    app = await world.app()
    ids = await parked(world, app, 3)
    await world.store.begin_recovery(everything(app, world.START, until_id=ids[1]))
    assert await recovered(world, app) == 1
    late = everything(app, world.START, until_id=uuid7_floor(world.START))
    await world.store.begin_recovery(late)
    assert await recovered(world, app) == 2


async def test_whose_turn_it_is_in_an_ordered_lane(world):
    """The first that waits, or what is under way; nobody's where there is no order."""
    app = await world.app(ordered=True)
    first, second, third = await world.waiting(app, 3)
    assert await world.store.ahead_of(first) is None
    assert await world.store.ahead_of(second) == await world.store.ahead_of(third) == first
    (held,) = await world.leased()
    assert await world.store.ahead_of(second) == first
    assert await world.store.ahead_of(first) is None
    await world.settle(held, RetryAt(world.START + world.MINUTE))
    assert await world.store.ahead_of(second) == first
    (held,) = await world.leased(at=world.START + world.MINUTE)
    await world.settle(held, at=world.START + world.MINUTE)
    assert await world.store.ahead_of(second) is None
    assert await world.store.ahead_of(third) == second
    assert await world.store.ahead_of(first) is None
    other = await world.app()
    *_, last = await world.waiting(other, 2)
    assert await world.store.ahead_of(last) is None
    assert await world.store.ahead_of(b"nobody's".ljust(16)) is None


async def test_a_gate_as_a_value(world):
    """What is under way and what the rules know, as it was last settled."""
    app = await world.app(max_in_flight=3)
    await world.waiting(app, 4)
    held = await world.leased()
    gate = await world.store.gate(app.integration.id)
    assert (gate.in_flight, gate.max_in_flight, gate.room(world.START)) == (3, 3, 0)
    await world.settle(held[0], at=world.START + 1)
    gate = await world.store.gate(app.integration.id)
    assert (gate.in_flight, gate.health.success_at) == (2, world.START + 1)


async def test_deliveries_by_why_they_are_parked(world):
    """A filter like the others."""
    app = await world.app()
    await parked(world, app, 2)
    (exhausted,) = await world.waiting(app)
    (held,) = await world.leased()
    await world.settle(held, Parked(ParkReason.EXHAUSTED))
    for reason, count in (("blocked", 2), ("exhausted", 1), ("gone", 0)):
        wanted = DeliveryFilter(integration=app.integration.slug, park_reason=reason)
        assert len(await world.store.deliveries(wanted)) == count
    assert (await world.delivery(exhausted)).park_reason == "exhausted"
