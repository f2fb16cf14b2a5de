"""Settling: attempts, what became of their deliveries, and what follows for their integrations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from hookline.core import pace
from hookline.core.gate import Closed, Gate
from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Effect, Rules, Unsubscribe, looked_up, observe
from hookline.core.verdict import Delivered, Parked, RetryAt
from hookline.store.values import Settled, Settlement
from hookline.store.verbs.asking import Ask, Row, Verb
from hookline.store.verbs.lanes import (
    Lane,
    change_lines,
    free,
    queue_up,
    read_gates,
    shut,
    write_gates,
)
from hookline.store.verbs.subscriptions import notice_warning, unsubscribe

__all__ = ["settle"]

FEWEST_KEPT = 1_000  # of an integration's newest timeouts, where the rule itself needs fewer


def settle(settlements: Sequence[Settlement], rules: Rules) -> Verb[Settled]:
    """Store attempts and what became of their deliveries, where the lease is still theirs."""
    if not settlements:
        return Settled([], noticed=False, unswept=False, leasable=False)
    ordered = yield from _ordered(settlements)
    counted = yield from _settle_deliveries([_settled_row(each, ordered) for each in settlements])
    ours = [each for each, counts in zip(settlements, counted, strict=True) if counts]
    yield Ask("insert_attempts", rows=[_attempt_row(each) for each in ours])
    if not ours:
        return Settled(counted, noticed=False, unswept=False, leasable=False)
    after = yield from _settle_integrations(ours, ordered, rules)
    return Settled(counted, *after)


def _ordered(settlements: Sequence[Settlement]) -> Verb[set[Lane]]:
    lanes = dict.fromkeys((each.organization_id, each.integration_id) for each in settlements)
    answer = yield Ask("ordered_lanes", rows=list(lanes))
    return {(row[0], row[1]) for row in answer.rows}


def _settle_deliveries(rows: Sequence[Row]) -> Verb[list[bool]]:
    yield Ask("savepoint")
    answer = yield Ask("settle_deliveries", rows=rows)
    if answer.changed == len(rows):
        counted = [True] * len(rows)
    elif answer.rows:  # some lease was lost, and the database says whose were not
        counted = _first_of_each(rows, answer.rows)
    else:  # find out whose, one by one
        yield Ask("rollback_to")
        counted = []
        for row in rows:
            answer = yield Ask("settle_deliveries", rows=[row])
            counted.append(answer.changed == 1)
    yield Ask("release")
    return counted


def _first_of_each(rows: Sequence[Row], settled: Sequence[Row]) -> list[bool]:
    """Whether each of the rows is one of those that were settled, and the first for its lease."""
    left = set(settled)
    counted = []
    for row in rows:
        lease = row[:2]
        counted.append(lease in left)
        left.discard(lease)
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
        settlement.organization_id,
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


@dataclass(slots=True)
class _Timeouts:
    """The timeouts of an integration that the rules may look at, by their numbers."""

    known: dict[int, int]
    noted: list[int] = field(default_factory=list)  # numbers of those that came now

    def note(self, number: int, at: int) -> None:
        self.known[number] = at
        self.noted.append(number)


def _read_timeouts(
    ours: Sequence[Settlement], gates: Mapping[int, Gate], rules: Rules
) -> Verb[dict[int, _Timeouts]]:
    came = Counter(each.integration_id for each in ours if each.attempt.outcome is Counted.TIMEOUT)
    found = {
        # 0: it is not kept any more, so it was long ago.
        each: _Timeouts(dict.fromkeys(looked_up(gates[each].health, number, rules), 0))
        for each, number in came.items()
    }
    rows = [(each, number) for each, timeouts in found.items() for number in timeouts.known]
    answer = yield Ask("nth_timeouts", rows=rows)
    for integration_id, number, at in answer.rows:
        found[integration_id].known[number] = at
    return found


def _write_timeouts(found: Mapping[int, _Timeouts], rules: Rules) -> Verb[None]:
    new = [(each, n, t.known[n]) for each, t in found.items() for n in t.noted]
    yield Ask("insert_timeouts", rows=new)
    kept = max(rules.timeouts, FEWEST_KEPT)
    gone = [(each, t.noted[-1] - kept) for each, t in found.items() if t.noted]
    yield Ask("forget_timeouts", rows=[row for row in gone if row[1] > 0])


def _settle_integrations(
    ours: Sequence[Settlement], ordered: set[Lane], rules: Rules
) -> Verb[tuple[bool, bool, bool]]:
    """Free the slots and draw the consequences.

    Returns whether notices were made, whether parking is left, and whether there is something to lease.
    """
    now = max(each.settled_at for each in ours)
    yield Ask("remember_settled", (now,))
    gates = yield from read_gates(dict.fromkeys(each.integration_id for each in ours))
    timeouts = yield from _read_timeouts(ours, gates, rules)
    slow_before = {gate.integration_id: gate.pace.slow for gate in gates.values()}
    closed_before = [gate for gate in gates.values() if gate.closed is not None]
    effects = _learn_all(ours, gates, timeouts, rules)
    yield from _write_timeouts(timeouts, rules)
    leasable = yield from _free_lanes(ours, ordered, gates, slow_before, now)
    unswept = False
    for gate, effect in effects:
        if isinstance(effect, Unsubscribe):
            unswept |= yield from unsubscribe(gate, effect.reason, effect.detail, now)
        else:
            yield from notice_warning(gate, effect, rules, now)
    for gate in closed_before:  # attempts from before: what was to be retried is to be parked
        unswept |= yield from shut(gate, now)
    return bool(effects), unswept, leasable


def _learn_all(
    ours: Sequence[Settlement],
    gates: Mapping[int, Gate],
    timeouts: Mapping[int, _Timeouts],
    rules: Rules,
) -> list[tuple[Gate, Effect]]:
    effects: list[tuple[Gate, Effect]] = []
    for each in ours:
        gate = gates[each.integration_id]
        gate.in_flight -= 1
        if effect := _learn(gate, each, timeouts.get(each.integration_id), rules):
            effects.append((gate, effect))
            if isinstance(effect, Unsubscribe):
                gate.closed = Closed.UNSUBSCRIBED
    return effects


def _learn(
    gate: Gate, settlement: Settlement, timeouts: _Timeouts | None, rules: Rules
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
    known: Mapping[int, int] = {}
    if timeouts is not None:
        known = timeouts.known
        if attempt.outcome is Counted.TIMEOUT:
            timeouts.note(gate.health.timeouts + 1, settlement.settled_at)
    gate.health, effect = observe(
        gate.health,
        attempt.outcome,
        attempt.status,
        now=settlement.settled_at,
        nth_timeout=known.__getitem__,
        rules=rules,
    )
    return effect


def _free_lanes(
    ours: Sequence[Settlement],
    ordered: set[Lane],
    gates: Mapping[int, Gate],
    slow_before: Mapping[int, bool],
    now: int,
) -> Verb[bool]:
    freed = Counter(_lane(each) for each in ours)
    held = {
        _lane(each): each.verdict.due
        for each in ours
        if isinstance(each.verdict, RetryAt) and _lane(each) in ordered
    }
    touched = yield from free(freed, held, now)
    changed = [
        each for each in gates.values() if each.pace.slow != slow_before[each.integration_id]
    ]
    touched |= yield from change_lines(changed)
    at_gates = yield from write_gates(list(gates.values()), now)
    touched |= at_gates.organizations
    yield from queue_up(touched, now)
    return bool(touched) or at_gates.waited
