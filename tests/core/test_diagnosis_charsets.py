"""The diagnosis of converted characters, of old secrets, and of other senders' signatures."""

import base64
import hashlib
import hmac

import pytest

from hookline.core.diagnosis import SPELLINGS, Signing, diagnose
from hookline.core.mistakes import RAW_BYTES
from hookline.core.signing import sign

SECRET = "5f0c" * 16
OTHER = "another-secret-of-north"
BODY = '{"b":"é € x","a":[1,{"c":100.5}]}'.encode()
LATIN = '{"b":"é x"}'.encode()
NORDIC = '{"b":"€ œ"}'.encode()


@pytest.mark.parametrize(
    ("genuine", "at_hand", "words"),
    [
        # A proxy takes UTF-8 for one byte a character, and writes UTF-8.
        (
            BODY,
            BODY.decode("latin-1").encode(),
            "as it was before its UTF-8 was taken for ISO-8859-1 and written as UTF-8 again",
        ),
        (
            NORDIC,
            NORDIC.decode("cp1252").encode(),
            "as it was before its UTF-8 was taken for Windows-1252 and written as UTF-8 again",
        ),
        # A proxy writes it in another character set.
        (LATIN, LATIN.decode().encode("latin-1"), "taken for ISO-8859-1 and written as UTF-8"),
        (NORDIC, NORDIC.decode().encode("cp1252"), "taken for Windows-1252 and written as UTF-8"),
        *(
            (BODY, BODY.decode().encode(charset), "read as UTF-16 and written as UTF-8")
            for charset in ("utf-16", "utf-16-le", "utf-16-be")
        ),
        # A receiver does so before it signs: the first of each is what it has, the second the body.
        (BODY.decode("latin-1").encode(), BODY, "taken for ISO-8859-1 and written as UTF-8"),
        (
            LATIN.decode().encode("latin-1"),
            LATIN,
            "as it was before its UTF-8 was taken for ISO-8859-1 and written as UTF-8 again",
        ),
        (BODY.decode().encode("ascii", "replace"), BODY, "with ? for all that is not ASCII"),
        (BODY.decode().encode("ascii", "ignore"), BODY, "without all that is not ASCII"),
        (
            BODY.decode("ascii", "replace").encode(),
            BODY,
            "with U+FFFD for all that is not ASCII",
        ),
        (
            BODY.decode().encode("latin-1", "replace"),
            BODY,
            "written as ISO-8859-1, with ? for what that cannot say",
        ),
        (BODY.decode().encode("utf-16-le"), BODY, "written as UTF-16-LE"),
        (BODY.decode().encode("utf-16-be"), BODY, "written as UTF-16-BE"),
        (BODY.decode().encode("utf-16"), BODY, "written as UTF-16"),
    ],
)
def test_converted_characters(genuine: bytes, at_hand: bytes, words: str) -> None:
    """Somebody on the way, or the receiver itself, converted the characters: which way is told."""
    found = diagnose(at_hand, sign(SECRET, genuine), [OTHER, SECRET], reserialisers=SPELLINGS)
    assert (found.cause, found.secret_index) == ("body-charset", 1)
    assert found.explanation == f"The signature fits the body {words}."
    assert found.hint == (
        "Nothing may convert the body's characters: no text mode, no charset filter of a proxy, no "
        f"decoding and encoding. {RAW_BYTES}."
    )


def test_ascii_has_no_characters_to_convert() -> None:
    """Where all is ASCII the guesses at eight-bit sets are the body itself, and cost nothing."""
    found = diagnose(b'{"a":1}', sign("else", b'{"a":1}'), [SECRET])
    assert found.cause == "wrong-secret-or-altered-body"


def test_old_secrets() -> None:
    """An old secret is recognised, also where the body was written again; it counts after the new."""
    found = diagnose(BODY, sign("old", BODY), [SECRET, OTHER], old_secrets=["older", "old"])
    assert (found.matches, found.cause, found.secret_index) == (False, "secret-old", 3)
    found = diagnose(BODY, sign("old", BODY + b"\n"), [SECRET], old_secrets=["old"])
    assert (found.cause, found.secret_index) == ("secret-old-and-body-newline-removed", 1)
    assert diagnose(BODY, sign("old", BODY), [], old_secrets=["old"]).cause == "secret-old"
    assert "old" not in diagnose(BODY, sign("elder", BODY), ["new"], old_secrets=["old"]).cause


KEY = base64.b64encode(b"northwind").decode()
WHSEC = f"whsec_{KEY}"


