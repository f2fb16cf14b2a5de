"""Reading the log: events, deliveries and attempts, on connections that cannot write."""

import json
import sqlite3
from typing import Any

from hookline.core.ids import uuid7_instant
from hookline.core.lifecycle import State
from hookline.core.matching import considered_from
from hookline.core.model import Attempt, Delivery, Event, Timings
from hookline.core.outcome import Counted
from hookline.store.sqlite.database import QUERIES
from hookline.store.values import AttemptBody, DeliveryFilter

__all__ = [
    "ahead_of",
    "attempt_body",
    "attempts",
    "deliveries",
    "delivery",
    "events",
    "latest_instant",
]

Connection = sqlite3.Connection


def events(connection: Connection, public_id: str, organization: str | None) -> list[Event]:
    """Events by the id that we gave or by the publisher's own."""
    sql = QUERIES["event_columns"]
    rows: list[tuple[Any, ...]] = []
    given = _uuid_bytes(public_id)
    if given is not None:
        rows += connection.execute(f"{sql} WHERE e.id = ?", (given,)).fetchall()
    rows += connection.execute(f"{sql} WHERE e.external_id = ?", (public_id,)).fetchall()
    return [_event(row) for row in rows if organization in (None, row[2])]


def deliveries(connection: Connection, filter_: DeliveryFilter) -> list[Delivery]:
    """Deliveries that match, newest first."""
    conditions = {
        "o.slug = ?": filter_.organization,
        "d.integration_id IN (SELECT id FROM integrations WHERE slug = ?)": filter_.integration,
        "d.state = ?": filter_.state,
        "d.park_reason = ?": filter_.park_reason,
        "d.event_id = ?": filter_.event_id,
        "d.id < ?": filter_.before,
    }
    given = {sql: value for sql, value in conditions.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    sql = f"{QUERIES['delivery_columns']} {where} ORDER BY d.id DESC LIMIT ?"
    return [_delivery(row) for row in connection.execute(sql, [*given.values(), filter_.limit])]


def delivery(connection: Connection, delivery_id: bytes) -> Delivery | None:
    """One delivery."""
    sql = f"{QUERIES['delivery_columns']} WHERE d.id = ?"
    row = connection.execute(sql, (delivery_id,)).fetchone()
    return None if row is None else _delivery(row)


def ahead_of(connection: Connection, delivery_id: bytes) -> bytes | None:
    """The delivery whose turn it is in the ordered lane in which this one waits."""
    row = connection.execute(QUERIES["ahead_of"], {"id": delivery_id}).fetchone()
    return None if row is None or row[0] == delivery_id else bytes(row[0])


def attempts(connection: Connection, delivery_id: bytes) -> list[Attempt]:
    """A delivery's attempts, oldest first."""
    return [_attempt(row) for row in connection.execute(QUERIES["attempts"], (delivery_id,))]


def attempt_body(connection: Connection, delivery_id: bytes) -> AttemptBody | None:
    """The parts of the body that every attempt of it sends."""
    row = connection.execute(QUERIES["attempt_body"], (delivery_id,)).fetchone()
    return None if row is None else AttemptBody(*row)


def latest_instant(connection: Connection) -> int:
    """The newest instant at which something was recorded or settled; 0 for an empty store."""
    (newest,) = connection.execute("SELECT max(id) FROM events").fetchone()
    settled = connection.execute(QUERIES["latest_settled"]).fetchone()
    return max(0 if newest is None else uuid7_instant(newest), 0 if settled is None else settled[0])


def _uuid_bytes(text: str) -> bytes | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == 16 else None


def _event(row: tuple[Any, ...]) -> Event:
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
    )


def _delivery(row: tuple[Any, ...]) -> Delivery:
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


def _attempt(row: tuple[Any, ...]) -> Attempt:
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
