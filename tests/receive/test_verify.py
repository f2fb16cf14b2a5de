"""``verify``: what is genuine passes, what is not is one exception with a code."""

import doctest
import importlib
import json
import math
import pkgutil
from email.message import Message
from http.client import parse_headers
from io import BytesIO
from types import MappingProxyType

import pytest

import hookline.receive
from hookline.core.signing import sign
from hookline.receive import (
    GITHUB,
    SENTRY,
    SENTRY_APP,
    SHOPIFY,
    SLACK,
    STANDARD,
    STRIPE,
    IssueData,
    Scheme,
    Webhook,
    WebhookError,
    plain_hmac,
    verify,
)
from hookline.receive.testing import INSTALLATION, SECRET, signed_request

NOW = 1_767_225_600
BODY, HEADERS = signed_request(now=NOW)


def refused(
    body: object = BODY, headers: object = HEADERS, secrets: object = SECRET, **more: object
) -> WebhookError:
    """Verify what must not pass, and return the error."""
    with pytest.raises(WebhookError) as caught:
        verify(body, headers, secrets, **({"now": NOW} | more))  # type: ignore[arg-type]
    return caught.value


def test_the_examples_in_the_docstrings_are_true() -> None:
    """What the docstrings show is what happens, and there are examples."""
    names = [
        name
        for _, name, _ in pkgutil.iter_modules(hookline.receive.__path__, "hookline.receive.")
        if name != "hookline.receive.pytest_plugin"
    ]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
    results.append(doctest.testmod(hookline.receive))
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 20


def test_a_genuine_webhook() -> None:
    """Everything that the documented request says is there, by name."""
    webhook = verify(BODY, HEADERS, SECRET)
    told = json.loads(BODY)
    assert (webhook.scheme, webhook.type, webhook.event) == ("sentry", *["issue.created"] * 2)
    assert (webhook.resource, webhook.action) == ("issue", "created")
    assert webhook.installation == INSTALLATION
    assert webhook.data == told["data"]
    assert webhook.actor == told["actor"]
    assert webhook.payload == told
    assert webhook.body == BODY
    assert webhook.timestamp == NOW
    assert webhook.id == webhook.request_id == HEADERS["Request-ID"]
    assert webhook.header("REQUEST-id") == webhook.id
    assert webhook.header("nothing") is None
    assert webhook.key == f"sentry:{webhook.id}"
    assert webhook.data_as(IssueData)["issue"]["count"] == told["data"]["issue"]["count"]


def test_a_webhook_can_be_logged() -> None:
    """Its text form shows neither the body nor a header."""
    secret_header = {**HEADERS, "Authorization": "Bearer of-bad-news"}
    shown = repr(verify(BODY, secret_header, SECRET))
    assert "issue.created" in shown
    assert "of-bad-news" not in shown
    assert "Crédit" not in shown


@pytest.mark.parametrize(
    "headers",
    [
        {name.upper(): value for name, value in HEADERS.items()},
        {name.lower(): value.encode() for name, value in HEADERS.items()},
        MappingProxyType(HEADERS),
        list(HEADERS.items()),
        tuple((name.encode(), value.encode()) for name, value in HEADERS.items()),
        iter(HEADERS.items()),
        ((name, [value]) for name, value in HEADERS.items()),
        {name: f" {value}\t" for name, value in HEADERS.items()},
    ],
)
def test_headers_as_frameworks_give_them(headers: object) -> None:
    """Any case, text or bytes, mappings and pairs and lists of values."""
    assert verify(BODY, headers, SECRET).event == "issue.created"  # type: ignore[arg-type]


