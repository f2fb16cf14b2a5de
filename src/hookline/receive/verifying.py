"""``verify``: from a stranger's bytes to a ``Webhook``, or to the one exception.

Order matters. The signature comes first, over the bytes as they are; the age is looked at when the
signature is right, so that an old genuine webhook is told from a forged one; the parser sees only what
was signed.
"""

import json
import time
from collections.abc import Sequence
from typing import Any, Final

from hookline.receive.errors import Evidence, WebhookError
from hookline.receive.forms import Claim
from hookline.receive.headers import GivenHeaders, Headers, read_headers
from hookline.receive.schemes import SENTRY, Scheme
from hookline.receive.webhook import Webhook

__all__ = ["check_age", "check_secrets", "raw_bytes", "verify"]

_MOST_FIELDS: Final = 1_000
_FORM: Final = "application/x-www-form-urlencoded"


def verify(
    body: bytes,
    headers: GivenHeaders,
    secrets: str | Sequence[str],
    *,
    scheme: Scheme = SENTRY,
    max_age_s: float | None = None,
    now: float | None = None,
) -> Webhook:
    """Return the webhook if one of the secrets signed it.

    Args:
        body: the raw bytes of the request.
        headers: names in any case, values text or bytes; a mapping or pairs.
        secrets: the secret, or all that are valid while one is being rotated.
        scheme: how the sender signs.
        max_age_s: how many seconds before or after ``now`` it may have been sent. None is 300 where the
            time is signed (Standard Webhooks, Svix, Stripe, Slack), and no limit elsewhere;
            ``math.inf`` is no limit anywhere. In the documented scheme **the time is not signed**, and
            neither are the resource and the Request-ID: whoever captured a request can send it again
            under a new time, so there a limit finds stuck queues and wrong clocks, and stops nobody.
        now: seconds since 1970; None is this machine's clock.

    Raises:
        WebhookError: it is not a webhook that can be trusted; nothing else is ever raised, whatever
            the bytes are. Its ``status`` is what to answer.

    >>> from hookline.core.signing import sign
    >>> body = b'{"action":"created","installation":{"uuid":"24b3"},"data":{"issue":{"id":"7"}}}'
    >>> signed = {"sentry-hook-resource": "issue", "Sentry-Hook-Signature": sign("s3cret", body)}
    >>> webhook = verify(body, signed, ["new-s3cret", "s3cret"])
    >>> webhook.event, webhook.data["issue"]["id"], webhook.installation
    ('issue.created', '7', '24b3')
    """
    raw = raw_bytes(body)
    given = read_headers(headers)
    moment = time.time() if now is None else now
    try:
        return _verified(raw, given, check_secrets(secrets), scheme, max_age_s, moment)
    except WebhookError as error:
        evidence = Evidence(raw, given.pairs(), scheme, moment, max_age_s)
        raise WebhookError(error.code, error.message, evidence=evidence) from None


def _verified(
    body: bytes,
    headers: Headers,
    secrets: tuple[str, ...],
    scheme: Scheme,
    max_age_s: float | None,
    now: float,
) -> Webhook:
    claim = scheme.form.read(headers)
    if not any(scheme.form.proves(secret, claim, body) for secret in secrets):
        which = "the secret" if len(secrets) == 1 else f"any of the {len(secrets)} secrets"
        raise WebhookError(
            "signature-mismatch", f"the signature does not fit {which} over {len(body)} bytes"
        )
    timestamp = check_age(scheme, claim, headers, max_age_s, now)
    document = _document(body, headers, scheme)
    told = scheme.tell(headers, claim, document)
    return Webhook(
        scheme=scheme.name,
        type=told.type,
        resource=told.resource,
        action=told.action,
        id=told.id,
        timestamp=timestamp,
        installation=told.installation,
        actor=told.actor or {},
        data=told.data,
        payload=document,
        body=body,
        headers=headers.joined(),
    )


def check_secrets(secrets: str | Sequence[str]) -> tuple[str, ...]:
    """See that there are secrets, and that none is empty.

    A variable that is not set gives an empty secret, and with that anybody can sign.

    Raises:
        WebhookError: ``no-secret``.
    """
    several = (secrets,) if isinstance(secrets, str) else secrets
    try:
        listed: tuple[Any, ...] = tuple(several)
    except TypeError:
        listed = ()
    if not listed:
        raise WebhookError("no-secret", "there is no secret to check the signature with")
    for secret in listed:
        if not isinstance(secret, str) or not secret.strip():
            what = "empty" if isinstance(secret, str) else f"a {type(secret).__name__}"
            raise WebhookError("no-secret", f"a secret is {what}, not text")
    return listed


def check_age(
    scheme: Scheme, claim: Claim, headers: Headers, max_age_s: float | None, now: float
) -> int | None:
    """The time at which it was sent, if it is young enough.

    Raises:
        WebhookError: ``timestamp-…``, ``header-duplicate`` or ``no-timestamp``.
    """
    limit = scheme.tolerance_s if max_age_s is None else max_age_s
    text = claim.timestamp
    if not scheme.form.signs_time:
        text = _unsigned_time(scheme, headers, wanted=limit is not None)
    if not text:
        return None
    sent = int(text)
    if limit is not None and not now - sent <= limit:
        raise WebhookError("timestamp-too-old", f"it was sent {now - sent:,.0f} seconds ago")
    if limit is not None and not sent - now <= limit:
        raise WebhookError(
            "timestamp-in-future", f"it was sent {sent - now:,.0f} seconds in the future"
        )
    return sent


def _unsigned_time(scheme: Scheme, headers: Headers, *, wanted: bool) -> str:
    header = scheme.time_header
    if not header:
        if wanted:
            raise WebhookError("no-timestamp", f"{scheme.sender} tells no time, so there is no age")
        return ""
    text = headers.get(header)
    if text.isascii() and text.isdecimal() and len(text) <= 12:
        return text
    if wanted:
        raise WebhookError(
            "timestamp-malformed" if text else "timestamp-missing",
            f"{header} is not whole seconds since 1970" if text else f"there is no header {header}",
        )
    return ""


def raw_bytes(body: object) -> bytes:
    """The body, if it is one.

    Raises:
        WebhookError: ``body-not-bytes``.
    """
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    raise WebhookError("body-not-bytes", f"the body is a {type(body).__name__}, not bytes")


def _document(body: bytes, headers: Headers, scheme: Scheme) -> Any:
    if not body and scheme.empty:
        return None
    if not scheme.json:
        return None
    if scheme.forms and headers.get("Content-Type").lower().startswith(_FORM):
        return _form(body)
    return _json(body)


def _json(text: bytes | str) -> Any:
    try:
        # Decoded here: json.loads guesses at UTF-16 and UTF-32 where it is given bytes.
        return json.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise WebhookError("body-not-json", _why_not_json(text, error)) from None


def _why_not_json(text: bytes | str, error: Exception) -> str:
    if not text:
        return "the body is empty"
    if isinstance(error, json.JSONDecodeError):
        return f"the body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"the body is not UTF-8 at byte {error.start}"
    if isinstance(error, RecursionError):
        return "the body nests too deep"
    return "the body holds a number of too many digits"


def _form(body: bytes) -> Any:
    from urllib.parse import parse_qs  # noqa: PLC0415  (few senders need it)

    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise WebhookError("body-not-json", "the body is no form of a sane size") from None
    if "payload" in fields:
        return _json(fields["payload"][0])
    return {name: values[0] for name, values in fields.items()}
