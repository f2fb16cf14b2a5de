"""Unsubscribing, resubscribing, recovering and notices.

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

from hookline.core.errors import Conflict
from hookline.core.gate import Closed, Gate
from hookline.core.lifecycle import State
from hookline.core.notice import Notice, NoticeKind
from hookline.core.pace import Pace
from hookline.core.unsubscribing import Reason, Rules, Warn, begun_anew, span_words
from hookline.store.values import IntegrationHealth, NewRecovery, Recovery
from hookline.store.verbs.asking import Ask, Row, Verb
from hookline.store.verbs.lanes import read_gate, refresh, see_gate, shut, write_gates
from hookline.store.verbs.outbound import make_wait

__all__ = [
    "begin_recovery",
    "close_notice",
    "count_recovery",
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


def unsubscribe(gate: Gate, reason: Reason, detail: str, now: int) -> Verb[bool]:
    """Let an integration receive no more events; whether some of what waits is still to be parked."""
    gate.closed = Closed.UNSUBSCRIBED
    yield from write_gates([gate], now)
    yield Ask("unsubscribe", (gate.integration_id, now, reason, detail))
    yield _notice(NoticeKind.UNSUBSCRIBED, gate, reason, detail, now)
    unswept = yield from shut(gate, now)
    return unswept


def unsubscribe_by_hand(integration_id: int, detail: str, now: int) -> Verb[bool]:
    """Unsubscribe because an operator wants it. Raises ``Conflict`` where it is so already."""
    gate = yield from read_gate(integration_id)
    if gate.closed is not None:
        raise Conflict(
            "already-unsubscribed",
            "the integration is unsubscribed already",
            "POST …/resubscribe makes it receive events again",
        )
    unswept = yield from unsubscribe(gate, Reason.MANUAL, detail, now)
    return unswept


def resubscribe(
    integration_id: int, now: int, recovery: NewRecovery | None
) -> Verb[Recovery | None]:
    """Let an integration receive events again, counters begun anew, and recover what it missed.

    Raises:
        Conflict: it is subscribed.
    """
    gate = yield from read_gate(integration_id)
    if gate.closed is not Closed.UNSUBSCRIBED:
        raise Conflict(
            "already-subscribed",
            "the integration is subscribed already",
            "POST …/recover sends again what it missed",
        )
    missed_since = gate.health.success_at or 0
    gate.closed, gate.health, gate.pace = None, begun_anew(gate.health), Pace()
    yield Ask("resubscribe", (integration_id,))
    yield from write_gates([gate], now)
    ordered = yield from _is_ordered(integration_id)
    yield from refresh(gate, ordered=ordered, now=now)
    message = "It receives events again."
    yield _notice(NoticeKind.RESUBSCRIBED, gate, Reason.MANUAL, message, now)
    if recovery is None:
        return None
    begun = yield from begin_recovery(recovery._replace(parked_since=missed_since))
    return begun


def _is_ordered(integration_id: int) -> Verb[bool]:
    answer = yield Ask("is_ordered", (integration_id,))
    return bool(answer.rows[0][0])


# -- recovering -----------------------------------------------------------------------------------


def count_recovery(new: NewRecovery) -> Verb[dict[str, int]]:
    """How many deliveries a recovery would take, by why they are parked, or ``delivered``."""
    span = (new.integration_id, new.after_id, new.until_id)
    counts: dict[str, int] = {}
    if State.PARKED in new.states:
        parked = yield Ask("count_parked", (*span, new.parked_since))
        counts |= dict(parked.rows)
    if State.DELIVERED in new.states:
        delivered = (yield Ask("count_delivered", span)).rows[0][0]
        counts |= {"delivered": delivered} if delivered else {}
    return counts


def begin_recovery(new: NewRecovery) -> Verb[Recovery]:
    """Begin to make deliveries wait again. Raises ``Conflict`` while unsubscribed."""
    gate = yield from read_gate(new.integration_id)
    if gate.closed is not None:
        raise Conflict(
            "integration-unsubscribed",
            "the integration is unsubscribed: what is recovered could not be sent",
            "resubscribe it first: POST …/resubscribe, which recovers too if asked",
        )
    states = json.dumps(sorted(new.states))
    end = yield from _end(new)
    values = (new.integration_id, states, new.parked_since, new.after_id, end, new.now)
    recovery_id = (yield Ask("insert_recovery", values)).rows[0][0]
    made = yield from _recovery_by(recovery_id)
    ordered = yield from _is_ordered(new.integration_id)
    while ordered and made.done_at is None:
        yield from _advance(made, 1_000, new.now)
        made = yield from _recovery_by(recovery_id)
    return made


def _end(new: NewRecovery) -> Verb[bytes]:
    # What comes while it goes on is none of its business, and what is parked at this moment is, though
    # it may have been accepted after the caller looked at the clock.
    newest = (yield Ask("newest_delivery", (new.integration_id,))).rows[0][0]
    if newest is None:
        return new.after_id
    return min(new.until_id, (int.from_bytes(newest) + 1).to_bytes(16))


def recover_some(limit: int, now: int) -> Verb[bool]:
    """Go on with one recovery, looking at no more than ``limit`` rows; whether there was one."""
    found = (yield Ask("open_recovery")).rows
    if not found:
        return False
    yield from _advance(_recovery(found[0]), limit, now)
    return True


def _advance(recovery: Recovery, limit: int, now: int) -> Verb[None]:
    span = (recovery.integration_id, recovery.after_id, recovery.until_id, limit)
    if State.DELIVERED in recovery.states:
        rows = (yield Ask("all_to_recover", span)).rows
        chosen = [row[:2] for row in rows if row[2] in recovery.states]
    else:
        rows = (yield Ask("parked_to_recover", span)).rows
        chosen = [row[:2] for row in rows if row[2] >= recovery.parked_since]
    gate = yield from read_gate(recovery.integration_id)
    moved = 0
    if gate.closed is None:
        moved = yield from make_wait(chosen, now)
    after_id = rows[-1][0] if rows else recovery.after_id
    done_at = now if gate.closed is not None or len(rows) < limit else None
    yield Ask("advance_recovery", (recovery.id, after_id, moved, done_at))


def recoveries(integration_id: int) -> Verb[list[Recovery]]:
    """An integration's recoveries, newest first."""
    answer = yield Ask("recoveries", (integration_id,))
    return [_recovery(row) for row in answer.rows]


