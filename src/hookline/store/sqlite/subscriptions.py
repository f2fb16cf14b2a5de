"""Unsubscribing, resubscribing, recovering and notices, in SQL.

An integration is unsubscribed in the transaction that settles the attempt which made it so, together
with the notice that tells of it. From that commit on nothing leaves through its gate, and what is
accepted for it is parked at once. What waited is parked chunk by chunk (``lanes.sweep``), for it may be
a million deliveries.

A recovery walks through an integration's deliveries in the order of their ids, which is the order of
acceptance, and makes those that it is about wait again, a chunk a transaction. How far it got is stored
with each chunk, so a restart goes on where it was. Ordered integrations are recovered in one piece: a
newer event must not come between.
"""

import json
import sqlite3
from typing import Any

from hookline.core.errors import Conflict
from hookline.core.gate import Closed, Gate
from hookline.core.lifecycle import State
from hookline.core.notice import Notice, NoticeKind
from hookline.core.pace import Pace
from hookline.core.unsubscribing import Reason, Rules, Warn, begun_anew, span_words
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.lanes import read_gates, refresh, shut, write_gates
from hookline.store.sqlite.outbound import make_wait
from hookline.store.values import IntegrationHealth, NewRecovery, Recovery

__all__ = [
    "begin_recovery",
    "close_notice",
    "count_recovery",
    "gate_of",
    "health",
    "notice_warning",
    "notices",
    "recover_some",
    "recoveries",
    "resubscribe",
    "unmailed_notices",
    "unpublished_notices",
    "unsubscribe",
    "unsubscribe_by_hand",
]

Connection = sqlite3.Connection


def unsubscribe(connection: Connection, gate: Gate, reason: Reason, detail: str, now: int) -> bool:
    """Let an integration receive no more events; whether some of what waits is still to be parked."""
    gate.closed = Closed.UNSUBSCRIBED
    write_gates(connection, [gate], now)
    connection.execute(QUERIES["unsubscribe"], (now, reason, detail, gate.integration_id))
    _notice(connection, NoticeKind.UNSUBSCRIBED, gate, reason, detail, now)
    return shut(connection, gate, now)


def unsubscribe_by_hand(connection: Connection, integration_id: int, detail: str, now: int) -> bool:
    """Unsubscribe because an operator wants it. Raises ``Conflict`` where it is so already."""
    gate = gate_of(connection, integration_id)
    if gate.closed is not None:
        raise Conflict(
            "already-unsubscribed",
            "the integration is unsubscribed already",
            "POST …/resubscribe makes it receive events again",
        )
    return unsubscribe(connection, gate, Reason.MANUAL, detail, now)


def resubscribe(
    connection: Connection, integration_id: int, now: int, recovery: NewRecovery | None
) -> Recovery | None:
    """Let an integration receive events again, counters begun anew, and recover what it missed.

    Raises:
        Conflict: it is subscribed.
    """
    gate = gate_of(connection, integration_id)
    if gate.closed is not Closed.UNSUBSCRIBED:
        raise Conflict(
            "already-subscribed",
            "the integration is subscribed already",
            "POST …/recover sends again what it missed",
        )
    missed_since = gate.health.success_at or 0
    gate.closed, gate.health, gate.pace = None, begun_anew(gate.health), Pace()
    connection.execute(QUERIES["resubscribe"], (integration_id,))
    write_gates(connection, [gate], now)
    refresh(connection, gate, ordered=_is_ordered(connection, integration_id), now=now)
    _notice(
        connection, NoticeKind.RESUBSCRIBED, gate, Reason.MANUAL, "It receives events again.", now
    )
    if recovery is None:
        return None
    return begin_recovery(connection, recovery._replace(parked_since=missed_since))


def gate_of(connection: Connection, integration_id: int) -> Gate:
    """What decides whether an integration's next attempt may begin."""
    return read_gates(connection, [integration_id])[integration_id]


