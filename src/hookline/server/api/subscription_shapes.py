"""What the routes about failing integrations take and give, as types."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from hookline.core.instants import isoformat
from hookline.core.notice import Notice
from hookline.send.subscriptions import Standing
from hookline.server.api.shapes import Instant, IntegrationOut, Seconds, UnsubscribedOut
from hookline.store.values import Recovery

__all__ = [
    "HealthOut",
    "NoticeOut",
    "NoticePage",
    "RecoverIn",
    "RecoveryOut",
    "ResubscribeIn",
    "ResubscribedOut",
    "UnsubscribeIn",
    "WouldRecover",
]

GivenInstant = Annotated[str, Meta(description="RFC 3339 with an offset", max_length=64)]
StateName: TypeAlias = Literal["parked", "delivered"]
# Checked in the engine, which says more of what is wrong.
Detail = Annotated[str, Meta(description="why", extra_json_schema={"maxLength": 200})]


class UnsubscribeIn(msgspec.Struct, forbid_unknown_fields=True):
    """Why an integration is to receive no more events; shown to whoever looks at it later."""

    detail: Detail = ""


class ResubscribeIn(msgspec.Struct, forbid_unknown_fields=True):
    """Whether to send what it missed, too; or only to count that, and change nothing."""

    recover: bool = False
    dry_run: bool = False


class RecoverIn(msgspec.Struct, forbid_unknown_fields=True):
    """Which deliveries to send again: those of events that were accepted from ``since`` on."""

    since: GivenInstant
    until: GivenInstant | None = None
    states: list[StateName] = msgspec.field(default_factory=lambda: ["parked"])
    dry_run: bool = False


class RecoveryOut(msgspec.Struct, kw_only=True):
    """A recovery: it makes deliveries wait again, some hundred at a time."""

    id: int
    states: list[str]
    recovered: int
    done: bool
    begun_at: Instant
    done_at: Instant | None

    @classmethod
    def of(cls, recovery: Recovery) -> "RecoveryOut":
        """From the value."""
        return cls(
            id=recovery.id,
            states=sorted(recovery.states),
            recovered=recovery.recovered,
            done=recovery.done_at is not None,
            begun_at=isoformat(recovery.begun_at),
            done_at=_instant(recovery.done_at),
        )


class WouldRecover(msgspec.Struct, kw_only=True):
    """What a recovery would send, counted: by why it is parked, or as delivered. Nothing changed."""

    dry_run: bool
    deliveries: int
    by: dict[str, int]

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "WouldRecover":
        """From the counts."""
        return cls(dry_run=True, deliveries=sum(counts.values()), by=dict(counts))


class ResubscribedOut(msgspec.Struct):
    """The integration as it is now, and the recovery of what it missed, if that was asked for."""

    integration: IntegrationOut
    recovery: RecoveryOut | None


class HealthOut(msgspec.Struct, kw_only=True):
    """How an integration stands.

    ``timeouts`` came within the last ``timeouts_within`` seconds; at ``timeouts_allowed`` (null: the
    rule is off) it is unsubscribed. ``window`` attempts may be under way at once, by its cap and by how
    its receiver copes; ``slow``: it only timed out lately. Nothing is attempted before ``held_until``.
    """

    integration: str
    status: Literal["subscribed", "unsubscribed"]
    unsubscribed: UnsubscribedOut | None
    timeouts: int
    timeouts_allowed: int | None
    timeouts_within: Seconds
    in_flight: int
    max_in_flight: int
    window: int
    waiting: int
    parked: int
    last_success_at: Instant | None
    failing_since: Instant | None
    slow: bool
    held_until: Instant | None

    @classmethod
    def of(cls, standing: Standing) -> "HealthOut":
        """From the value."""
        shown = IntegrationOut.of(standing.integration)
        health, rules = standing.health, standing.rules
        return cls(
            integration=shown.slug,
            status=shown.status,
            unsubscribed=shown.unsubscribed,
            timeouts=health.timeouts,
            timeouts_allowed=rules.timeouts or None,
            timeouts_within=rules.span_us / 1_000_000,
            in_flight=health.in_flight,
            max_in_flight=shown.max_in_flight,
            window=health.window,
            waiting=health.waiting,
            parked=health.parked,
            last_success_at=_instant(health.success_at),
            failing_since=_instant(health.failing_since),
            slow=health.slow,
            held_until=_instant(health.held_until),
        )


class NoticeOut(msgspec.Struct, kw_only=True):
    """Something that operators were told."""

    id: int
    at: Instant
    kind: Literal["warned", "unsubscribed", "resubscribed"]
    reason: Literal["timeouts", "failures", "gone", "manual"]
    message: str
    integration: str
    organization: str | None
    published_at: Instant | None
    mailed_at: Instant | None

    @classmethod
    def of(cls, notice: Notice) -> "NoticeOut":
        """From the value."""
        return cls(
            id=notice.id,
            at=isoformat(notice.at),
            kind=notice.kind.value,
            reason=notice.reason.value,
            message=notice.message,
            integration=notice.integration,
            organization=notice.organization,
            published_at=_instant(notice.published_at),
            mailed_at=_instant(notice.mailed_at),
        )


class NoticePage(msgspec.Struct):
    """Notices, newest first; ``next`` is the cursor of the next page."""

    notices: list[NoticeOut]
    next: int | None


def _instant(at: int | None) -> str | None:
    return None if at is None else isoformat(at)
