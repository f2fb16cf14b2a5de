"""Types for what is about installations, issues and comments."""

from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "Activity",
    "ActivityAlertData",
    "Actor",
    "Alert",
    "App",
    "Assignee",
    "CommentData",
    "Installation",
    "InstallationData",
    "Issue",
    "IssueData",
    "IssueProject",
    "Organization",
    "Setting",
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


class CommentData(TypedDict):
    """``comment.created``, ``.updated``, ``.deleted``; a deleted one still has its text."""

    comment_id: int
    issue_id: int
    project_slug: str
    timestamp: str
    comment: str