def _is_ordered(connection: Connection, integration_id: int) -> bool:
    row = connection.execute(
        "SELECT ordered FROM integrations WHERE id = ?", (integration_id,)
    ).fetchone()
    return bool(row[0])


# -- recovering -----------------------------------------------------------------------------------


def count_recovery(connection: Connection, new: NewRecovery) -> dict[str, int]:
    """How many deliveries a recovery would take, by why they are parked, or ``delivered``."""
    span = (new.integration_id, new.after_id, new.until_id)
    counts: dict[str, int] = {}
    if State.PARKED in new.states:
        counts |= dict(connection.execute(QUERIES["count_parked"], (*span, new.parked_since)))
    if State.DELIVERED in new.states:
        (delivered,) = connection.execute(QUERIES["count_delivered"], span).fetchone()
        counts |= {"delivered": delivered} if delivered else {}
    return counts


def begin_recovery(connection: Connection, new: NewRecovery) -> Recovery:
    """Begin to make deliveries wait again. Raises ``Conflict`` while unsubscribed."""
    if gate_of(connection, new.integration_id).closed is not None:
        raise Conflict(
            "integration-unsubscribed",
            "the integration is unsubscribed: what is recovered could not be sent",
            "resubscribe it first: POST …/resubscribe, which recovers too if asked",
        )
    values = (new.integration_id, json.dumps(sorted(new.states)), new.parked_since)
    span = (new.after_id, _end(connection, new), new.now)
    cursor = connection.execute(QUERIES["insert_recovery"], (*values, *span))
    made = _recovery_by(connection, "id = ?", int(cursor.lastrowid or 0))
    if _is_ordered(connection, new.integration_id):
        while made.done_at is None:
            _advance(connection, made, 1_000, new.now)
            made = _recovery_by(connection, "id = ?", made.id)
    return made


def _end(connection: Connection, new: NewRecovery) -> bytes:
    # What comes while it goes on is none of its business, and what is parked at this moment is, though
    # it may have been accepted after the caller looked at the clock.
    (newest,) = connection.execute(
        "SELECT max(id) FROM deliveries WHERE integration_id = ?", (new.integration_id,)
    ).fetchone()
    if newest is None:
        return new.after_id
    return min(new.until_id, (int.from_bytes(newest) + 1).to_bytes(16))


def recover_some(connection: Connection, limit: int, now: int) -> bool:
    """Go on with one recovery, looking at no more than ``limit`` rows; whether there was one."""
    sql = f"{QUERIES['recovery_columns']} WHERE done_at IS NULL ORDER BY id LIMIT 1"
    row = connection.execute(sql).fetchone()
    if row is None:
        return False
    _advance(connection, _recovery(row), limit, now)
    return True


def _advance(connection: Connection, recovery: Recovery, limit: int, now: int) -> None:
    span = (recovery.integration_id, recovery.after_id, recovery.until_id, limit)
    if State.DELIVERED in recovery.states:
        rows = connection.execute(QUERIES["all_to_recover"], span).fetchall()
        chosen = [row[0] for row in rows if row[1] in recovery.states]
    else:
        rows = connection.execute(QUERIES["parked_to_recover"], span).fetchall()
        chosen = [row[0] for row in rows if row[1] >= recovery.parked_since]
    closed = gate_of(connection, recovery.integration_id).closed is not None
    moved = 0 if closed else make_wait(connection, chosen, now)
    after_id = rows[-1][0] if rows else recovery.after_id
    done_at = now if closed or len(rows) < limit else None
    connection.execute(QUERIES["advance_recovery"], (after_id, moved, done_at, recovery.id))


def recoveries(connection: Connection, integration_id: int) -> list[Recovery]:
    """An integration's recoveries, newest first."""
    where = "WHERE integration_id = ? ORDER BY id DESC LIMIT 20"
    rows = connection.execute(f"{QUERIES['recovery_columns']} {where}", (integration_id,))
    return [_recovery(row) for row in rows]


