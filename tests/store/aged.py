"""Events whose ids tell their age, as those of real ones do; and sweeps through what is old."""

from hookline.core.ids import uuid7
from hookline.core.verdict import Delivered
from hookline.store.upkeep import Ages
from hookline.store.values import NewDelivery

__all__ = ["DAY", "aged_event", "finished", "recorded", "sweep"]

DAY = 24 * 60 * 60 * 1_000_000


def aged_event(world, *apps, at: int, **values):
    """An event that was made, with its deliveries, at an instant."""
    event = world.event(*apps, at=at, **values)
    deliveries = tuple(NewDelivery(uuid7(at, each.id[8:]), *each[1:]) for each in event.deliveries)
    return event._replace(id=uuid7(at, event.id[8:]), deliveries=deliveries)


async def recorded(world, *apps, at: int, **values):
    """The same, recorded."""
    event = aged_event(world, *apps, at=at, **values)
    await world.record(event)
    return event


async def finished(world, *apps, at: int, verdict=None, **values):
    """An event recorded, attempted and settled at one instant."""
    event = await recorded(world, *apps, at=at, **values)
    for leased in await world.leased(at=at):
        assert await world.settle(leased, verdict or Delivered(), at=at)
    return event


async def sweep(store, ages: Ages, limit: int = 100) -> tuple[int, int, int, int]:
    """Purge until the sweep is complete; how many attempts, deliveries, events and plans went."""
    totals = [0, 0, 0, 0]
    cursor: bytes | None = b""
    for _ in range(10_000):
        purged = await store.purge(ages, cursor, limit)
        assert max(purged[1:]) <= limit
        totals = [a + b for a, b in zip(totals, purged[1:], strict=True)]
        cursor = purged.cursor
        if cursor is None:
            return tuple(totals)
    raise AssertionError("the sweep does not end")
