"""Types for what is about stored events and measured values."""

from typing import Any, NotRequired, TypedDict

from hookline.receive.data.issue import Setting

__all__ = [
    "AlertRule",
    "AlertTrigger",
    "ErrorData",
    "Event",
    "EventAlertData",
    "IssueAlert",
    "MetricAlert",
    "MetricAlertData",
    "TriggerAction",
]


Json = dict[str, Any]


class Event(TypedDict):
    """A stored event: what the SDK sent, and where it is to be seen. ``issue_id`` is text."""

    event_id: str
    project: int
    issue_id: str
    title: str
    platform: str | None
    level: str
    type: str
    datetime: str
    timestamp: float
    received: float
    url: str
    web_url: str
    issue_url: str
    culprit: NotRequired[str | None]
    message: NotRequired[str]
    location: NotRequired[str | None]
    logger: NotRequired[str | None]
    environment: NotRequired[str | None]
    release: NotRequired[str | None]
    dist: NotRequired[str | None]
    tags: NotRequired[list[list[str | None]]]
    user: NotRequired[Json | None]
    request: NotRequired[Json | None]
    contexts: NotRequired[Json]
    exception: NotRequired[Json]
    breadcrumbs: NotRequired[Json]
    extra: NotRequired[Json]
    metadata: NotRequired[Json]
    modules: NotRequired[Json]
    sdk: NotRequired[Json]
    occurrence: NotRequired[Json]
    fingerprint: NotRequired[list[str]]
    hashes: NotRequired[list[str]]
    grouping_config: NotRequired[Json]
    key_id: NotRequired[str]
    time_spent: NotRequired[float | None]
    version: NotRequired[str]
    _ref: NotRequired[int]
    _ref_version: NotRequired[int]


class ErrorData(TypedDict):
    """``error.created``."""

    error: Event


class IssueAlert(TypedDict):
    """The alert's settings; there where it has a UI component."""

    title: str
    settings: list[Setting]
    id: NotRequired[int]
    sentry_app_id: NotRequired[int]


class EventAlertData(TypedDict):
    """``event_alert.triggered``."""

    event: Event
    triggered_rule: str
    issue_alert: NotRequired[IssueAlert]


class TriggerAction(TypedDict):
    """What a trigger does; ``settings`` where the integration has a UI component."""

    id: str
    alert_rule_trigger_id: str
    type: str
    target_type: str
    target_identifier: int | str | None
    sentry_app_id: int | None
    date_created: str
    desc: str
    input_channel_id: NotRequired[str | None]
    integration_id: NotRequired[int | None]
    priority: NotRequired[str | None]
    settings: NotRequired[list[Setting]]
    sentry_app_installation_uuid: NotRequired[str]


class AlertTrigger(TypedDict):
    """A threshold. All of the rule's are told; the ``label`` that equals the action is meant."""

    id: str
    alert_rule_id: str
    label: str
    threshold_type: int
    alert_threshold: float
    resolve_threshold: float | None
    date_created: str
    actions: list[TriggerAction]


class AlertRule(TypedDict):
    """The rule that was broken."""

    id: str
    name: str
    organization_id: str
    status: int
    query: str
    aggregate: str
    dataset: str
    threshold_type: int
    resolve_threshold: float | None
    time_window: float
    resolution: float
    threshold_period: int
    triggers: list[AlertTrigger]
    environment: str | None
    projects: list[str]
    include_all_projects: bool
    created_by: Any
    date_created: str
    date_modified: str


class MetricAlert(TypedDict):
    """An incident. ``status``: 1 open, 2 closed, 10 warning, 20 critical."""

    id: str
    identifier: str
    organization_id: str
    projects: list[str]
    alert_rule: AlertRule
    status: int
    status_method: int
    type: int
    title: str
    date_started: str
    date_detected: str
    date_created: str
    date_closed: str | None
    activities: NotRequired[Any]


class MetricAlertData(TypedDict):
    """``metric_alert.critical``, ``.warning``, ``.resolved``, ``.open``."""

    metric_alert: MetricAlert
    description_text: str
    description_title: str
    web_url: str
