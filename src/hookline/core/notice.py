"""What operators are told: an integration was warned, unsubscribed or resubscribed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hookline.core.instants import isoformat
from hookline.core.unsubscribing import Reason
from hookline.core.urls import receiver_of

__all__ = ["Notice", "NoticeKind", "notice_data"]


class NoticeKind(StrEnum):
    """What happened; also the action of the event that tells of it."""

    WARNED = "warned"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that operators are told, with the names of the integration that it is about.

    Attributes:
        message: a sentence.
        organization: slug of the integration's organization; None for a public one.
        published_at: when its event was recorded; None: not yet.
        mailed_at: when its e-mail was sent, or it was found that none is wanted; None: not yet.
    """

    id: int
    at: int
    kind: NoticeKind
    reason: Reason
    message: str
    integration: str
    uuid: str
    name: str
    webhook_url: str
    organization: str | None
    published_at: int | None
    mailed_at: int | None

    @property
    def receiver(self) -> str:
        """The URL's ``host:port``: what stands in the rest of it may be secret."""
        return receiver_of(self.webhook_url)


def notice_data(notice: Notice) -> dict[str, Any]:
    """The ``data`` of the event ``hookline.<kind>``."""
    return {
        "notice": {
            "id": str(notice.id),
            "at": isoformat(notice.at),
            "reason": notice.reason.value,
            "message": notice.message,
        },
        "integration": {
            "slug": notice.integration,
            "uuid": notice.uuid,
            "name": notice.name,
            "receiver": notice.receiver,
            "organization": notice.organization,
        },
    }