def mac(key: bytes, content: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(key, content, getattr(hashlib, algorithm)).digest()


STANDARD = Signing("webhook-signature", "sha256", "base64", "v1,", b"msg_1.17.", encoded_key=True)
GITHUB = Signing("X-Hub-Signature-256", prefix="sha256=")
STRIPE = Signing("Stripe-Signature", before=b"17.")
SHOPIFY = Signing("X-Shopify-Hmac-Sha256", encoding="base64")


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    ("cause", "signing", "secret", "signature"),
    [
        ("match", STANDARD, WHSEC, "v1," + b64(mac(b"northwind", b"msg_1.17." + BODY))),
        ("match", STANDARD, KEY, "v1," + b64(mac(b"northwind", b"msg_1.17." + BODY))),
        ("secret-not-decoded", STANDARD, WHSEC, b64(mac(WHSEC.encode(), b"msg_1.17." + BODY))),
        ("secret-not-decoded", STANDARD, WHSEC, b64(mac(KEY.encode(), b"msg_1.17." + BODY))),
        ("secret-not-decoded", STANDARD, KEY, b64(mac(WHSEC.encode(), b"msg_1.17." + BODY))),
        ("secret-blanks", STANDARD, f"{WHSEC}\n", b64(mac(b"northwind", b"msg_1.17." + BODY))),
        ("secret-hex-decoded", STANDARD, "00ff", b64(mac(b"\x00\xff", b"msg_1.17." + BODY))),
        ("body-signed-alone", STANDARD, WHSEC, b64(mac(b"northwind", BODY))),
        ("body-newline-removed", STANDARD, WHSEC, b64(mac(b"northwind", b"msg_1.17.%b\n" % BODY))),
        ("match", GITHUB, "s", "sha256=" + mac(b"s", BODY).hex()),
        ("signature-prefix-missing", GITHUB, "s", mac(b"s", BODY).hex()),
        ("signature-prefix", GITHUB, "s", "v0=" + mac(b"s", BODY).hex()),
        ("signature-upper-case", GITHUB, "s", "sha256=" + mac(b"s", BODY).hex().upper()),
        ("signature-other-algorithm", GITHUB, "s", "sha256=" + mac(b"s", BODY, "sha1").hex()),
        ("match", STRIPE, WHSEC, mac(WHSEC.encode(), b"17." + BODY).hex()),
        ("secret-base64-decoded", STRIPE, WHSEC, mac(b"northwind", b"17." + BODY).hex()),
        ("secret-prefix-removed", STRIPE, WHSEC, mac(KEY.encode(), b"17." + BODY).hex()),
        ("body-signed-alone", STRIPE, WHSEC, mac(WHSEC.encode(), BODY).hex()),
        ("match", SHOPIFY, "s", b64(mac(b"s", BODY))),
        ("signature-not-base64", SHOPIFY, "s", mac(b"s", BODY).hex()),
        ("signature-blanks", SHOPIFY, "s", b64(mac(b"s", BODY)) + "\n"),
        ("signature-other-algorithm", SHOPIFY, "s", b64(mac(b"s", BODY, "sha512"))),
        ("signature-wrong-length", SHOPIFY, "s", b64(mac(b"s", BODY)[:20] + b"x")),
        ("signature-not-base64", SHOPIFY, "s", "é"),
        ("signature-missing", SHOPIFY, "s", ""),
        ("wrong-secret-or-altered-body", SHOPIFY, "s", b64(bytes(32))),
    ],
)
def test_other_senders(cause: str, signing: Signing, secret: str, signature: str) -> None:
    """Each sender's own way of signing is checked, and each mistake at it is named."""
    prefix = signing.prefix if signing is STANDARD and cause != "match" else ""
    found = diagnose(BODY, prefix + signature, [OTHER, secret], signing=signing)
    assert found.cause == cause
    assert found.matches == (cause == "match")
    if found.secret_index is not None:
        assert found.secret_index == 1
    if cause == "signature-missing":
        assert "X-Shopify-Hmac-Sha256" in found.hint
        assert "HTTP_X_SHOPIFY_HMAC_SHA256" in found.hint


def test_another_algorithm_is_told_the_right_one() -> None:
    """The hint names what the sender uses, which is not always SHA-256."""
    signing = Signing("X-Sig", "sha512")
    found = diagnose(BODY, mac(b"s", BODY).hex(), ["s"], signing=signing)
    assert found.cause == "signature-other-algorithm"
    assert "HMAC-SHA512" in found.hint
    assert "hashlib.sha512" in found.hint
