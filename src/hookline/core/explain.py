"""Why a delivery stands where it stands, in sentences: the log read aloud."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin

from hookline.core.answer_head import header_values
from hookline.core.errors import Invalid
from hookline.core.gate import Gate
from hookline.core.instants import isoformat
from hookline.core.lifecycle import State
from hookline.core.model import Attempt, Delivery, Integration, Policy
from hookline.core.outcome import Counted
from hookline.core.rate import allowed
from hookline.core.resources import event_name
from hookline.core.urls import check_webhook_url

__all__ = ["Surroundings", "explain"]


LONGEST_TARGET = 200  # characters of a redirect's target that is shown though it is no good


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides with it when a delivery is sent.

    Attributes:
        integration: its integration, which is not deleted.
        gate: its integration's gate.
        ahead: the id of the delivery that is before it in its ordered lane.
    """

    integration: Integration
    gate: Gate
    ahead: str | None = None


def explain(
    delivery: Delivery,
    attempts: Sequence[Attempt],
    policy: Policy | None,
    now: int,
    around: Surroundings | None = None,
) -> Iterator[str]:
    """Tell the story of a delivery.

    Args:
        delivery: where it stands.
        attempts: its attempts, oldest first.
        policy: its integration's rules; None where the integration was deleted.
        now: µs since the epoch.
        around: what decides with it; None where that is not known.
    """
    yield (
        f"{event_name(delivery.resource, delivery.action)} was accepted at "
        f"{isoformat(delivery.accepted_at)} for integration {delivery.integration!r} in organization "
        f"{delivery.organization!r}."
    )
    for attempt in attempts:
        yield _attempt(attempt, policy)
    yield _standing(delivery, policy, now, around)
    if delivery.state is State.WAITING and around is not None:
        yield from _held(delivery, now, around)


def _attempt(attempt: Attempt, policy: Policy | None) -> str:
    head = f"Attempt {attempt.number} at {isoformat(attempt.started_at)}"
    milliseconds = attempt.timings.total / 1000
    match attempt.outcome:
        case Counted.SUCCESS:
            return f"{head} was answered {_status(attempt.status)} after {milliseconds:.1f} ms."
        case Counted.FAILURE:
            advice = _advice(attempt)
            return (
                f"{head} was answered {_status(attempt.status)} after {milliseconds:.1f} ms, which "
                f"counts as a failure.{advice}"
            )
        case Counted.TIMEOUT:
            limit = "" if policy is None else f" within {policy.timeout_ms / 1000:g} s"
            return (
                f"{head} got no complete answer{limit} ({attempt.detail}); it counts as a timeout."
            )
        case Counted.BLOCKED:
            return (
                f"{head} was not made: {attempt.detail}. To allow it, set HOOKLINE_ALLOW_ADDRESSES."
            )


_PHRASES = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content",
    301: "Moved Permanently", 302: "Found", 303: "See Other", 307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 410: "Gone", 413: "Content Too Large",
    415: "Unsupported Media Type", 422: "Unprocessable Content", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
}  # fmt: skip


def _status(status: int | None) -> str:
    if status is None:
        return "without a status"
    return f"{status} {_PHRASES[status]}" if status in _PHRASES else str(status)


def _advice(attempt: Attempt) -> str:
    status = attempt.status or 0
    if 300 <= status < 400:
        return f" Redirects are never followed: {_redirect(attempt)}."
    if status in (401, 403):
        return " If the receiver checks signatures: hookline verify tells why one fails."
    if status == 410:
        return " It means that the receiver wants no more of this."
    return ""


def _redirect(attempt: Attempt) -> str:
    locations = header_values(attempt.response_head, b"location")
    if not locations:
        return "set the webhook URL to another place"
    location = locations[0].decode("utf-8", "backslashreplace")
    try:
        # A target is often relative, and a fragment is never sent.
        target = check_webhook_url(urldefrag(urljoin(attempt.url, location)).url)
    except (ValueError, Invalid):
        cut = location[:LONGEST_TARGET] + ("…" if len(location) > LONGEST_TARGET else "")
        return f"the answer points to {cut!a}, which could not be a webhook URL"
    return f"set the webhook URL to {target!r}"


def _standing(
    delivery: Delivery, policy: Policy | None, now: int, around: Surroundings | None
) -> str:
    match delivery.state:
        case State.DELIVERED:
            return "It is delivered; nothing more will be sent unless it is replayed."
        case State.LEASED:
            return "An attempt is under way."
        case State.PARKED:
            return _parked(delivery.park_reason, around)
        case State.WAITING:
            return _waiting(delivery, policy, now)


def _parked(reason: str | None, around: Surroundings | None) -> str:
    if reason == "unsubscribed" and around is not None:
        return _missed(around.integration)
    because = {
        "exhausted": "the retry schedule has no further attempt",
        "blocked": "the address is not allowed, and trying again would not change that",
        "gone": "the receiver answered 410 Gone",
        "deleted": "the integration was deleted",
        "unsubscribed": "the integration is unsubscribed; resubscribing can recover what it missed",
    }.get(reason or "", reason)
    return f"It is parked: {because}. Replay it when the cause is mended."


def _missed(integration: Integration) -> str:
    since = integration.unsubscribed
    if since is None:
        return (
            "It is parked: the integration was unsubscribed then. It receives events again; "
            "recovering sends what it missed."
        )
    return (
        f"It is parked: the integration is unsubscribed since {isoformat(since.at)} "
        f"({since.detail.removesuffix('.')}). Resubscribing can recover what it missed."
    )


def _held(delivery: Delivery, now: int, around: Surroundings) -> Iterator[str]:
    """What else than its own due time keeps it waiting."""
    gate = around.gate
    if around.ahead is not None:
        yield f"The integration is ordered: it waits behind delivery {around.ahead}."
    held_until = gate.pace.held_until
    if held_until > max(now, delivery.due_at or now):
        yield (
            f"The receiver said that it is overloaded: nothing is attempted for the integration "
            f"before {isoformat(held_until)}."
        )
    if (delivery.due_at or now) > now:
        return
    limit = gate.rate_limit
    if limit is not None and not allowed(limit, gate.rate_next_at, now):
        yield f"The rate limit of {limit.number} a {limit.per} is used up for the moment."
    slots = min(gate.max_in_flight, gate.pace.window)
    if gate.in_flight >= slots:
        yield f"As many of the integration's attempts are under way as may be: {gate.in_flight}."
        if slots < gate.max_in_flight:
            yield f"By how its receiver copes that is {slots} for now, and not {gate.max_in_flight}."
    elif gate.pace.slow:
        yield "Its receiver only timed out lately, so others go first where slots are scarce."


def _waiting(delivery: Delivery, policy: Policy | None, now: int) -> str:
    due = delivery.due_at or now
    when = "is due now" if due <= now else f"is due at {isoformat(due)}"
    if policy is None:
        return f"Its next attempt {when}."
    left = len(policy.retry_schedule) - delivery.schedule_position
    after = "after it, the delivery is parked" if left <= 1 else f"{left - 1} more may follow"
    return f"Its next attempt {when}; {after}."
