"""The one exception of the receiver kit, and all the reasons that it can have.

A receiver has one thing to catch. ``code`` is stable, ``status`` is what to answer: 401 for trouble
with the signature, 400 for a body or header that is no webhook, 500 where the receiver itself is set
up wrongly (the sender tries again later, when that is mended), 503 where it cannot take it now.

Rule: a message holds no secret, no signature and no part of the body; it can be logged, and it can be
sent back to a stranger.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from hookline.core.errors import HooklineError
from hookline.core.mistakes import RAW_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hookline.core.diagnosis import Diagnosis
    from hookline.receive.schemes import Scheme

__all__ = ["REASONS", "Evidence", "Reason", "WebhookError"]


class Reason(NamedTuple):
    """Why a request is no webhook that can be trusted, whatever the request is.

    Attributes:
        status: the HTTP status to answer with.
        hint: what to do about it.
    """

    status: int
    hint: str


_TIME_HINT: Final = (
    "See that this machine's clock is right; whoever sends old webhooks again has to sign them again. "
    "max_age_s sets how old they may be."
)

REASONS: Final[dict[str, Reason]] = {
    "signature-missing": Reason(
        401,
        "See that it comes from the sender you think, that the scheme is the sender's, and that no "
        "proxy drops the header.",
    ),
    "signature-duplicate": Reason(
        401, "Find out who on the way adds a second one; a sender sends one."
    ),
    "signature-malformed": Reason(
        401,
        "See that the scheme is the sender's and that the whole value arrives; hookline verify tells "
        "more.",
    ),
    "signature-mismatch": Reason(
        401,
        f"{RAW_BYTES}. See that the secret is this integration's. To learn which mistake explains it, "
        "call explain() on this error, or run hookline verify.",
    ),
    "timestamp-missing": Reason(
        401, "See that no proxy drops the header, and that the scheme is the sender's."
    ),
    "timestamp-malformed": Reason(401, "It has to be whole seconds since 1970, in decimal digits."),
    "timestamp-too-old": Reason(401, _TIME_HINT),
    "timestamp-in-future": Reason(401, _TIME_HINT),
    "header-missing": Reason(
        400, "See that no proxy drops the header, and that the scheme is the sender's."
    ),
    "header-duplicate": Reason(
        400, "Find out who on the way adds a second one; a sender sends one."
    ),
    "body-not-json": Reason(
        400,
        "The signature is right, so the sender sent this: compare the scheme with the sender, or use "
        "plain_hmac(..., json=False) where bodies are no JSON.",
    ),
    "body-not-documented": Reason(
        400, "The signature is right, so the sender sent this: compare the scheme with the sender."
    ),
    "body-not-bytes": Reason(
        500,
        "Give the raw bytes of the request, before any JSON parser: request.get_data() in Flask, "
        "request.body in Django, await request.body() in FastAPI and Starlette, await request.body() "
        'in Litestar, await request.read() in aiohttp; elsewhere what express.raw({type: "*/*"}) is '
        "in Express.",
    ),
    "headers-unreadable": Reason(
        500, "Give the framework's headers as they are, a dict, or pairs of name and value."
    ),
    "no-secret": Reason(
        500,
        "Give the client secret of the integration, and see that the variable or file it is read from "
        "is there.",
    ),
    "secret-unusable": Reason(
        500, "Standard Webhooks secrets are whsec_ and base64; public keys are whpk_ and base64."
    ),
    "no-timestamp": Reason(500, "Leave max_age_s out: this sender tells no time."),
    "ed25519-missing": Reason(500, 'Install it: pip install "hookline[ed25519]"'),
    "deduplicator-failed": Reason(
        503,
        "See that the file's folder can be written and has room; answer 503 and it comes again.",
    ),
}
"""Every code, with its status and its hint. docs/reference/receive.md lists them."""


class Evidence(NamedTuple):
    """What was checked; kept so that the error can be asked for more."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    scheme: "Scheme"
    now: float
    max_age_s: float | None


class WebhookError(HooklineError):
    """A request is not a webhook that can be trusted, or the receiver is not set up to tell.

    Args:
        code: one of ``REASONS``; stable.
        message: what happened.
        evidence: what was checked.

    Attributes:
        status: what to answer.
        hint: what to do about it.
    """

    def __init__(self, code: str, message: str, *, evidence: Evidence | None = None):
        reason = REASONS[code]
        super().__init__(code, message, reason.hint)
        self.status = reason.status
        self._evidence = evidence

    def explain(
        self, secrets: "str | Sequence[str]", *, old_secrets: "str | Sequence[str]" = ()
    ) -> "Diagnosis":
        """Find out which mistake explains the error. Only for eyes that you trust, and by hand.

        It costs up to some hundred HMACs over the body, so a receiver that did this for each bad
        request could be kept busy by strangers: call it in a debugger, in tests, for one request in
        a thousand, or use ``hookline verify``.

        Args:
            secrets: those that are valid.
            old_secrets: those that were valid before; "it is the old secret" needs them.
        """
        from hookline.receive.explaining import explain, unchecked  # noqa: PLC0415  (rarely needed)

        if self._evidence is None:
            return unchecked(self)
        body, headers, scheme, now, max_age_s = self._evidence
        return explain(
            body,
            headers,
            secrets,
            scheme=scheme,
            old_secrets=old_secrets,
            now=now,
            max_age_s=max_age_s,
        )
