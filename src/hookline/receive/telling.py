"""What a verified body says, for each sender: pure functions from headers and document to ``Told``.

Everything here was signed, or stands beside what was signed; so it is the sender's word, and only what
the documented scheme promises is checked. What a sender adds is left alone.
"""

from typing import Any, NamedTuple, TypeAlias

from hookline.core.headers import REQUEST_ID, RESOURCE
from hookline.receive.errors import WebhookError
from hookline.receive.forms import Claim
from hookline.receive.headers import Headers

__all__ = [
    "Json",
    "Told",
    "tell_app_request",
    "tell_github",
    "tell_hook",
    "tell_plain",
    "tell_shopify",
    "tell_slack",
    "tell_standard",
    "tell_stripe",
]

Json: TypeAlias = dict[str, Any]


class Told(NamedTuple):
    """What a body says; the fields are those of ``Webhook``."""

    type: str
    resource: str
    action: str
    data: Json
    id: str | None = None
    installation: str | None = None
    actor: Json | None = None


def tell_hook(headers: Headers, _claim: Claim, document: Any) -> Told:
    """The documented webhook: the resource in a header, all else in the envelope."""
    resource = headers.get(RESOURCE)
    if not resource:
        raise WebhookError("header-missing", f"there is no header {RESOURCE}")
    envelope = _object(document)
    action, data = envelope.get("action"), envelope.get("data")
    if not isinstance(action, str) or not isinstance(data, dict):
        raise WebhookError(
            "body-not-documented", "the body has no text under action, or no object under data"
        )
    return Told(
        type=f"{resource}.{action}",
        resource=resource,
        action=action,
        data=data,
        id=headers.get(REQUEST_ID) or None,
        installation=_text(_dict(envelope.get("installation")).get("uuid")) or None,
        actor=_dict(envelope.get("actor")),
    )


def tell_app_request(headers: Headers, _claim: Claim, document: Any) -> Told:
    """A request of a UI component: no envelope, and often an empty body."""
    data = _dict(document)
    return Told(
        type="",
        resource="",
        action="",
        data=data,
        id=headers.get(REQUEST_ID) or None,
        installation=_text(data.get("installationId")) or None,
        actor=_dict(data.get("actor")),
    )


def tell_standard(_headers: Headers, claim: Claim, document: Any) -> Told:
    """Standard Webhooks: ``{"type", "timestamp", "data"}`` is recommended, not required."""
    body = _dict(document)
    return _of_type(_text(body.get("type")), _inner(body), claim.id)


def tell_stripe(_headers: Headers, _claim: Claim, document: Any) -> Told:
    """Stripe: an event object; what it is about stands in ``data.object``."""
    body = _object(document)
    return _of_type(_text(body.get("type")), _inner(body), _text(body.get("id")))


def tell_github(headers: Headers, _claim: Claim, document: Any) -> Told:
    """GitHub: the event in a header, the action in the body, if there is one."""
    event, data = headers.get("X-GitHub-Event"), _object(document)
    if not event:
        raise WebhookError("header-missing", "there is no header X-GitHub-Event")
    action = _text(data.get("action"))
    return Told(
        type=f"{event}.{action}" if action else event,
        resource=event,
        action=action,
        data=data,
        id=headers.get("X-GitHub-Delivery") or None,
    )


def tell_slack(_headers: Headers, _claim: Claim, document: Any) -> Told:
    """Slack: of an event its own type and subtype, else the outer type (``url_verification``)."""
    data = _dict(document)
    inner = _dict(data.get("event"))
    resource = _text((inner or data).get("type")) or _text(data.get("command"))
    action = _text(inner.get("subtype"))
    return Told(
        type=f"{resource}.{action}" if action else resource,
        resource=resource,
        action=action,
        data=data,
        id=_text(data.get("event_id")) or None,
    )


def tell_shopify(headers: Headers, _claim: Claim, document: Any) -> Told:
    """Shopify: all but the object itself stands in headers."""
    # The webhook's own id stays the same when it is sent again. The event's id does too, but all
    # subscriptions to one event share it, and dropping the second of them would lose a webhook.
    message_id = headers.get("X-Shopify-Webhook-Id") or headers.get("X-Shopify-Event-Id")
    return _of_type(headers.get("X-Shopify-Topic"), _dict(document), message_id)


def tell_plain(_headers: Headers, _claim: Claim, document: Any) -> Told:
    """An unknown sender: the ``type`` or ``event`` that most bodies have, and no id.

    Headers such as ``X-Request-ID`` are new for each attempt where a proxy makes them.
    """
    data = _dict(document)
    return _of_type(_text(data.get("type")) or _text(data.get("event")), data, "")


def _of_type(name: str, data: Json, message_id: str) -> Told:
    """Take ``customer.subscription.updated`` and ``orders/create`` apart at the last dot or slash."""
    cut = max(name.rfind("."), name.rfind("/"))
    resource, action = (name[:cut], name[cut + 1 :]) if cut > 0 else (name, "")
    return Told(name, resource, action, data, message_id or None)


def _inner(body: Json) -> Json:
    data = body.get("data")
    return data if isinstance(data, dict) else body


def _object(document: Any) -> Json:
    if not isinstance(document, dict):
        raise WebhookError("body-not-documented", "the body is JSON, but not an object")
    return document


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
