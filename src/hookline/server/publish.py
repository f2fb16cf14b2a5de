"""The publish routes, below the framework.

They are the hot path: everything else is called a few times a day, these thousands of times a second.
The framework's routing, injection and response objects cost more than a publish may take in all (ADR
0004), so these two routes speak ASGI themselves. ``openapi.py`` documents them with the others.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from hookline.core import scopes
from hookline.core.errors import HooklineError, TooLarge
from hookline.core.masking import Mask
from hookline.core.registration import check_organization
from hookline.send.intake import Limits, read_batch, read_event
from hookline.send.publish import Publisher
from hookline.server.body import JSON, NDJSON, HungUp, check_type, content_length
from hookline.server.errors import (
    MethodNotAllowed,
    error_bytes,
    error_headers,
    internal_error,
    log_bug,
)
from hookline.server.keys import KeyRing
from hookline.store.values import Recorded

__all__ = ["Accepted", "AcceptedBatch", "PublishRoutes", "Warned"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PATH: Final = re.compile(r"/api/v1/organizations/([^/]+)/events(/batch)?/?")
MAX_BATCH_BYTES: Final = 16 * 1_048_576


class Warned(msgspec.Struct, frozen=True):
    """Something that was sent in another spelling than it was handed in."""

    where: str
    message: str


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The event is on disk: its id, and how many installations it goes to."""

    id: str
    deliveries: int
    warnings: list[Warned] | msgspec.Raw
    duplicate: bool = False


class AcceptedBatch(msgspec.Struct, frozen=True):
    """All the events are on disk, in the order of the batch."""

    events: list[Accepted]


_NO_WARNINGS: Final = msgspec.Raw(b"[]")
_encoder = msgspec.json.Encoder()


class PublishRoutes:
    """``POST …/organizations/{organization}/events`` and ``…/events/batch``."""

    def __init__(self, publisher: Publisher, keys: KeyRing, limits: Limits, mask: Mask):
        self._publisher = publisher
        self._keys = keys
        self._limits = limits
        self._mask = mask

    @staticmethod
    def matches(scope: Scope) -> bool:
        """Whether the request is for one of these routes, whatever its method."""
        return scope["type"] == "http" and _PATH.fullmatch(scope["path"]) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: 202 once it is durable, or the one error shape."""
        headers = [(b"content-type", b"application/json")]
        try:
            status, body = 202, await self._accept(scope, receive)
        except HungUp:
            return
        except HooklineError as error:
            status, body = error.status, error_bytes(error, self._mask)
            more = error_headers(error).items()
            headers += [(name.lower().encode(), value.encode()) for name, value in more]
        except Exception as error:
            log_bug(scope["path"], error)
            status, body = 500, error_bytes(internal_error(), self._mask)
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _accept(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            raise MethodNotAllowed(scope["path"], "POST")
        authorization = content_type = b""
        length = 0
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                content_type = value
            elif name == b"content-length":
                length = content_length(value)
        admitted = self._admit(authorization)
        match = _PATH.fullmatch(scope["path"])
        assert match is not None, "matches() came first"  # noqa: S101
        organization = check_organization(match[1], where=None)
        if match[2]:
            return await self._batch(organization, content_type, length, receive, admitted)
        check_type(content_type, (JSON,))
        body = await _read(receive, length, 2 * self._limits.data_bytes + 65_536)
        admitted()
        submission = read_event(body, self._limits)
        (recorded,) = await self._publisher.publish(organization, (submission,))
        return _encoder.encode(_accepted(recorded))

    def _admit(self, authorization: bytes) -> Callable[[], None]:
        """Let a publisher through; what is returned does so again, if a key was revoked meanwhile.

        A body may take long to come in, and many may have been begun before a key was revoked.
        """
        self._keys.check(authorization, scopes.Scope.PUBLISH)
        seen = self._keys.changes

        def again() -> None:
            if self._keys.changes != seen:
                self._keys.check(authorization, scopes.Scope.PUBLISH)

        return again

    async def _batch(
        self,
        organization: str,
        content_type: bytes,
        length: int,
        receive: Receive,
        admitted: Callable[[], None],
    ) -> bytes:
        kind = check_type(content_type, (JSON, NDJSON))
        body = await _read(receive, length, MAX_BATCH_BYTES)
        admitted()
        ndjson = kind == NDJSON
        submissions = read_batch(body, ndjson=ndjson, limits=self._limits)
        recorded = await self._publisher.publish(organization, submissions, batch=True)
        return _encoder.encode(AcceptedBatch([_accepted(each) for each in recorded]))


def _accepted(recorded: Recorded) -> Accepted:
    warnings = _NO_WARNINGS
    if recorded.warnings is not None:
        warnings = msgspec.Raw(recorded.warnings.encode())
    return Accepted(recorded.id, recorded.deliveries, warnings, recorded.duplicate)


async def _read(receive: Receive, length: int, limit: int) -> bytes:
    if length > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if message["type"] == "http.disconnect":
            raise HungUp
        if len(body) > limit:
            raise _too_large(limit)
        return body
    chunks, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
    return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        "body-too-large",
        f"the body is over {limit:,} bytes",
        "send less in one request, or raise HOOKLINE_MAX_DATA_BYTES",
    )
