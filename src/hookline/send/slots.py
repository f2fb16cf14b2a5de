"""How many attempts may begin: a dispatcher's slots, with no clock and no I/O.

Three bounds. ``max_in_flight`` bounds all attempts. ``max_slow`` bounds those of integrations that only
time out (``core.pace``): however many there are, the other slots stay free for those that answer.
``max_fresh`` bounds those that began in the last moments, because libcurl's cost for a transfer grows
with how many are in hand: quick receivers are served best by few transfers at a time, while attempts at
slow ones grow old and leave the room to others. Slow integrations have a small bound of their own on
fresh attempts: those that time out together would begin again together, and take the quick ones' room
for a moment, once a second.

Receivers that die are not known as such before their first timeouts. So the second half of the slots is
for integrations that have none: a few that go silent with much to send fill the first half and no more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hookline.core.pace import WIDEST

__all__ = ["Limits", "Room", "Slots"]

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is under way at once.

    Attributes:
        max_in_flight: attempts under way.
        max_slow: of them, those of slow integrations; half of all unless given.
        max_fresh: attempts that began less than ``fresh_us`` ago.
        max_fresh_slow: the same for slow integrations; a sixteenth of it unless given.
        lease_us: how long a lease holds, well over the longest timeout; a dispatcher that stalls for
            longer may find its deliveries attempted by another.
        max_lease: deliveries in one lease.
    """

    max_in_flight: int = 1_000
    max_slow: int | None = None
    max_fresh: int = 512
    max_fresh_slow: int | None = None
    fresh_us: int = 50_000
    lease_us: int = 90 * SECOND
    max_lease: int = 256

    @property
    def slow(self) -> int:
        """How many attempts of slow integrations may be under way."""
        return max(1, self.max_in_flight // 2) if self.max_slow is None else self.max_slow

    @property
    def fresh_slow(self) -> int:
        """How many of them may be fresh."""
        return max(1, self.max_fresh // 16) if self.max_fresh_slow is None else self.max_fresh_slow


class Room(NamedTuple):
    """How many attempts may begin, of quick integrations and of slow ones.

    Attributes:
        each: how many one integration may have under way.
    """

    quick: int
    slow: int
    each: int


class Slots:
    """The attempts under way, and the room that they leave."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self._quick: dict[bytes, int] = {}  # delivery id -> when it began, oldest first
        self._slow: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._quick) + len(self._slow)

    def __contains__(self, delivery_id: bytes) -> bool:
        return delivery_id in self._quick or delivery_id in self._slow

    @property
    def full(self) -> bool:
        """Whether nothing can begin until an attempt ends."""
        return len(self) >= self.limits.max_in_flight

    def ids(self) -> Iterable[bytes]:
        """The deliveries whose attempts are under way."""
        yield from self._quick
        yield from self._slow

    def begin(self, delivery_id: bytes, now: int, *, slow: bool) -> None:
        """An attempt began."""
        (self._slow if slow else self._quick)[delivery_id] = now

    def end(self, delivery_id: bytes) -> int | None:
        """An attempt ended; when it began, or None for one that is not known."""
        began = self._quick.pop(delivery_id, None)
        return self._slow.pop(delivery_id, None) if began is None else began

    def clear(self) -> None:
        """Forget them all."""
        self._quick.clear()
        self._slow.clear()

    def room(self, now: int) -> Room:
        """How many may begin now."""
        limits, left = self.limits, self.limits.max_in_flight - len(self)
        quick = min(limits.max_fresh - self._fresh(self._quick, now), left, limits.max_lease)
        slow = min(
            limits.fresh_slow - self._fresh(self._slow, now),
            limits.slow - len(self._slow),
            left - max(quick, 0),
        )
        half = (limits.max_in_flight - len(self._slow)) // 2
        each = WIDEST if len(self._quick) <= half else 1
        return Room(max(quick, 0), max(slow, 0), each)

    def _fresh(self, began_at: dict[bytes, int], now: int) -> int:
        horizon = now - self.limits.fresh_us
        aged = 0
        for began in began_at.values():
            if began > horizon:
                break
            aged += 1
        return len(began_at) - aged