def test_headers_of_the_standard_library() -> None:
    """What http.server and http.client parse is no Mapping, and is taken too."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()) + "\r\n"
    parsed = parse_headers(BytesIO(lines.encode()))
    assert isinstance(parsed, Message)
    assert verify(BODY, parsed, SECRET).event == "issue.created"  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [bytearray(BODY), memoryview(BODY)])
def test_other_bytes(body: object) -> None:
    """Bytes that are not ``bytes`` are taken, and the webhook holds ``bytes``."""
    assert type(verify(body, HEADERS, SECRET).body) is bytes  # type: ignore[arg-type]


def test_several_secrets() -> None:
    """While a secret is being rotated either one passes, in any order."""
    for secrets in (["old", SECRET], [SECRET, "new"], (SECRET,)):
        assert verify(BODY, HEADERS, secrets)
    assert refused(secrets=["old", "older"]).message == (
        f"the signature does not fit any of the 2 secrets over {len(BODY)} bytes"
    )


SIGNATURE = "Sentry-Hook-Signature"


@pytest.mark.parametrize(
    ("code", "status", "change"),
    [
        ("body-not-bytes", 500, {"body": BODY.decode()}),
        ("body-not-bytes", 500, {"body": json.loads(BODY)}),
        ("body-not-bytes", 500, {"body": None}),
        ("headers-unreadable", 500, {"headers": None}),
        ("headers-unreadable", 500, {"headers": "Sentry-Hook-Signature: 00"}),
        ("headers-unreadable", 500, {"headers": HEADERS | {"X-Count": 3}}),
        ("headers-unreadable", 500, {"headers": [(1, "a")]}),
        ("headers-unreadable", 500, {"headers": [("a", "b", "c")]}),
        ("no-secret", 500, {"secrets": ""}),
        ("no-secret", 500, {"secrets": " \n"}),
        ("no-secret", 500, {"secrets": []}),
        ("no-secret", 500, {"secrets": [SECRET, ""]}),
        ("no-secret", 500, {"secrets": None}),
        ("no-secret", 500, {"secrets": [None]}),
        ("no-secret", 500, {"secrets": b"bytes"}),
        ("signature-missing", 401, {"headers": {}}),
        ("signature-missing", 401, {"headers": HEADERS | {SIGNATURE: ""}}),
        ("signature-duplicate", 401, {"headers": [*HEADERS.items(), (SIGNATURE.lower(), "00")]}),
        ("signature-malformed", 401, {"headers": HEADERS | {SIGNATURE: "00"}}),
        ("signature-mismatch", 401, {"headers": HEADERS | {SIGNATURE: "0" * 64}}),
        ("signature-mismatch", 401, {"headers": HEADERS | {SIGNATURE: "é" * 64}}),
        ("signature-mismatch", 401, {"headers": HEADERS | {SIGNATURE: HEADERS[SIGNATURE].upper()}}),
        ("signature-mismatch", 401, {"secrets": "another"}),
        ("signature-mismatch", 401, {"body": BODY + b"\n"}),
        ("header-missing", 400, {"headers": {SIGNATURE: HEADERS[SIGNATURE]}}),
        ("header-duplicate", 400, {"headers": [*HEADERS.items(), ("Request-ID", "00")]}),
        ("timestamp-too-old", 401, {"max_age_s": 60, "now": NOW + 61}),
        ("timestamp-in-future", 401, {"max_age_s": 60, "now": NOW - 61}),
        ("timestamp-too-old", 401, {"max_age_s": math.nan}),
    ],
)
def test_what_is_refused(code: str, status: int, change: dict[str, object]) -> None:
    """Each trouble has its code and its status, says what to do, and shows neither key nor digest."""
    error = refused(**change)  # type: ignore[arg-type]
    assert (error.code, error.status) == (code, status)
    assert error.hint.endswith((".", '"'))
    for private in (SECRET, HEADERS[SIGNATURE]):
        assert private not in f"{error} {error!r} {error.message} {error.hint}"


def test_an_empty_secret_opens_nothing() -> None:
    """A variable that is not set must not let pass what anybody can sign with an empty secret."""
    signed = HEADERS | {SIGNATURE: sign("", BODY)}
    assert refused(headers=signed, secrets="").code == "no-secret"
    assert refused(headers=signed, secrets=[SECRET, ""]).code == "no-secret"


def test_where_to_get_raw_bytes() -> None:
    """Who hands in a parsed body is told the way out of each framework."""
    hint = refused(body={}).hint
    for words in ("get_data()", "request.body", "await request.body()", "express.raw"):
        assert words in hint


def resigned(body: bytes, scheme: Scheme = SENTRY) -> tuple[bytes, dict[str, str]]:
    return signed_request(scheme=scheme, body=body, now=NOW)


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        ("body-not-json", b"", "the body is empty"),
        ("body-not-json", b"{", "line 1, column 2"),
        ("body-not-json", b'{"a":\xff}', "not UTF-8 at byte 5"),
        ("body-not-json", b"\xef\xbb\xbf{}", "BOM"),
        ("body-not-json", '{"a":1}'.encode("utf-16"), "not UTF-8"),
        ("body-not-json", b"[" * 100_000, "too deep"),
        ("body-not-json", b"9" * 5_000, "too many digits"),
        ("body-not-documented", b"[]", "not an object"),
        ("body-not-documented", b"{}", "no text under action"),
        ("body-not-documented", b'{"action":"a","data":[]}', "no object under data"),
        ("body-not-documented", b'{"action":1,"data":{}}', "no text under action"),
    ],
)
def test_a_right_signature_over_what_is_no_webhook(code: str, body: bytes, words: str) -> None:
    """What the sender itself got wrong is 400, and the message tells the place."""
    error = refused(*resigned(body))
    assert (error.code, error.status) == (code, 400)
    assert words in error.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"action":"a","data":{}}',
        b'{"action":"a","data":{},"installation":[],"actor":3}',
        b'{"action":"a","data":{},"installation":{"uuid":7},"actor":null,"text":"new"}',
    ],
)
def test_what_is_tolerated(body: bytes) -> None:
    """A webhook without installation or actor, or with more than is documented, is one."""
    webhook = verify(*resigned(body), SECRET)
    assert (webhook.action, webhook.installation, webhook.actor) == ("a", None, {})


def test_an_unsigned_time_is_looked_at_only_when_asked() -> None:
    """In the documented scheme an odd or missing time matters with ``max_age_s`` only."""
    for text in ("soon", "", "1e9", "-1", "٣", "1" * 13):
        headers = HEADERS | {"Sentry-Hook-Timestamp": text}
        assert verify(BODY, headers, SECRET).timestamp is None
        code = "timestamp-malformed" if text else "timestamp-missing"
        assert refused(headers=headers, max_age_s=60).code == code
    assert verify(BODY, HEADERS, SECRET, now=NOW + 60, max_age_s=60).timestamp == NOW
    assert verify(BODY, HEADERS, SECRET, now=NOW - 60, max_age_s=60).timestamp == NOW


def test_the_unsigned_time_stops_no_attacker() -> None:
    """A captured request passes again under a new time: what the docstring warns of is true."""
    replayed = HEADERS | {"Sentry-Hook-Timestamp": str(NOW + 10**6)}
    assert verify(BODY, replayed, SECRET, now=NOW + 10**6, max_age_s=60)


@pytest.mark.parametrize("scheme", [STANDARD, STRIPE, SLACK], ids=lambda scheme: scheme.name)
def test_a_signed_time_is_looked_at_always(scheme: Scheme) -> None:
    """Five minutes either way unless somebody says otherwise, and no new time can be put on."""
    body, headers = signed_request(scheme=scheme, now=NOW)
    for now in (NOW - 300, NOW, NOW + 300):
        assert verify(body, headers, SECRET, scheme=scheme, now=now).timestamp == NOW
    old = refused(body, headers, scheme=scheme, now=NOW + 301)
    assert (old.code, old.message) == ("timestamp-too-old", "it was sent 301 seconds ago")
    early = refused(body, headers, scheme=scheme, now=NOW - 301)
    assert early.code == "timestamp-in-future"
    assert verify(body, headers, SECRET, scheme=scheme, now=NOW + 10**9, max_age_s=math.inf)
    moved = {name: value.replace(str(NOW), str(NOW + 9)) for name, value in headers.items()}
    assert moved != headers
    assert refused(body, moved, scheme=scheme).code == "signature-mismatch"


@pytest.mark.parametrize("scheme", [GITHUB, SHOPIFY, SENTRY_APP, plain_hmac(header="X-Sig")])
def test_no_age_where_there_is_no_time(scheme: Scheme) -> None:
    """A limit that could not be kept is refused rather than ignored."""
    body, headers = signed_request(scheme=scheme)
    assert verify(body, headers, SECRET, scheme=scheme).timestamp is None
    error = refused(body, headers, scheme=scheme, max_age_s=60)
    assert (error.code, error.status) == ("no-timestamp", 500)


def test_duplicates_without_an_id() -> None:
    """Where a sender gives no id, the key is made of the body."""
    headers = {name: value for name, value in HEADERS.items() if name != "Request-ID"}
    webhook = verify(BODY, headers, SECRET)
    assert webhook.id is None
    assert webhook.key == f"sentry:{webhook.digest}"
    assert isinstance(webhook, Webhook)