def _recovery_by(recovery_id: int) -> Verb[Recovery]:
    answer = yield Ask("recovery", (recovery_id,))
    return _recovery(answer.rows[0])


def _recovery(row: Row) -> Recovery:
    states = frozenset(State(each) for each in json.loads(row[2]))
    return Recovery(row[0], row[1], states, *row[3:])


# -- notices and health ---------------------------------------------------------------------------


def notice_warning(gate: Gate, warning: Warn, rules: Rules, now: int) -> Verb[None]:
    """Write down that so many per cent of the timeouts that unsubscribe have come."""
    message = (
        f"{warning.timeouts:,} attempts within {span_words(rules.span_us)} timed out; "
        f"at {rules.timeouts:,} the integration is unsubscribed."
    )
    yield _notice(NoticeKind.WARNED, gate, Reason.TIMEOUTS, message, now)


def _notice(kind: NoticeKind, gate: Gate, reason: Reason, message: str, now: int) -> Ask:
    return Ask("insert_notice", (now, kind, gate.integration_id, reason, message))


def notices(before: int | None, integration_id: int | None, limit: int) -> Verb[list[Notice]]:
    """Notices, newest first: those before an id, of one integration or of all."""
    answer = yield Ask("notices", (before, integration_id, limit))
    return [_as_notice(row) for row in answer.rows]


def unpublished_notices(limit: int) -> Verb[list[Notice]]:
    """Notices of which no event tells yet, oldest first."""
    answer = yield Ask("unpublished_notices", (limit,))
    return [_as_notice(row) for row in answer.rows]


def unmailed_notices(limit: int) -> Verb[list[Notice]]:
    """Notices of which no e-mail tells yet, oldest first."""
    answer = yield Ask("unmailed_notices", (limit,))
    return [_as_notice(row) for row in answer.rows]


def close_notice(notice_id: int, published_at: int | None, mailed_at: int | None) -> Verb[None]:
    """Note by which ways a notice was told; None: not now."""
    yield Ask("close_notice", (notice_id, published_at, mailed_at))


def _as_notice(row: Row) -> Notice:
    return Notice(row[0], row[1], NoticeKind(row[2]), Reason(row[3]), *row[4:])


def health(integration_id: int, now: int, rules: Rules) -> Verb[IntegrationHealth]:
    """How an integration stands."""
    gate = yield from see_gate(integration_id)
    timeouts = (yield Ask("timeouts_since", (integration_id, now - rules.span_us))).rows[0][0]
    waiting, parked = (yield Ask("health_of", (integration_id,))).rows[0]
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
