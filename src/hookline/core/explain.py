"""Why a delivery stands where it stands, in sentences: the log read aloud."""

from collections.abc import Iterator, Sequence
from urllib.parse import urldefrag, urljoin

from hookline.core.answer_head import header_values
from hookline.core.errors import Invalid
from hookline.core.instants import isoformat
from hookline.core.lifecycle import State
from hookline.core.model import Attempt, Delivery, Policy
from hookline.core.outcome import Counted
from hookline.core.urls import check_webhook_url

__all__ = ["explain"]

LONGEST_TARGET = 200  # characters of a redirect's target that is shown though it is no good


def explain(
    delivery: Delivery, attempts: Sequence[Attempt], policy: Policy | None, now: int
) -> Iterator[str]:
    """Tell the story of a delivery.

    Args:
        delivery: where it stands.
        attempts: its attempts, oldest first.
        policy: its integration's rules; None where the integration was deleted.
        now: µs since the epoch.
    """
    yield (
        f"{delivery.resource}.{delivery.action} was accepted at {isoformat(delivery.accepted_at)} for "
        f"integration {delivery.integration!r} in organization {delivery.organization!r}."
    )
    for attempt in attempts:
        yield _attempt(attempt, policy)
    yield _standing(delivery, policy, now)


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


def _standing(delivery: Delivery, policy: Policy | None, now: int) -> str:
    match delivery.state:
        case State.DELIVERED:
            return "It is delivered; nothing more will be sent unless it is replayed."
        case State.LEASED:
            return "An attempt is under way."
        case State.PARKED:
            return _parked(delivery.park_reason)
        case State.WAITING:
            return _waiting(delivery, policy, now)


def _parked(reason: str | None) -> str:
    because = {
        "exhausted": "the retry schedule has no further attempt",
        "blocked": "the address is not allowed, and trying again would not change that",
        "gone": "the receiver answered 410 Gone",
        "deleted": "the integration was deleted",
        "unsubscribed": "the integration is unsubscribed; resubscribing can recover what it missed",
    }.get(reason or "", reason)
    return f"It is parked: {because}. Replay it when the cause is mended."


def _waiting(delivery: Delivery, policy: Policy | None, now: int) -> str:
    due = delivery.due_at or now
    when = "is due now" if due <= now else f"is due at {isoformat(due)}"
    if policy is None:
        return f"Its next attempt {when}."
    left = len(policy.retry_schedule) - delivery.schedule_position
    after = "after it, the delivery is parked" if left <= 1 else f"{left - 1} more may follow"
    return f"Its next attempt {when}; {after}."
