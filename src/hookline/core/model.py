"""The nouns of the product, as values (DESIGN's vocabulary; ``docs/reference/glossary.md``).

Instants are integers: microseconds since the epoch, UTC.  Ids named ``id`` are the store's own small
integers or 16-byte UUIDs and stay inside; what the outside sees is a slug, a uuid or a hex text.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.rate import RateLimit
from hookline.core.routing import Filter
from hookline.core.schedule import RetrySchedule
from hookline.core.unsubscribing import Reason

__all__ = [
    "Attempt",
    "BodyEncoding",
    "Considered",
    "Delivery",
    "Event",
    "Installation",
    "Integration",
    "Kind",
    "Policy",
    "Status",
    "Timings",
    "Unsubscribed",
]


class Kind(StrEnum):
    """Who may install an integration."""

    INTERNAL = "internal"  # one organization, installed at once, no installation webhooks
    PUBLIC = "public"  # any organization


class Status(StrEnum):
    """Whether an integration receives events."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"


class BodyEncoding(StrEnum):
    """How a body is spelt."""

    JAVASCRIPT = "javascript"  # a fixed point of JSON.stringify(JSON.parse(body))
    ASCII = "ascii"  # byte-identical to json.dumps(..., separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Policy:
    """How an integration's deliveries are attempted.

    Attributes:
        timeout_ms: total wall-clock time of an attempt, 100 to 30,000.
        max_in_flight: attempts under way at once, 1 to 1,000.
        retry_schedule: seconds before each attempt, the first included.
        body_encoding: the spelling of the body.
        rate_limit: how often it is attempted at most; None for no limit.
        ordered: one at a time in each organization, in the order of acceptance: a delivery that is
            retried holds up those accepted after it.
    """

    timeout_ms: int
    max_in_flight: int
    retry_schedule: RetrySchedule
    body_encoding: BodyEncoding
    rate_limit: RateLimit | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """Since when an integration receives no more events, and why; ``detail`` is a sentence."""

    at: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Integration:
    """A registered third-party app.

    Attributes:
        organization: slug of the one organization of an internal integration; None for a public one.
        alertable: whether alerts without ``targets`` go to it.
        unsubscribed: None while it is subscribed.
        source: slug of the source that it is a route of; None: events are published to it.
        filter: which of the source's webhooks it takes; None: all.
    """

    id: int
    uuid: str
    slug: str
    name: str
    kind: Kind
    organization: str | None
    webhook_url: str
    client_id: str
    resources: tuple[str, ...]
    alertable: bool
    unsubscribed: Unsubscribed | None
    policy: Policy
    created_at: int
    updated_at: int
    source: str | None = None
    filter: Filter | None = None

    @property
    def status(self) -> Status:
        """Whether it receives events."""
        return Status.SUBSCRIBED if self.unsubscribed is None else Status.UNSUBSCRIBED


@dataclass(frozen=True, slots=True)
class Installation:
    """One integration in one organization; its ``uuid`` stands in every body."""

    id: int
    uuid: str
    integration_id: int
    integration: str
    organization_id: int
    organization: str
    created_at: int
    deleted_at: int | None


@dataclass(frozen=True, slots=True)
class Considered:
    """One installation that an event might have gone to, and why it did or did not."""

    installation: str | None
    integration: str
    chosen: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """What a publisher handed in, as it was recorded.

    Attributes:
        id: the publisher's own id, or the one that we gave.
        key: our own 16 bytes.
        tail: the envelope from ``"data"`` to the end, in the javascript encoding.
        considered: each installation considered and why it was or was not chosen.
        forwarded: what is kept beside the body, where a source brought it; ``tail`` is that body then.
    """

    id: str
    key: bytes
    organization: str
    resource: str
    action: str
    tail: bytes
    targets: tuple[str, ...] | None
    accepted_at: int
    considered: tuple[Considered, ...]
    forwarded: bytes | None = None


class Timings(NamedTuple):
    """Microseconds from the start of an attempt to the end of each phase; 0 where it was skipped.

    A named tuple, as ``Attempt`` is: thousands a second are made, and a frozen dataclass costs
    three times as much.
    """

    dns: int = 0
    connect: int = 0
    tls: int = 0
    first_byte: int = 0
    total: int = 0


class Attempt(NamedTuple):
    """One POST and what came of it, as the log keeps it.

    Attributes:
        number: 1 for a delivery's first attempt, counted on through replays.
        started_at: by the wall clock, as its timestamp header says; nothing is decided by it.
        url: where it went; the integration's may have changed since.
        outcome: what it counted as.
        detail: the reason in words where there was no answer, or the guard's rule.
        response_head: status line and header lines as received; empty without an answer.
        response_body: the body's beginning, up to the cap.
        response_cut: whether more came than was kept.
        address: ``address:port`` that the socket connected to.
    """

    number: int
    started_at: int
    url: str
    outcome: Counted
    detail: str
    status: int | None
    signature: str
    timings: Timings
    address: str
    http_version: str
    response_head: bytes
    response_body: bytes
    response_cut: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one installation.

    Attributes:
        id: the Request-ID that each of its attempts carries: 32 hex digits.
        due_at: when it is tried next; None unless it waits.
        attempts_made: all attempts so far, over replays too.
        schedule_position: attempts since it was recorded or last replayed.
    """

    id: str
    state: State
    park_reason: str | None
    event: str
    resource: str
    action: str
    organization: str
    integration: str
    installation: str
    webhook_url: str
    due_at: int | None
    attempts_made: int
    schedule_position: int
    accepted_at: int
    settled_at: int | None
