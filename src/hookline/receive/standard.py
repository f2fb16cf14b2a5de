"""Standard Webhooks (standardwebhooks.com): ``v1`` is an HMAC, ``v1a`` is Ed25519.

Three headers, whose names share a prefix: ``webhook-id``, ``webhook-timestamp``,
``webhook-signature``; Svix calls them ``svix-…``. Signed is ``id.timestamp.body``. The signature header
holds one or more, each ``v1,base64`` or ``v1a,base64``, separated by blanks.

==========  ===========================================================================
``whsec_``  base64 of the HMAC's key; the prefix may be missing, and so may the padding
``whpk_``   base64 of an Ed25519 public key, 32 bytes: verifies ``v1a``
``whsk_``   base64 of an Ed25519 private key, its 32 bytes or those and the public key's: signs
==========  ===========================================================================

Ed25519 is the one thing here that Python does not bring along: ``cryptography`` is imported when the
first ``v1a`` signature meets a public key, and not before.
"""

import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hookline.receive.errors import WebhookError
from hookline.receive.forms import MOST_SIGNATURES, Claim, same, stamp
from hookline.receive.headers import Headers

__all__ = ["PRIVATE", "PUBLIC", "SECRET", "StandardForm", "key_bytes"]

SECRET: Final = "whsec_"  # noqa: S105  (what is before the secret)
PUBLIC: Final = "whpk_"
PRIVATE: Final = "whsk_"

_VERSIONS: Final = ("v1,", "v1a,")

Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StandardForm:
    """The three headers under one prefix.

    Attributes:
        prefix: ``webhook-``, or a sender's own.
        other: a second prefix, for senders that changed from one to the other.
    """

    prefix: str = "webhook-"
    other: str = ""

    signs_time = True

    @property
    def header(self) -> str:
        """The header that carries the signatures."""
        return f"{self.prefix}signature"

    def read(self, headers: Headers) -> Claim:
        """Read id, time, and the signatures of known versions."""
        prefix = self.prefix
        if self.other and not headers.has(self.header):
            prefix = self.other if headers.has(f"{self.other}signature") else prefix
        value = headers.signature(f"{prefix}signature")
        given = [each for each in value.split(" ") if each]
        known = [each for each in given if each.startswith(_VERSIONS)]
        if not known or len(given) > MOST_SIGNATURES:
            raise WebhookError(
                "signature-malformed",
                f"{prefix}signature has {len(known)} signatures of version v1 or v1a among "
                f"{len(given)}; 1 to {MOST_SIGNATURES} make sense",
            )
        message_id = headers.get(f"{prefix}id")
        if not message_id:
            raise WebhookError("header-missing", f"there is no header {prefix}id")
        time = stamp(headers.get(f"{prefix}timestamp"), f"header {prefix}timestamp")
        return Claim(tuple(known), time, message_id)

    def proves(self, secret: str, claim: Claim, body: bytes) -> bool:
        """Compare with the right HMAC, or ask the public key."""
        content = _content(claim.id, claim.timestamp, body)
        if not secret.startswith(PUBLIC):
            return same(_v1(secret, content), claim.signatures)
        key = key_bytes(secret)
        signatures = [each for each in claim.signatures if each.startswith("v1a,")]
        return any(_ed25519_proves(key, content, each[4:]) for each in signatures)

    def sign(self, secret: str, body: bytes, *, message_id: str, timestamp: int) -> Pairs:
        """Sign with a ``whsec_`` or, in Ed25519, with a ``whsk_``."""
        content = _content(message_id, str(timestamp), body)
        private = secret.startswith(PRIVATE)
        signature = _v1a(secret, content) if private else _v1(secret, content)
        return (
            (f"{self.prefix}id", message_id),
            (f"{self.prefix}timestamp", str(timestamp)),
            (self.header, signature),
        )


def key_bytes(secret: str) -> bytes:
    """The key that a secret spells.

    Raises:
        WebhookError: ``secret-unusable``; never shows it.

    >>> key_bytes("whsec_bm9ydGh3aW5k"), key_bytes("bm9ydGh3aW5kcw")
    (b'northwind', b'northwinds')
    """
    prefix = next((p for p in (SECRET, PUBLIC, PRIVATE) if secret.startswith(p)), "")
    text = secret[len(prefix) :].rstrip("=")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise WebhookError("secret-unusable", "the secret is no base64") from None
    lengths = {PUBLIC: (32,), PRIVATE: (32, 64)}.get(prefix)
    if not key or (lengths and len(key) not in lengths):
        raise WebhookError("secret-unusable", f"the secret holds {len(key)} bytes of key")
    return key


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    # Header values were read as latin-1 where they came as bytes; an id is ASCII wherever it is sane.
    head = f"{message_id}.{timestamp}.".encode("utf-8", "surrogatepass")
    return head + body


def _v1(secret: str, content: bytes) -> str:
    return "v1," + b64encode(hmac.digest(key_bytes(secret), content, "sha256")).decode()


def _v1a(secret: str, content: bytes) -> str:
    # The first half of 64 bytes is the private key proper, the second repeats the public one.
    key = _ed25519().Ed25519PrivateKey.from_private_bytes(key_bytes(secret)[:32])
    return "v1a," + b64encode(key.sign(content)).decode()


def _ed25519_proves(key: bytes, content: bytes, given: str) -> bool:
    ed25519 = _ed25519()
    try:
        signature = b64decode(given.encode("ascii"), validate=True)
    except ValueError:
        return False
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError:
        raise WebhookError(
            "ed25519-missing", "v1a signatures are Ed25519, which needs the package cryptography"
        ) from None
    return ed25519
