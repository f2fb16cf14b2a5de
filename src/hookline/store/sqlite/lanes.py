"""Whose turn it is, in SQL: lanes, the gates that they pass, and the organizations' turns.

Theory of operation
-------------------
Deliveries wait in **lanes**, one an organization and integration. Every organization has a **line** of
its lanes that have something due (``lanes.ready_at``), and a place in the line of organizations
(``turns.ready_at``). Whoever was served goes to the end: organizations take turns, and within each its
lanes do, so neither an organization with a thousand integrations nor a lane with a million deliveries
gets more than its share.

All lanes of an integration pass its **gate** (``core.gate``). A lane that finds it shut leaves the line
and waits at the gate (``gated_at``); it is not looked at again until a slot is freed or time opens the
gate. So a dead receiver's backlog costs nothing, whatever its length and in however many organizations.

There are two lines, the quick and the slow (``core.pace``). Whoever leases says how much of each it can
take, so receivers that only time out cannot take all the slots.

What must stay true
-------------------
* ``gates.in_flight`` and ``lanes.in_flight`` are the numbers of their leased deliveries.
* A lane with something waiting is in line, at its gate, ordered and with an attempt under way, or behind
  a closed gate (and then ``sweep`` is set until nothing waits).
* While a gate has room and lanes wait at it, at least one of its lanes is in line: whoever leaves room
  lets on as many lanes as there is room for (``let_on``), after each lease and each settlement.
* ``turns.ready_at`` is never later than the first of the organization's line; it may be earlier for a
  moment, and then a lease finds nothing and mends it.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from hookline.core.gate import Closed, Gate
from hookline.core.pace import WIDEST, Pace
from hookline.core.rate import Period, RateLimit
from hookline.core.unsubscribing import Health
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.rows import Row, execute_rows, fetch_rows

__all__ = [
    "Lane",
    "change_line",
    "closed_gates",
    "free",
    "let_on",
    "make_ready",
    "queue_up",
    "read_gates",
    "refresh",
    "shut",
    "sweep",
    "write_gates",
]

Connection = sqlite3.Connection
Lane = tuple[int, int]  # organization, integration

SWEPT_AT_ONCE = 500  # parked in the transaction that closes a gate; the rest follows


def read_gates(connection: Connection, integration_ids: Iterable[int]) -> dict[int, Gate]:
    """The gates of these integrations."""
    rows = fetch_rows(connection, "gates", [(each,) for each in integration_ids])
    return {row[0]: _gate(row) for row in rows}


def _gate(row: Row) -> Gate:
    return Gate(
        integration_id=row[0],
        in_flight=row[1],
        max_in_flight=row[2],
        rate_limit=None if row[3] is None else RateLimit(row[3], Period(row[4])),
        rate_next_at=row[5],
        pace=Pace(row[6], row[7], row[8], bool(row[9]), row[10], row[11]),
        closed=None if row[12] is None else Closed(row[12]),
        health=Health(*row[13:20]),
    )


def write_gates(
    connection: Connection, gates: Sequence[Gate], now: int, each: int = WIDEST
) -> set[int]:
    """Keep gates as they are now, and let on those lanes that there is room for.

    Lanes that only ``each`` keeps back are let on by the end of an attempt of their integration.
    Returns the organizations whose lines changed.
    """
    waited_at = {row[0] for row in _of(connection, "with_lanes_gated", gates)}
    rows = []
    touched: set[int] = set()
    for gate in gates:
        opens_at = None
        if gate.integration_id in waited_at:
            room = gate.room(now, each)
            if room:  # whoever has to stay is let on after those who go now
                touched |= let_on(connection, gate.integration_id, room, now)
            elif not gate.room(now):
                opens_at = gate.opens_at(now)
        rows.append(_gate_row(gate, opens_at))
    execute_rows(connection, "write_gates", rows)
    return touched


def _of(connection: Connection, query: str, gates: Iterable[Gate]) -> list[Row]:
    return fetch_rows(connection, query, [(gate.integration_id,) for gate in gates])


def _gate_row(gate: Gate, opens_at: int | None) -> Row:
    pace, health = gate.pace, gate.health
    return (
        gate.integration_id,
        gate.in_flight,
        gate.rate_next_at,
        pace.window,
        pace.cut_at,
        pace.answered_at,
        pace.slow,
        pace.level,
        pace.held_until,
        gate.closed,
        health.timeouts,
        health.counted_from,
        health.warned,
        health.warned_at,
        health.failing_since,
        health.failing_day,
        health.success_at,
        opens_at,
    )


def closed_gates(connection: Connection, integration_ids: Iterable[int]) -> dict[int, Closed]:
    """Those of the integrations that nothing passes any more, and why."""
    rows = fetch_rows(connection, "closed_gates", [(each,) for each in integration_ids])
    return {row[0]: Closed(row[1]) for row in rows}


def let_on(connection: Connection, integration_id: int, number: int, now: int) -> set[int]:
    """Put so many lanes that wait at a gate back in line; the organizations concerned."""
    values = {"integration_id": integration_id, "limit": number, "now": now}
    return {row[0] for row in connection.execute(QUERIES["let_on"], values).fetchall()}


def make_ready(connection: Connection, lanes: Iterable[Lane], now: int) -> None:
    """Lanes have something new to lease."""
    rows = list(lanes)
    execute_rows(connection, "make_ready", rows, (now,))
    queue_up(connection, {organization for organization, _ in rows}, now)


def free(
    connection: Connection, freed: dict[Lane, int], held: dict[Lane, int], now: int
) -> set[int]:
    """Slots of lanes were freed; ``held``: until when ordered lanes wait for a retry."""
    rows = [(*lane, number, held.get(lane, 0)) for lane, number in freed.items()]
    execute_rows(connection, "free_lanes", rows, (now,))
    return {organization for organization, _ in freed}


def change_line(connection: Connection, gate: Gate) -> set[int]:
    """Move an integration's lanes to the line that its pace has it in."""
    sql = "UPDATE lanes SET slow = ? WHERE integration_id = ? RETURNING organization_id"
    rows = connection.execute(sql, (gate.pace.slow, gate.integration_id)).fetchall()
    return {row[0] for row in rows}


