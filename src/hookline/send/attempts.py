"""From a lease to a request, and from what came of it to a settlement: no clock, no dice, no I/O."""

from typing import NamedTuple

from hookline.core.model import Attempt
from hookline.core.outcome import Answered, Blocked, Outcome, Unanswered, count
from hookline.core.pace import OVERLOADED
from hookline.core.request import Outbound, build, pass_on
from hookline.core.retry_after import retry_after_us
from hookline.core.verdict import judge
from hookline.send.directory import OpenRoute
from hookline.send.sender import Completed
from hookline.store.values import Leased, Settlement

__all__ = ["InFlight", "judged", "request", "without_words"]

UNSTORABLE = "a defect of Hookline: what else the attempt brought could not be stored; see its log"


class InFlight(NamedTuple):
    """An attempt under way."""

    leased: Leased
    route: OpenRoute
    outbound: Outbound


def request(leased: Leased, route: OpenRoute, *, now: int, wall: int) -> Outbound:
    """The request of a leased delivery.

    Args:
        leased: the delivery.
        route: how its integration's requests are made.
        now: decides which secret signs.
        wall: what the receiver's clock is compared with.
    """
    if leased.forwarded is not None:
        return pass_on(
            url=route.webhook_url,
            forwarded=leased.forwarded,
            body=leased.tail,
            timeout_ms=route.policy.timeout_ms,
            now=wall,
        )
    return build(
        delivery_id=leased.id,
        url=route.webhook_url,
        resource=leased.resource,
        action=leased.action,
        installation=leased.installation,
        tail=leased.tail,
        secret=route.signing_secret(now).reveal(),
        timeout_ms=route.policy.timeout_ms,
        now=wall,
    )


def judged(completed: Completed, *, began: int, now: int, wall: int, dice: float) -> Settlement:
    """What is to be settled of an attempt that ended.

    Args:
        completed: what came of it; its key is an ``InFlight``.
        began: when it began, by the clock that decides.
        now: when it ended, by the same.
        wall: the same moment by the wall clock, for dates of the receiver's.
        dice: in [0, 1), spreads the retries.
    """
    leased, route, outbound = completed.key
    asked_us = _asked_us(completed, wall)
    verdict = judge(
        completed.outcome,
        schedule=route.policy.retry_schedule,
        attempts_made=leased.schedule_position + 1,
        now=now,
        dice=dice,
        asked_us=asked_us,
    )
    attempt = Attempt(
        leased.attempts_made + 1,
        outbound.started_at,
        outbound.url,
        count(completed.outcome),
        _detail(completed.outcome),
        completed.outcome.status if isinstance(completed.outcome, Answered) else None,
        outbound.signature,
        completed.timings,
        completed.address,
        completed.http_version,
        completed.response_head,
        completed.response_body,
        completed.response_cut,
    )
    return Settlement(
        leased.id,
        leased.token,
        leased.organization_id,
        leased.integration_id,
        attempt,
        verdict,
        now,
        began,
        asked_us,
    )


def without_words(settlement: Settlement) -> Settlement:
    """The same verdict on an attempt of which only the bare facts are kept."""
    attempt = settlement.attempt._replace(
        detail=UNSTORABLE, address="", http_version="", response_head=b"", response_body=b""
    )
    return settlement._replace(attempt=attempt)


def _asked_us(completed: Completed, wall: int) -> int | None:
    outcome = completed.outcome
    if isinstance(outcome, Answered) and outcome.status in OVERLOADED:
        return retry_after_us(completed.response_head, wall)
    return None


def _detail(outcome: Outcome) -> str:
    match outcome:
        case Answered():
            return ""
        case Unanswered(reason, detail):
            return f"{reason}: {detail}"
        case Blocked(address, rule):
            return f"{address} is not allowed: {rule}"
