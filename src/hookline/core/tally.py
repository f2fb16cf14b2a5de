"""Counting how large things are: a histogram of whole numbers.

It is counted into on the hot path, so it is a list of ints and a search among a handful of bounds;
who reads it takes a copy.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["Histogram"]


class Histogram:
    """How many values there were, by upper bounds, and their sum.

    Args:
        bounds: ascending; a value belongs to the first bound that is not below it, and to none
            (that is, to infinity) beyond the last.

    >>> sizes = Histogram((1, 10))
    >>> for size in (1, 2, 10, 11):
    ...     sizes.observe(size)
    >>> sizes.cumulative(), sizes.total
    ((1, 3, 4), 24)
    """

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[int]):
        self.bounds = tuple(bounds)
        self.total = 0
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: int) -> None:
        """Count one value in."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> tuple[int, ...]:
        """How many values are at most each bound; the last number is that of all."""
        return tuple(accumulate(self._counts))

    def copy(self) -> "Histogram":
        """One that stays as it is now."""
        made = Histogram(self.bounds)
        made.total = self.total
        made._counts = self._counts.copy()
        return made
