"""Leasing: an equal share for each organization whose turn it is, and in it for each of its lanes.

What a gate has room for is shared out equally, too, among those of its lanes that are looked at.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hookline.core.gate import Gate
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.lanes import Lane, let_on, queue_up, read_gates, write_gates
from hookline.store.sqlite.rows import Row, execute_rows, fetch_rows
from hookline.store.values import Leased, Leases

__all__ = ["lease"]

Connection = sqlite3.Connection

# Looking at a lane costs as much as a delivery does. So where there are more lanes than there is room to
# share out, each that has so much takes a portion when its turn comes, and the others have theirs in the
# leases after. (One at a time cost 70 µs a delivery over 1,000 lanes, and 34 µs over ten; so it is 41.)
PORTION = 8

LOOKED_AT_ONCE = 32  # organizations whose lines are read together


def lease(
    connection: Connection,
    *,
    limit: int,
    slow_limit: int,
    each: int,
    now: int,
    until: int,
    token: int,
) -> Leases:
    """Hand out due deliveries under ``token``; of the slow line at most ``slow_limit``."""
    work = _Lease(connection, now, token, each)
    work.open_gates(limit)
    work.serve(slow=False, limit=limit)
    slow_room = min(slow_limit, limit - len(work.leased))
    work.serve(slow=True, limit=slow_room)
    work.write(until)
    slow_left = slow_limit - sum(each.slow for each in work.leased)
    return Leases(work.leased, _next_ready_at(connection, slow=slow_left > 0))


def _share(left: int, among: int, limit: int) -> int:
    """What the next one in a line may take of what is left."""
    even = -(-left // among)
    return min(left, even if limit < 2 * PORTION else max(even, PORTION))


def _next_ready_at(connection: Connection, *, slow: bool) -> int | None:
    # A line for which there is no room is no reason to come back: an attempt that ends makes some.
    rows = [
        connection.execute(QUERIES["next_turn"], (line,)) for line in ((0, 1) if slow else (0,))
    ]
    rows.append(connection.execute(QUERIES["next_opening"]))
    return min((at for (at,) in (row.fetchone() for row in rows) if at is not None), default=None)


@dataclass(slots=True)
class _Lease:
    """One lease in the making."""

    connection: Connection
    now: int
    token: int
    each: int
    leased: list[Leased] = field(default_factory=list)
    _gates: dict[int, Gate] = field(default_factory=dict)
    _lanes_left: Counter[int] = field(default_factory=Counter)  # at each gate, in this line
    _open: list[tuple[int, int, int]] = field(default_factory=list)  # lane, taken
    _shut: list[tuple[int, int, int]] = field(default_factory=list)
    _turns: dict[bool, list[int]] = field(default_factory=dict)

    def open_gates(self, limit: int) -> None:
        """Let lanes on at gates that time has opened."""
        due = self.connection.execute(QUERIES["opening_gates"], (self.now, limit)).fetchall()
        if not due:
            return
        organizations: set[int] = set()
        for gate in self._known(row[0] for row in due):
            room = max(1, gate.room(self.now))
            organizations |= let_on(self.connection, gate.integration_id, room, self.now)
        queue_up(self.connection, organizations, self.now)

    def _known(self, integration_ids: Iterable[int]) -> list[Gate]:
        wanted = list(dict.fromkeys(integration_ids))
        missing = [each for each in wanted if each not in self._gates]
        self._gates |= read_gates(self.connection, missing)
        return [self._gates[each] for each in wanted if each in self._gates]

    def serve(self, *, slow: bool, limit: int) -> None:
        """Take from one of the two lines."""
        if limit <= 0:
            return
        rows = self.connection.execute(QUERIES["turns"], (slow, self.now, limit)).fetchall()
        organizations = [row[0] for row in rows]
        self._turns[slow] = []
        end = len(self.leased) + limit
        for start in range(0, len(organizations), LOOKED_AT_ONCE):
            if len(self.leased) >= end:
                break
            some = organizations[start : start + LOOKED_AT_ONCE]
            lines = self._lines(some, slow=slow, each=limit)
            for index, organization in enumerate(some, start):
                left = end - len(self.leased)
                if left <= 0:
                    break  # these keep their places: they were not looked at
                share = _share(left, len(organizations) - index, limit)
                self._serve_line(lines.get(organization, []), share, limit, slow=slow)
                self._turns[slow].append(organization)

    def _lines(self, organizations: list[int], *, slow: bool, each: int) -> dict[int, list[Row]]:
        given = [(organization,) for organization in organizations]
        rows = fetch_rows(self.connection, "lanes_in_line", given, (slow, self.now, each))
        self._known(row[1] for row in rows)
        self._lanes_left = Counter(row[1] for row in rows)
        lines: dict[int, list[Row]] = {}
        for row in sorted(rows, key=lambda row: (row[3], row[1])):
            lines.setdefault(row[0], []).append(row)
        return lines

    def _serve_line(self, line: list[Row], share: int, limit: int, *, slow: bool) -> None:
        end = len(self.leased) + share
        for index, (organization, integration, ordered, _) in enumerate(line):
            left = end - len(self.leased)
            if left <= 0:
                return
            gate = self._gates[integration]
            room = -(-gate.room(self.now, self.each) // self._lanes_left[integration])
            self._lanes_left[integration] -= 1
            most = min(_share(left, len(line) - index, limit), 1 if ordered else room, room)
            taken = self._take((organization, integration), most, slow=slow)
            gate.take(taken, self.now)
            served = (organization, integration, taken)
            (self._open if gate.room(self.now, self.each) else self._shut).append(served)

    def _take(self, lane: Lane, most: int, *, slow: bool) -> int:
        if most <= 0:
            return 0
        rows = self.connection.execute(QUERIES["due"], (*lane, self.now, most)).fetchall()
        self.leased += [Leased(row[0], self.token, *lane, slow, *row[1:]) for row in rows]
        return len(rows)

    def write(self, until: int) -> None:
        """Keep what was handed out."""
        connection = self.connection
        execute_rows(
            connection, "mark_leased", [(each.id,) for each in self.leased], (self.token, until)
        )
        execute_rows(connection, "served_lanes", self._open, (self.now,))
        execute_rows(connection, "gate_lanes", self._shut, (self.now,))
        let_go = write_gates(connection, list(self._gates.values()), self.now, self.each)
        for slow, organizations in self._turns.items():
            ends = [(each,) for each in organizations]
            execute_rows(connection, "end_turns", ends, (self.now, slow))
        queue_up(connection, let_go, self.now)
