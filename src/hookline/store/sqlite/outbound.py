"""The way out, in SQL: record, lease, settle, rescue, replay.

Each function is a job for the writer's thread: it runs inside a transaction that is not its own.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import assert_never

from hookline.core.lifecycle import State
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt
from hookline.store.contract import Leased, Leases, NewDelivery, NewEvent, Recorded, Settlement
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.rows import Row, execute_rows, fetch_rows

__all__ = ["lease", "park_waiting", "record", "replay", "rescue", "reset_leases", "settle"]

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
    rows = [_delivery_row(event, delivery) for event in events for delivery in event.deliveries]
    if not rows:
        return
    execute_rows(connection, "insert_deliveries", rows)
    now = max(event.accepted_at for event in events)
    lanes = {delivery.integration_id for event in events for delivery in event.deliveries}
    _make_ready(connection, lanes, now)


def _make_ready(connection: Connection, lanes: Collection[int], now: int) -> None:
    changed = execute_rows(connection, "make_ready", [(lane,) for lane in lanes], (now,))
    if changed < len(lanes):  # the others are at their cap, or gone
        _park_where_deleted(connection, lanes, now)


def _park_where_deleted(connection: Connection, lanes: Iterable[int], now: int) -> None:
    # Deleting an integration takes its lane away; what was on its way into it must not wait for ever.
    for (lane,) in fetch_rows(connection, "without_lane", [(lane,) for lane in lanes]):
        park_waiting(connection, lane, ParkReason.DELETED, now)


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


def _delivery_row(event: NewEvent, delivery: NewDelivery) -> Row:
    return (
        delivery.id,
        event.id,
        event.organization_id,
        delivery.installation_id,
        delivery.integration_id,
        delivery.in_ascii,
        State.WAITING,
        event.accepted_at,
    )


def lease(connection: Connection, *, limit: int, now: int, until: int, token: int) -> Leases:
    """Hand out due deliveries, an equal share from each runnable lane."""
    lanes = connection.execute(QUERIES["ready_lanes"], {"now": now, "limit": limit}).fetchall()
    leased: list[Leased] = []
    taken: Counter[int] = Counter()
    for index, (lane, room) in enumerate(lanes):
        share = -(-(limit - len(leased)) // (len(lanes) - index))
        parameters = {"integration_id": lane, "now": now, "limit": min(share, room)}
        rows = connection.execute(QUERIES["due"], parameters).fetchall()
        leased += [Leased(row[0], token, lane, *row[1:]) for row in rows]
        taken[lane] = len(rows)
    execute_rows(connection, "mark_leased", [(each.id,) for each in leased], (token, until))
    _serve(connection, taken, now)
    (next_ready_at,) = connection.execute(QUERIES["next_ready"]).fetchone()
    return Leases(leased, next_ready_at)


def settle(connection: Connection, settlements: Sequence[Settlement]) -> list[bool]:
    """Store attempts and what became of their deliveries, where the lease is still theirs."""
    rows = [_settled_row(each) for each in settlements]
    connection.execute("SAVEPOINT fenced")
    if execute_rows(connection, "settle_deliveries", rows) == len(rows):
        counted = [True] * len(rows)
    else:  # some lease was lost: find out whose, one by one
        connection.execute("ROLLBACK TO fenced")
        counted = [execute_rows(connection, "settle_deliveries", [row]) == 1 for row in rows]
    connection.execute("RELEASE fenced")
    ours = [each for each, counts in zip(settlements, counted, strict=True) if counts]
    execute_rows(connection, "insert_attempts", [_attempt_row(each) for each in ours])
    freed = Counter(each.integration_id for each in ours)
    now = max((each.settled_at for each in ours), default=0)
    _serve(connection, {lane: -number for lane, number in freed.items()}, now)
    return counted


def _settled_row(settlement: Settlement) -> Row:
    state, reason, due = _became(settlement)
    at = None if state is State.WAITING else settlement.settled_at
    return (
        settlement.delivery_id,
        settlement.token,
        state,
        reason,
        due,
        settlement.attempt.number,
        at,
    )


def _became(settlement: Settlement) -> tuple[State, str | None, int]:
    match settlement.verdict:
        case Delivered():
            return State.DELIVERED, None, settlement.settled_at
        case RetryAt(due):
            return State.WAITING, None, due
        case Parked(reason):
            return State.PARKED, reason, settlement.settled_at
        case _ as never:
            assert_never(never)


def _attempt_row(settlement: Settlement) -> Row:
    attempt = settlement.attempt
    return (
        settlement.delivery_id,
        attempt.number,
        attempt.started_at,
        attempt.url,
        attempt.outcome,
        attempt.detail,
        attempt.status,
        attempt.signature,
        *attempt.timings,
        attempt.address,
        attempt.http_version,
        attempt.response_head,
        attempt.response_body,
        attempt.response_cut,
    )


def _serve(connection: Connection, taken: dict[int, int], now: int) -> None:
    if execute_rows(connection, "serve_lanes", list(taken.items()), (now,)) < len(taken):
        _park_where_deleted(connection, taken, now)


def rescue(connection: Connection, now: int) -> int:
    """Return deliveries whose lease ran out to waiting, and their slots to their lanes."""
    expired = dict(connection.execute(QUERIES["expired"], {"now": now}).fetchall())
    if expired:
        connection.execute(QUERIES["release_expired"], {"now": now})
        _serve(connection, {lane: -number for lane, number in expired.items()}, now)
    return sum(expired.values())


def reset_leases(connection: Connection, now: int) -> int:
    """Void every lease: the process that held them is gone, since we hold its lock."""
    connection.execute("UPDATE deliveries SET leased_until = 0 WHERE state = 'leased'")
    return rescue(connection, now)


def replay(connection: Connection, delivery_id: bytes, now: int) -> bool:
    """Make a final delivery wait again; whether it was final."""
    changed = connection.execute(QUERIES["replay"], {"id": delivery_id, "now": now}).rowcount
    if changed:
        (lane,) = connection.execute(
            "SELECT integration_id FROM deliveries WHERE id = ?", (delivery_id,)
        ).fetchone()
        _make_ready(connection, [lane], now)
    return bool(changed)


def park_waiting(connection: Connection, lane: int, reason: ParkReason, now: int) -> None:
    """Stop what waits in a lane; what is under way is settled as usual."""
    connection.execute(
        QUERIES["park_waiting"], {"integration_id": lane, "reason": reason, "now": now}
    )
