"""What bounds attempts: the cap, the policy in force, the order."""

from typing import Any

from tests.simulation.ledger import Ledger, Sent

from hookline.core.model import Policy

__all__ = ["examine", "in_force", "made_to_wait_again"]

AT_ONCE = 1_000_000  # µs from a lease to its request, at most


def examine(ledger: Ledger) -> None:
    """Complain of attempts outside of cap and policy."""
    for sent in ledger.in_order:
        policies = in_force(ledger, sent.integration, sent.at - AT_ONCE, sent.at)
        if sent.policy not in policies:
            ledger.complain("the policy in force", f"{sent.delivery.hex()} by {sent.policy}")
        cap = max((each.max_in_flight for each in policies), default=0)
        if sent.together > cap:
            ledger.complain(
                "the cap", f"{sent.together} under way at {sent.integration}, of at most {cap}"
            )


def in_force(ledger: Ledger, integration: int, since: int, until: int) -> list[Policy]:
    """The policies that may have been in force in a span; a change under way counts as both."""
    last: Any = None
    found = []
    for change in ledger.changes[integration]:
        if change.what != "policy" or change.value is None:
            continue
        if change.done <= since:
            last = change.value
        elif change.begun <= until:
            found.append(change.value)
    return found if last is None else [last, *found]


def made_to_wait_again(ledger: Ledger, before: Sent, after: Sent) -> bool:
    """Whether somebody replayed or recovered the delivery between two attempts."""
    assert before.ended is not None
    return any(
        change.what in ("replay", "recover")
        and change.delivery in (None, before.delivery)
        and change.begun <= after.at
        and before.ended <= change.done
        for change in ledger.changes[before.integration]
    )
