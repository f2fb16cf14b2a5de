"""The mistakes that spoil a signature: a stable cause, what was found, and what to change.

The texts are read by someone whose webhook was just refused. An explanation is one sentence about
what was proved; a hint tells the receiver what to write instead, by the names of common frameworks.
"""

from dataclasses import dataclass
from typing import Final

from hookline.core.headers import SIGNATURE

__all__ = [
    "BLANKS",
    "BODY_ALONE",
    "BOM_ADDED",
    "BOM_REMOVED",
    "COMPRESSED",
    "EMPTY",
    "NEWLINE_ADDED",
    "NEWLINE_REMOVED",
    "NOT_BASE64",
    "NOT_HEX",
    "NO_SECRET",
    "RAW_BYTES",
    "SECRET_BASE64",
    "SECRET_BLANKS",
    "SECRET_HEX",
    "SECRET_NEWLINE",
    "SECRET_OLD",
    "SECRET_PREFIX_LOST",
    "SECRET_UNDECODED",
    "UNEXPLAINED",
    "UNREAD",
    "UPPER_CASE",
    "Mistake",
    "missing",
    "other_algorithm",
    "other_charset",
    "prefix_lost",
    "reserialised",
    "with_prefix",
    "wrong_length",
]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake.

    Args:
        cause: stable name, kebab-case.
        explanation: what was found.
        hint: what to change.
    """

    cause: str
    explanation: str
    hint: str


RAW_BYTES: Final = (
    "Compute the HMAC over the raw request bytes, before any JSON parser: express.raw(), "
    "request.get_data(), await request.body()"
)

UNEXPLAINED: Final = Mistake(
    "wrong-secret-or-altered-body",
    "No known mistake explains the signature: it was made with another secret or over other bytes.",
    "Compare the client secret with the one of this integration (was it rotated?), and see that "
    f"nothing changes the body on the way. {RAW_BYTES}.",
)
NO_SECRET: Final = Mistake(
    "no-secret",
    "There is no secret to check the signature with.",
    "Give the client secret of the integration.",
)
NOT_HEX: Final = Mistake(
    "signature-not-hex",
    "The signature is no hexadecimal number.",
    "Compare the hex digest, not base64 or raw bytes: hexdigest() or digest('hex').",
)
BLANKS: Final = Mistake(
    "signature-blanks",
    "Blanks or line breaks surround the signature.",
    "Strip the header value before comparing.",
)
NOT_BASE64: Final = Mistake(
    "signature-not-base64",
    "The signature is not the base64 of a digest.",
    "Compare base64 with its padding, not hex or raw bytes: base64.b64encode(digest) or "
    "digest('base64').",
)
UPPER_CASE: Final = Mistake(
    "signature-upper-case",
    "The signature is written with upper-case digits.",
    "Write the digest in lower case before comparing.",
)
SECRET_BLANKS: Final = Mistake(
    "secret-blanks",
    "The signature fits the secret without the blanks, line breaks or quotes around it.",
    "Strip the secret where it is read: a file ends with a newline, and some loaders keep quotes.",
)
SECRET_NEWLINE: Final = Mistake(
    "secret-newline",
    "The signature fits the secret with a newline after it.",
    "Strip the secret where the signature is computed: it was read from a file together with the "
    "newline (echo -n writes none).",
)
SECRET_HEX: Final = Mistake(
    "secret-hex-decoded",
    "The signature fits the secret decoded from hexadecimal.",
    "Use the secret as text, all its characters as they are, not bytes.fromhex(secret).",
)
SECRET_OLD: Final = Mistake(
    "secret-old",
    "The signature fits an old secret.",
    "Give the old secret beside the new one while the sender changes from one to the other, and see "
    "that the sender uses the new one.",
)
SECRET_UNDECODED: Final = Mistake(
    "secret-not-decoded",
    "The signature fits the characters of the secret instead of what they spell in base64.",
    "Take whsec_ away and decode the rest from base64; those bytes are the key.",
)
SECRET_PREFIX_LOST: Final = Mistake(
    "secret-prefix-removed",
    "The signature fits the secret without its whsec_.",
    "Use the whole secret as text, whsec_ and all, with this sender.",
)
SECRET_BASE64: Final = Mistake(
    "secret-base64-decoded",
    "The signature fits the secret decoded from base64.",
    "Use the secret as text, all its characters as they are, not base64-decoded.",
)
NEWLINE_ADDED: Final = Mistake(
    "body-newline-added",
    "The signature fits the body without the newline at its end.",
    "Keep the bytes as they arrived; an editor, echo or a log added a newline (use printf %s or "
    "curl --data-binary).",
)
NEWLINE_REMOVED: Final = Mistake(
    "body-newline-removed",
    "The signature fits the body with a newline after it.",
    f"Neither strip the body nor add a newline before the HMAC. {RAW_BYTES}.",
)
BOM_ADDED: Final = Mistake(
    "body-bom-added",
    "The signature fits the body without the byte order mark in front.",
    "Write the body without a byte order mark (utf-8, not utf-8-sig).",
)
BOM_REMOVED: Final = Mistake(
    "body-bom-removed",
    "The signature fits the body with a byte order mark in front.",
    f"Do not decode the body before the HMAC; decoding drops the mark. {RAW_BYTES}.",
)
EMPTY: Final = Mistake(
    "body-empty",
    "An empty body and {} were taken for each other.",
    "Body parsers turn an empty body into {} (express.json() does); sign what arrived. "
    f"{RAW_BYTES}.",
)
UNREAD: Final = Mistake(
    "body-unread",
    "The signature fits an empty body or {}, not the bytes that are here.",
    "Read the body once and keep it: a parser that ran before emptied the stream, or did not run "
    f"and left {{}}. {RAW_BYTES}.",
)
COMPRESSED: Final = Mistake(
    "body-compressed",
    "The signature fits the body when it is decompressed.",
    "Compute the HMAC over the decompressed body; something on the way compressed it.",
)

BODY_ALONE: Final = Mistake(
    "body-signed-alone",
    "The signature fits the body alone; this sender signs the time in front of it too.",
    "Sign what the sender's documentation says, the time (and id) before the body.",
)


def missing(header: str) -> Mistake:
    """Say that there is no signature."""
    cgi = f"HTTP_{header.upper().replace('-', '_')}"
    return Mistake(
        "signature-missing",
        "There is no signature.",
        f"Read the {header} header; a proxy may drop headers, and some frameworks rename them ({cgi}).",
    )


def with_prefix(wanted: str) -> Mistake:
    """Say that something stands before the digest that should not be there."""
    documented = "the documented signature has no prefix"
    return Mistake(
        "signature-prefix",
        "The signature carries a prefix such as sha256=, as other senders write it.",
        f"Compare {wanted} and the digest."
        if wanted
        else f"Compare the bare hex digits; {documented}.",
    )


def prefix_lost(wanted: str) -> Mistake:
    """Say that what stands before this sender's digests is not there."""
    return Mistake(
        "signature-prefix-missing",
        f"The {wanted} in front of the signature is missing.",
        f"Compare the whole value of the header, {wanted} and the digest.",
    )


