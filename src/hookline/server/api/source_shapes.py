"""What the routes of sources take and give, as types."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookline.core.forwarding import Forwarded
from hookline.core.instants import isoformat
from hookline.core.source import LEAST_BODY, Source
from hookline.send.sources import KnownSourceSecret, MadeSource
from hookline.server.api.log_shapes import base64_text, printable
from hookline.server.api.shapes import Instant, Name, ShownOnce
from hookline.store.sources import KeptRequest

__all__ = [
    "PlainHmacIn",
    "RefusedOut",
    "RefusedPage",
    "SourceChanges",
    "SourceCreated",
    "SourceIn",
    "SourceList",
    "SourceOut",
    "SourceSecretIn",
    "SourceSecretOut",
]

# As in ``shapes``: the bounds are documented here and checked elsewhere, which says more.
SourceSecret = Annotated[
    str,
    Meta(
        description="what the sender signs with, as the sender shows it",
        extra_json_schema={"minLength": 1, "maxLength": 1_000},
    ),
]
Deduplicate = Annotated[
    str,
    Meta(description="none, request-id, body, or JMESPath for a field of the body"),
]
BodyLimit = Annotated[int, Meta(extra_json_schema={"minimum": LEAST_BODY})]
KeepRefused = Annotated[bool, Meta(description="keep the last 100 requests that were refused")]


class PlainHmacIn(msgspec.Struct, forbid_unknown_fields=True):
    """How a sender signs that puts the HMAC of the body into a header."""

    header: str
    algorithm: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    json: bool = True


class SourceIn(msgspec.Struct, forbid_unknown_fields=True):
    """A source to make."""

    name: Name
    organization: Annotated[str, Meta(max_length=200)]
    scheme: Annotated[str, Meta(max_length=400, description="how the sender signs, by name")]
    secrets: Annotated[list[SourceSecret], Meta(extra_json_schema={"minItems": 1, "maxItems": 2})]
    slug: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    plain_hmac: PlainHmacIn | None = None
    deduplicate: Deduplicate = "none"
    max_body_bytes: BodyLimit | UnsetType | None = UNSET
    keep_refused: KeepRefused = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class SourceChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of a source; what is left out stays."""

    name: Name | UnsetType = UNSET
    deduplicate: Deduplicate | UnsetType = UNSET
    max_body_bytes: BodyLimit | UnsetType = UNSET
    keep_refused: KeepRefused | UnsetType = UNSET


class SourceOut(msgspec.Struct, kw_only=True):
    """A source, without its URL and its secrets."""

    slug: str
    name: str
    organization: str
    scheme: str
    deduplicate: str
    max_body_bytes: int
    keep_refused: bool
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, source: Source) -> "SourceOut":
        """From the value."""
        return cls(**_source(source))


def _source(source: Source) -> dict[str, Any]:
    return {
        "slug": source.slug,
        "name": source.name,
        "organization": source.organization,
        "scheme": source.scheme,
        "deduplicate": source.deduplicate,
        "max_body_bytes": source.max_body_bytes,
        "keep_refused": source.keep_refused,
        "created_at": isoformat(source.created_at),
        "updated_at": isoformat(source.updated_at),
    }


class SourceCreated(SourceOut, ShownOnce, kw_only=True):
    """A source with its URL, shown only now; ``path`` is that on whatever host we are reached by."""

    url: str
    path: str

    @classmethod
    def made(cls, made: MadeSource, base_url: str) -> "SourceCreated":
        """From the value, and where the caller reached us."""
        path = f"/in/{made.token.reveal()}"
        return cls(**_source(made.source), url=base_url.rstrip("/") + path, path=path)


class SourceList(msgspec.Struct):
    """All sources, by slug."""

    sources: list[SourceOut]


class SourceSecretIn(msgspec.Struct, forbid_unknown_fields=True):
    """A secret to take, too."""

    secret: SourceSecret

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class SourceSecretOut(msgspec.Struct):
    """A secret of a source, without its text; ``hint`` ends in its last four characters."""

    id: int
    created_at: Instant
    hint: str | None

    @classmethod
    def of(cls, known: KnownSourceSecret) -> "SourceSecretOut":
        """From the value."""
        return cls(known.id, isoformat(known.created_at), known.hint)


class RefusedOut(msgspec.Struct, kw_only=True):
    """A request that was refused: why, its headers but for what opens something, its beginning."""

    id: int
    at: Instant
    code: str
    message: str
    headers: list[tuple[str, str]]
    body: str
    body_base64: str
    body_bytes: int

    @classmethod
    def of(cls, kept: KeptRequest) -> "RefusedOut":
        """From the value."""
        return cls(
            id=kept.id,
            at=isoformat(kept.at),
            code=kept.code,
            message=kept.message,
            headers=list(Forwarded.decode(kept.headers).headers),
            body=printable(kept.body),
            body_base64=base64_text(kept.body),
            body_bytes=kept.body_bytes,
        )


class RefusedPage(msgspec.Struct):
    """What a source refused, newest first; ``kept``: whether it keeps any."""

    refused: list[RefusedOut]
    kept: bool
