"""Deliveries through the API: the exact bytes of each attempt, replaying, explaining, pages."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
import schemathesis

BODIES = {"é": [1.0, 1e-05, -0.0], "10": 1, "2": 2, "s": "\U0001f600\u2028</script>", "n": None}


def test_the_log_has_the_exact_bytes(live: Any) -> None:
    """Body and headers as the receiver got them; the signature is that of the secret over them."""
    made = live.register(slug="exact", organization="exact", resources=["issue"])
    live.receiver.answers["/exact"] = (202, {"X-Note": "thanks"})
    delivery = live.delivery_of(live.publish("exact", data=BODIES))
    (request,) = live.receiver.wait("/exact")
    logged = live.settled(delivery["id"], "delivered")
    (attempt,) = logged["attempts"]
    sent = attempt["request"]
    assert base64.b64decode(sent["body_base64"]) == request.body
    assert sent["body"] == request.body.decode()
    got = dict(request.headers)
    assert {name: got[name] for name, _ in sent["headers"]} == dict(sent["headers"])
    secret = made["client_secret"].encode()
    signature = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
    assert request.header("Sentry-Hook-Signature") == signature
    assert request.header("Request-ID") == delivery["id"]
    assert (sent["url"], attempt["address"]) == (
        made["webhook_url"], f"127.0.0.1:{live.receiver.port}",
    )  # fmt: skip
    assert (attempt["number"], attempt["outcome"], attempt["detail"]) == (1, "success", "")
    assert attempt["response"]["status"] == 202
    assert "X-Note: thanks\r\n" in attempt["response"]["head"]
    assert (logged["due_at"], logged["park_reason"]) == (None, None)
    assert attempt["timings_us"]["total"] >= attempt["timings_us"]["first_byte"] > 0


def test_ascii_bodies_are_what_json_dumps_makes(live: Any) -> None:
    """For integrations that ask for it, in the log as on the wire."""
    live.register(slug="ascii", organization="ascii", resources=["issue"], body_encoding="ascii")
    delivery = live.delivery_of(live.publish("ascii", data={"é": 100.0, "n": 2**60}))
    (request,) = live.receiver.wait("/ascii")
    assert b'"data":{"\\u00e9":100.0,"n":1152921504606846976}' in request.body
    (attempt,) = live.settled(delivery["id"], "delivered")["attempts"]
    assert base64.b64decode(attempt["request"]["body_base64"]) == request.body


def test_a_replay_is_the_same_request_again(live: Any) -> None:
    """The same body under the same Request-ID; only what is final can be replayed."""
    live.register(
        slug="replay", organization="replay", resources=["issue"], retry_schedule=[0, 600]
    )
    delivery = live.delivery_of(live.publish("replay"))["id"]
    live.settled(delivery, "delivered")
    replayed = live.ok(live.client.post(f"/api/v1/deliveries/{delivery}/replay"), 202)
    assert replayed["id"] == delivery
    first, second = live.receiver.wait("/replay", 2)
    assert (first.body, first.header("Request-ID")) == (second.body, second.header("Request-ID"))
    logged = live.settled(delivery, "delivered", attempts=2)
    assert [each["number"] for each in logged["attempts"]] == [1, 2]
    live.receiver.answers["/replay"] = (500, {})
    live.ok(live.client.post(f"/api/v1/deliveries/{delivery}/replay"), 202)
    live.settled(delivery, "waiting", attempts=3)
    response = live.client.post(f"/api/v1/deliveries/{delivery}/replay")
    live.refused(response, 409, "not-final")


@pytest.mark.parametrize(
    ("slug", "answer", "state", "park_reason", "sentences"),
    [
        ("ex-ok", (200, {}), "delivered", None, ["was answered 200 OK", "It is delivered"]),
        (
            "ex-retry", (503, {}), "waiting", None,
            ["503 Service Unavailable", "Its next attempt is due at"],
        ),
        ("ex-gone", (410, {}), "parked", "gone", ["wants no more of this", "answered 410 Gone"]),
        (
            "ex-moved", (301, {"Location": "https://h/new"}), "waiting", None,
            ["never followed: set the webhook URL to 'https://h/new'", "Its next attempt"],
        ),
        ("ex-auth", (401, {}), "waiting", None, ["hookline verify", "Its next attempt"]),
    ],
)  # fmt: skip
def test_a_delivery_is_explained(
    live: Any,
    slug: str,
    answer: tuple[int, dict[str, str]],
    state: str,
    park_reason: str | None,
    sentences: list[str],
) -> None:
    """What was accepted, each attempt, and where it stands."""
    live.register(slug=slug, organization=slug, resources=["issue"], retry_schedule=[0, 600])
    live.receiver.answers[f"/{slug}"] = answer
    delivery = live.delivery_of(live.publish(slug))["id"]
    assert live.settled(delivery, state)["park_reason"] == park_reason
    told = live.get(f"/api/v1/deliveries/{delivery}/explain")
    assert (told["id"], told["state"], len(told["sentences"])) == (delivery, state, 3)
    assert told["sentences"][0].startswith("issue.created was accepted at ")
    for sentence, part in zip(told["sentences"][1:], sentences, strict=True):
        assert part in sentence


def test_a_forbidden_address_is_explained(live: Any) -> None:
    """Parked at once, with the address, the rule, and the setting that would allow it."""
    live.register(
        slug="ex-blocked", organization="ex-blocked", resources=["issue"],
        webhook_url="http://127.0.0.1:1/",
    )  # fmt: skip
    delivery = live.delivery_of(live.publish("ex-blocked"))["id"]
    logged = live.settled(delivery, "parked")
    assert (logged["park_reason"], logged["attempts"][0]["outcome"]) == ("blocked", "blocked")
    told = live.get(f"/api/v1/deliveries/{delivery}/explain")["sentences"]
    assert "127.0.0.1:1 is not allowed" in told[1]
    assert "HOOKLINE_ALLOW_ADDRESSES" in told[1]
    assert "It is parked: the address is not allowed" in told[2]


def test_deliveries_are_listed_newest_first_in_pages(live: Any) -> None:
    """Each once; filters narrow, and the cursor goes on where the page ended."""
    live.register(slug="pages", organization="pages", resources=["issue"])
    ids = [live.delivery_of(live.publish("pages"))["id"] for _ in range(5)]
    for each in ids:
        live.settled(each, "delivered")
    seen: list[str] = []
    query: dict[str, Any] = {"organization": "pages", "limit": 2}
    while True:
        page = live.get("/api/v1/deliveries", **query)
        seen += [each["id"] for each in page["deliveries"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen == ids[::-1]
    for narrowed, count in [
        ({"integration": "pages"}, 5),
        ({"integration": "pages", "state": "delivered"}, 5),
        ({"integration": "pages", "state": "parked"}, 0),
        ({"integration": "pages", "organization": "acme"}, 0),
        ({"integration": "nobody"}, 0),
    ]:
        assert len(live.get("/api/v1/deliveries", **narrowed)["deliveries"]) == count


def test_answers_are_what_the_document_says(live: Any) -> None:
    """Those that hold something, which made-up requests seldom reach."""
    schema = schemathesis.openapi.from_url(f"{live.served.url}/openapi.json")
    source = {"name": "S", "slug": "conform", "organization": "conform", "scheme": "sentry"}
    live.ok(live.client.post("/api/v1/sources", json=source | {"secrets": ["s3cret"]}), 201)
    live.register(slug="conform", organization="conform", resources=["issue"])
    event = live.publish("conform", data={"n": 2**60})
    delivery = live.delivery_of(event)["id"]
    live.settled(delivery, "delivered")
    values = {
        "slug": "conform", "organization": "conform", "uuid": "-", "id": delivery,
    }  # fmt: skip
    checked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.method != "get":
            continue
        path = operation.path
        if path == "/api/v1/events/{id}":
            path = f"/api/v1/events/{event['id']}"
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", value)
        response = live.client.get(path)
        assert response.status_code == 200
        operation.validate_response(response)
        checked += 1
    assert checked >= 9
