"""Sources: where webhooks of others come in, and the rules for them.

A source has a URL with a token that nobody can guess. What comes there and is signed by one of the
source's secrets becomes an event of its organization, and goes to its routes (``core.routing``).
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from hookline.core.errors import Invalid

__all__ = [
    "BY_BODY",
    "BY_REQUEST_ID",
    "LEAST_BODY",
    "LONGEST_SECRET",
    "MOST_SECRETS",
    "NOT_AT_ALL",
    "USUAL_BODY",
    "Source",
    "check_body_limit",
    "check_source_secret",
    "external_id",
    "key_text",
    "told",
]

NOT_AT_ALL: Final = "none"
BY_REQUEST_ID: Final = "request-id"
BY_BODY: Final = "body"
"""How duplicates are told; anything else is an expression for a field of the body."""

MOST_SECRETS: Final = 2
LONGEST_SECRET: Final = 1_000
LEAST_BODY: Final = 1_024
USUAL_BODY: Final = 1_048_576
LONGEST_TOLD: Final = 100

_KEY: Final = re.compile(r"[!-~]{1,80}")
_DIGEST: Final = "sha256:"


@dataclass(frozen=True, slots=True)
class Source:
    """Where webhooks of one sender come in.

    Attributes:
        uuid: what its secrets are bound to at rest.
        organization: slug of the organization whose events they become.
        scheme: how the sender signs, by name.
        deduplicate: ``none``, ``request-id``, ``body``, or a JMESPath expression for a field.
        max_body_bytes: a longer body is refused.
        keep_refused: whether the last refused requests are kept for inspection.
    """

    id: int
    uuid: str
    slug: str
    name: str
    organization_id: int
    organization: str
    scheme: str
    deduplicate: str
    max_body_bytes: int
    keep_refused: bool
    created_at: int
    updated_at: int


def check_body_limit(value: int, most: int) -> int:
    """How many bytes a body may have; ``most``: what the server takes at all."""
    if min(LEAST_BODY, most) <= value <= most:
        return value
    raise Invalid(
        "out-of-range",
        f"a body's limit is {min(LEAST_BODY, most):,} to {most:,} bytes",
        "the operator raises the upper end with HOOKLINE_MAX_DATA_BYTES",
        where="/max_body_bytes",
    )


def check_source_secret(value: str, where: str) -> str:
    """A secret that the sender signs with: any text, but neither empty nor endless.

    It is not repeated in what is raised.
    """
    if value.strip() and len(value) <= LONGEST_SECRET:
        return value
    raise Invalid(
        "invalid-secret",
        f"a secret has 1 to {LONGEST_SECRET} characters that are not all blanks",
        "give the secret that the sender signs with, as the sender shows it",
        where=where,
    )


def told(text: str) -> str:
    r"""A name that a sender gave, as it is kept: on one line, with an end, and storable.

    >>> told("issue"), told("a\nb"), told("\ud83d")
    ('issue', 'a\\nb', '\\ud83d')
    """
    cut = text if len(text) <= LONGEST_TOLD else text[: LONGEST_TOLD - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut)


def external_id(source_id: int, key: str) -> str:
    """The id of an event that came in, of which its organization has each once.

    There is a blank in it. Publishers' own ids have none (``send.intake``), so neither can ever be
    taken for the other. A key that is long, or no plain ASCII, is told by its digest.

    >>> external_id(3, "4f1c")
    'source-3 4f1c'
    """
    if not _KEY.fullmatch(key) or key.startswith(_DIGEST):
        key = _DIGEST + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"source-{source_id} {key}"


def key_text(value: Any) -> str | None:
    """What a field of a body says, as a key; None where it says nothing.

    >>> key_text("ev_1"), key_text(17), key_text({"b": 1, "a": 2}), key_text(None)
    ('ev_1', '17', '{"a":2,"b":1}', None)
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
