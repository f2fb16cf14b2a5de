"""What the registering routes take and give, as types: validation and OpenAPI are made from these."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookline.core import model, rate, routing
from hookline.core.instants import isoformat
from hookline.core.resources import Resource
from hookline.core.schedule import DEFAULT_SCHEDULE
from hookline.send.registry import Registered

__all__ = [
    "ActorIn",
    "InstallationIn",
    "InstallationOut",
    "InstalledOut",
    "Instant",
    "IntegrationChanges",
    "IntegrationCreated",
    "IntegrationIn",
    "IntegrationOut",
    "IntegrationPage",
    "ResourceIn",
    "ResourceOut",
    "ShownOnce",
    "given",
]

Name = Annotated[str, Meta(max_length=200, description="for people; 1 to 57 characters")]
Url = Annotated[str, Meta(max_length=2000, description="http or https; at most 512 characters")]
Seconds = Annotated[float, Meta(description="seconds")]
# The bounds are documented here and checked in the core, which says more of what is wrong.
Timeout = Annotated[
    float,
    Meta(
        description="seconds; 1 unless told, and 30 where there is a source",
        extra_json_schema={"minimum": 0.1, "maximum": 30},
    ),
]
InFlight = Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": 1000})]
Waits = Annotated[
    list[Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": 604_800})]],
    Meta(
        description="seconds before each attempt",
        extra_json_schema={"minItems": 1, "maxItems": 50},
    ),
]
Ordered = Annotated[
    bool,
    Meta(description="one at a time in each organization, in the order of acceptance"),
]
Expression = Annotated[
    str,
    Meta(
        description="JMESPath that is true of the body; see docs/reference/gateway.md",
        extra_json_schema={"maxLength": 1_000},
    ),
]
Instant = Annotated[str, Meta(description="RFC 3339, UTC, microseconds")]


class RateLimit(msgspec.Struct, forbid_unknown_fields=True):
    """At most so many attempts a second or a minute, evenly spread."""

    number: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": 10_000})]
    per: Literal["second", "minute"]


class FilterIn(msgspec.Struct, forbid_unknown_fields=True):
    """Which of a source's webhooks a route takes; each part that is given must hold."""

    resources: list[str] | None = None
    actions: list[str] | None = None
    expression: Expression | None = None


class ShownOnce(msgspec.Struct):
    """An answer that shows a secret; whatever prints the object itself does not."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class IntegrationIn(msgspec.Struct, forbid_unknown_fields=True):
    """An integration to register."""

    name: Name
    webhook_url: Url
    kind: Literal["internal", "public"] = "internal"
    organization: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    slug: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    resources: list[str] = []
    alertable: bool = False
    timeout: Timeout | UnsetType = UNSET
    max_in_flight: InFlight = 32
    retry_schedule: Waits = msgspec.field(default_factory=lambda: list(DEFAULT_SCHEDULE))
    body_encoding: Literal["javascript", "ascii"] = "javascript"
    rate_limit: RateLimit | None = None
    ordered: Ordered = False
    source: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    filter: FilterIn | UnsetType | None = UNSET


class IntegrationChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of an integration; what is left out stays."""

    name: Name | UnsetType = UNSET
    webhook_url: Url | UnsetType = UNSET
    resources: list[str] | UnsetType = UNSET
    alertable: bool | UnsetType = UNSET
    timeout: Timeout | UnsetType = UNSET
    max_in_flight: InFlight | UnsetType = UNSET
    retry_schedule: Waits | UnsetType = UNSET
    body_encoding: Literal["javascript", "ascii"] | UnsetType = UNSET
    rate_limit: RateLimit | UnsetType | None = UNSET
    ordered: Ordered | UnsetType = UNSET
    filter: FilterIn | UnsetType | None = UNSET


# Where null is a value: "no limit", "no filter". Elsewhere it is taken as left out.
_NULLABLE = {"rate_limit", "filter"}


def given(struct: msgspec.Struct) -> dict[str, Any]:
    """The fields that a caller gave."""
    fields = msgspec.structs.asdict(struct)
    for name in _NULLABLE:
        if isinstance(inner := fields.get(name), msgspec.Struct):
            fields[name] = msgspec.structs.asdict(inner)
    return {
        name: value
        for name, value in fields.items()
        if value is not UNSET and (value is not None or name in _NULLABLE)
    }


class InstallationOut(msgspec.Struct, kw_only=True):
    """One integration in one organization."""

    uuid: str
    integration: str
    organization: str
    status: Literal["installed", "deleted"]
    created_at: Instant

    @classmethod
    def of(cls, installation: model.Installation) -> "InstallationOut":
        """From the value."""
        return cls(**_installation(installation))


def _installation(installation: model.Installation) -> dict[str, Any]:
    return {
        "uuid": installation.uuid,
        "integration": installation.integration,
        "organization": installation.organization,
        "status": "installed" if installation.deleted_at is None else "deleted",
        "created_at": isoformat(installation.created_at),
    }


