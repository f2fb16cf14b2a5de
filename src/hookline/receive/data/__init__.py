"""Types for the ``data`` of each documented resource.

They describe, they check nothing: a webhook with other fields is taken as it is. A field that some
version of the sender leaves out is ``NotRequired``; one that may be null says so. Fields that only
machines read (of the stored event) are ``dict[str, Any]`` or left out.

Use them by assertion: ``webhook.data_as(IssueData)["issue"]["title"]``.
"""

from hookline.receive.data.build import (
    AppInfo,
    GitInfo,
    PreprodArtifactData,
    SeerData,
)
from hookline.receive.data.event import (
    AlertRule,
    AlertTrigger,
    ErrorData,
    Event,
    EventAlertData,
    IssueAlert,
    MetricAlert,
    MetricAlertData,
    TriggerAction,
)
from hookline.receive.data.issue import (
    Activity,
    ActivityAlertData,
    Actor,
    Alert,
    App,
    Assignee,
    CommentData,
    Installation,
    InstallationData,
    Issue,
    IssueData,
    IssueProject,
    Organization,
    Setting,
)

__all__ = [
    "Activity",
    "ActivityAlertData",
    "Actor",
    "Alert",
    "AlertRule",
    "AlertTrigger",
    "App",
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
    "Organization",
    "PreprodArtifactData",
    "SeerData",
    "Setting",
    "TriggerAction",
]
