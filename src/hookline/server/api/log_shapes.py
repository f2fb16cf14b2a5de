"""What the routes of the log give, as types: events, deliveries, attempts."""

import base64
from typing import Any, Literal

import msgspec

from hookline.core import model
from hookline.core.forwarding import Forwarded, shown
from hookline.core.instants import isoformat
from hookline.server.api.shapes import Instant

__all__ = [
    "AttemptOut",
    "ConsideredOut",
    "DeliveryDetail",
    "DeliveryOut",
    "DeliveryPage",
    "EventOut",
    "Explanation",
    "ForwardedOut",
    "RequestOut",
    "ResponseOut",
    "TimingsOut",
    "base64_text",
    "delivery_detail",
    "printable",
]


class ConsideredOut(msgspec.Struct):
    """One installation that the event might have gone to, and why it did or did not."""

    installation: str | None
    integration: str
    chosen: bool
    reason: str


class DeliveryOut(msgspec.Struct, kw_only=True):
    """One event for one installation; its id is the Request-ID of all its attempts.

    What a source brought keeps its sender's own ids instead.
    """

    id: str
    state: Literal["waiting", "leased", "delivered", "parked"]
    park_reason: str | None
    event: str
    resource: str
    action: str
    organization: str
    integration: str
    installation: str
    due_at: Instant | None
    attempts_made: int
    accepted_at: Instant
    settled_at: Instant | None

    @classmethod
    def of(cls, delivery: model.Delivery) -> "DeliveryOut":
        """From the value."""
        return cls(**_delivery(delivery))


def _delivery(delivery: model.Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "state": delivery.state.value,
        "park_reason": delivery.park_reason,
        "event": delivery.event,
        "resource": delivery.resource,
        "action": delivery.action,
        "organization": delivery.organization,
        "integration": delivery.integration,
        "installation": delivery.installation,
        "due_at": None if delivery.due_at is None else isoformat(delivery.due_at),
        "attempts_made": delivery.attempts_made,
        "accepted_at": isoformat(delivery.accepted_at),
        "settled_at": None if delivery.settled_at is None else isoformat(delivery.settled_at),
    }


class ForwardedOut(msgspec.Struct):
    """A request that came in by a source: the headers and the body that go on, byte for byte.

    Headers that open something are shown as stars, and sent as they came.
    """

    source: str
    headers: list[tuple[str, str]]
    body: str
    body_base64: str

    @classmethod
    def of(cls, forwarded: bytes, body: bytes) -> "ForwardedOut":
        """From what is kept."""
        kept = Forwarded.decode(forwarded)
        return cls(kept.source, shown(kept.headers), printable(body), base64_text(body))


class EventOut(msgspec.Struct, kw_only=True):
    """What a publisher handed in or a source brought, and where it went.

    Of what a source brought, ``data`` is the whole body where that is JSON, and ``actor`` is null.
    """

    id: str
    organization: str
    resource: str
    action: str
    data: msgspec.Raw
    actor: msgspec.Raw
    forwarded: ForwardedOut | None
    targets: list[str] | None
    accepted_at: Instant
    considered: list[ConsideredOut]
    deliveries: list[DeliveryOut]


class DeliveryPage(msgspec.Struct):
    """Deliveries, newest first; ``next`` is the cursor of the next page."""

    deliveries: list[DeliveryOut]
    next: str | None


class RequestOut(msgspec.Struct):
    """The exact request: its headers in order, and its body as text and as bytes (base64)."""

    url: str
    headers: list[tuple[str, str]]
    body: str
    body_base64: str


class TimingsOut(msgspec.Struct):
    """Microseconds from the start to the end of each phase; 0 where it was skipped."""

    dns: int
    connect: int
    tls: int
    first_byte: int
    total: int


class ResponseOut(msgspec.Struct):
    """What came back, as it came, up to the cap; ``cut`` says whether there was more."""

    status: int | None
    head: str
    body: str
    body_base64: str
    cut: bool


class AttemptOut(msgspec.Struct):
    """One POST and what came of it."""

    number: int
    started_at: Instant
    outcome: Literal["success", "failure", "timeout", "blocked"]
    detail: str
    address: str
    http_version: str
    timings_us: TimingsOut
    request: RequestOut
    response: ResponseOut


class DeliveryDetail(DeliveryOut, kw_only=True):
    """A delivery with its attempts."""

    webhook_url: str
    attempts: list[AttemptOut]


class Explanation(msgspec.Struct):
    """Why a delivery stands where it stands, in sentences."""

    id: str
    state: str
    sentences: list[str]


def printable(data: bytes) -> str:
    """Bytes as text that JSON can carry; what is not UTF-8 is shown escaped."""
    return data.decode("utf-8", "backslashreplace")


def base64_text(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


def delivery_detail(delivery: model.Delivery, attempts: list[AttemptOut]) -> DeliveryDetail:
    """A delivery with its attempts."""
    return DeliveryDetail(
        **_delivery(delivery), webhook_url=delivery.webhook_url, attempts=attempts
    )
