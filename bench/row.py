"""A line of the table of benchmarks."""

from typing import NamedTuple

__all__ = ["Row"]


class Row(NamedTuple):
    """A line of the table; ``rate``: deliveries a second, to be compared with bare libcurl's."""

    work: str
    figure: str
    target: str
    cost: str
    rate: float | None
