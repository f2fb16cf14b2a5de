"""For those who receive webhooks: verify, tell duplicates, find out why a signature fails.

From Hookline, from the real system, from GitHub, Stripe, Slack, Shopify, or any sender of Standard
Webhooks. Standard library only; nothing else is imported, whatever else is installed.

    >>> from hookline.core.signing import sign
    >>> from hookline.receive import WebhookError, verify
    >>> body = b'{"action":"created","data":{"issue":{"id":"7"}}}'
    >>> try:
    ...     webhook = verify(body, {"Sentry-Hook-Signature": sign("wrong", body)}, "s3cret")
    ... except WebhookError as error:
    ...     print(error.status, error.code)
    401 signature-mismatch
"""

from typing import TYPE_CHECKING, Any

from hookline.receive.data import (
    ActivityAlertData,
    Actor,
    CommentData,
    ErrorData,
    EventAlertData,
    InstallationData,
    IssueData,
    MetricAlertData,
    PreprodArtifactData,
    SeerData,
)
from hookline.receive.deduplication import Deduplicator, InMemory, SQLite
from hookline.receive.errors import WebhookError
from hookline.receive.schemes import (
    GITHUB,
    SENTRY,
    SENTRY_APP,
    SHOPIFY,
    SLACK,
    STANDARD,
    STRIPE,
    SVIX,
    Scheme,
    names,
    plain_hmac,
    scheme_named,
)
from hookline.receive.verifying import verify
from hookline.receive.webhook import Webhook

if TYPE_CHECKING:
    from hookline.receive.explaining import explain

__all__ = [
    "GITHUB",
    "SENTRY",
    "SENTRY_APP",
    "SHOPIFY",
    "SLACK",
    "STANDARD",
    "STRIPE",
    "SVIX",
    "ActivityAlertData",
    "Actor",
    "CommentData",
    "Deduplicator",
    "ErrorData",
    "EventAlertData",
    "InMemory",
    "InstallationData",
    "IssueData",
    "MetricAlertData",
    "PreprodArtifactData",
    "SQLite",
    "Scheme",
    "SeerData",
    "Webhook",
    "WebhookError",
    "explain",
    "names",
    "plain_hmac",
    "scheme_named",
    "verify",
]


def __getattr__(name: str) -> Any:
    # Only when it is asked for: what explains loads more than all that verifies.
    if name == "explain":
        from hookline.receive.explaining import explain  # noqa: PLC0415

        return explain
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
