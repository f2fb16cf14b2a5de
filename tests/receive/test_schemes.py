"""The schemes: official verifiers agree, and what each sender's request says is read."""

import base64
import json
import subprocess
import urllib.parse
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hookline.receive import (
    GITHUB,
    SENTRY_APP,
    SHOPIFY,
    SLACK,
    STANDARD,
    STRIPE,
    SVIX,
    Scheme,
    WebhookError,
    names,
    plain_hmac,
    scheme_named,
    verify,
)
from hookline.receive.forms import ALGORITHMS
from hookline.receive.testing import INSTALLATION, SECRET, signed_request

NOW = 1_767_225_600
TEXT = "It's a Secret to Everybody"
BODY = '{"type":"invoice.paid","data":{"é":100.0}}'.encode()
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_BYTES = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
WHSK = "whsk_" + base64.b64encode(bytes(range(32)) + PUBLIC_BYTES).decode()
WHPK = "whpk_" + base64.b64encode(PUBLIC_BYTES).decode()


def openssl(secret: str, content: bytes, algorithm: str = "sha256") -> bytes:
    """The HMAC by a program that is not ours."""
    command = ["openssl", "dgst", f"-{algorithm}", "-mac", "HMAC", "-macopt"]
    made = subprocess.run(
        [*command, f"hexkey:{secret.encode().hex()}", "-binary"],
        input=content,
        capture_output=True,
        check=True,
    )
    return made.stdout


def code_of(body: bytes, headers: object, secrets: object = SECRET, **more: object) -> str:
    with pytest.raises(WebhookError) as caught:
        verify(body, headers, secrets, **more)  # type: ignore[arg-type]
    return caught.value.code


@pytest.mark.parametrize("scheme", [scheme_named(name) for name in names()], ids=names())
def test_what_we_sign_we_verify(scheme: Scheme) -> None:
    """Each scheme takes what its own signing makes, names it, and finds its id."""
    body, headers = signed_request(scheme=scheme, message_id="id-1")
    webhook = verify(body, headers, SECRET, scheme=scheme)
    assert webhook.scheme == scheme.name
    assert "id-1" in str(webhook.id)
    assert code_of(body + b" ", headers, scheme=scheme) == "signature-mismatch"
    assert code_of(body, headers, "whsec_QUJD", scheme=scheme) == "signature-mismatch"


@pytest.mark.parametrize(
    ("scheme", "official"),
    [(STANDARD, standardwebhooks.Webhook), (SVIX, svix.webhooks.Webhook)],
)
def test_official_verifiers_agree(scheme: Scheme, official: type) -> None:
    """Theirs takes what we sign, and ours takes what they sign."""
    signed = signed_request(SECRET, scheme=scheme, body=BODY)
    official(SECRET).verify(signed.body, signed.headers)
    now = datetime.now(UTC)
    prefix = scheme.form.header.removesuffix("signature")
    headers = {
        f"{prefix}id": "msg_1",
        f"{prefix}timestamp": str(int(now.timestamp())),
        f"{prefix}signature": official(SECRET).sign("msg_1", now, BODY.decode()),
    }
    webhook = verify(BODY, headers, SECRET, scheme=scheme)
    assert (webhook.type, webhook.id, webhook.data) == ("invoice.paid", "msg_1", {"é": 100.0})
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        official(SECRET).verify(BODY + b" ", headers)
    assert code_of(BODY + b" ", headers, scheme=scheme) == "signature-mismatch"


def test_svix_takes_either_name() -> None:
    """Svix sends under its own names, and under the standard ones."""
    body, headers = signed_request(scheme=STANDARD)
    assert verify(body, headers, SECRET, scheme=SVIX).type == "invoice.paid"
    assert code_of(body, signed_request(scheme=SVIX).headers, scheme=STANDARD) == (
        "signature-missing"
    )


