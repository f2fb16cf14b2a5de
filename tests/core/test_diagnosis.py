"""The diagnosis: each mistake is found by its name."""

import base64
import doctest
import gzip
import hashlib
import hmac
import zlib

import pytest

from hookline.core import diagnosis
from hookline.core.diagnosis import Diagnosis, diagnose
from hookline.core.mistakes import RAW_BYTES
from hookline.core.signing import sign

SECRET = "5f0c" * 16
OTHER = "another-secret-of-north"
BODY = '{"b":"é x","a":[1,{"c":100.5,"d":[]}],"e":null}'.encode()


def other_hmac(algorithm: str, secret: str = SECRET, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


def with_key(key: bytes, body: bytes = BODY) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def test_the_examples_in_the_docstrings_are_true() -> None:
    """What the docstring shows is what happens."""
    assert doctest.testmod(diagnosis) == (0, 3)


def test_a_right_signature() -> None:
    """A match says so, tells which secret it was, and advises nothing."""
    assert diagnose(BODY, sign(SECRET, BODY), [OTHER, SECRET]) == Diagnosis(
        matches=True,
        cause="match",
        explanation="The signature is right for these bytes.",
        hint="",
        secret_index=1,
    )


# Each row: cause, body at hand, signature at hand, explanation, hint.
ONE_MISTAKE = [
    (
        "signature-upper-case",
        BODY,
        sign(SECRET, BODY).upper(),
        "The signature is written with upper-case digits.",
        "Write the digest in lower case before comparing.",
    ),
    (
        "signature-prefix",
        BODY,
        "sha256=" + sign(SECRET, BODY),
        "The signature carries a prefix such as sha256=, as other senders write it.",
        "Compare the bare hex digits; the documented signature has no prefix.",
    ),
    (
        "signature-blanks",
        BODY,
        f" {sign(SECRET, BODY)}\r\n",
        "Blanks or line breaks surround the signature.",
        "Strip the header value before comparing.",
    ),
    *(
        (
            "body-newline-added",
            BODY + newline,
            sign(SECRET, BODY),
            "The signature fits the body without the newline at its end.",
            "Keep the bytes as they arrived; an editor, echo or a log added a newline "
            "(use printf %s or curl --data-binary).",
        )
        for newline in (b"\n", b"\r\n")
    ),
    *(
        (
            "body-newline-removed",
            BODY,
            sign(SECRET, BODY + newline),
            "The signature fits the body with a newline after it.",
            f"Neither strip the body nor add a newline before the HMAC. {RAW_BYTES}.",
        )
        for newline in (b"\n", b"\r\n")
    ),
    (
        "body-bom-added",
        b"\xef\xbb\xbf" + BODY,
        sign(SECRET, BODY),
        "The signature fits the body without the byte order mark in front.",
        "Write the body without a byte order mark (utf-8, not utf-8-sig).",
    ),
    (
        "body-bom-removed",
        BODY,
        sign(SECRET, b"\xef\xbb\xbf" + BODY),
        "The signature fits the body with a byte order mark in front.",
        f"Do not decode the body before the HMAC; decoding drops the mark. {RAW_BYTES}.",
    ),
    *(
        (
            "body-empty",
            at_hand,
            sign(SECRET, signed),
            "An empty body and {} were taken for each other.",
            "Body parsers turn an empty body into {} (express.json() does); sign what arrived. "
            f"{RAW_BYTES}.",
        )
        for at_hand, signed in [(b"", b"{}"), (b"{}", b"")]
    ),
    *(
        (
            "body-unread",
            BODY,
            sign(SECRET, signed),
            "The signature fits an empty body or {}, not the bytes that are here.",
            "Read the body once and keep it: a parser that ran before emptied the stream, or did "
            f"not run and left {{}}. {RAW_BYTES}.",
        )
        for signed in (b"", b"{}")
    ),
    *(
        (
            "body-compressed",
            packed,
            sign(SECRET, BODY),
            "The signature fits the body when it is decompressed.",
            "Compute the HMAC over the decompressed body; something on the way compressed it.",
        )
        for packed in (gzip.compress(BODY, mtime=0), zlib.compress(BODY))
    ),
    *(
        (
            "signature-other-algorithm",
            BODY,
            other_hmac(algorithm),
            f"The signature is the HMAC-{algorithm.upper()} of these bytes.",
            "Use HMAC-SHA256: hmac.new(secret, body, hashlib.sha256) or "
            'createHmac("sha256", secret).',
        )
        for algorithm in ("sha1", "sha384", "sha512")
    ),
]


@pytest.mark.parametrize(("cause", "body", "signature", "explanation", "hint"), ONE_MISTAKE)
def test_one_mistake_is_found(
    cause: str, body: bytes, signature: str, explanation: str, hint: str
) -> None:
    """Each mistake has a name, an explanation, and advice of its own; the secret is pointed at."""
    assert diagnose(body, signature, [OTHER, SECRET]) == Diagnosis(
        False, cause, explanation, hint, secret_index=1
    )


UNREADABLE = [
    *(
        (
            "signature-missing",
            signature,
            "There is no signature.",
            "Read the Sentry-Hook-Signature header; a proxy may drop headers, and some frameworks "
            "rename them (HTTP_SENTRY_HOOK_SIGNATURE).",
        )
        for signature in ("", "  \n")
    ),
    *(
        (
            "signature-wrong-length",
            sign(SECRET, BODY)[:digits],
            f"The signature has {digits} hex digits instead of 64.",
            "Take the whole value of the Sentry-Hook-Signature header; a column, variable or copy "
            "may have cut it.",
        )
        for digits in (1, 2, 32, 63)
    ),
    *(
        (
            "signature-not-hex",
            signature,
            "The signature is no hexadecimal number.",
            "Compare the hex digest, not base64 or raw bytes: hexdigest() or digest('hex').",
        )
        for signature in (
            base64.b64encode(bytes.fromhex(sign(SECRET, BODY))).decode(),
            "undefined",
            "é" * 64,
            "٣" * 64,
            "\ud800",
            "g" * 64,
            "sha256=",
        )
    ),
    *(
        (
            "signature-other-algorithm",
            "0" * digits,
            f"The signature has the length of an HMAC-{algorithm}.",
            "Use HMAC-SHA256: hmac.new(secret, body, hashlib.sha256) or "
            'createHmac("sha256", secret).',
        )
        for digits, algorithm in [(40, "SHA1"), (96, "SHA384"), (128, "SHA512")]
    ),
    (
        "wrong-secret-or-altered-body",
        "0" * 64,
        "No known mistake explains the signature: it was made with another secret or over other "
        "bytes.",
        "Compare the client secret with the one of this integration (was it rotated?), and see "
        f"that nothing changes the body on the way. {RAW_BYTES}.",
    ),
]


@pytest.mark.parametrize(("cause", "signature", "explanation", "hint"), UNREADABLE)
def test_a_signature_that_proves_nothing(
    cause: str, signature: str, explanation: str, hint: str
) -> None:
    """What cannot be the signature of anything is said to be so, without naming a secret."""
    assert diagnose(BODY, signature, [SECRET]) == Diagnosis(False, cause, explanation, hint, None)


def test_no_secret() -> None:
    """Without a secret there is nothing to guess with."""
    assert diagnose(BODY, sign(SECRET, BODY), []) == Diagnosis(
        False,
        "no-secret",
        "There is no secret to check the signature with.",
        "Give the client secret of the integration.",
        None,
    )


HEX_SECRET = "00ff" * 16
TEXT_OF_BASE64 = "bm9ydGh3aW5kLXNlY3JldC0_-zE"  # URL-safe, without its padding


@pytest.mark.parametrize(
    ("cause", "secret", "key", "explanation", "hint"),
    [
        *(
            (
                "secret-blanks",
                secret,
                b"plain-secret!",
                "The signature fits the secret without the blanks, line breaks or quotes around "
                "it.",
                "Strip the secret where it is read: a file ends with a newline, and some loaders "
                "keep quotes.",
            )
            for secret in (" plain-secret!", "plain-secret!\n", '"plain-secret!"\r\n')
        ),
        *(
            (
                "secret-newline",
                "plain-secret!",
                key,
                "The signature fits the secret with a newline after it.",
                "Strip the secret where the signature is computed: it was read from a file "
                "together with the newline (echo -n writes none).",
            )
            for key in (b"plain-secret!\n", b"plain-secret!\r\n")
        ),
        (
            "secret-hex-decoded",
            HEX_SECRET,
            bytes.fromhex(HEX_SECRET),
            "The signature fits the secret decoded from hexadecimal.",
            "Use the secret as text, all its characters as they are, not bytes.fromhex(secret).",
        ),
        *(
            (
                "secret-base64-decoded",
                secret,
                base64.urlsafe_b64decode(TEXT_OF_BASE64 + "="),
                "The signature fits the secret decoded from base64.",
                "Use the secret as text, all its characters as they are, not base64-decoded.",
            )
            for secret in (
                TEXT_OF_BASE64,
                TEXT_OF_BASE64 + "=",
                TEXT_OF_BASE64.translate({ord("_"): "/", ord("-"): "+"}),
            )
        ),
    ],
)
def test_a_mistaken_secret(
    cause: str, secret: str, key: bytes, explanation: str, hint: str
) -> None:
    """What was done to the secret is found, and the hint says to leave it as it is."""
    expected = Diagnosis(False, cause, explanation, hint, secret_index=1)
    assert diagnose(BODY, with_key(key), [OTHER, secret]) == expected


def test_a_misspelt_signature_does_not_hide_another_mistake() -> None:
    """Blanks, a prefix and upper case are read over, told, and the search goes on."""
    signature = f" sha256={sign(SECRET, BODY).upper()} "
    assert (
        diagnose(BODY + b"\n", signature, [SECRET]).cause
        == "signature-blanks-and-signature-prefix-and-signature-upper-case-and-body-newline-added"
    )
    assert diagnose(BODY, f"SHA1={other_hmac('sha1')}", [SECRET]).cause == (
        "signature-prefix-and-signature-other-algorithm"
    )


def test_the_simplest_explanation_wins() -> None:
    """Where a body mistake alone explains it, no second secret with two mistakes is blamed."""
    newline = diagnose(BODY, sign("s", BODY + b"\n"), [OTHER, "s\n", "s"])
    assert (newline.cause, newline.secret_index) == ("body-newline-removed", 2)
    # ASCII without blanks: three of the spellings coincide with the body itself.
    assert diagnose(b'{"a":1}', sign(SECRET, b'{"a": 1}'), [SECRET]).cause == "body-python-default"
