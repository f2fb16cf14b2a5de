"""The exact request of an attempt: documented headers, signed body, one id for all attempts."""

import hashlib
import hmac
import json

from hypothesis import given
from hypothesis import strategies as st

from hookline.core.request import Outbound, build

DELIVERY = bytes(range(16))
UUID = "24b397fc-a86e-43ef-9297-949e21b82480"
TAIL = '"data":{"é":1},"actor":{"type":"user"}}'.encode()
NOW = 1_800_000_000_999_999


def built(**changes) -> Outbound:
    values = {
        "delivery_id": DELIVERY,
        "url": "https://receiver.example/hook?a=1",
        "resource": "issue",
        "action": "created",
        "installation": UUID,
        "tail": TAIL,
        "secret": "geheim-é",
        "timeout_ms": 1500,
        "now": NOW,
    }
    return build(**values | changes)


def test_the_request_in_full():
    """Every field, spelt out."""
    body = b'{"action":"created","installation":{"uuid":"' + UUID.encode() + b'"},' + TAIL
    signature = hmac.new("geheim-é".encode(), body, hashlib.sha256).hexdigest()
    assert built() == Outbound(
        url="https://receiver.example/hook?a=1",
        headers=(
            ("Content-Type", "application/json"),
            ("Request-ID", "000102030405060708090a0b0c0d0e0f"),
            ("Sentry-Hook-Resource", "issue"),
            ("Sentry-Hook-Timestamp", "1800000000"),
            ("Sentry-Hook-Signature", signature),
        ),
        body=body,
        timeout_ms=1500,
        signature=signature,
        started_at=NOW,
    )


@given(st.integers(0, 4 * 10**15), st.integers(0, 4 * 10**15))
def test_attempts_differ_in_their_timestamp_alone(first, second):
    """The same body, signature and Request-ID at any time, so that receivers can drop doubles."""
    one, two = built(now=first), built(now=second)
    assert (one.url, one.body, one.signature) == (two.url, two.body, two.signature)
    changed = [a[0] for a, b in zip(one.headers, two.headers, strict=True) if a != b]
    assert set(changed) <= {"Sentry-Hook-Timestamp"}
    assert dict(two.headers)["Sentry-Hook-Timestamp"] == str(second // 1_000_000)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_signature_is_by_the_secret(secret):
    """Another secret, another signature, over the same bytes (HMAC fills keys up with zeros)."""
    other = built(secret=secret)
    assert other.body == built().body
    assert (other.signature == built().signature) is (secret.rstrip("\0") == "geheim-é")


@given(st.binary(min_size=16, max_size=16))
def test_the_request_id_is_the_deliverys(delivery_id):
    """Its 16 bytes as 32 hex digits."""
    assert dict(built(delivery_id=delivery_id).headers)["Request-ID"] == delivery_id.hex()


def test_the_body_is_json():
    """The parts make up one document, with the data untouched."""
    assert json.loads(built().body) == {
        "action": "created",
        "installation": {"uuid": UUID},
        "data": {"é": 1},
        "actor": {"type": "user"},
    }