def test_github_published_vector() -> None:
    """The vector of GitHub's documentation on validating deliveries."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "ping"}
    # The body is no JSON, so the signature is right if only that is complained about.
    assert code_of(b"Hello, World!", headers, TEXT, scheme=GITHUB) == "body-not-json"
    assert code_of(b"Hello, World?", headers, TEXT, scheme=GITHUB) == "signature-mismatch"


def by_openssl(scheme: Scheme) -> dict[str, str]:
    timed = f"{NOW}.".encode() + BODY
    if scheme is GITHUB:
        return {
            "X-Hub-Signature-256": f"sha256={openssl(TEXT, BODY).hex()}",
            "X-GitHub-Event": "push",
        }
    if scheme is STRIPE:
        return {"Stripe-Signature": f"t={NOW},v1={openssl(TEXT, timed).hex()},v0=00"}
    if scheme is SLACK:
        return {
            "X-Slack-Request-Timestamp": str(NOW),
            "X-Slack-Signature": f"v0={openssl(TEXT, f'v0:{NOW}:'.encode() + BODY).hex()}",
        }
    assert scheme is SHOPIFY
    return {"X-Shopify-Hmac-Sha256": base64.b64encode(openssl(TEXT, BODY)).decode()}


@pytest.mark.parametrize("scheme", [GITHUB, STRIPE, SLACK, SHOPIFY], ids=lambda s: s.name)
def test_openssl_agrees(scheme: Scheme) -> None:
    """What openssl signs by the sender's documentation passes."""
    webhook = verify(BODY, by_openssl(scheme), TEXT, scheme=scheme, now=NOW)
    assert webhook.payload == json.loads(BODY)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_openssl_agrees_on_plain_hmacs(algorithm: str, encoding: str) -> None:
    """Every algorithm in every spelling, with and without a prefix."""
    digest = openssl(TEXT, BODY, algorithm)
    spelt = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    for prefix in ("", f"{algorithm}="):
        scheme = plain_hmac(
            header="X-Signature",
            algorithm=algorithm,
            encoding=encoding,  # type: ignore[arg-type]
            prefix=prefix,
        )
        headers = {"x-signature": prefix + spelt}
        assert verify(BODY, headers, TEXT, scheme=scheme).event == "invoice.paid"


# --- Standard Webhooks --------------------------------------------------


def standard(**changes: str) -> dict[str, str]:
    _, headers = signed_request(scheme=STANDARD, body=BODY, now=NOW, message_id="msg_1")
    return headers | changes


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ("v1", "signature-malformed"),
        (" ", "signature-missing"),
        ("v1,", "signature-mismatch"),
        ("v1,abc", "signature-mismatch"),
        ("v1,a,b", "signature-mismatch"),
        ("v2,abc", "signature-malformed"),
        ("v1a,abc", "signature-mismatch"),
        ("v1,é", "signature-mismatch"),
        ("v1,a " * 11, "signature-malformed"),
    ],
)
def test_what_official_verifiers_stumble_over(signature: str, code: str) -> None:
    """Signatures that end in ValueError or binascii.Error there are refused here, all alike."""
    headers = standard() | {"webhook-signature": signature}
    assert code_of(BODY, headers, scheme=STANDARD, now=NOW) == code
    assert code_of(b"\xff\xfe", headers, scheme=STANDARD, now=NOW) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"webhook-id": ""}, "header-missing"),
        ({"webhook-timestamp": ""}, "timestamp-missing"),
        ({"webhook-timestamp": "1e9"}, "timestamp-malformed"),
        ({"webhook-timestamp": "9" * 400}, "timestamp-malformed"),
        ({"webhook-timestamp": f"{NOW}.0"}, "timestamp-malformed"),
        ({"webhook-id": "msg_2"}, "signature-mismatch"),
    ],
)
def test_what_is_signed_beside_the_body(change: dict[str, str], code: str) -> None:
    """Id and time are signed, have to be there, and are read as they are written."""
    assert code_of(BODY, standard() | change, scheme=STANDARD, now=NOW) == code


def test_several_signatures_and_keys() -> None:
    """Of several signatures and several secrets, one pair has to fit."""
    right = standard()["webhook-signature"]
    headers = standard() | {"webhook-signature": f"v2,xyz v1,AAAA {right}"}
    for secrets in (SECRET, ["whsec_QUJD", SECRET], SECRET.removeprefix("whsec_").rstrip("=")):
        assert verify(BODY, headers, secrets, scheme=STANDARD, now=NOW)
    assert code_of(BODY, headers, ["whsec_QUJD"], scheme=STANDARD, now=NOW) == "signature-mismatch"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é", "not base64!", "whpk_QUJD", "whsec_a"])
