"""The way out, in SQL: record, rescue, replay. Leasing and settling have files of their own.

Each function is a job of the writer's: it runs inside a transaction that is not its own.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence

from hookline.core.errors import Conflict
from hookline.core.gate import Closed
from hookline.core.lifecycle import State
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.lanes import (
    Lane,
    closed_gates,
    free,
    make_ready,
    queue_up,
    read_gates,
    shut,
    write_gates,
)
from hookline.store.sqlite.rows import Row, execute_rows, fetch_rows
from hookline.store.values import NewDelivery, NewEvent, Recorded

__all__ = ["make_wait", "record", "replay", "rescue", "reset_leases"]

Connection = sqlite3.Connection


def record(connection: Connection, events: Sequence[NewEvent]) -> list[Recorded]:
    """Store events, their deliveries and plans, and make their lanes ready."""
    fresh: list[NewEvent] = []
    answers: list[Recorded] = []
    seen: dict[tuple[str, int], int] = {}
    for event in events:
        key = (event.external_id, event.organization_id) if event.external_id is not None else None
        if key in seen:
            answers.append(answers[seen[key]]._replace(duplicate=True))
            continue
        earlier = None if key is None else _duplicate(connection, key)
        if earlier is None:
            fresh.append(event)
        if key is not None:
            seen[key] = len(answers)
        answers.append(earlier or _recorded(event))
    if fresh:
        _insert(connection, fresh)
    return answers


def _recorded(event: NewEvent) -> Recorded:
    return Recorded(
        event.external_id or event.id.hex(), len(event.deliveries), event.warnings, duplicate=False
    )


def _duplicate(connection: Connection, key: tuple[str, int]) -> Recorded | None:
    row = connection.execute(QUERIES["duplicate"], key).fetchone()
    return None if row is None else Recorded(key[0], row[1], row[2], duplicate=True)


def _insert(connection: Connection, events: Sequence[NewEvent]) -> None:
    execute_rows(connection, "insert_events", [_event_row(event) for event in events])
    for plan_id, event in {event.plan_id: event for event in events}.items():
        row = (plan_id, event.considered, event.accepted_at)
        connection.execute(QUERIES["insert_plan"], row)
    wanted = {each.integration_id for event in events for each in event.deliveries}
    if not wanted:
        return
    closed = closed_gates(connection, sorted(wanted))
    rows = [
        _delivery_row(event, each, closed.get(each.integration_id))
        for event in events
        for each in event.deliveries
    ]
    execute_rows(connection, "insert_deliveries", rows)
    lanes = {
        (event.organization_id, each.integration_id): None
        for event in events
        for each in event.deliveries
        if each.integration_id not in closed
    }
    make_ready(connection, lanes, max(event.accepted_at for event in events))


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


def rescue(connection: Connection, now: int, keep: Collection[bytes] = ()) -> int:
    """Return deliveries whose lease ran out to waiting, and their slots to their lanes."""
    found = connection.execute(QUERIES["expired"], {"now": now}).fetchall()
    expired = [row for row in found if row[0] not in keep]
    if not expired:
        return 0
    execute_rows(connection, "release", [(row[0],) for row in expired])
    freed = Counter[Lane]((row[1], row[2]) for row in expired)
    gates = read_gates(connection, dict.fromkeys(integration for _, integration in freed))
    touched = free(connection, freed, {}, now)
    for (_, integration), number in freed.items():
        gates[integration].in_flight -= number
    touched |= write_gates(connection, list(gates.values()), now)
    queue_up(connection, touched, now)
    for gate in gates.values():
        if gate.closed is not None:  # what came back is to be parked like the rest
            shut(connection, gate, now)
    return len(expired)


def reset_leases(connection: Connection, now: int) -> int:
    """Void every lease: the process that held them is gone, since we hold its lock."""
    connection.execute("UPDATE deliveries SET leased_until = 0 WHERE state = 'leased'")
    return rescue(connection, now)


def replay(connection: Connection, delivery_id: bytes, now: int) -> bool:
    """Make a final delivery wait again; whether it was final.

    Raises:
        Conflict: its integration is unsubscribed or deleted.
    """
    row = connection.execute(
        "SELECT g.closed FROM deliveries AS d JOIN gates AS g USING (integration_id) WHERE d.id = ?",
        (delivery_id,),
    ).fetchone()
    if row is not None and row[0] is not None:
        raise _closed(Closed(row[0]))
    return bool(make_wait(connection, [delivery_id], now))


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


def make_wait(connection: Connection, delivery_ids: Sequence[bytes], now: int) -> int:
    """Make those of the deliveries that are final wait again; how many it were."""
    rows = [(each,) for each in delivery_ids]
    lanes = fetch_rows(connection, "replay", rows, (now,))
    make_ready(connection, dict.fromkeys((row[0], row[1]) for row in lanes), now)
    return len(lanes)
