"""When integrations must be unsubscribed, worked out anew, and what must not happen meanwhile."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.ledger import FOREVER, Ledger, Settling, Turn
from tests.simulation.stored import Stored, StoredNotice

from hookline.core.instants import DAY
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.store.values import Settlement

__all__ = ["examine"]


@dataclass
class _Standing:
    """An integration, as the rules see it; ``closed``: the calls that closed and opened it."""

    timeouts: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    day: int = 0
    closed: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_closed(self) -> bool:
        return bool(self.closed) and self.closed[-1][1] == FOREVER

    def close(self, call: int) -> None:
        self.closed.append((call, FOREVER))

    def open(self, call: int) -> None:
        self.closed[-1] = (self.closed[-1][0], call)
        self.timeouts, self.failures, self.day = [], [], 0

    def observe(self, each: Settlement, rules: Rules) -> str | None:
        """Why it is unsubscribed because of this attempt; None: it is not."""
        attempt, at = each.attempt, each.settled_at
        if attempt.outcome is Counted.BLOCKED:
            return None
        if attempt.outcome is Counted.SUCCESS:
            self.failures = []
            return None
        if not self.failures or (at - self.failures[0]) // DAY > self.day + 1:
            self.failures, self.day = [], 0
        self.failures.append(at)
        self.day = max(self.day, (at - self.failures[0]) // DAY)
        if attempt.status == 410:
            return "gone"
        if attempt.outcome is Counted.TIMEOUT:
            self.timeouts.append(at)
            recent = sum(
                1 for each in self.timeouts[-rules.timeouts :] if each > at - rules.span_us
            )
            if recent >= rules.timeouts:
                return "timeouts"
        return "failures" if self.day >= rules.failing_days else None


def examine(ledger: Ledger, stored: Stored, rules: Rules) -> None:
    """Complain where a rule did not fire exactly when it should, and of attempts while unsubscribed."""
    standings: dict[int, _Standing] = defaultdict(_Standing)
    expected = list(_expected(ledger, stored, rules, standings))
    told = [
        StoredNotice(*each[:4])
        for each in stored.notices
        if each.kind == "unsubscribed" and each.reason != "manual"
    ]
    for missing in [each for each in expected if each not in told]:
        ledger.complain("the unsubscribing rules", f"did not fire: {missing}")
    for extra in [each for each in told if each not in expected]:
        ledger.complain("the unsubscribing rules", f"should not have fired: {extra}")
    _operators_are_told(ledger, stored)
    for sent in ledger.in_order:
        for closed, opened in standings[sent.integration].closed:
            if closed < sent.lease < opened:
                ledger.complain("unsubscribed is silent", f"{sent.delivery.hex()} was attempted")


def _operators_are_told(ledger: Ledger, stored: Stored) -> None:
    names = Counter(each.external_id for each in stored.events.values())
    for notice in stored.notices:
        times = names[f"hookline-notice-{notice.id}"]
        if times != 1 or notice.published_at is None:
            ledger.complain("operators are told", f"{times} times of {notice}")


def _expected(
    ledger: Ledger, stored: Stored, rules: Rules, standings: dict[int, _Standing]
) -> Iterator[StoredNotice]:
    manual = {(each.integration, each.at) for each in stored.notices if each.reason == "manual"}
    for operation in ledger.operations:
        if isinstance(operation, Turn):
            standing = standings[operation.integration]
            if operation.what == "delete_integration":
                if stored.deleted.get(operation.integration) == operation.at:
                    standing.close(operation.answered)
            elif (operation.integration, operation.at) not in manual:
                continue  # a crash undid it
            elif operation.what == "unsubscribe":
                standing.close(operation.answered)
            elif standing.is_closed:
                standing.open(operation.asked)
            continue
        yield from _settled(ledger, operation, rules, standings)


def _settled(
    ledger: Ledger, settling: Settling, rules: Rules, standings: dict[int, _Standing]
) -> Iterator[StoredNotice]:
    counted = [each for each in settling.settlements if _is_counted(ledger, each)]
    now = max((each.settled_at for each in counted), default=0)
    for each in counted:
        standing = standings[each.integration_id]
        if standing.is_closed:
            continue
        reason = standing.observe(each, rules)
        if reason is not None:
            standing.close(settling.answered)
            yield StoredNotice(each.integration_id, "unsubscribed", reason, now)


def _is_counted(ledger: Ledger, settlement: Settlement) -> bool:
    """Whether this settlement is the one that the store has."""
    return any(sent.settlement is settlement for sent in ledger.sent[settlement.delivery_id])