def test_a_secret_that_is_none(secret: str) -> None:
    """A secret that spells no key is the receiver's trouble, and is not shown."""
    with pytest.raises(WebhookError) as caught:
        verify(BODY, standard(), secret, scheme=STANDARD, now=NOW)
    assert (caught.value.code, caught.value.status) == ("secret-unusable", 500)
    assert secret not in caught.value.message


def test_ed25519() -> None:
    """A ``v1a`` signature passes with its public key, beside others, and with no other key."""
    body, headers = signed_request(WHSK, scheme=STANDARD, body=BODY, now=NOW, message_id="msg_1")
    assert verify(body, headers, WHPK, scheme=STANDARD, now=NOW).id == "msg_1"
    assert verify(body, headers, [SECRET, WHPK], scheme=STANDARD, now=NOW)
    both = standard(**{"webhook-signature": f"{standard()['webhook-signature']} v1a,xyz"})
    assert verify(body, both, [WHPK, SECRET], scheme=STANDARD, now=NOW)
    assert code_of(body, headers, SECRET, scheme=STANDARD, now=NOW) == "signature-mismatch"
    other = "whpk_" + base64.b64encode(bytes(32)).decode()
    assert code_of(body, headers, other, scheme=STANDARD, now=NOW) == "signature-mismatch"
    assert code_of(body + b" ", headers, WHPK, scheme=STANDARD, now=NOW) == "signature-mismatch"
    assert code_of(body, standard(), WHPK, scheme=STANDARD, now=NOW) == "signature-mismatch"


def test_ed25519_by_another_hand() -> None:
    """The signature is over ``id.timestamp.body``, made here by the library and not by us."""
    signature = base64.b64encode(PRIVATE.sign(f"m.{NOW}.".encode() + BODY)).decode()
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(NOW),
        "webhook-signature": f"v1a,{signature}",
    }
    assert verify(BODY, headers, WHPK, scheme=STANDARD, now=NOW)


# --- what the others say ------------------------------------------------


def told(scheme: Scheme, event: str | None = None, **more: object) -> tuple[object, ...]:
    request = signed_request(SECRET, event, scheme=scheme, message_id="7", now=NOW, **more)  # type: ignore[arg-type]
    webhook = verify(*request, SECRET, scheme=scheme, now=NOW)
    return webhook.type, webhook.resource, webhook.action, webhook.event, webhook.id


@pytest.mark.parametrize(
    ("scheme", "event", "expected"),
    [
        (GITHUB, "issues.opened", ("issues.opened", "issues", "opened", "issues.opened", "7")),
        (GITHUB, "push", ("push", "push", "", "push", "7")),
        (STRIPE, "invoice.paid", ("invoice.paid", "invoice", "paid", "invoice.paid", "evt_7")),
        (STRIPE, "a.b.c", ("a.b.c", "a.b", "c", "a.b.c", "evt_7")),
        (SHOPIFY, "orders/create", ("orders/create", "orders", "create", "orders.create", "7")),
        (SLACK, "app_mention", ("app_mention", "app_mention", "", "app_mention", "Ev7")),
        (SLACK, "url_verification", (*["url_verification"] * 2, "", "url_verification", None)),
        (STANDARD, "user.created", ("user.created", "user", "created", "user.created", "7")),
        (STANDARD, "ping", ("ping", "ping", "", "ping", "7")),
        (plain_hmac(header="X-S"), "a.b", ("a.b", "a", "b", "a.b", None)),
    ],
)
def test_types_and_ids(scheme: Scheme, event: str, expected: tuple[object, ...]) -> None:
    """Each sender's own name for it, the same taken apart, and the id to tell duplicates by."""
    assert told(scheme, event) == expected


