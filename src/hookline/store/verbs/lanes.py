"""Whose turn it is: lanes, the gates that they pass, and the organizations' turns.

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

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hookline.core.gate import Closed, Gate
from hookline.core.pace import WIDEST, Pace
from hookline.core.rate import Period, RateLimit
from hookline.core.unsubscribing import Health
from hookline.store.verbs.asking import Ask, Row, Verb

__all__ = [
    "Lane",
    "change_lines",
    "closed_gates",
    "free",
    "let_on",
    "make_ready",
    "queue_up",
    "queue_up_now",
    "read_gate",
    "read_gates",
    "refresh",
    "see_gate",
    "shut",
    "sweep",
    "take_notes",
    "write_gates",
]

Lane = tuple[int, int]  # organization, integration

SWEPT_AT_ONCE = 500  # parked in the transaction that closes a gate; the rest follows


def read_gates(integration_ids: Iterable[int]) -> Verb[dict[int, Gate]]:
    """The gates of these integrations, each of them named once."""
    answer = yield Ask("gates", rows=[(each,) for each in integration_ids])
    return {row[0]: _gate(row) for row in answer.rows}


def read_gate(integration_id: int) -> Verb[Gate]:
    """The gate of an integration that is there, deleted or not."""
    gates = yield from read_gates([integration_id])
    return gates[integration_id]


def see_gate(integration_id: int) -> Verb[Gate]:
    """The same for who changes nothing, and may be a reader."""
    answer = yield Ask("gates_seen", rows=[(integration_id,)])
    return _gate(answer.rows[0])


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


class LetOn(NamedTuple):
    """What writing gates did to the lanes at them.

    Attributes:
        organizations: whose lines changed.
        waited: lanes waited at one of the gates, whether they were let on or not.
    """

    organizations: set[int]
    waited: bool


def write_gates(gates: Sequence[Gate], now: int, each: int = WIDEST) -> Verb[LetOn]:
    """Keep gates as they are now, and let on those lanes that there is room for.

    Lanes that only ``each`` keeps back are let on by the end of an attempt of their integration.
    """
    answer = yield Ask("with_lanes_gated", rows=[(gate.integration_id,) for gate in gates])
    waited_at = {row[0] for row in answer.rows}
    rows = []
    rooms: dict[int, int] = {}
    for gate in gates:
        opens_at = None
        if gate.integration_id in waited_at:
            room = gate.room(now, each)
            if room:  # whoever has to stay is let on after those who go now
                rooms[gate.integration_id] = room
            elif not gate.room(now):
                opens_at = gate.opens_at(now)
        rows.append(_gate_row(gate, opens_at))
    touched = yield from let_on(rooms, now)
    yield Ask("write_gates", rows=rows)
    return LetOn(touched, bool(waited_at))


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


def closed_gates(integration_ids: Iterable[int]) -> Verb[dict[int, Closed]]:
    """Those of the integrations that nothing passes any more, and why."""
    answer = yield Ask("closed_gates", rows=[(each,) for each in integration_ids])
    return {row[0]: Closed(row[1]) for row in answer.rows}


def let_on(rooms: Mapping[int, int], now: int) -> Verb[set[int]]:
    """Put so many lanes that wait at each of these gates back in line; the organizations concerned."""
    # A statement for each number: SQLite takes no limit from a row. They are few, and mostly 1.
    gates: defaultdict[int, list[Row]] = defaultdict(list)
    for integration_id, room in rooms.items():
        gates[room].append((integration_id,))
    touched: set[int] = set()
    for room, rows in gates.items():
        answer = yield Ask("let_on", (now, room), rows)
        touched.update(row[0] for row in answer.rows)
    return touched


def make_ready(lanes: Iterable[Lane], now: int) -> Verb[None]:
    """Lanes have something new to lease."""
    rows = list(lanes)
    yield Ask("make_ready", (now,), rows)
    yield Ask("queue_up_ready", (now,), [(each,) for each in {lane[0] for lane in rows}])


def take_notes(limit: int, now: int) -> Verb[None]:
    """Do what others left to the next lease, where a database has them do so, and this caller is one.

    Lanes in which something new waits, or organizations (the integration is None) whose lines changed.
    """
    notes = (yield Ask("take_arrivals", (limit,))).rows
    if not notes:
        return
    since: dict[Lane, int] = {}
    for organization, integration, at in notes:
        if integration is not None:
            lane = (organization, integration)
            since[lane] = min(at, since.get(lane, at))
    answer = yield Ask("ready_lanes", rows=[(*lane, at) for lane, at in since.items()])
    if any(late for (late,) in answer.rows):  # its gate was closed while somebody was publishing
        yield from sweep(SWEPT_AT_ONCE, now)
    yield from queue_up_now({note[0] for note in notes}, now)


def free(freed: Mapping[Lane, int], held: Mapping[Lane, int], now: int) -> Verb[set[int]]:
    """Slots of lanes were freed; ``held``: until when ordered lanes wait for a retry.

    Returns the organizations in whose lines some of these lanes stand now.
    """
    rows = [(*lane, number, held.get(lane, 0)) for lane, number in freed.items()]
    answer = yield Ask("free_lanes", (now,), rows)
    return {organization for organization, ready_at in answer.rows if ready_at is not None}


def change_lines(gates: Iterable[Gate]) -> Verb[set[int]]:
    """Move integrations' lanes to the line that their pace has them in."""
    rows = [(gate.integration_id, gate.pace.slow) for gate in gates]
    answer = yield Ask("change_lines", rows=rows)
    return {row[0] for row in answer.rows}


def queue_up(organizations: Iterable[int], now: int) -> Verb[None]:
    """Give organizations whose lines changed their place among the others."""
    yield Ask("queue_up", (now,), [(each,) for each in organizations])


def queue_up_now(organizations: Iterable[int], now: int) -> Verb[None]:
    """The same from within a lease, which may: others may have to leave it to one."""
    yield Ask("queue_up_now", (now,), [(each,) for each in organizations])


def refresh(gate: Gate, *, ordered: bool, now: int) -> Verb[None]:
    """An integration was changed or resubscribed: let all its lanes look anew."""
    values = (gate.integration_id, gate.pace.slow, ordered, now)
    answer = yield Ask("refresh_lanes", values)
    yield from queue_up({row[0] for row in answer.rows}, now)


def shut(gate: Gate, now: int) -> Verb[bool]:
    """Begin to park what waits behind a closed gate; whether some is left to be swept."""
    answer = yield Ask("shut_lanes", (gate.integration_id,))
    yield from queue_up({row[0] for row in answer.rows}, now)
    parked = yield from sweep(SWEPT_AT_ONCE, now)
    return parked >= SWEPT_AT_ONCE


def sweep(limit: int, now: int) -> Verb[int]:
    """Park what waits behind closed gates, at most so many; how many it was."""
    parked = 0
    while parked < limit:
        found = (yield Ask("to_sweep")).rows
        if not found:
            break
        organization, integration, reason = found[0]
        values = (organization, integration, reason, now, limit - parked)
        parked += (yield Ask("sweep", values)).changed
        if parked < limit:
            yield Ask("swept", (organization, integration))
    return parked
