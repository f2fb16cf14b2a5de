"""A webhook that was verified: one type for every sender."""

import builtins
import hashlib
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

__all__ = ["Webhook"]

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request whose signature was right.

    Its text form shows neither body nor headers, so that it can be logged.

    Attributes:
        scheme: name of the scheme that it was verified by, such as ``sentry``.
        type: what the sender calls it: ``issue.created``, ``push``, ``invoice.paid``, ``orders/create``.
        resource: what it is about: ``issue``; of a dotted or slashed type the part before the last
            dot or slash. ``""`` where the sender does not tell.
        action: what happened: ``created``; ``""`` where there is none.
        id: what the sender calls this one webhook, to tell duplicates by; None where it does not.
        timestamp: seconds since 1970 at which it was sent; None where the sender does not tell.
            Whether it is signed depends on the scheme.
        installation: the installation that it is for, a dashed UUID; None for other senders.
        actor: who did it, as ``{"type", "id", "name"}``; empty where the sender does not tell.
        data: what happened, as a dict: the body's ``data`` in the documented scheme, in Standard
            Webhooks and from Stripe; from others the whole body.
        payload: the whole body, parsed; None where it is empty or no JSON.
        body: the whole body, byte for byte.
        headers: by lower-case name.
    """

    scheme: str
    type: str
    resource: str
    action: str
    id: str | None
    timestamp: int | None
    installation: str | None
    actor: dict[str, Any] = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    payload: Any = field(repr=False)
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)

    @property
    def event(self) -> str:
        """``resource.action``, or the resource alone where there is no action."""
        return f"{self.resource}.{self.action}" if self.action else self.resource

    @property
    def request_id(self) -> str | None:
        """The ``id``; in the documented scheme it is the ``Request-ID`` header."""
        return self.id

    @property
    def key(self) -> str:
        """What to tell duplicates by: the ``id``, or where there is none, ``digest``.

        In the documented scheme the id is not signed. From Hookline it is the same for every attempt
        of a delivery; from others it may be new for each attempt, and then ``digest`` is better.
        """
        return f"{self.scheme}:{self.id}" if self.id else f"{self.scheme}:{self.digest}"

    @property
    def digest(self) -> str:
        """SHA-256 of the body, in hex: the same for the same bytes."""
        return hashlib.sha256(self.body).hexdigest()

    def header(self, name: str) -> str | None:
        """The value of a header, its name in any case."""
        return self.headers.get(name.lower())

    def data_as(self, shape: builtins.type[Shape]) -> Shape:
        """The ``data`` under a type of yours or of ``hookline.receive.data``; checks nothing.

        >>> from hookline.receive import IssueData
        >>> def title(webhook: Webhook) -> str:
        ...     return webhook.data_as(IssueData)["issue"]["title"]
        """
        return cast("Shape", self.data)
