"""All figures of a running engine at one moment, for metrics.

What is counted in memory is copied. What only the database knows is asked of it, on a connection that
cannot write, and remembered for twenty times as long as the answer took, at least for some seconds: so
looking costs a twentieth of one core at most, however much waits.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hookline.core.errors import Unavailable
from hookline.core.tally import Histogram
from hookline.core.unsubscribing import Rules
from hookline.send.attempt_log import AttemptLog
from hookline.send.counts import Counts
from hookline.send.dispatch import Dispatcher
from hookline.store.contract import Store
from hookline.store.upkeep import Backlog

__all__ = ["Figures", "Reading"]

FRESH_S: Final = 5.0
FRESH_TIMES: Final = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """All figures at one moment.

    Attributes:
        now: when, in µs since the epoch.
        in_flight: attempts under way, of at most ``max_in_flight``.
        backlog: what waits; None while the database cannot say.
        group_jobs: jobs that shared a commit of the store.
        commit_us: how long those commits took.
        lines_dropped: lines that the log lost, because nobody took them.
        timeouts: how many timeouts count within the span of the rule, by integration, for those that
            have any; None while the database cannot say.
        timeouts_limit: how many unsubscribe; 0: the rule is off.
    """

    now: int
    counts: Counts
    in_flight: int
    max_in_flight: int
    backlog: Backlog | None
    group_jobs: Histogram
    commit_us: Histogram
    lines_dropped: int
    timeouts: Mapping[str, int] | None
    timeouts_limit: int


class Figures:
    """Reads an engine's figures."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher | None,
        counts: Counts,
        attempt_log: AttemptLog | None,
        *,
        rules: Rules,
        clock: Callable[[], int],
    ):
        self._store = store
        self._dispatcher = dispatcher
        self._counts = counts
        self._attempt_log = attempt_log
        self._rules = rules
        self._clock = clock
        self._backlog: Backlog | None = None
        self._timeouts: Mapping[str, int] | None = None
        self._fresh_until = 0.0
        self._asking = asyncio.Lock()

    async def read(self) -> Reading:
        """Copy what is counted; ask the database where the last answer has grown old."""
        async with self._asking:
            if time.monotonic() >= self._fresh_until:
                await self._ask()
        tally = self._store.tally
        return Reading(
            self._clock(),
            self._counts.copy(),
            self._dispatcher.in_flight if self._dispatcher else 0,
            self._dispatcher.max_in_flight if self._dispatcher else 0,
            self._backlog,
            tally.group_jobs.copy(),
            tally.commit_us.copy(),
            self._attempt_log.lines.dropped if self._attempt_log else 0,
            self._timeouts,
            self._rules.timeouts,
        )

    async def _ask(self) -> None:
        began = time.monotonic()
        try:
            self._backlog = await self._store.backlog()
            self._timeouts = await self._store.timeout_counts(self._clock(), self._rules.span_us)
        except Unavailable:
            self._backlog = self._timeouts = None
        now = time.monotonic()
        self._fresh_until = now + max(FRESH_S, FRESH_TIMES * (now - began))
