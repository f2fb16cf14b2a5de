"""Forms of signatures: where they stand, what they are over, and how they are made.

A form is a value: it reads the headers into a ``Claim``, says whether a secret *proves* the claim, and
signs. What a given signature says is never decoded; the right one is computed in the same spelling
and the two are compared as text, in constant time. So nothing that a stranger writes there can make
a decoder raise.
"""

import hmac
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from hookline.receive.errors import WebhookError
from hookline.receive.headers import Headers

__all__ = [
    "ALGORITHMS",
    "MOST_SIGNATURES",
    "BareHmac",
    "Claim",
    "Encoding",
    "Form",
    "SlackForm",
    "StripeForm",
    "digest",
    "key_of",
    "same",
]

Encoding: TypeAlias = Literal["hex", "base64"]
Pairs: TypeAlias = tuple[tuple[str, str], ...]

ALGORITHMS: Final = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
"""Algorithms of plain HMACs, and the bytes that each gives."""

MOST_SIGNATURES: Final = 10
"""So many signatures in one header are looked at. A sender sends one for each of its valid secrets."""

_STAMP: Final = re.compile(r"[0-9]{1,12}")


class Claim(NamedTuple):
    """What the headers say, before anything of it is believed.

    Attributes:
        signatures: those that could be right, in the spelling of the form.
        timestamp: the seconds that are signed, as they stand there; ``""`` where none are.
        id: the id that is signed; ``""`` where none is.
    """

    signatures: tuple[str, ...]
    timestamp: str = ""
    id: str = ""


class Form(Protocol):
    """One form of signatures."""

    @property
    def header(self) -> str:
        """The header that carries the signature."""

    @property
    def signs_time(self) -> bool:
        """Whether the timestamp is signed, so that its age means something."""

    def read(self, headers: Headers) -> Claim:
        """Read the headers.

        Raises:
            WebhookError: ``signature-…``, ``timestamp-…``, ``header-…``.
        """

    def proves(self, secret: str, claim: Claim, body: bytes) -> bool:
        """Whether one of the signatures was made with this secret over this body.

        Raises:
            WebhookError: ``secret-unusable`` or ``ed25519-missing``.
        """

    def sign(self, secret: str, body: bytes, *, message_id: str, timestamp: int) -> Pairs:
        """The headers that a sender adds: the signature, and what is signed with the body.

        Raises:
            WebhookError: ``secret-unusable`` or ``ed25519-missing``.
        """


@dataclass(frozen=True, slots=True)
class BareHmac:
    """The HMAC of the body and of nothing else, in a header of its own.

    Attributes:
        header: the header that carries it.
        algorithm: one of ``ALGORITHMS``.
        encoding: how the digest is spelt: lower-case hex, or base64 with its padding.
        prefix: what stands before it, such as ``sha256=``.
    """

    header: str
    algorithm: str = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""

    signs_time = False

    def read(self, headers: Headers) -> Claim:
        """Read the one signature."""
        value = headers.signature(self.header)
        length = len(self._spelt(bytes(ALGORITHMS[self.algorithm])))
        if len(value) != length or not value.startswith(self.prefix):
            shape = f"{self.prefix}… of {length} characters"
            raise WebhookError(
                "signature-malformed", f"{self.header} has to be {shape}; it has {len(value)}"
            )
        return Claim((value,))

    def proves(self, secret: str, claim: Claim, body: bytes) -> bool:
        """Compare it with the right one."""
        right = self._spelt(digest(secret, body, self.algorithm))
        return same(right, claim.signatures)

    def sign(self, secret: str, body: bytes, *, message_id: str, timestamp: int) -> Pairs:
        """Sign the body; this form has neither an id nor a time."""
        return ((self.header, self._spelt(digest(secret, body, self.algorithm))),)

    def _spelt(self, made: bytes) -> str:
        spelt = made.hex() if self.encoding == "hex" else b64encode(made).decode()
        return self.prefix + spelt


