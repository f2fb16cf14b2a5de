"""``explain``: each mistake is really made, and found by name, for each sender."""

import base64
import gzip
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hookline.cli.javascript import open_javascript
from hookline.receive import (
    GITHUB,
    SENTRY,
    SENTRY_APP,
    SLACK,
    STANDARD,
    STRIPE,
    Scheme,
    WebhookError,
    explain,
    names,
    scheme_named,
    verify,
)
from hookline.receive.explaining import explain_signature
from hookline.receive.testing import SECRET, signed_request

NOW = 1_767_225_600
ALL = [scheme_named(name) for name in names()]
DATA = {"title": "é €", "alert_threshold": 100.5, "b": 1, "a": [2]}
WHPK = "whpk_" + base64.b64encode(bytes(range(32))).decode()


def ids(scheme: Scheme) -> str:
    return scheme.name


def refused(body: bytes, headers: object, scheme: Scheme = SENTRY) -> WebhookError:
    with pytest.raises(WebhookError) as caught:
        verify(body, headers, SECRET, scheme=scheme, now=NOW)  # type: ignore[arg-type]
    return caught.value


def javascript(body: bytes) -> bytes:
    """What a real engine leaves of it."""
    with open_javascript() as engine:
        assert engine
        left = engine.reprint(body)
    assert left is not None
    return left


# What a framework, a proxy or a receiver does to a body on the way.
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "body-python-default": lambda body: json.dumps(json.loads(body)).encode(),
    "body-sorted-keys": lambda body: json.dumps(json.loads(body), sort_keys=True).encode(),
    "body-newline-added": lambda body: body + b"\n",
    "body-bom-added": lambda body: b"\xef\xbb\xbf" + body,
    "body-compressed": gzip.compress,
    "body-charset": lambda body: body.decode("latin-1").encode(),
    "body-pretty-printed": lambda body: json.dumps(json.loads(body), indent=2).encode(),
}
# The body at hand is the spoilt one, so what is proved is the spelling in which it was sent.
AS_SENT = {
    "body-python-default": "body-javascript",
    "body-pretty-printed": "body-javascript",
    "body-sorted-keys": "wrong-secret-or-altered-body",  # the order is lost for good
}


@pytest.mark.parametrize("cause", SPOILT)
@pytest.mark.parametrize("scheme", ALL, ids=ids)
def test_a_spoilt_body(scheme: Scheme, cause: str) -> None:
    """What was done to a genuine body is found, whoever sent it."""
    body, headers = signed_request(scheme=scheme, data=DATA, now=NOW)
    error = refused(SPOILT[cause](body), headers, scheme)
    assert error.code == "signature-mismatch"
    assert error.explain(SECRET).cause == AS_SENT.get(cause, cause)


@pytest.mark.parametrize("scheme", ALL, ids=ids)
def test_a_receiver_that_signs_what_it_parsed(scheme: Scheme) -> None:
    """The body at hand is genuine and the signature is over another spelling: its writer is named."""
    body, _ = signed_request(scheme=scheme, data=DATA, now=NOW)
    for cause in ("body-python-default", "body-sorted-keys", "body-pretty-printed"):
        _, headers = signed_request(scheme=scheme, body=SPOILT[cause](body), now=NOW)
        assert refused(body, headers, scheme).explain(SECRET).cause == cause


def test_javascript_by_a_real_engine() -> None:
    """A sender's ``100.0`` and escaped ``é`` parsed and written by V8 are told to be JavaScript's."""
    sent = b'{"action":"a","data":{"x":100.0,"y":"\\u00e9","7":1e-5}}'
    again = javascript(sent)
    assert again != sent
    _, headers = signed_request(body=again, now=NOW)
    assert refused(sent, headers).explain(SECRET).cause == "body-javascript"
    # And what a receiver of Hookline's own bytes has done with json.dumps:
    _, headers = signed_request(body=sent, now=NOW)
    assert refused(again, headers).code == "signature-mismatch"


def test_an_empty_body_as_an_object() -> None:
    """Express makes ``{}`` of nothing; that is told, and so is a body that was read before."""
    empty, headers = signed_request(scheme=SENTRY_APP)
    assert empty == b""
    assert refused(b"{}", headers, SENTRY_APP).explain(SECRET).cause == "body-empty"
    _, headers = signed_request(body=b"{}")
    assert refused(b"", headers).explain(SECRET).cause == "body-empty"


@pytest.mark.parametrize("scheme", ALL, ids=ids)
def test_an_old_secret(scheme: Scheme) -> None:
    """The secret before is recognised if it is given, by its place after the valid ones."""
    old = "whsec_" + base64.b64encode(b"the one before").decode()
    body, headers = signed_request(old, scheme=scheme, now=NOW)
    error = refused(body, headers, scheme)
    found = error.explain(["whsec_QUJD", SECRET], old_secrets=[old])
    assert (found.cause, found.secret_index) == ("secret-old", 2)
    assert error.explain(SECRET, old_secrets=old).cause == "secret-old"
    assert error.explain(SECRET).cause == "wrong-secret-or-altered-body"


