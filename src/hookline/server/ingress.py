"""``POST /in/{token}``: where webhooks of others come in, below the framework as publishing is.

Anybody can post anything here, so in this order, cheapest first:

1. The token, by its digest in memory. To an unknown one the answer is what it is for any path where
   nothing is, and none of the body is read.
2. The length that was announced, then the body, up to the source's limit, within a deadline, and with
   all bodies that are being read within a bound of their own. Announced bytes take nothing of it, so
   that lying about them keeps nobody out.
3. The signature, over the bytes as they came. The parser sees only what was signed.
4. One commit. 200 goes out after it, and never before.

What is not read to its end is answered with ``Connection: close``: else whoever sends without end would
go on doing so. Why below the framework: ADR 0004.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

import msgspec

from hookline.core.errors import HooklineError, TooLarge, Unavailable
from hookline.core.forwarding import Pairs, forwarded_headers
from hookline.core.masking import Mask
from hookline.receive import Webhook, scheme_named, verify
from hookline.send.gateway import UNKNOWN, Arrived, Gateway, Seen
from hookline.send.sources import OpenSource
from hookline.server.body import HungUp, content_length
from hookline.server.errors import (
    MethodNotAllowed,
    error_bytes,
    error_headers,
    internal_error,
    log_bug,
    unknown_path,
)
from hookline.store.values import Recorded

__all__ = ["NAMES", "SHOWN_PATH", "Ingress", "Received", "TooSlow"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PATH: Final = re.compile(r"/in/([^/]+)/?")
SHOWN_PATH: Final = "/in/{token}"  # in our log: a token is a secret

NAMES: Final = "hookline.header_names"
"""Where the server leaves the headers' names as they came: ASGI has them in lower case."""

DEADLINE_S: Final = 10.0
MOST_READING: Final = 64 * 1_048_576
"""Bytes of bodies that are being read at a time, of all strangers together."""

SLACKS_QUESTION: Final = "url_verification"


class Received(msgspec.Struct, frozen=True):
    """The webhook is on disk: its event's id, and how many routes it goes to."""

    id: str
    deliveries: int
    duplicate: bool


class TooSlow(HooklineError):
    """The body did not come in time."""

    status = 408


class _Request:
    """One request, as far as it came; what is told of it when it is answered."""

    __slots__ = ("body", "body_bytes", "headers", "opened", "read", "webhook")

    def __init__(self) -> None:
        self.opened: OpenSource | None = None
        self.headers: Pairs = ()
        self.body = b""
        self.body_bytes = 0
        self.read = False
        self.webhook: Webhook | None = None


