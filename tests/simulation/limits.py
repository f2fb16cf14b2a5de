"""What bounds attempts: policy and cap, the rate, the order; and by which secret they are signed."""

from collections import defaultdict, deque
from typing import Any

from tests.simulation.ledger import Due, Ledger, Sent

from hookline.core.signing import sign
from hookline.send.dispatch import Limits

__all__ = ["examine", "in_force", "made_to_wait_again"]

AT_ONCE = 1_000_000  # µs from a lease to its request, at most
PERIODS = {"second": 1_000_000, "minute": 60_000_000}


def examine(ledger: Ledger, limits: Limits) -> None:
    """Complain of attempts outside of policy, cap, rate and order, and of the process's own limits."""
    for sent in ledger.in_order:
        policies = in_force(ledger, sent.integration, sent.at - AT_ONCE, sent.at)
        if sent.policy not in policies:
            ledger.complain("the policy in force", f"{sent.delivery.hex()} by {sent.policy}")
        cap = max((each.max_in_flight for each in policies), default=0)
        if sent.together > cap:
            ledger.complain(
                "the cap", f"{sent.together} under way at {sent.integration}, of at most {cap}"
            )
        _the_signature(ledger, sent)
        if sent.all_together > limits.max_in_flight or sent.slow_together > limits.slow:
            ledger.complain("all together", f"{sent.all_together}, {sent.slow_together} slow ones")
    by_integration: dict[int, list[Sent]] = defaultdict(list)
    for sent in ledger.in_order:
        by_integration[sent.integration].append(sent)
    for integration, sents in by_integration.items():
        _the_rate(ledger, sents)
        policies = [each.value for each in ledger.changes[integration] if each.what == "policy"]
        if all(each.ordered for each in policies if each is not None):
            _the_order(ledger, sents)


def in_force(
    ledger: Ledger, integration: int, since: int, until: int, what: str = "policy"
) -> list[Any]:
    """The policies, or secrets, that may have been in force in a span; a change under way is both.

    None stands for one that nobody knows.
    """
    last: list[Any] = []
    found = []
    for change in ledger.changes[integration]:
        if change.what != what or (change.value is None and what == "policy"):
            continue
        if change.done <= since:
            last = [change.value]
        elif change.begun <= until:
            found.append(change.value)
    return [*last, *found]


def _the_signature(ledger: Ledger, sent: Sent) -> None:
    secrets = in_force(ledger, sent.integration, sent.at - AT_ONCE, sent.at, "secret")
    if not secrets or None in secrets:  # the operators' own, or one that nobody heard
        return
    if sent.signature not in [sign(each, sent.body) for each in secrets]:
        ledger.complain("the secret in force", f"{sent.delivery.hex()} is signed with another")


def made_to_wait_again(ledger: Ledger, before: Sent, after: Sent) -> bool:
    """Whether somebody replayed or recovered the delivery between two attempts."""
    since = before.at if before.ended is None else before.ended
    return any(
        change.what in ("replay", "recover")
        and change.delivery in (None, before.delivery)
        and change.begun <= after.at
        and since <= change.done
        for change in ledger.changes[before.integration]
    )


def _the_rate(ledger: Ledger, sents: list[Sent]) -> None:
    """Never more than the number within 99 % of the period, by the process's own time."""
    window: deque[Sent] = deque()
    for sent in sents:
        limit = sent.policy.rate_limit
        if limit is None or (window and window[-1].policy.rate_limit != limit):
            window.clear()
        if limit is None:
            continue
        window.append(sent)
        if len(window) <= limit.number:
            continue
        first = window.popleft()
        within = sent.leased_at - first.leased_at
        steady = len(in_force(ledger, sent.integration, first.at - AT_ONCE, sent.at)) == 1
        if steady and within < PERIODS[limit.per] * 99 // 100:
            ledger.complain(
                "the rate", f"{limit.number + 1} attempts of {sent.integration} in {within} µs"
            )


def _the_order(ledger: Ledger, sents: list[Sent]) -> None:
    """In each lane one at a time, and nothing after what was accepted later."""
    lanes: dict[tuple[int, int], list[Sent]] = defaultdict(list)
    for sent in sents:
        lanes[sent.lane].append(sent)
    for lane, attempts in lanes.items():
        newest: tuple[Due, Sent] | None = None
        before: Sent | None = None
        for sent in attempts:
            if before is not None and before.life == sent.life and _still_under_way(before, sent):
                ledger.complain("one at a time", f"{sent.delivery.hex()} in {lane}")
            due = ledger.due[sent.delivery]
            if newest is not None and _accepted_before(due, newest[0]):
                earlier = [each for each in ledger.sent[sent.delivery] if each.at < newest[1].at]
                since = earlier[-1] if earlier else sent
                if not _moved(ledger, since, sent):
                    ledger.complain(
                        "the order",
                        f"{sent.delivery.hex()} after {newest[0].delivery.hex()} in {lane}",
                    )
            if newest is None or _accepted_before(newest[0], due):
                newest = (due, sent)
            before = sent


def _still_under_way(before: Sent, sent: Sent) -> bool:
    return before.ended is None or before.ended > sent.at


def _moved(ledger: Ledger, since: Sent, sent: Sent) -> bool:
    """Whether a delivery was put back among those that wait, by hand, at some time before."""
    if since is sent:  # never attempted before: then only a recovery can have put it back
        return any(
            change.what in ("recover", "replay") and change.begun <= sent.at
            for change in ledger.changes[sent.integration]
        )
    return made_to_wait_again(ledger, since, sent)


def _accepted_before(one: Due, other: Due) -> bool:
    if one.asked == other.asked:
        return one.place < other.place
    return one.answered < other.asked