def queue_up(connection: Connection, organizations: Iterable[int], now: int) -> None:
    """Give organizations whose lines changed their place among the others."""
    execute_rows(connection, "queue_up", [(each,) for each in organizations], (now,))


def refresh(connection: Connection, gate: Gate, *, ordered: bool, now: int) -> None:
    """An integration was changed or resubscribed: let all its lanes look anew."""
    values = {
        "integration_id": gate.integration_id,
        "slow": gate.pace.slow,
        "ordered": ordered,
        "now": now,
    }
    rows = connection.execute(QUERIES["refresh_lanes"], values).fetchall()
    queue_up(connection, {row[0] for row in rows}, now)


def shut(connection: Connection, gate: Gate, now: int) -> bool:
    """Begin to park what waits behind a closed gate; whether some is left to be swept."""
    rows = connection.execute(QUERIES["shut_lanes"], (gate.integration_id,)).fetchall()
    queue_up(connection, {row[0] for row in rows}, now)
    return sweep(connection, SWEPT_AT_ONCE, now) >= SWEPT_AT_ONCE


def sweep(connection: Connection, limit: int, now: int) -> int:
    """Park what waits behind closed gates, at most so many; how many it was."""
    parked = 0
    while parked < limit:
        found = connection.execute(QUERIES["to_sweep"]).fetchone()
        if found is None:
            break
        organization, integration, reason = found
        lane = {"organization_id": organization, "integration_id": integration}
        values = {**lane, "reason": reason, "now": now, "limit": limit - parked}
        changed = connection.execute(QUERIES["sweep"], values).rowcount
        parked += changed
        if parked < limit:
            connection.execute(
                "UPDATE lanes SET sweep = 0"
                " WHERE organization_id = :organization_id AND integration_id = :integration_id",
                lane,
            )
    return parked
