"""The way out: record, rescue, replay. Leasing and settling have files of their own."""

from collections import Counter
from collections.abc import Collection, Sequence

from hookline.core.errors import Conflict
from hookline.core.gate import Closed
from hookline.core.lifecycle import State
from hookline.core.model import Delivery
from hookline.store.values import NewDelivery, NewEvent, Recorded
from hookline.store.verbs.asking import Ask, Row, Verb
from hookline.store.verbs.lanes import (
    Lane,
    closed_gates,
    free,
    make_ready,
    queue_up,
    read_gates,
    shut,
    write_gates,
)
from hookline.store.verbs.log import delivery

__all__ = ["make_wait", "record", "replay", "rescue"]

Key = tuple[str, int]  # a publisher's own id for an event, and its organization


def record(events: Sequence[NewEvent]) -> Verb[list[Recorded]]:
    """Store events, their deliveries and plans, and make their lanes ready."""
    answered = yield from _duplicates(events)
    fresh: list[NewEvent] = []
    answers: list[Recorded] = []
    for event in events:
        key = _key(event)
        earlier = None if key is None else answered.get(key)
        if earlier is None:
            fresh.append(event)
            earlier = _recorded(event)
            answers.append(earlier)
        else:
            answers.append(earlier._replace(duplicate=True))
        if key is not None:
            answered[key] = earlier
    if fresh:
        yield from _insert(fresh)
    return answers


def _key(event: NewEvent) -> Key | None:
    return None if event.external_id is None else (event.external_id, event.organization_id)


def _duplicates(events: Sequence[NewEvent]) -> Verb[dict[Key, Recorded]]:
    """The answers of those that are stored already."""
    keys = dict.fromkeys(key for key in map(_key, events) if key is not None)
    answer = yield Ask("duplicates", rows=list(keys))
    return {
        (row[0], row[1]): Recorded(row[0], row[2], row[3], duplicate=True) for row in answer.rows
    }


def _recorded(event: NewEvent) -> Recorded:
    return Recorded(
        event.external_id or event.id.hex(), len(event.deliveries), event.warnings, duplicate=False
    )


def _insert(events: Sequence[NewEvent]) -> Verb[None]:
    yield Ask("insert_events", rows=[_event_row(event) for event in events])
    plans = {each.plan_id: (each.plan_id, each.considered, each.accepted_at) for each in events}
    yield Ask("insert_plans", rows=list(plans.values()))
    wanted = {each.integration_id for event in events for each in event.deliveries}
    if not wanted:
        return
    closed = yield from closed_gates(sorted(wanted))
    rows = [
        _delivery_row(event, each, closed.get(each.integration_id))
        for event in events
        for each in event.deliveries
    ]
    yield Ask("insert_deliveries", rows=rows)
    lanes = {
        (event.organization_id, each.integration_id): None
        for event in events
        for each in event.deliveries
        if each.integration_id not in closed
    }
    yield from make_ready(lanes, max(event.accepted_at for event in events))


def _event_row(event: NewEvent) -> Row:
    return (
        event.id,
        event.organization_id,
        event.external_id,
        event.resource,
        event.action,
        event.tail,
        event.tail_ascii,
        event.targets,
        event.warnings,
        event.plan_id,
        len(event.deliveries),
        event.accepted_at,
        event.forwarded,
    )


def _delivery_row(event: NewEvent, delivery: NewDelivery, closed: Closed | None) -> Row:
    # Asked in the transaction: the plan may be from a moment before the gate was closed.
    return (
        delivery.id,
        event.id,
        event.organization_id,
        delivery.installation_id,
        delivery.integration_id,
        delivery.in_ascii,
        State.WAITING if closed is None else State.PARKED,
        closed,
        event.accepted_at,
        None if closed is None else event.accepted_at,
    )


def rescue(now: int, keep: Collection[bytes] = ()) -> Verb[int]:
    """Return deliveries whose lease ran out to waiting, and their slots to their lanes."""
    found = (yield Ask("expired", (now,))).rows
    expired = [row for row in found if row[0] not in keep]
    if not expired:
        return 0
    yield Ask("wait_again", rows=[(row[0], row[1]) for row in expired])
    freed = Counter[Lane]((row[1], row[2]) for row in expired)
    gates = yield from read_gates(dict.fromkeys(integration for _, integration in freed))
    touched = yield from free(freed, {}, now)
    for (_, integration), number in freed.items():
        gates[integration].in_flight -= number
    at_gates = yield from write_gates(list(gates.values()), now)
    yield from queue_up(touched | at_gates.organizations, now)
    for gate in gates.values():
        if gate.closed is not None:  # what came back is to be parked like the rest
            yield from shut(gate, now)
    return len(expired)


def replay(delivery_id: bytes, now: int) -> Verb[Delivery | None]:
    """Make a final delivery wait again; None where there is none.

    Raises:
        Conflict: it is not final, or its integration is unsubscribed or deleted.
    """
    asked = (yield Ask("closed_for", (delivery_id,))).rows
    if not asked:
        return None
    organization, closed = asked[0]
    if closed is not None:
        raise _closed(Closed(closed))
    replayed = yield from make_wait([(delivery_id, organization)], now)
    found = yield from delivery(delivery_id)
    if found is not None and not replayed:
        raise Conflict(
            "not-final",
            f"delivery {found.id} is {found.state}: it is on its way already",
            "replay is for deliveries that are delivered or parked",
        )
    return found


def _closed(why: Closed) -> Conflict:
    if why is Closed.DELETED:
        return Conflict(
            "integration-deleted",
            "its integration was deleted: there is nobody to send it to",
            "register the integration again and publish the event again",
        )
    return Conflict(
        "integration-unsubscribed",
        "its integration is unsubscribed",
        "resubscribe the integration; that can recover all that it missed",
    )


def make_wait(deliveries: Sequence[tuple[bytes, int]], now: int) -> Verb[int]:
    """Make those of the deliveries that are final wait again; how many it were.

    Each is named by its id and its organization.
    """
    answer = yield Ask("replay", (now,), deliveries)
    yield from make_ready(dict.fromkeys((row[0], row[1]) for row in answer.rows), now)
    return len(answer.rows)