@pytest.mark.parametrize(
    ("scheme", "signed_with", "cause"),
    [
        (SENTRY, f"{SECRET}\n", "secret-newline"),
        (STRIPE, SECRET.removeprefix("whsec_"), "secret-prefix-removed"),
        (STRIPE, "hookline test secret", "secret-base64-decoded"),
        (SLACK, "hookline test secret", "secret-base64-decoded"),
        (STANDARD, "whsec_" + base64.b64encode(SECRET.encode()).decode(), "secret-not-decoded"),
    ],
)
def test_a_secret_in_the_wrong_form(scheme: Scheme, signed_with: str, cause: str) -> None:
    """Decoded where it is text, text where it is to be decoded, with or without its prefix."""
    body, headers = signed_request(signed_with, scheme=scheme, now=NOW)
    assert refused(body, headers, scheme).explain(SECRET).cause == cause


def test_a_time_that_is_too_old() -> None:
    """A right signature over an old time: both are told."""
    body, headers = signed_request(scheme=STANDARD, now=NOW - 400)
    found = refused(body, headers, STANDARD).explain(SECRET)
    assert (found.cause, found.matches) == ("timestamp-too-old", False)
    assert found.explanation == "The signature is right, but it was sent 400 seconds ago."
    found = explain(body, headers, SECRET, scheme=STANDARD, now=NOW, max_age_s=500)
    assert (found.cause, found.matches, found.secret_index) == ("match", True, 0)


@pytest.mark.parametrize("other", ALL, ids=ids)
def test_headers_of_another_sender(other: Scheme) -> None:
    """Whoever took the wrong scheme is told the right one."""
    wrong = SENTRY if other is not SENTRY else GITHUB
    body, headers = signed_request(scheme=other, now=NOW)
    found = refused(body, headers, wrong).explain(SECRET)
    assert (found.cause, found.secret_index) == ("other-scheme", None)
    assert f"use the scheme {other.name}." in found.hint


def test_headers_of_an_environ() -> None:
    """Whoever hands in WSGI's environ is told what its names mean."""
    body, headers = signed_request(now=NOW)
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    assert refused(body, environ).explain(SECRET).cause == "headers-renamed"


def test_nothing_to_guess_at() -> None:
    """Where no signature was wrong, the diagnosis is the error."""
    body, headers = signed_request(now=NOW)
    missing = refused(body, {}).explain(SECRET)
    assert (missing.cause, missing.hint) == ("signature-missing", refused(body, {}).hint)
    with pytest.raises(WebhookError) as caught:
        verify("text", headers, SECRET)  # type: ignore[arg-type]
    assert caught.value.explain(SECRET).cause == "body-not-bytes"
    assert explain("text", headers, SECRET).cause == "body-not-bytes"  # type: ignore[arg-type]
    assert explain(body, headers, "").cause == "no-secret"
    assert refused(*signed_request(body=b"[]", now=NOW)).explain(SECRET).explanation == (
        "The signature is right, but the body is JSON, but not an object."
    )
    assert explain_signature(*signed_request(body=b"[]"), SECRET).matches


def test_a_signature_in_another_spelling() -> None:
    """A digest that is right and spelt in another way is told from one that is wrong."""
    body, headers = signed_request(scheme=GITHUB)
    name = "X-Hub-Signature-256"
    bare = headers | {name: headers[name].removeprefix("sha256=")}
    assert refused(body, bare, GITHUB).explain(SECRET).cause == "signature-prefix-missing"
    upper = headers | {name: "sha256=" + headers[name][7:].upper()}
    assert refused(body, upper, GITHUB).explain(SECRET).cause == "signature-upper-case"


def test_keys_and_versions_that_do_not_meet() -> None:
    """Only public keys against ``v1``, or only ``v1a`` against secrets, is told, index and all."""
    body, headers = signed_request(scheme=STANDARD, now=NOW)
    found = explain(body, headers, WHPK, scheme=STANDARD, now=NOW)
    assert found.cause == "no-common-version"
    found = explain(body + b"\n", headers, [WHPK, SECRET], scheme=STANDARD, now=NOW)
    assert (found.cause, found.secret_index) == ("body-newline-added", 1)
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    whsk = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    whpk = "whpk_" + base64.b64encode(public).decode()
    body, headers = signed_request(whsk, scheme=STANDARD, now=NOW)
    assert explain(body, headers, whpk, scheme=STANDARD, now=NOW).matches
    old = explain(body, headers, SECRET, scheme=STANDARD, old_secrets=[whpk], now=NOW)
    assert (old.cause, old.secret_index) == ("secret-old", 1)
    assert explain(body, headers, WHPK, scheme=STANDARD, now=NOW).cause == (
        "wrong-secret-or-altered-body"
    )


def test_a_secret_that_looks_like_a_public_key() -> None:
    """Only in Standard Webhooks is ``whpk_`` a public key; elsewhere it is text like any other."""
    body, headers = signed_request("whpk_ask me\n")
    assert explain(body, headers, "whpk_ask me").cause == "secret-newline"


def test_a_refusal_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's bad request costs one HMAC a secret; only who asks for more pays for more."""
    calls = 0
    from hookline.receive import forms

    genuine = forms.digest

    def counted(secret: str, content: bytes, algorithm: str = "sha256") -> bytes:
        nonlocal calls
        calls += 1
        return genuine(secret, content, algorithm)

    body, headers = signed_request("wrong")
    monkeypatch.setattr(forms, "digest", counted)
    with pytest.raises(WebhookError):
        verify(body, headers, [SECRET, "old"])
    assert calls == 2
