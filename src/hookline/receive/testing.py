"""For the tests of those who receive: signed requests, and a receiver that records.

    >>> from hookline.receive import GITHUB, verify
    >>> body, headers = signed_request("s3cret", "issues.opened", scheme=GITHUB)
    >>> verify(body, headers, "s3cret", scheme=GITHUB).event
    'issues.opened'

With pytest there are fixtures of the same: ``hookline_signed``, ``hookline_receiver``.
"""

import json
import time
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import count
from typing import Any, Final, NamedTuple

from hookline.core import envelope
from hookline.core.canonical import encode, parse
from hookline.core.headers import CONTENT_TYPE, JSON, REQUEST_ID, RESOURCE, TIMESTAMP
from hookline.core.resources import DOCUMENTED
from hookline.receive.recording import Answer, Received, RecordingReceiver
from hookline.receive.schemes import SENTRY, Scheme
from hookline.samples import names as sample_names
from hookline.samples import sample

__all__ = [
    "INSTALLATION",
    "SECRET",
    "Answer",
    "Received",
    "RecordingReceiver",
    "SignedRequest",
    "sample_names",
    "signed_request",
]

SECRET: Final = "whsec_aG9va2xpbmUgdGVzdCBzZWNyZXQ="  # noqa: S105  (known to all on purpose)
"""A secret for tests that every scheme can use: text, and base64 behind ``whsec_``."""

INSTALLATION: Final = "6f1d2c80-0b7e-4a55-8a3b-51c9e0d7f246"
"""The installation of signed requests."""

_SYSTEM: Final = {"type": "application", "id": "sentry", "name": "Sentry"}
_EVENTS: Final = {
    "sentry": "issue.created",
    "sentry-app": "",
    "github": "issues.opened",
    "slack": "app_mention",
    "shopify": "orders/create",
}
_ELSE: Final = "invoice.paid"

_numbers = count()


class SignedRequest(NamedTuple):
    """What a sender sends: ``client.post(url, data=body, headers=headers)``."""

    body: bytes
    headers: dict[str, str]


class _Event(NamedTuple):
    name: str
    data: dict[str, Any] | None
    id: str
    now: float
    installation: str
    actor: dict[str, Any] | None


def signed_request(
    secret: str = SECRET,
    event: str | None = None,
    *,
    scheme: Scheme = SENTRY,
    data: dict[str, Any] | None = None,
    body: bytes | None = None,
    message_id: str | None = None,
    now: float | None = None,
    installation: str = INSTALLATION,
    actor: dict[str, Any] | None = None,
) -> SignedRequest:
    """Make a request as the sender of a scheme would.

    Args:
        secret: what to sign with; for Standard Webhooks ``whsec_…``, or ``whsk_…`` for ``v1a``.
        event: ``issue.created``; for others ``issues.opened``, ``orders/create``, …
        scheme: whose.
        data: what is in it; None is the sample of a documented event, else a few fields.
        body: the exact bytes, instead of what event and data would give.
        message_id: the id to tell duplicates by; None is a new one.
        now: seconds since 1970; None is now.
        installation: the installation in the body, in the documented schemes.
        actor: who did it, in the documented schemes; None is the sample's, or the system.

    Raises:
        WebhookError: ``secret-unusable`` or ``ed25519-missing``.
    """
    moment = time.time() if now is None else now
    name = _EVENTS.get(scheme.name, _ELSE) if event is None else event
    made = _Event(name, data, message_id or _new_id(), moment, installation, actor)
    told, headers = _BUILDERS.get(scheme.name, _plain)(made)
    content = told if body is None else body
    signed = scheme.form.sign(secret, content, message_id=made.id, timestamp=int(moment))
    kind = {} if scheme.name == "sentry-app" and not content else {CONTENT_TYPE: JSON}
    return SignedRequest(content, {**kind, **headers, **dict(signed)})


def _new_id() -> str:
    # Not random: ids of one run differ from each other and from those of another.
    seed = f"{time.time_ns()} {next(_numbers)}"
    return blake2b(seed.encode(), digest_size=16).hexdigest()


def _hook(event: _Event) -> tuple[bytes, dict[str, str]]:
    resource, _, action = event.name.partition(".")
    data, actor = event.data, event.actor
    if data is None and resource in DOCUMENTED and action in DOCUMENTED[resource].actions:
        made = sample(
            resource,
            action,
            now=int(event.now * 1_000_000),
            installation_uuid=event.installation,
        )
        data, actor = made.data, actor or made.actor
    tail = envelope.tail(_json(data or {}), _json(actor or _SYSTEM))
    headers = {
        REQUEST_ID: event.id,
        RESOURCE: resource,
        TIMESTAMP: str(int(event.now)),
    }
    return envelope.body(action, event.installation, tail), headers


def _app_request(event: _Event) -> tuple[bytes, dict[str, str]]:
    return b"" if event.data is None else _json(event.data), {REQUEST_ID: event.id}


def _standard(event: _Event) -> tuple[bytes, dict[str, str]]:
    moment = datetime.fromtimestamp(event.now, UTC).isoformat()
    return _json({"type": event.name, "timestamp": moment, "data": event.data or {"id": "7"}}), {}


def _github(event: _Event) -> tuple[bytes, dict[str, str]]:
    name, _, action = event.name.partition(".")
    told = {"action": action} if action else {}
    repository = {"repository": {"full_name": "northwind/checkout-api"}}
    headers = {"X-GitHub-Event": name, "X-GitHub-Delivery": event.id}
    return _json(told | (repository if event.data is None else event.data)), headers


def _stripe(event: _Event) -> tuple[bytes, dict[str, str]]:
    told = {
        "id": f"evt_{event.id}",
        "object": "event",
        "type": event.name,
        "created": int(event.now),
        "data": event.data or {"object": {"id": "in_7"}},
    }
    return _json(told), {}


def _slack(event: _Event) -> tuple[bytes, dict[str, str]]:
    if event.name == "url_verification":
        return _json({"type": event.name, "challenge": event.id}), {}
    told = {"type": event.name, **(event.data or {"text": "Is the till open?"})}
    return _json({"type": "event_callback", "event_id": f"Ev{event.id}", "event": told}), {}


def _shopify(event: _Event) -> tuple[bytes, dict[str, str]]:
    headers = {"X-Shopify-Topic": event.name, "X-Shopify-Webhook-Id": event.id}
    return _json(event.data or {"id": 7, "currency": "EUR"}), headers


def _plain(event: _Event) -> tuple[bytes, dict[str, str]]:
    return _json({"type": event.name, **(event.data or {"id": 7})}), {}


_BUILDERS: Final = {
    "sentry": _hook,
    "sentry-app": _app_request,
    "standard": _standard,
    "svix": _standard,
    "github": _github,
    "stripe": _stripe,
    "slack": _slack,
    "shopify": _shopify,
}


def _json(document: dict[str, Any]) -> bytes:
    """As Hookline sends: a body that JavaScript leaves as it is."""
    return encode(parse(json.dumps(document).encode())).text
