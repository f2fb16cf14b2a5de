"""What metrics ask of the database."""

from hookline.store.upkeep import Backlog
from hookline.store.verbs.asking import Ask, Verb

__all__ = ["backlog", "timeout_counts"]


def backlog() -> Verb[Backlog]:
    """How much waits, since when, and since when it is due."""
    answer = yield Ask("backlog")
    return Backlog(*answer.rows[0])


def timeout_counts(now: int, span_us: int) -> Verb[dict[str, int]]:
    """How many timeouts count within the span, by slug of the integration.

    The numbers of timeouts are in the order of time, so the first that counts is found by halves, for
    all integrations together: at most so many statements as the greatest count has binary digits.
    """
    since = now - span_us
    found = yield Ask("timing_out", (since,))
    low = {row[1]: row[2] for row in found.rows}
    high = {row[1]: row[3] for row in found.rows}  # the newest: it counts
    while rows := [(each, (low[each] + high[each]) // 2) for each in low if low[each] < high[each]]:
        answer = yield Ask("nth_timeouts", rows=rows)
        for integration_id, number, at in answer.rows:
            if at > since:
                high[integration_id] = number
            else:
                low[integration_id] = number + 1
    return {row[0]: row[3] - low[row[1]] + 1 for row in found.rows}