class Ingress:
    """The route. ``most_bytes``: the longest body that the server takes, whatever a source allows."""

    def __init__(
        self,
        gateway: Gateway,
        mask: Mask,
        *,
        most_bytes: int,
        deadline_s: float = DEADLINE_S,
        most_reading: int = MOST_READING,
    ):
        self._gateway = gateway
        self._mask = mask
        self._most_bytes = most_bytes
        self._deadline_s = deadline_s
        self._most_reading = most_reading
        self._reading = 0

    @staticmethod
    def matches(scope: Scope) -> bool:
        """Whether the request is for this route, whatever its method."""
        return scope["type"] == "http" and _PATH.fullmatch(scope["path"]) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: 200 once it is durable, or the one error shape."""
        request = _Request()
        headers: list[tuple[bytes, bytes]] = []
        try:
            status, code, body, recorded = 200, *await self._answer(scope, receive, request)
            seen = _seen(request, status, code, "", recorded)
        except HungUp:
            return
        except HooklineError as error:
            status, body = error.status, error_bytes(error, self._mask)
            headers += _error_headers(error)
            seen = _seen(request, status, error.code, error.message)
            if request.opened is not None and request.read and status < 500:
                self._gateway.keep(request.opened, seen, request.headers, request.body)
        except Exception as error:
            log_bug(SHOWN_PATH, error)
            status, body = 500, error_bytes(internal_error(), self._mask)
            seen = _seen(request, status, "internal-error", "")
        if not request.read:
            headers.append((b"connection", b"close"))
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._gateway.answered(seen)

    async def _answer(
        self, scope: Scope, receive: Receive, request: _Request
    ) -> tuple[str, bytes, Recorded | None]:
        opened = request.opened = self._source(scope)
        source = opened.source
        if scope["method"] != "POST":
            raise MethodNotAllowed(SHOWN_PATH, "POST")
        limit = min(source.max_body_bytes, self._most_bytes)
        given = _as_they_came(scope)
        if _announced(given) > limit:
            raise _too_large(limit)
        request.body = await self._body(receive, limit)
        request.body_bytes = len(request.body)
        request.read = True
        # Once more: a body may take long, and meanwhile it may have been deleted, or a secret dropped.
        opened = request.opened = self._source(scope)
        request.headers = forwarded_headers(given)
        secrets = [secret.reveal() for secret in opened.secrets]
        webhook = verify(request.body, given, secrets, scheme=scheme_named(source.scheme))
        request.webhook = webhook
        if webhook.scheme == "slack" and webhook.resource == SLACKS_QUESTION:
            return "challenge", _slacks_answer(webhook), None
        recorded = await self._gateway.accept(opened, _arrived(webhook, request.headers))
        answer = Received(recorded.id, recorded.deliveries, recorded.duplicate)
        code = "duplicate" if recorded.duplicate else "accepted"
        return code, msgspec.json.encode(answer), recorded

    def _source(self, scope: Scope) -> OpenSource:
        match = _PATH.fullmatch(scope["path"])
        assert match is not None, "matches() came first"  # noqa: S101
        found = self._gateway.sources.of_token(match[1])
        if found is None:
            raise unknown_path(scope["path"])
        return found

    async def _body(self, receive: Receive, limit: int) -> bytes:
        taken = 0
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._deadline_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise HungUp
                    chunk: bytes = message.get("body", b"")
                    more = message.get("more_body", False)
                    if taken + len(chunk) > limit:
                        raise _too_large(limit)
                    if self._reading + len(chunk) > self._most_reading:
                        raise _busy()
                    taken += len(chunk)
                    self._reading += len(chunk)
                    chunks.append(chunk)
        except TimeoutError:
            raise TooSlow(
                "body-too-slow",
                f"the body was not complete within {self._deadline_s:g} seconds",
                "send it again; if that happens often, see what is slow between you and us",
            ) from None
        finally:
            self._reading -= taken
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """How long the body is said to be; 0 where nothing is said."""
    for name, value in headers:
        if name.lower() == b"content-length":
            return content_length(value)
    return 0


def _as_they_came(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = scope["headers"]
    names = scope.get(NAMES)
    if names is None:
        return list(headers)
    return [(name, value) for name, (_, value) in zip(names, headers, strict=True)]


def _arrived(webhook: Webhook, headers: Pairs) -> Arrived:
    return Arrived(
        webhook.resource,
        webhook.action,
        webhook.id,
        webhook.digest,
        webhook.payload,
        webhook.body,
        headers,
    )


def _slacks_answer(webhook: Webhook) -> bytes:
    # docs.slack.dev, "url_verification event": the challenge is to come back, before anything is sent.
    challenge = webhook.data.get("challenge")
    text = challenge if isinstance(challenge, str) else ""
    return msgspec.json.encode({"challenge": text.encode("utf-8", "replace").decode()[:1_000]})


def _seen(
    request: _Request, status: int, code: str, message: str, recorded: Recorded | None = None
) -> Seen:
    webhook = request.webhook
    return Seen(
        UNKNOWN if request.opened is None else request.opened.source.slug,
        status,
        code,
        message,
        request.body_bytes,
        "" if webhook is None else webhook.event,
        0 if recorded is None else recorded.deliveries,
        "" if recorded is None else recorded.id,
    )


def _error_headers(error: HooklineError) -> list[tuple[bytes, bytes]]:
    # Not the challenge of 401: no key of ours is wanted here.
    given = error_headers(error).items()
    return [(k.lower().encode(), v.encode()) for k, v in given if k != "WWW-Authenticate"]


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        "body-too-large",
        f"the body is over {limit:,} bytes",
        "raise the source's max_body_bytes, or HOOKLINE_MAX_DATA_BYTES if that is in the way",
    )


def _busy() -> Unavailable:
    return Unavailable(
        "too-much-at-once",
        "as many bytes of webhooks as may be are being read at this moment",
        "send it again in a second",
    )