@dataclass(frozen=True, slots=True)
class StripeForm:
    """``Stripe-Signature: t=…,v1=…[,v1=…]`` over ``t.body`` (docs.stripe.com/webhooks/signature).

    The secret is text as it is, ``whsec_`` and all. Other versions (``v0``) are for other purposes and
    are not looked at.
    """

    header: str = "Stripe-Signature"

    signs_time = True

    def read(self, headers: Headers) -> Claim:
        """Read the time and the signatures."""
        parts = [part.partition("=") for part in headers.signature(self.header).split(",")]
        times = [value for name, _, value in parts if name.strip() == "t"]
        signatures = [value for name, _, value in parts if name.strip() == "v1"]
        if not signatures or len(signatures) > MOST_SIGNATURES:
            raise WebhookError(
                "signature-malformed",
                f"{self.header} has {len(signatures)} parts v1=…; 1 to {MOST_SIGNATURES} make sense",
            )
        if len(times) > 1:
            raise WebhookError("signature-malformed", f"{self.header} has {len(times)} parts t=…")
        return Claim(tuple(signatures), stamp("".join(times), f"t=… in {self.header}"))

    def proves(self, secret: str, claim: Claim, body: bytes) -> bool:
        """Compare each with the right one."""
        return same(self._right(secret, claim.timestamp, body), claim.signatures)

    def sign(self, secret: str, body: bytes, *, message_id: str, timestamp: int) -> Pairs:
        """Sign the time and the body; the id stands in the body."""
        return ((self.header, f"t={timestamp},v1={self._right(secret, str(timestamp), body)}"),)

    def _right(self, secret: str, timestamp: str, body: bytes) -> str:
        return digest(secret, b"%b.%b" % (timestamp.encode(), body)).hex()


@dataclass(frozen=True, slots=True)
class SlackForm:
    """``X-Slack-Signature: v0=…`` over ``v0:timestamp:body`` (docs.slack.dev, verifying requests)."""

    header: str = "X-Slack-Signature"
    time_header: str = "X-Slack-Request-Timestamp"

    signs_time = True

    def read(self, headers: Headers) -> Claim:
        """Read the time and the signature."""
        value = headers.signature(self.header)
        if not value.startswith("v0="):
            raise WebhookError("signature-malformed", f"{self.header} has to begin with v0=")
        return Claim((value,), stamp(headers.get(self.time_header), self.time_header))

    def proves(self, secret: str, claim: Claim, body: bytes) -> bool:
        """Compare it with the right one."""
        return same(self._right(secret, claim.timestamp, body), claim.signatures)

    def sign(self, secret: str, body: bytes, *, message_id: str, timestamp: int) -> Pairs:
        """Sign the time and the body; the id stands in the body."""
        right = self._right(secret, str(timestamp), body)
        return ((self.time_header, str(timestamp)), (self.header, right))

    def _right(self, secret: str, timestamp: str, body: bytes) -> str:
        return "v0=" + digest(secret, b"v0:%b:%b" % (timestamp.encode(), body)).hex()


def stamp(text: str, where: str) -> str:
    """See that a timestamp is one, and leave it as it is written, for so it is signed.

    Raises:
        WebhookError: ``timestamp-missing`` or ``timestamp-malformed``.
    """
    if not text:
        raise WebhookError("timestamp-missing", f"there is no {where}")
    if not _STAMP.fullmatch(text):
        raise WebhookError("timestamp-malformed", f"{where} is not whole seconds since 1970")
    return text


def key_of(secret: str) -> bytes:
    """A secret as text: the bytes of its characters. No text makes this raise."""
    return secret.encode("utf-8", "surrogatepass")


def digest(secret: str, content: bytes, algorithm: str = "sha256") -> bytes:
    """The HMAC with a secret as text."""
    return hmac.digest(key_of(secret), content, algorithm)


def same(right: str, given: tuple[str, ...]) -> bool:
    """Whether the right signature is among the given ones; each is compared in constant time."""
    expected = right.encode("ascii")
    found = False
    for each in given:
        # compare_digest refuses text beyond ASCII with a TypeError; bytes it takes as they are.
        found |= hmac.compare_digest(expected, each.encode("utf-8", "surrogatepass"))
    return found
