"""What a store tells of itself, and what deleting the old is asked and answered with."""

from dataclasses import dataclass, field
from typing import NamedTuple

from hookline.core.tally import Histogram

__all__ = ["Ages", "Backlog", "Purged", "StoreTally", "Turned"]

# Microseconds: a commit that waits for a good disk takes some hundreds.
COMMIT_BOUNDS_US = (
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000,
)  # fmt: skip
JOB_BOUNDS = (1, 2, 4, 8, 16, 32, 64)


class Backlog(NamedTuple):
    """What waits.

    Attributes:
        waiting: deliveries that wait, due or not.
        oldest_id: the delivery that was recorded first of those; None where nothing waits.
        first_due_at: when the first of them is due, or has been since; None where nothing waits.
    """

    waiting: int
    oldest_id: bytes | None
    first_due_at: int | None


@dataclass(frozen=True, slots=True)
class StoreTally:
    """What a store counts of its commits; read it on the event loop.

    Attributes:
        group_jobs: jobs that shared a commit.
        commit_us: how long the commits took, in µs, as those who waited for them saw it.
    """

    group_jobs: Histogram = field(default_factory=lambda: Histogram(JOB_BOUNDS))
    commit_us: Histogram = field(default_factory=lambda: Histogram(COMMIT_BOUNDS_US))


@dataclass(frozen=True, slots=True)
class Ages:
    """From when on things are kept; None keeps all of them.

    Attributes:
        attempts_before: attempts that began before this instant go.
        events_before: events accepted before this instant go, with their deliveries and the
            attempts at these, whatever ``attempts_before`` says.
    """

    attempts_before: int | None
    events_before: int | None


class Purged(NamedTuple):
    """What a chunk deleted, and where the sweep goes on.

    Attributes:
        cursor: to be handed to the next chunk; None: the sweep has been through everything.
    """

    cursor: bytes | None
    attempts: int = 0
    deliveries: int = 0
    events: int = 0
    plans: int = 0


class Turned(NamedTuple):
    """What became of the days of a store that keeps each apart.

    Attributes:
        made: days that were made ready.
        dropped: days that went whole.
        put_off: why something was left for the next time, such as that somebody else held the table;
            empty: nothing was.
    """

    made: int = 0
    dropped: int = 0
    put_off: str = ""