def test_requests_of_ui_components() -> None:
    """An empty body is verified as empty and read as nothing; a JSON body has no envelope."""
    empty = signed_request(scheme=SENTRY_APP)
    assert empty.body == b""
    webhook = verify(*empty, SECRET, scheme=SENTRY_APP)
    assert (webhook.data, webhook.payload, webhook.event) == ({}, None, "")
    assert webhook.id == empty.headers["Request-ID"]
    fields = {"fields": {"title": "é"}, "installationId": INSTALLATION, "actor": {"id": 1}}
    webhook = verify(*signed_request(scheme=SENTRY_APP, data=fields), SECRET, scheme=SENTRY_APP)
    assert (webhook.data, webhook.installation, webhook.actor) == (fields, INSTALLATION, {"id": 1})
    # Express makes {} of nothing, and that is not what was signed.
    assert code_of(b"{}", empty.headers, scheme=SENTRY_APP) == "signature-mismatch"


@pytest.mark.parametrize("scheme", [GITHUB, SLACK], ids=lambda scheme: scheme.name)
def test_bodies_that_are_forms(scheme: Scheme) -> None:
    """GitHub's second content type and Slack's interactions carry JSON in a form."""
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

    def read(text: str) -> object:
        request = signed_request(scheme=scheme, body=text.encode())
        return verify(request.body, request.headers | form, SECRET, scheme=scheme).payload

    document = {"action": "opened", "é": "=&"}
    assert read("payload=" + urllib.parse.quote(json.dumps(document))) == document
    assert read("command=%2Ftill&text=") == {"command": "/till", "text": ""}
    with pytest.raises(WebhookError) as caught:
        read("&".join(f"f{number}=1" for number in range(1_001)))
    assert caught.value.code == "body-not-json"
    with pytest.raises(WebhookError) as caught:
        read("payload={")
    assert caught.value.code == "body-not-json"


def test_bodies_that_are_no_json() -> None:
    """Without JSON a plain HMAC takes any bytes, and parses none of them."""
    scheme = plain_hmac(header="X-S", json=False)
    for body in (b"<order/>", b"", b'{"type":"a"}'):
        webhook = verify(*signed_request(scheme=scheme, body=body), SECRET, scheme=scheme)
        assert (webhook.payload, webhook.data, webhook.body) == (None, {}, body)


# --- Stripe's and Slack's headers ---------------------------------------


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "signature-missing"),
        ("t=1", "signature-malformed"),
        (f"v1={'0' * 64}", "timestamp-missing"),
        (f"t=x,v1={'0' * 64}", "timestamp-malformed"),
        (f"t=1,t=2,v1={'0' * 64}", "signature-malformed"),
        (f"t={NOW},v0={'0' * 64}", "signature-malformed"),
        ("t=1," + ",".join(["v1=0"] * 11), "signature-malformed"),
        (f"t={NOW},v1=é", "signature-mismatch"),
        (",,,===", "signature-malformed"),
    ],
)
def test_stripe_headers(value: str, code: str) -> None:
    """What is no Stripe-Signature is told from one that does not fit."""
    assert code_of(BODY, {"Stripe-Signature": value}, scheme=STRIPE, now=NOW) == code


def test_stripe_rotates() -> None:
    """While a Stripe secret is rolled there are two signatures, and either one passes."""
    _, first = signed_request("one", scheme=STRIPE, body=BODY, now=NOW)
    _, second = signed_request("two", scheme=STRIPE, body=BODY, now=NOW)
    value = first["Stripe-Signature"] + "," + second["Stripe-Signature"].partition(",")[2]
    for secret in ("one", "two"):
        assert verify(BODY, {"Stripe-Signature": value}, secret, scheme=STRIPE, now=NOW)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"X-Slack-Signature": "v1=00"}, "signature-malformed"),
        ({"X-Slack-Signature": "v0=00"}, "signature-mismatch"),
        ({"X-Slack-Request-Timestamp": ""}, "timestamp-missing"),
        ({"X-Slack-Request-Timestamp": "now"}, "timestamp-malformed"),
    ],
)
def test_slack_headers(change: dict[str, str], code: str) -> None:
    """What is no Slack signature is told from one that does not fit."""
    body, headers = signed_request(scheme=SLACK, now=NOW)
    assert code_of(body, headers | change, scheme=SLACK, now=NOW) == code
