"""What the routes of client secrets and keys take and give, as types."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hookline.core.instants import isoformat
from hookline.core.rotation import DEFAULT_OVERLAP_S, MAX_OVERLAP_S
from hookline.send.client_secrets import KnownSecret, Rotated
from hookline.server.api.shapes import Instant, Name, ShownOnce
from hookline.store.credentials import ApiKey

__all__ = [
    "KeyCreated",
    "KeyIn",
    "KeyOut",
    "RotatedOut",
    "RotationIn",
    "SecretOut",
    "SigningIn",
]

# As in ``shapes``: the bounds are documented here and checked in the core, which says more.
Overlap = Annotated[
    float,
    Meta(
        description="seconds for which the secret before stays valid",
        extra_json_schema={"minimum": 0, "maximum": MAX_OVERLAP_S},
    ),
]
NewOrOld = Literal["new", "old"]
Scopes = Annotated[
    list[str],
    Meta(
        description="publish: hand in events; read: every GET; admin: everything",
        extra_json_schema={
            "items": {"type": "string", "enum": ["publish", "read", "admin"]},
            "minItems": 1,
        },
    ),
]


class RotationIn(msgspec.Struct, forbid_unknown_fields=True):
    """How to rotate."""

    overlap: Overlap = DEFAULT_OVERLAP_S
    sign_with: NewOrOld = "new"


class SigningIn(msgspec.Struct, forbid_unknown_fields=True):
    """Which secret signs during the overlap."""

    sign_with: NewOrOld


class RotatedOut(ShownOnce):
    """The new client secret, shown only now, and until when the one before is valid."""

    client_secret: str
    previous_expires_at: Instant
    sign_with: NewOrOld

    @classmethod
    def of(cls, rotated: Rotated) -> "RotatedOut":
        """From the value."""
        return cls(
            rotated.client_secret.reveal(),
            isoformat(rotated.previous_expires_at),
            rotated.sign_with.value,
        )


class SecretOut(msgspec.Struct):
    """A valid client secret, without its text; ``hint`` ends in its last four characters."""

    id: int
    created_at: Instant
    expires_at: Instant | None
    signs: bool
    hint: str | None

    @classmethod
    def of(cls, known: KnownSecret) -> "SecretOut":
        """From the value."""
        expires_at = None if known.expires_at is None else isoformat(known.expires_at)
        return cls(known.id, isoformat(known.created_at), expires_at, known.signs, known.hint)


class KeyIn(msgspec.Struct, forbid_unknown_fields=True):
    """A key to make, and what it opens."""

    name: Name
    scopes: Scopes = msgspec.field(default_factory=lambda: ["admin"])


class KeyOut(msgspec.Struct, kw_only=True):
    """A key of the API; the key itself is not kept."""

    id: int
    name: str
    scopes: list[str]
    created_at: Instant
    revoked_at: Instant | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyOut":
        """From the value."""
        return cls(**_key(key))


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": [scope.value for scope in key.scopes],
        "created_at": isoformat(key.created_at),
        "revoked_at": None if key.revoked_at is None else isoformat(key.revoked_at),
    }


class KeyCreated(KeyOut, ShownOnce, kw_only=True):
    """A new key, shown only now."""

    key: str

    @classmethod
    def made(cls, key: ApiKey, text: str) -> "KeyCreated":
        """From the value and the key's text."""
        return cls(**_key(key), key=text)
