"""Settling: attempts, what became of their deliveries, and what follows for their integrations."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import assert_never

from hookline.core import pace
from hookline.core.gate import Closed, Gate
from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Effect, Rules, Unsubscribe, observe
from hookline.core.verdict import Delivered, Parked, RetryAt
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.lanes import (
    Lane,
    change_line,
    free,
    queue_up,
    read_gates,
    shut,
    write_gates,
)
from hookline.store.sqlite.rows import Row, execute_rows, fetch_rows
from hookline.store.sqlite.subscriptions import notice_warning, unsubscribe
from hookline.store.values import Settled, Settlement

__all__ = ["settle"]

Connection = sqlite3.Connection

FEWEST_KEPT = 1_000  # of an integration's newest timeouts, where the rule itself needs fewer


def settle(connection: Connection, settlements: Sequence[Settlement], rules: Rules) -> Settled:
    """Store attempts and what became of their deliveries, where the lease is still theirs."""
    if not settlements:
        return Settled([], noticed=False, unswept=False)
    ordered = _ordered(connection, settlements)
    counted = _settle_deliveries(connection, [_settled_row(each, ordered) for each in settlements])
    ours = [each for each, counts in zip(settlements, counted, strict=True) if counts]
    execute_rows(connection, "insert_attempts", [_attempt_row(each) for each in ours])
    noticed, unswept = _settle_integrations(connection, ours, ordered, rules)
    return Settled(counted, noticed=noticed, unswept=unswept)


def _ordered(connection: Connection, settlements: Sequence[Settlement]) -> set[Lane]:
    lanes = dict.fromkeys((each.organization_id, each.integration_id) for each in settlements)
    return {(row[0], row[1]) for row in fetch_rows(connection, "ordered_lanes", list(lanes))}


def _settle_deliveries(connection: Connection, rows: Sequence[Row]) -> list[bool]:
    connection.execute("SAVEPOINT fenced")
    if execute_rows(connection, "settle_deliveries", rows) == len(rows):
        counted = [True] * len(rows)
    else:  # some lease was lost: find out whose, one by one
        connection.execute("ROLLBACK TO fenced")
        counted = [execute_rows(connection, "settle_deliveries", [row]) == 1 for row in rows]
    connection.execute("RELEASE fenced")
    return counted


def _settled_row(settlement: Settlement, ordered: set[Lane]) -> Row:
    state, reason, due = _became(settlement)
    if state is State.WAITING and _lane(settlement) in ordered:
        due = None  # it keeps its place, and its lane waits
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


def _lane(settlement: Settlement) -> Lane:
    return settlement.organization_id, settlement.integration_id


def _became(settlement: Settlement) -> tuple[State, str | None, int | None]:
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


def _settle_integrations(
    connection: Connection, ours: Sequence[Settlement], ordered: set[Lane], rules: Rules
) -> tuple[bool, bool]:
    """Free the slots and draw the consequences; whether notices were made, and parking is left."""
    if not ours:
        return False, False
    now = max(each.settled_at for each in ours)
    connection.execute(QUERIES["remember_settled"], (now,))
    gates = read_gates(connection, dict.fromkeys(each.integration_id for each in ours))
    slow_before = {gate.integration_id: gate.pace.slow for gate in gates.values()}
    closed_before = [gate for gate in gates.values() if gate.closed is not None]
    effects: list[tuple[Gate, Effect]] = []
    for each in ours:
        gate = gates[each.integration_id]
        gate.in_flight -= 1
        if effect := _learn(connection, gate, each, rules):
            effects.append((gate, effect))
            if isinstance(effect, Unsubscribe):
                gate.closed = Closed.UNSUBSCRIBED
    _free_lanes(connection, ours, ordered, gates, slow_before, now)
    unswept = False
    for gate, effect in effects:
        if isinstance(effect, Unsubscribe):
            unswept |= unsubscribe(connection, gate, effect.reason, effect.detail, now)
        else:
            notice_warning(connection, gate, effect, rules, now)
    for gate in closed_before:  # attempts from before: what was to be retried is to be parked
        unswept |= shut(connection, gate, now)
    return bool(effects), unswept


def _learn(
    connection: Connection, gate: Gate, settlement: Settlement, rules: Rules
) -> Effect | None:
    attempt = settlement.attempt
    gate.pace = pace.after(
        gate.pace,
        pace.read_sign(attempt.outcome, attempt.status),
        began=settlement.began_at,
        now=settlement.settled_at,
        cap=gate.max_in_flight,
        asked_us=settlement.asked_us,
    )
    if gate.closed is not None:  # an attempt from before: nothing more follows from it
        return None
    if attempt.outcome is Counted.TIMEOUT:
        _note_timeout(connection, gate, settlement.settled_at, rules)

    def nth_timeout(number: int) -> int:
        row = connection.execute(QUERIES["nth_timeout"], (gate.integration_id, number)).fetchone()
        return int(row[0]) if row else 0

    gate.health, effect = observe(
        gate.health,
        attempt.outcome,
        attempt.status,
        now=settlement.settled_at,
        nth_timeout=nth_timeout,
        rules=rules,
    )
    return effect


def _note_timeout(connection: Connection, gate: Gate, at: int, rules: Rules) -> None:
    number = gate.health.timeouts + 1
    connection.execute(QUERIES["insert_timeout"], (gate.integration_id, number, at))
    gone = number - max(rules.timeouts, FEWEST_KEPT)
    if gone > 0:
        connection.execute(QUERIES["forget_timeouts"], (gate.integration_id, gone))


def _free_lanes(
    connection: Connection,
    ours: Sequence[Settlement],
    ordered: set[Lane],
    gates: dict[int, Gate],
    slow_before: dict[int, bool],
    now: int,
) -> None:
    freed = Counter(_lane(each) for each in ours)
    held = {
        _lane(each): each.verdict.due
        for each in ours
        if isinstance(each.verdict, RetryAt) and _lane(each) in ordered
    }
    touched = free(connection, freed, held, now)
    for gate in gates.values():
        if gate.pace.slow != slow_before[gate.integration_id]:
            touched |= change_line(connection, gate)
    touched |= write_gates(connection, list(gates.values()), now)
    queue_up(connection, touched, now)
