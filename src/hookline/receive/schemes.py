"""The schemes: how each sender signs, and how its webhooks are read. Values, each with a name.

A name can be kept in a database or a setting; ``scheme_named`` gives the scheme back. A plain HMAC has
a name too, made of what it is: ``plain-hmac/sha256/hex/X-Signature/``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from hookline.core.errors import Invalid
from hookline.core.headers import SIGNATURE, TIMESTAMP
from hookline.receive import telling
from hookline.receive.forms import (
    ALGORITHMS,
    BareHmac,
    Claim,
    Encoding,
    Form,
    SlackForm,
    StripeForm,
)
from hookline.receive.headers import Headers
from hookline.receive.standard import StandardForm
from hookline.receive.telling import Told

__all__ = [
    "GITHUB",
    "SENTRY",
    "SENTRY_APP",
    "SHOPIFY",
    "SLACK",
    "STANDARD",
    "STRIPE",
    "SVIX",
    "Scheme",
    "names",
    "plain_hmac",
    "scheme_named",
]

TOLERANCE_S: Final = 300.0
"""How far a signed timestamp may be off, either way: what Standard Webhooks, Stripe and Slack say."""

_PLAIN: Final = "plain-hmac"
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110, 5.6.2
_PREFIX: Final = re.compile(r"[\x21-\x7e]{0,50}")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one sender signs.

    Attributes:
        name: stable, for settings and databases.
        sender: who signs so, for people.
        form: where the signature stands and what it is over.
        tell: what a body says.
        time_header: where a time stands that is *not* signed.
        json: bodies are JSON; else they are left as they are.
        forms: a body may also be a form with JSON under ``payload``, or a form alone.
        empty: a body may be empty.
    """

    name: str
    sender: str
    form: Form
    tell: Callable[[Headers, Claim, Any], Told]
    time_header: str = ""
    json: bool = True
    forms: bool = False
    empty: bool = False

    @property
    def tolerance_s(self) -> float | None:
        """The age at which a webhook is refused unless somebody says otherwise; None: at no age."""
        return TOLERANCE_S if self.form.signs_time else None


SENTRY: Final = Scheme(
    "sentry", "the documented system", BareHmac(SIGNATURE), telling.tell_hook, TIMESTAMP
)
"""The documented webhook. Neither the resource, the time nor the Request-ID is signed."""

SENTRY_APP: Final = Scheme(
    "sentry-app",
    "the documented system, from UI components",
    BareHmac("Sentry-App-Signature"),
    telling.tell_app_request,
    empty=True,
)
"""Requests of UI components: empty where they are a GET; their query is not signed."""

STANDARD: Final = Scheme("standard", "Standard Webhooks", StandardForm(), telling.tell_standard)
"""Standard Webhooks v1 and v1a, over id, time and body."""

SVIX: Final = Scheme("svix", "Svix", StandardForm("svix-", "webhook-"), telling.tell_standard)
"""The same under the names ``svix-…``, or under the standard ones where those are missing."""

GITHUB: Final = Scheme(
    "github",
    "GitHub",
    BareHmac("X-Hub-Signature-256", prefix="sha256="),
    telling.tell_github,
    forms=True,
)
"""GitHub, in both content types that it offers."""

STRIPE: Final = Scheme("stripe", "Stripe", StripeForm(), telling.tell_stripe)
"""Stripe, over time and body."""

SLACK: Final = Scheme("slack", "Slack", SlackForm(), telling.tell_slack, forms=True)
"""Slack: events, interactions and commands, over time and body."""

SHOPIFY: Final = Scheme(
    "shopify", "Shopify", BareHmac("X-Shopify-Hmac-Sha256", encoding="base64"), telling.tell_shopify
)
"""Shopify."""

_NAMED: Final = {
    scheme.name: scheme
    for scheme in (SENTRY, SENTRY_APP, STANDARD, SVIX, GITHUB, STRIPE, SLACK, SHOPIFY)
}


def names() -> tuple[str, ...]:
    """The names of all schemes but the plain ones.

    >>> names()
    ('sentry', 'sentry-app', 'standard', 'svix', 'github', 'stripe', 'slack', 'shopify')
    """
    return tuple(_NAMED)


def plain_hmac(
    *,
    header: str,
    algorithm: str = "sha256",
    encoding: Encoding = "hex",
    prefix: str = "",
    json: bool = True,
) -> Scheme:
    """The HMAC of the body with the secret as text, in a header: what most senders do.

    Args:
        header: the header that carries it.
        algorithm: sha1, sha256, sha384 or sha512.
        encoding: ``hex`` (lower case) or ``base64``.
        prefix: what stands before the digest, such as ``sha256=``.
        json: bodies are JSON; with False they are not parsed, and ``data`` is empty.

    Raises:
        Invalid: ``invalid-header``, ``unknown-algorithm``, ``unknown-encoding`` or ``invalid-prefix``.

    >>> plain_hmac(header="X-Signature", prefix="sha256=").name
    'plain-hmac/sha256/hex/json/X-Signature/sha256='
    """
    if not _HEADER_NAME.fullmatch(header):
        raise Invalid("invalid-header", "that is no header name", "Give one such as X-Signature.")
    if algorithm not in ALGORITHMS:
        raise Invalid(
            "unknown-algorithm", "that algorithm is not known", f"Known: {', '.join(ALGORITHMS)}."
        )
    if encoding not in {"hex", "base64"}:
        raise Invalid("unknown-encoding", "that encoding is not known", "Known: hex, base64.")
    if not _PREFIX.fullmatch(prefix):
        raise Invalid(
            "invalid-prefix",
            "the prefix is too long or holds what is not printable ASCII",
            "Give what stands before the digest, such as sha256=, or nothing.",
        )
    kind = "json" if json else "bytes"
    return Scheme(
        f"{_PLAIN}/{algorithm}/{encoding}/{kind}/{header}/{prefix}",
        f"a plain HMAC in {header}",
        BareHmac(header, algorithm, encoding, prefix),
        telling.tell_plain,
        json=json,
        empty=not json,
    )


def scheme_named(name: str) -> Scheme:
    """The scheme of a name.

    Raises:
        Invalid: ``unknown-scheme``, or what ``plain_hmac`` raises.

    >>> scheme_named("github") is GITHUB
    True
    """
    if name in _NAMED:
        return _NAMED[name]
    # A header's name has no slash; a prefix may have some.
    parts = name.split("/", 5)
    if len(parts) == 6 and parts[0] == _PLAIN and parts[3] in {"json", "bytes"}:
        _, algorithm, encoding, kind, header, prefix = parts
        return plain_hmac(
            header=header,
            algorithm=algorithm,
            encoding=cast("Encoding", encoding),
            prefix=prefix,
            json=kind == "json",
        )
    from difflib import get_close_matches  # noqa: PLC0415  (those who spell it right need it not)

    close = get_close_matches(name[:100], _NAMED, n=1)
    raise Invalid(
        "unknown-scheme",
        "there is no scheme of that name",
        f"{f'Did you mean {close[0]}? ' if close else ''}Known: {', '.join(_NAMED)}, or "
        f"{_PLAIN}/ALGORITHM/ENCODING/json/HEADER/PREFIX.",
    )