def other_charset(words: str) -> Mistake:
    """Say that the character set was converted; ``words`` continue "the body ..."."""
    return Mistake(
        "body-charset",
        f"The signature fits the body {words}.",
        "Nothing may convert the body's characters: no text mode, no charset filter of a proxy, no "
        f"decoding and encoding. {RAW_BYTES}.",
    )


def reserialised(cause: str, writer: str) -> Mistake:
    """Say that the JSON was written again, and by whom."""
    return Mistake(
        cause,
        "The JSON was parsed and written again: "
        f"the signature fits the body as {writer} writes it.",
        f"{RAW_BYTES}. The other spelling is that of {writer}.",
    )


def other_algorithm(algorithm: str, wanted: str = "sha256", *, proved: bool) -> Mistake:
    """Say that the digest is of another algorithm; ``proved`` means that its value fits, too."""
    name = f"HMAC-{algorithm.upper()}"
    found = (
        f"The signature is the {name} of these bytes."
        if proved
        else f"The signature has the length of an {name}."
    )
    return Mistake(
        "signature-other-algorithm",
        found,
        f"Use HMAC-{wanted.upper()}: hmac.new(secret, body, hashlib.{wanted}) or "
        f'createHmac("{wanted}", secret).',
    )


def wrong_length(digits: int, header: str = SIGNATURE, wanted: int = 64) -> Mistake:
    """Say that the digest is no digest of any algorithm that is in use."""
    return Mistake(
        "signature-wrong-length",
        f"The signature has {digits} hex digits instead of {wanted}.",
        f"Take the whole value of the {header} header; a column, variable or copy may have cut it.",
    )