def _recovery_by(connection: Connection, condition: str, value: int) -> Recovery:
    sql = f"{QUERIES['recovery_columns']} WHERE {condition}"
    return _recovery(connection.execute(sql, (value,)).fetchone())


def _recovery(row: tuple[Any, ...]) -> Recovery:
    states = frozenset(State(each) for each in json.loads(row[2]))
    return Recovery(row[0], row[1], states, *row[3:])


# -- notices and health ---------------------------------------------------------------------------


def notice_warning(
    connection: Connection, gate: Gate, warning: Warn, rules: Rules, now: int
) -> None:
    """Write down that so many per cent of the timeouts that unsubscribe have come."""
    message = (
        f"{warning.timeouts:,} attempts within {span_words(rules.span_us)} timed out; "
        f"at {rules.timeouts:,} the integration is unsubscribed."
    )
    _notice(connection, NoticeKind.WARNED, gate, Reason.TIMEOUTS, message, now)


def _notice(
    connection: Connection, kind: NoticeKind, gate: Gate, reason: Reason, message: str, now: int
) -> None:
    connection.execute(QUERIES["insert_notice"], (now, kind, gate.integration_id, reason, message))


def notices(
    connection: Connection, before: int | None, integration_id: int | None, limit: int
) -> list[Notice]:
    """Notices, newest first: those before an id, of one integration or of all."""
    where = "WHERE (?1 IS NULL OR c.id < ?1) AND (?2 IS NULL OR c.integration_id = ?2)"
    sql = f"{QUERIES['notice_columns']} {where} ORDER BY c.id DESC LIMIT ?3"
    return [_as_notice(row) for row in connection.execute(sql, (before, integration_id, limit))]


def unpublished_notices(connection: Connection, limit: int) -> list[Notice]:
    """Notices of which no event tells yet, oldest first."""
    return _notices_where(connection, "c.published_at IS NULL", limit)


def unmailed_notices(connection: Connection, limit: int) -> list[Notice]:
    """Notices of which no e-mail tells yet, oldest first."""
    return _notices_where(connection, "c.mailed_at IS NULL", limit)


def _notices_where(connection: Connection, condition: str, limit: int) -> list[Notice]:
    sql = f"{QUERIES['notice_columns']} WHERE {condition} ORDER BY c.id LIMIT ?"
    return [_as_notice(row) for row in connection.execute(sql, (limit,))]


def close_notice(
    connection: Connection, notice_id: int, published_at: int | None, mailed_at: int | None
) -> None:
    """Note by which ways a notice was told; None: not now."""
    connection.execute(
        "UPDATE notices SET published_at = coalesce(published_at, ?), mailed_at = coalesce(mailed_at, ?)"
        " WHERE id = ?",
        (published_at, mailed_at, notice_id),
    )


def _as_notice(row: tuple[Any, ...]) -> Notice:
    return Notice(row[0], row[1], NoticeKind(row[2]), Reason(row[3]), *row[4:])


def health(
    connection: Connection, integration_id: int, now: int, rules: Rules
) -> IntegrationHealth:
    """How an integration stands."""
    gate = gate_of(connection, integration_id)
    span = {"integration_id": integration_id, "since": now - rules.span_us}
    (timeouts,) = connection.execute(QUERIES["timeouts_since"], span).fetchone()
    waiting, parked = connection.execute(
        QUERIES["health_of"], {"integration_id": integration_id}
    ).fetchone()
    return IntegrationHealth(
        timeouts=timeouts,
        in_flight=gate.in_flight,
        waiting=waiting,
        parked=parked,
        success_at=gate.health.success_at,
        failing_since=gate.health.failing_since,
        window=min(gate.pace.window, gate.max_in_flight),
        slow=gate.pace.slow,
        held_until=gate.pace.held_until if gate.pace.held_until > now else None,
    )
