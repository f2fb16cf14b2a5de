"""Reading the log: events, deliveries and attempts."""

import json
from typing import Final

from hookline.core.ids import uuid7_instant
from hookline.core.lifecycle import State
from hookline.core.matching import considered_from
from hookline.core.model import Attempt, Delivery, Event, Timings
from hookline.core.outcome import Counted
from hookline.store.values import AttemptBody, DeliveryFilter
from hookline.store.verbs.asking import Ask, Row, Verb

__all__ = [
    "ahead_of",
    "attempt_body",
    "attempts",
    "deliveries",
    "delivery",
    "events",
    "latest_instant",
]

AFTER_ALL: Final = b"\xff" * 16  # greater than the id of any delivery


def events(public_id: str, organization: str | None) -> Verb[list[Event]]:
    """Events by the id that we gave or by the publisher's own."""
    rows: list[Row] = []
    given = _uuid_bytes(public_id)
    if given is not None:
        rows += (yield Ask("event", (given,))).rows
    rows += (yield Ask("events_called", (public_id,))).rows
    return [_event(row) for row in rows if organization in (None, row[2])]


def deliveries(filter_: DeliveryFilter) -> Verb[list[Delivery]]:
    """Deliveries that match, newest first."""
    # Each statement goes through an index that has nothing but what it names in it.
    name = "deliveries"
    which: tuple[str | bytes | None, ...] = ()
    if filter_.event_id is not None:
        name, which = "deliveries_of_event", (filter_.integration, filter_.event_id)
    elif filter_.integration is not None:
        name, which = "deliveries_of_integration", (filter_.integration,)
    before = AFTER_ALL if filter_.before is None else filter_.before
    others = (filter_.organization, filter_.state, filter_.park_reason)
    answer = yield Ask(name, (before, *others, filter_.limit, *which))
    return [_delivery(row) for row in answer.rows]


def delivery(delivery_id: bytes) -> Verb[Delivery | None]:
    """One delivery."""
    answer = yield Ask("delivery", (delivery_id,))
    return _delivery(answer.rows[0]) if answer.rows else None


def ahead_of(delivery_id: bytes) -> Verb[bytes | None]:
    """The delivery whose turn it is in the ordered lane in which this one waits."""
    answer = yield Ask("ahead_of", (delivery_id,))
    return next((bytes(each) for (each,) in answer.rows if each != delivery_id), None)


def attempts(delivery_id: bytes) -> Verb[list[Attempt]]:
    """A delivery's attempts, oldest first."""
    answer = yield Ask("attempts", (delivery_id,))
    return [_attempt(row) for row in answer.rows]


def attempt_body(delivery_id: bytes) -> Verb[AttemptBody | None]:
    """The parts of the body that every attempt of it sends."""
    answer = yield Ask("attempt_body", (delivery_id,))
    return AttemptBody(*answer.rows[0]) if answer.rows else None


def latest_instant() -> Verb[int]:
    """The newest instant at which something was recorded or settled; 0 for an empty store."""
    newest = (yield Ask("newest_event")).rows[0][0]
    settled = (yield Ask("latest_settled")).rows
    return max(0 if newest is None else uuid7_instant(newest), settled[0][0] if settled else 0)


def _uuid_bytes(text: str) -> bytes | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == 16 else None


def _event(row: Row) -> Event:
    return Event(
        id=row[1] or row[0].hex(),
        key=row[0],
        organization=row[2],
        resource=row[3],
        action=row[4],
        tail=row[5],
        targets=None if row[6] is None else tuple(json.loads(row[6])),
        accepted_at=row[7],
        considered=considered_from(row[8]),
        forwarded=row[9],
    )


def _delivery(row: Row) -> Delivery:
    state = State(row[1])
    return Delivery(
        id=row[0].hex(),
        state=state,
        park_reason=row[2],
        event=row[4] or row[3].hex(),
        resource=row[5],
        action=row[6],
        organization=row[7],
        integration=row[8],
        installation=row[9],
        webhook_url=row[10],
        due_at=row[11] if state is State.WAITING else None,
        attempts_made=row[12],
        schedule_position=row[13],
        accepted_at=row[14],
        settled_at=row[15],
    )


def _attempt(row: Row) -> Attempt:
    return Attempt(
        number=row[0],
        started_at=row[1],
        url=row[2],
        outcome=Counted(row[3]),
        detail=row[4],
        status=row[5],
        signature=row[6],
        timings=Timings(*row[7:12]),
        address=row[12],
        http_version=row[13],
        response_head=row[14],
        response_body=row[15],
        response_cut=bool(row[16]),
    )
