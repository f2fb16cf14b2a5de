"""Requests of the samples as the server would make them. Pure: time and chance are arguments."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from hookline import samples
from hookline.core import signing
from hookline.core.headers import SIGNATURE
from hookline.core.ids import uuid7
from hookline.core.request import Outbound, build
from hookline.send.intake import Limits, read_event

__all__ = ["Source", "resigned", "with_header"]


class Source(NamedTuple):
    """Where requests come from.

    Attributes:
        url: where they go.
        secret: what they are signed with.
        now: microseconds since 1970, when they are made.
        chance: gives so many random bytes.
        organization: slug in the samples.
        timeout_s: seconds for the whole answer.
        ascii_body: bodies are spelt in ASCII, as Python spells them.
    """

    url: str
    secret: str
    now: Callable[[], int]
    chance: Callable[[int], bytes]
    organization: str = "northwind"
    timeout_s: float = 1.0
    ascii_body: bool = False

    def request(
        self,
        resource: str,
        action: str,
        *,
        data: dict[str, Any] | None = None,
        installation: str | None = None,
    ) -> Outbound:
        """The request that the server would send of an event, to a new installation.

        Args:
            resource: a documented one where there is no data.
            action: as the resource.
            data: None is the sample's.
            installation: its UUID; None is a new one.
        """
        now = self.now()
        uuid = installation or str(UUID(bytes=self.chance(16), version=4))
        event: dict[str, Any] = {"resource": resource, "action": action, "data": data}
        if data is None:
            made = samples.sample(
                resource, action, now=now, installation_uuid=uuid, organization=self.organization
            )
            event["data"] = made.data
            if made.actor is not None:
                event["actor"] = made.actor
        # The very way that a published event takes, so that the bytes are the server's.
        submission = read_event(json.dumps(event).encode(), Limits())
        return build(
            delivery_id=uuid7(now, self.chance(8)),
            url=self.url,
            resource=resource,
            action=action,
            installation=uuid,
            tail=(submission.ascii_tail() if self.ascii_body else None) or submission.tail,
            secret=self.secret,
            timeout_ms=round(self.timeout_s * 1000),
            now=now,
        )


def resigned(request: Outbound, body: bytes, secret: str) -> Outbound:
    """The same request with another body, rightly signed."""
    signature = signing.sign(secret, body)
    return with_header(request._replace(body=body, signature=signature), SIGNATURE, signature)


def with_header(request: Outbound, name: str, value: str | None) -> Outbound:
    """The same request with another value of a header, or without it."""
    kept = [(n, v if n != name else value) for n, v in request.headers]
    return request._replace(headers=tuple((n, v) for n, v in kept if v is not None))
