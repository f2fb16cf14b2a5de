"""Leasing: an equal share for each organization whose turn it is, and in it for each of its lanes.

What a gate has room for is shared out equally, too, among those of its lanes that are looked at.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hookline.core.gate import Gate
from hookline.store.values import Leased, Leases
from hookline.store.verbs.asking import Ask, Row, Verb
from hookline.store.verbs.lanes import (
    Lane,
    let_on,
    queue_up_now,
    read_gates,
    take_notes,
    write_gates,
)

__all__ = ["lease"]

# Looking at a lane costs as much as a delivery does. So where there are more lanes than there is room to
# share out, each that has so much takes a portion when its turn comes, and the others have theirs in the
# leases after. (One at a time cost 70 µs a delivery over 1,000 lanes, and 34 µs over ten; so it is 41.)
PORTION = 8

NOTES_AT_ONCE = 1_000  # left by others for the next lease

LOOKED_AT_ONCE = 32  # organizations whose lines are read together


def lease(
    *, limit: int, slow_limit: int, each: int, now: int, until: int, token: int
) -> Verb[Leases]:
    """Hand out due deliveries under ``token``; of the slow line at most ``slow_limit``."""
    work = _Lease(now, token, each)
    yield from take_notes(NOTES_AT_ONCE, now)
    yield from work.open_gates(limit)
    yield from work.serve(slow=False, limit=limit)
    slow_room = min(slow_limit, limit - len(work.leased))
    yield from work.serve(slow=True, limit=slow_room)
    yield from work.write(until)
    slow_left = slow_limit - sum(each.slow for each in work.leased)
    next_ready_at = yield from _next_ready_at(slow=slow_left > 0)
    return Leases(work.leased, next_ready_at)


def _share(left: int, among: int, limit: int) -> int:
    """What the next one in a line may take of what is left."""
    even = -(-left // among)
    return min(left, even if limit < 2 * PORTION else max(even, PORTION))


def _next_ready_at(*, slow: bool) -> Verb[int | None]:
    quick_at, slow_at, opens_at = (yield Ask("next_ready")).rows[0]
    # A line for which there is no room is no reason to come back: an attempt that ends makes some.
    instants = (quick_at, opens_at, slow_at) if slow else (quick_at, opens_at)
    return min((at for at in instants if at is not None), default=None)


@dataclass(slots=True)
class _Lease:
    """One lease in the making."""

    now: int
    token: int
    each: int
    leased: list[Leased] = field(default_factory=list)
    _gates: dict[int, Gate] = field(default_factory=dict)
    _lanes_left: Counter[int] = field(default_factory=Counter)  # at each gate, in this line
    _open: list[tuple[int, int, int]] = field(default_factory=list)  # lane, taken
    _shut: list[tuple[int, int, int]] = field(default_factory=list)
    _turns: dict[bool, list[int]] = field(default_factory=dict)

    def open_gates(self, limit: int) -> Verb[None]:
        """Let lanes on at gates that time has opened."""
        due = (yield Ask("opening_gates", (self.now, limit))).rows
        if not due:
            return
        gates = yield from self._known(row[0] for row in due)
        rooms = {gate.integration_id: max(1, gate.room(self.now)) for gate in gates}
        organizations = yield from let_on(rooms, self.now)
        yield from queue_up_now(organizations, self.now)

    def _known(self, integration_ids: Iterable[int]) -> Verb[list[Gate]]:
        wanted = list(dict.fromkeys(integration_ids))
        missing = [each for each in wanted if each not in self._gates]
        self._gates |= yield from read_gates(missing)
        return [self._gates[each] for each in wanted if each in self._gates]

    def serve(self, *, slow: bool, limit: int) -> Verb[None]:
        """Take from one of the two lines."""
        if limit <= 0:
            return
        answer = yield Ask("turns", (slow, self.now, limit))
        organizations = [row[0] for row in answer.rows]
        self._turns[slow] = []
        end = len(self.leased) + limit
        for start in range(0, len(organizations), LOOKED_AT_ONCE):
            if len(self.leased) >= end:
                break
            some = organizations[start : start + LOOKED_AT_ONCE]
            lines = yield from self._lines(some, slow=slow, each=limit)
            for index, organization in enumerate(some, start):
                left = end - len(self.leased)
                if left <= 0:
                    break  # these keep their places: they were not looked at
                share = _share(left, len(organizations) - index, limit)
                yield from self._serve_line(lines.get(organization, []), share, limit, slow=slow)
                self._turns[slow].append(organization)

    def _lines(
        self, organizations: list[int], *, slow: bool, each: int
    ) -> Verb[dict[int, list[Row]]]:
        given = [(organization,) for organization in organizations]
        rows = (yield Ask("lanes_in_line", (slow, self.now, each), given)).rows
        yield from self._known(row[1] for row in rows)
        self._lanes_left = Counter(row[1] for row in rows)
        lines: dict[int, list[Row]] = {}
        for row in sorted(rows, key=lambda row: (row[3], row[1])):
            lines.setdefault(row[0], []).append(row)
        return lines

    def _serve_line(self, line: list[Row], share: int, limit: int, *, slow: bool) -> Verb[None]:
        end = len(self.leased) + share
        for index, (organization, integration, ordered, _) in enumerate(line):
            left = end - len(self.leased)
            if left <= 0:
                return
            gate = self._gates[integration]
            room = -(-gate.room(self.now, self.each) // self._lanes_left[integration])
            self._lanes_left[integration] -= 1
            most = min(_share(left, len(line) - index, limit), 1 if ordered else room, room)
            taken = yield from self._take((organization, integration), most, slow=slow)
            gate.take(taken, self.now)
            served = (organization, integration, taken)
            (self._open if gate.room(self.now, self.each) else self._shut).append(served)

    def _take(self, lane: Lane, most: int, *, slow: bool) -> Verb[int]:
        if most <= 0:
            return 0
        rows = (yield Ask("due", (*lane, self.now, most))).rows
        self.leased += [Leased(row[0], self.token, *lane, slow, *row[1:]) for row in rows]
        return len(rows)

    def write(self, until: int) -> Verb[None]:
        """Keep what was handed out."""
        yield Ask("mark_leased", (self.token, until), [(each.id,) for each in self.leased])
        yield Ask("served_lanes", (self.now,), self._open)
        yield Ask("gate_lanes", (self.now,), self._shut)
        let_go = yield from write_gates(list(self._gates.values()), self.now, self.each)
        for slow, organizations in self._turns.items():
            ends = [(each,) for each in organizations]
            yield Ask("end_turns", (self.now, slow), ends)
        yield from queue_up_now(let_go, self.now)