class InstalledOut(InstallationOut, ShownOnce, kw_only=True):
    """A new installation, with the grant code that is shown only now."""

    code: str

    @classmethod
    def made(cls, installation: model.Installation, code: str) -> "InstalledOut":
        """From the value and its code."""
        return cls(**_installation(installation), code=code)


class UnsubscribedOut(msgspec.Struct, kw_only=True):
    """Since when an integration receives no more events, and why."""

    at: Instant
    reason: Literal["timeouts", "failures", "gone", "manual"]
    detail: str


class FilterOut(msgspec.Struct, omit_defaults=True):
    """Which of a source's webhooks a route takes."""

    resources: list[str] | None = None
    actions: list[str] | None = None
    expression: str | None = None


class IntegrationOut(msgspec.Struct, kw_only=True):
    """A registered integration."""

    slug: str
    name: str
    uuid: str
    kind: Literal["internal", "public"]
    organization: str | None
    webhook_url: str
    client_id: str
    resources: list[str]
    alertable: bool
    status: Literal["subscribed", "unsubscribed"]
    unsubscribed: UnsubscribedOut | None
    timeout: Seconds
    max_in_flight: int
    retry_schedule: list[float]
    body_encoding: Literal["javascript", "ascii"]
    rate_limit: RateLimit | None
    ordered: bool
    source: str | None
    filter: FilterOut | None
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, integration: model.Integration) -> "IntegrationOut":
        """From the value."""
        return cls(**_integration(integration))


def _integration(integration: model.Integration) -> dict[str, Any]:
    policy = integration.policy
    return {
        "slug": integration.slug,
        "name": integration.name,
        "uuid": integration.uuid,
        "kind": integration.kind.value,
        "organization": integration.organization,
        "webhook_url": integration.webhook_url,
        "client_id": integration.client_id,
        "resources": list(integration.resources),
        "alertable": integration.alertable,
        "status": integration.status.value,
        "unsubscribed": _unsubscribed(integration.unsubscribed),
        "timeout": policy.timeout_ms / 1000,
        "max_in_flight": policy.max_in_flight,
        "retry_schedule": list(policy.retry_schedule),
        "body_encoding": policy.body_encoding.value,
        "rate_limit": _rate_limit(policy.rate_limit),
        "ordered": policy.ordered,
        "source": integration.source,
        "filter": _filter(integration.filter),
        "created_at": isoformat(integration.created_at),
        "updated_at": isoformat(integration.updated_at),
    }


def _unsubscribed(since: model.Unsubscribed | None) -> UnsubscribedOut | None:
    if since is None:
        return None
    return UnsubscribedOut(at=isoformat(since.at), reason=since.reason.value, detail=since.detail)


def _filter(wanted: routing.Filter | None) -> FilterOut | None:
    if wanted is None:
        return None
    return FilterOut(
        None if wanted.resources is None else list(wanted.resources),
        None if wanted.actions is None else list(wanted.actions),
        wanted.expression,
    )


def _rate_limit(limit: rate.RateLimit | None) -> RateLimit | None:
    return None if limit is None else RateLimit(limit.number, limit.per.value)


class IntegrationCreated(IntegrationOut, ShownOnce, kw_only=True):
    """A new integration, with the client secret that is shown only now."""

    client_secret: str
    installations: list[InstallationOut]

    @classmethod
    def made(cls, registered: Registered) -> "IntegrationCreated":
        """From what the registry returned."""
        return cls(
            **_integration(registered.integration),
            client_secret=registered.client_secret.reveal(),
            installations=[InstallationOut.of(each) for each in registered.installations],
        )


class IntegrationPage(msgspec.Struct):
    """Integrations by slug; ``next`` is the cursor of the next page."""

    integrations: list[IntegrationOut]
    next: str | None


class ActorIn(msgspec.Struct, forbid_unknown_fields=True):
    """Who did it: a person or an application."""

    type: Literal["user", "application"]
    id: int | str
    name: str


class InstallationIn(msgspec.Struct, forbid_unknown_fields=True):
    """Which integration to install, and who does it."""

    integration: Annotated[str, Meta(max_length=200)]
    actor: ActorIn | None = None


class ResourceIn(msgspec.Struct, forbid_unknown_fields=True):
    """A resource of the publisher's own."""

    name: Annotated[str, Meta(max_length=200)]
    actions: list[str]


class ResourceOut(msgspec.Struct):
    """A resource, its actions, and how its events find their installations."""

    name: str
    actions: list[str]
    routing: str
    documented: bool

    @classmethod
    def of(cls, resource: Resource) -> "ResourceOut":
        """From the value."""
        return cls(
            resource.name, list(resource.actions), resource.routing.value, resource.documented
        )
