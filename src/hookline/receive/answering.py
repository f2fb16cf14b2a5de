"""What to answer: pure functions from a request to a status and a small JSON body.

A body of ours never holds a secret, a right signature or anything of the request. What is refused for
the sender's fault says why; what is refused for ours (5xx) says its code alone, and the log the rest.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hookline.receive.errors import WebhookError
from hookline.receive.headers import GivenHeaders
from hookline.receive.schemes import Scheme
from hookline.receive.verifying import verify
from hookline.receive.webhook import Webhook

__all__ = [
    "REFUSALS",
    "Refusal",
    "Taken",
    "accepted",
    "error_answer",
    "handled",
    "refuse",
    "take",
]

RETRY_AFTER_S: Final = 5
MOST_CHALLENGE: Final = 1_000

_JSON: Final = (("Content-Type", "application/json"),)


class Taken(NamedTuple):
    """What became of a request.

    Attributes:
        status: the HTTP status to answer.
        body: the body to answer, small.
        headers: headers to answer, the body's length apart.
        code: ``accepted``, ``handled``, ``duplicate``, ``no-handler``, ``challenge``, or why it is
            refused: a code of ``WebhookError`` or of ``REFUSALS``.
        webhook: what it is, if it was verified.
        error: why it was not; ``error.explain`` finds out more.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]
    code: str
    webhook: Webhook | None = None
    error: WebhookError | None = None


class Refusal(NamedTuple):
    """Why a request is not taken, before or after its signature was looked at.

    Attributes:
        status: the HTTP status to answer.
        message: what is wrong with it.
        headers: headers to answer.
    """

    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()


_LATER: Final = (("Retry-After", str(RETRY_AFTER_S)),)

REFUSALS: Final[dict[str, Refusal]] = {
    "method-not-allowed": Refusal(405, "webhooks are sent by POST", (("Allow", "POST"),)),
    "not-found": Refusal(404, "webhooks are taken at another path"),
    "length-malformed": Refusal(400, "Content-Length is no number of bytes"),
    "length-missing": Refusal(411, "this server needs a Content-Length"),
    "body-too-large": Refusal(413, "the body is larger than this receiver takes"),
    "body-too-slow": Refusal(408, "the body did not come in time"),
    "body-incomplete": Refusal(400, "the body is shorter or longer than Content-Length says"),
    "body-in-pieces": Refusal(400, "the body comes in too many pieces"),
    "busy": Refusal(503, "too much is waiting to be handled", _LATER),
    "in-progress": Refusal(503, "the same webhook is being handled", _LATER),
    "handler-failed": Refusal(500, "a handler failed"),
}
"""Every code of an answer that is not a code of ``WebhookError``. docs/reference/receive.md has them."""


def refuse(code: str) -> Taken:
    """The answer for a request that is refused.

    >>> refuse("not-found").body
    b'{"error":{"code":"not-found","message":"webhooks are taken at another path"}}'
    """
    status, message, headers = REFUSALS[code]
    return Taken(status, _error(code, status, message), _JSON + headers, code)


def error_answer(error: WebhookError) -> Taken:
    """The answer for what ``verify`` or a deduplicator refused."""
    later = _LATER if error.status == 503 else ()
    body = _error(error.code, error.status, error.message)
    return Taken(error.status, body, _JSON + later, error.code, error=error)


def accepted(scheme: Scheme, code: str, webhook: Webhook) -> Taken:
    """The answer for a webhook that was taken.

    The status is 200 and no other 2xx: Slack shows users of a command an error for any other. It also
    shows them what the body says, so there it is empty.
    """
    if scheme.name == "slack":
        return Taken(200, b"", (), code, webhook)
    return Taken(200, _json({"status": code}), _JSON, code, webhook)


def handled(scheme: Scheme, webhook: Webhook, result: object) -> Taken:
    """The answer after the handlers ran: a dict or a list that one returned, else that it was handled.

    Raises:
        TypeError, ValueError: what it returned is no JSON.
    """
    if isinstance(result, dict | list):
        return Taken(200, _json(result), _JSON, "handled", webhook)
    return accepted(scheme, "handled", webhook)


def take(
    body: bytes,
    headers: GivenHeaders,
    secrets: str | Sequence[str],
    *,
    scheme: Scheme,
    max_body: int,
    max_age_s: float | None,
    now: float,
) -> Taken:
    """Verify a request and decide what to answer; nothing is run, and nothing raised."""
    if isinstance(body, bytes | bytearray | memoryview) and len(body) > max_body:
        return refuse("body-too-large")
    try:
        webhook = verify(body, headers, secrets, scheme=scheme, max_age_s=max_age_s, now=now)
    except WebhookError as error:
        return error_answer(error)
    challenge = _challenge(scheme, webhook)
    if challenge is not None:
        return Taken(200, _json({"challenge": challenge}), _JSON, "challenge", webhook)
    return accepted(scheme, "accepted", webhook)


def _challenge(scheme: Scheme, webhook: Webhook) -> str | None:
    """What a sender wants to read before it sends anything (docs.slack.dev, url_verification)."""
    if scheme.name != "slack" or webhook.type != "url_verification":
        return None
    challenge = webhook.data.get("challenge")
    if isinstance(challenge, str) and len(challenge) <= MOST_CHALLENGE:
        return challenge
    return None


def _error(code: str, status: int, message: str) -> bytes:
    told = {"code": code} if status >= 500 else {"code": code, "message": message}
    return _json({"error": told})


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
