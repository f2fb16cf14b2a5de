"""Leasing: an equal share for each organization whose turn it is, and in it for each of its lanes.

What a gate has room for is shared out equally, too, among those of its lanes that are looked at.

What a lane may take depends on what those before it took, so lanes are served one after the other. What
is due in them is read for several at once: the one whose turn it is, and those that are likely to be
next. What is read in vain is read again by a later lease.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

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
# Lanes of a line for each delivery of its share. One would do if each lane had something to give. All
# that are looked at have their gates held, so a lease that looks at many keeps them from others.
LANES = 2


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
class _Due:
    """What is due in some lines of lanes, as far as it was read.

    Lanes are asked for in the order of the lines, but not all of each line are.

    Attributes:
        _depths: how many were asked for of a lane.
        _found: how many were found in all of them.
    """

    lines: list[list[Lane]]
    now: int
    _rows: dict[Lane, list[Row]] = field(default_factory=dict)
    _depths: dict[Lane, int] = field(default_factory=dict)
    _found: int = 0

    def first(self, line: int, place: int, most: int, *, share: int, left: int) -> Verb[list[Row]]:
        """The first of a lane.

        ``share`` and ``left``: how much is to be taken yet of its line, and of all lines.
        """
        lane = self.lines[line][place]
        while self._depths.get(lane, 0) < most and not self._is_read(lane):
            # Those to come hold about as much as those before, or else more is read of them.
            held = math.ceil(max(1, self._found) / len(self._depths)) if self._depths else left
            deeper = max(2 * held, 2 * self._depths.get(lane, 0))
            depth = min(deeper, max(most, min(share, PORTION)))
            yield from self._look(list(self._next(line, place, depth, share, left, held)), depth)
        return self._rows[lane][:most]

    def _is_read(self, lane: Lane) -> bool:
        return lane in self._depths and len(self._rows[lane]) < self._depths[lane]

    def _next(
        self, line: int, place: int, depth: int, share: int, left: int, held: int
    ) -> Iterator[Lane]:
        """As many lanes as it takes if each holds so much, and no more in vain than is needed."""
        expected = min(held, depth)
        number = min(-(-left // expected), max(1, 2 * left // depth))
        each_line = -(-share // expected)
        lines = [self.lines[line][place:], *self.lines[line + 1 :]]
        likely = (lane for lanes in lines for lane in lanes[:each_line] if not self._is_read(lane))
        return itertools.islice(likely, number)

    def _look(self, lanes: Sequence[Lane], depth: int) -> Verb[None]:
        answer = yield Ask("due", (self.now, depth), lanes)
        found: dict[Lane, list[Row]] = {lane: [] for lane in lanes}
        for row in answer.rows:
            found[row[:2]].append(row)
        for lane, rows in found.items():
            rows.sort()  # by when they are due, and then by their ids
            self._found += len(rows) - len(self._rows.get(lane, ()))
            self._rows[lane] = rows
            self._depths[lane] = depth


class _Turn(NamedTuple):
    """An organization's turn.

    Attributes:
        number: which line of those looked at together.
        share: so many are to be taken of it; ``left``: of all; ``limit``: of all when it began.
    """

    number: int
    line: list[Row]
    share: int
    left: int
    limit: int
    slow: bool


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
        start, together = 0, 0
        while start < len(organizations) and len(self.leased) < end:
            left = end - len(self.leased)
            share = _share(left, len(organizations) - start, limit)
            # As many as it takes if each has its share to give; those after, should they not.
            together = LOOKED_AT_ONCE if together else min(-(-left // share), LOOKED_AT_ONCE)
            some = organizations[start : start + together]
            lines = yield from self._lines(some, slow=slow, each=min(limit, LANES * share))
            due = _Due([[(row[0], row[1]) for row in line] for line in lines], self.now)
            for index, organization in enumerate(some):
                left = end - len(self.leased)
                if left <= 0:
                    break  # these keep their places: they were not looked at
                share = _share(left, len(organizations) - start - index, limit)
                turn = _Turn(index, lines[index], share, left, limit, slow)
                yield from self._serve_line(turn, due)
                self._turns[slow].append(organization)
            start += together

    def _lines(self, organizations: list[int], *, slow: bool, each: int) -> Verb[list[list[Row]]]:
        given = [(organization,) for organization in organizations]
        rows = (yield Ask("lanes_in_line", (slow, self.now, each), given)).rows
        yield from self._known(row[1] for row in rows)
        self._lanes_left = Counter(row[1] for row in rows)
        lines: dict[int, list[Row]] = {organization: [] for organization in organizations}
        for row in sorted(rows, key=lambda row: (row[3], row[1])):
            lines[row[0]].append(row)
        return list(lines.values())

    def _serve_line(self, turn: _Turn, due: _Due) -> Verb[None]:
        begun = len(self.leased)
        for place, (organization, integration, ordered, _) in enumerate(turn.line):
            taken = len(self.leased) - begun
            share = turn.share - taken
            if share <= 0:
                return
            gate = self._gates[integration]
            room = -(-gate.room(self.now, self.each) // self._lanes_left[integration])
            self._lanes_left[integration] -= 1
            even = _share(share, len(turn.line) - place, turn.limit)
            most = min(even, 1 if ordered else room, room)
            lane = (organization, integration)
            rows: list[Row] = []
            if most > 0:
                rows = yield from due.first(
                    turn.number, place, most, share=share, left=turn.left - taken
                )
            self.leased += [Leased(row[3], self.token, *lane, turn.slow, *row[4:]) for row in rows]
            gate.take(len(rows), self.now)
            served = (organization, integration, len(rows))
            (self._open if gate.room(self.now, self.each) else self._shut).append(served)

    def write(self, until: int) -> Verb[None]:
        """Keep what was handed out."""
        rows = [(each.id, each.organization_id) for each in self.leased]
        yield Ask("mark_leased", (self.token, until), rows)
        yield Ask("served_lanes", (self.now,), self._open)
        yield Ask("gate_lanes", (self.now,), self._shut)
        at_gates = yield from write_gates(list(self._gates.values()), self.now, self.each)
        for slow, organizations in self._turns.items():
            ends = [(each,) for each in organizations]
            yield Ask("end_turns", (self.now, slow), ends)
        yield from queue_up_now(at_gates.organizations, self.now)
