"""Types for the ``data`` of each documented resource.

They describe, they check nothing: a webhook with other fields is taken as it is. A field that some
version of the sender leaves out is ``NotRequired``; one that may be null says so. Fields that only
machines read (of the stored event) are ``dict[str, Any]`` or left out.

Use them by assertion: ``webhook.data_as(IssueData)["issue"]["title"]``.
"""

from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "Activity",
    "ActivityAlertData",
    "Actor",
    "Alert",
    "AlertRule",
    "AlertTrigger",
    "AppInfo",
    "Assignee",
    "CommentData",
    "ErrorData",
    "Event",
    "EventAlertData",
    "GitInfo",
    "Installation",
    "InstallationData",
    "Issue",
    "IssueAlert",
    "IssueData",
    "IssueProject",
    "MetricAlert",
    "MetricAlertData",
    "PreprodArtifactData",
    "SeerData",
    "Setting",
    "TriggerAction",
]

Json = dict[str, Any]


class Actor(TypedDict):
    """Who did it. A person's id is a number, an application's is text (``sentry``, or its uuid)."""

    type: Literal["user", "application"]
    id: int | str
    name: str


class Setting(TypedDict):
    """What a user chose in an alert's UI component."""

    name: str
    value: Any


# --- installation -------------------------------------------------------


class App(TypedDict):
    """The integration."""

    uuid: str
    slug: str
    sentryAppId: NotRequired[int]


class Organization(TypedDict):
    """The organization that it is installed in."""

    slug: str
    id: NotRequired[int]


class Installation(TypedDict):
    """An integration in an organization; ``code`` is there while nobody exchanged it."""

    uuid: str
    status: Literal["pending", "installed"]
    app: App
    organization: Organization
    code: NotRequired[str]


class InstallationData(TypedDict):
    """``installation.created``, ``installation.deleted``."""

    installation: Installation


# --- issue, activity_alert ----------------------------------------------


class IssueProject(TypedDict):
    """The project of an issue; here the id is text."""

    id: str
    name: str
    slug: str
    platform: str | None


class Assignee(TypedDict):
    """To whom an issue was assigned; no e-mail where the organization keeps those private."""

    type: Literal["user", "team"]
    name: str
    id: int
    email: NotRequired[str]


class Issue(TypedDict):
    """A group of errors. ``count`` is text, ``userCount`` a number."""

    id: str
    shortId: str | None
    title: str
    culprit: str | None
    permalink: str | None
    level: str
    status: Literal["resolved", "unresolved", "ignored"]
    statusDetails: Json
    substatus: str | None
    platform: str | None
    project: IssueProject
    type: str
    metadata: Json
    count: str
    userCount: int
    firstSeen: str
    lastSeen: str
    assignedTo: Json | None
    logger: NotRequired[str | None]
    shareId: NotRequired[str | None]
    isPublic: NotRequired[bool]
    numComments: NotRequired[int]
    isBookmarked: NotRequired[bool]
    isSubscribed: NotRequired[bool]
    subscriptionDetails: NotRequired[Json | None]
    hasSeen: NotRequired[bool]
    annotations: NotRequired[list[Any]]
    issueType: NotRequired[str]
    issueCategory: NotRequired[str]
    priority: NotRequired[str | None]
    priorityLockedAt: NotRequired[str | None]
    seerFixabilityScore: NotRequired[float | None]
    seerAutofixLastTriggered: NotRequired[str | None]
    seerExplorerAutofixLastTriggered: NotRequired[str | None]
    isUnhandled: NotRequired[bool]
    # Only in issue.created and activity_alert.triggered.
    url: NotRequired[str]
    web_url: NotRequired[str]
    project_url: NotRequired[str]


class IssueData(TypedDict):
    """``issue.created``, ``.resolved``, ``.assigned``, ``.unresolved``, ``.ignored``, ``.archived``.

    ``ignored`` and ``archived`` are one thing under two names; a receiver takes both.
    """

    issue: Issue
    resolution_type: NotRequired[str]
    assignee: NotRequired[Assignee]


class Activity(TypedDict):
    """What happened to the issue."""

    type: str
    details: Json


class Alert(TypedDict):
    """The alert that fired."""

    id: int
    title: str
    sentry_app_id: int
    url: str
    web_url: NotRequired[str]
    settings: NotRequired[list[Setting]]


class ActivityAlertData(TypedDict):
    """``activity_alert.triggered``."""

    issue: Issue
    activity: Activity
    alert: Alert


# --- error, event_alert -------------------------------------------------


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


# --- metric_alert -------------------------------------------------------


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


# --- comment ------------------------------------------------------------


class CommentData(TypedDict):
    """``comment.created``, ``.updated``, ``.deleted``; a deleted one still has its text."""

    comment_id: int
    issue_id: int
    project_slug: str
    timestamp: str
    comment: str


# --- seer ---------------------------------------------------------------


class SeerData(TypedDict):
    """``seer.…``: each step's result is there when the step is completed."""

    run_id: int
    group_id: int
    sentry_run_id: NotRequired[str]
    root_cause: NotRequired[Json]
    solution: NotRequired[Json]
    code_changes: NotRequired[dict[str, list[Json]]]
    changes: NotRequired[list[Json]]
    """What older versions call ``code_changes``."""
    pull_requests: NotRequired[list[Json]]


# --- preprod_artifact ---------------------------------------------------


class AppInfo(TypedDict):
    """A build of an app."""

    appId: str | None
    name: str | None
    version: str | None
    buildNumber: int | None
    artifactType: str | None
    dateAdded: str | None
    dateBuilt: str | None


class GitInfo(TypedDict):
    """Where a build comes from."""

    headSha: str
    baseSha: str | None
    provider: str | None
    headRepoName: str | None
    baseRepoName: str | None
    headRef: str | None
    baseRef: str | None
    prNumber: int | None


class PreprodArtifactData(TypedDict):
    """``preprod_artifact.size_analysis_completed`` and ``.build_distribution_completed``."""

    buildId: str
    organizationSlug: str
    projectSlug: str
    platform: str | None
    state: str
    appInfo: AppInfo
    gitInfo: GitInfo | None
    errorCode: str | None
    errorMessage: str | None
    # size_analysis_completed
    downloadSize: NotRequired[int | None]
    installSize: NotRequired[int | None]
    analysisDuration: NotRequired[float | None]
    analysisVersion: NotRequired[str | None]
    baseBuildId: NotRequired[str | None]
    baseAppInfo: NotRequired[AppInfo | None]
    comparisons: NotRequired[list[Json]]
    # build_distribution_completed
    projectId: NotRequired[str]
    buildConfiguration: NotRequired[str | None]
    isInstallable: NotRequired[bool]
    installUrl: NotRequired[str | None]
    isCodeSignatureValid: NotRequired[bool | None]
    profileName: NotRequired[str | None]
    codesigningType: NotRequired[str | None]
