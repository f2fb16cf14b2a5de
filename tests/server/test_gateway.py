"""Sources over the wire: what comes in by one goes to its routes as it came."""

import base64
import json
from typing import Any

import pytest
from tests.server.senders import NEW_SECRET, SECRET, Sender

from hookline.core.signing import sign
from hookline.receive import SENTRY, scheme_named, verify
from hookline.receive.testing import signed_request


def test_what_comes_in_goes_on_as_it_came(live: Any) -> None:
    """The application gets the sender's bytes and headers, and can verify them itself."""
    sender = Sender(live)
    path = sender.route()
    body, headers = signed_request(SECRET, "issue.created")
    more = [
        ("X-Odd-CASE", "a"), ("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "s=1"),
        ("Authorization", "Bearer of-the-sender"), ("X-Empty", ""), ("Accept", "text/x"),
        ("User-Agent", "sender/1"), ("Accept-Encoding", "br"), ("X-Latin", b"caf\xe9"),
    ]  # fmt: skip
    hops = [("X-Forwarded-For", "10.1.2.3"), ("Forwarded", "for=10.1.2.3"), ("X-Real-IP", "10.1.2.3"),
            ("TE", "trailers"), ("Connection", "X-Hop"), ("X-Hop", "1")]  # fmt: skip
    answer = live.ok(sender.post(body, [*headers.items(), *more, *hops]), 200)
    assert answer == {"id": answer["id"], "deliveries": 1, "duplicate": False}
    (request,) = live.receiver.wait(path)
    assert request.body == body
    rest = [(k, v) for k, v in request.headers if k not in ("Host", "Content-Length")]
    expected = [(k, v.decode("latin-1") if isinstance(v, bytes) else v) for k, v in more]
    assert rest == [*headers.items(), *expected]
    webhook = verify(request.body, request.headers, SECRET, scheme=SENTRY)
    assert webhook.event == "issue.created"
    event = live.get(f"/api/v1/events/{answer['id']}")
    assert event["forwarded"]["source"] == sender.slug
    assert event["data"] == json.loads(body)
    assert event["actor"] is None
    shown = dict(event["forwarded"]["headers"])
    assert shown["Cookie"] == shown["Authorization"] == "********"
    (delivery,) = event["deliveries"]
    settled = live.settled(delivery["id"], "delivered")
    sent = settled["attempts"][0]["request"]
    assert sent["headers"] == event["forwarded"]["headers"]
    assert sent["body_base64"] == event["forwarded"]["body_base64"]


def test_nothing_is_added_that_the_sender_did_not_send(live: Any) -> None:
    """No content type, no user agent and no accepted types of ours."""
    sender = Sender(live, "sentry-app")
    path = sender.route()
    lines = ["Host: h", "Content-Length: 0", f"sentry-app-SIGNATURE: {sign(SECRET, b'')}", "", ""]
    head = "\r\n".join([f"POST {sender.path} HTTP/1.1", *lines])
    assert live.raw(head.encode()).startswith(b"HTTP/1.1 200 ")
    (request,) = live.receiver.wait(path)
    assert request.body == b""
    assert sorted(k for k, _ in request.headers) == [
        "Content-Length", "Host", "sentry-app-SIGNATURE"
    ]  # fmt: skip


def test_its_name_for_display_is_the_senders(live: Any) -> None:
    """Resource and action are what the sender calls them, registered or not, with or without action."""
    sender = Sender(live, "github")
    sender.route()
    body, headers = signed_request(SECRET, "push", scheme=sender.scheme, body=b"{}")
    answer = live.ok(sender.post(body, headers), 200)
    event = live.get(f"/api/v1/events/{answer['id']}")
    assert (event["resource"], event["action"]) == ("push", "")
    sentences = live.get(f"/api/v1/deliveries/{event['deliveries'][0]['id']}/explain")["sentences"]
    assert sentences[0].startswith("push was accepted at ")


# -- routes and filters ------------------------------------------------------------------------------


def reasons(live: Any, answer: Any) -> dict[str, tuple[bool, str]]:
    """Who was considered for a webhook that came in, and why or why not."""
    found = live.get(f"/api/v1/events/{answer['id']}")["considered"]
    return {each["integration"]: (each["chosen"], each["reason"]) for each in found}


def test_filters_choose_among_what_a_source_brings(live: Any) -> None:
    """By resource, action and expression; the event says of each route why it did not take it."""
    sender = Sender(live)
    everything = sender.route()
    wanted = {
        "issues": {"resources": ["issue"]},
        "created": {"actions": ["created"]},
        "both": {"resources": ["issue"], "actions": ["resolved"]},
        "told": {"expression": "data.issue.project.slug == 'web' && !(data.issue.muted)"},
        "broken": {"expression": "length(data.issue.muted) > `1`"},
    }
    slugs = {name: sender.route(filter=each)[1:] for name, each in wanted.items()}
    answer = sender.send(data={"issue": {"project": {"slug": "web"}}})
    assert answer["deliveries"] == 4
    said = reasons(live, answer)
    assert said == {
        everything[1:]: (True, "takes all that its source brings"),
        slugs["issues"]: (True, "its filter matches"),
        slugs["created"]: (True, "its filter matches"),
        slugs["both"]: (False, 'its filter takes no action "created"'),
        slugs["told"]: (True, "its filter matches"),
        slugs["broken"]: (
            False, "its filter's expression cannot be evaluated on it (JMESPathTypeError)"
        ),
    }  # fmt: skip
    answer = sender.send("comment.created", data={"issue": {"project": {"slug": "ios"}}})
    said = reasons(live, answer)
    assert said[slugs["issues"]] == (False, 'its filter takes no resource "comment"')
    assert said[slugs["told"]] == (False, "its filter's expression is not true of it")
    live.receiver.wait(f"/{slugs['told']}")
    assert len(live.receiver.wait(everything, 2)) == 2


def test_a_filter_can_be_changed_and_taken_away(live: Any) -> None:
    """What comes next follows it."""
    sender = Sender(live)
    slug = sender.route(filter={"resources": ["comment"]})[1:]
    assert sender.send()["deliveries"] == 0
    url = f"/api/v1/integrations/{slug}"
    given = {"filter": {"resources": ["comment", "issue"]}}
    assert live.ok(live.client.patch(url, json=given), 200)["filter"] == given["filter"]
    assert sender.send()["deliveries"] == 1
    assert live.ok(live.client.patch(url, json={"filter": None}), 200)["filter"] is None
    assert sender.send("error.created")["deliveries"] == 1


def test_a_route_gets_nothing_that_is_published_and_others_nothing_from_the_source(
    live: Any,
) -> None:
    """Neither by subscribing nor as a target; publishers do not even see it among those considered."""
    sender = Sender(live)
    slug = sender.route()[1:]
    other = live.register(resources=["issue"], alertable=True)["slug"]
    event = live.get(f"/api/v1/events/{live.publish()['id']}")
    assert slug not in {each["integration"] for each in event["considered"]}
    alert = {"resource": "event_alert", "action": "triggered", "data": {}, "targets": [slug]}
    path = "/api/v1/organizations/acme/events"
    live.refused(live.client.post(path, json=alert), 422, "unknown-integration", "/targets/0")
    assert other not in reasons(live, sender.send())


@pytest.mark.parametrize(
    ("given", "code", "where"),
    [
        ({"source": "nobody"}, "unknown-source", "/source"),
        ({"filter": {"resources": ["a"]}}, "filter-without-source", "/filter"),
        ({"kind": "public"}, "route-not-internal", "/kind"),
        ({"organization": "globex"}, "other-organization", "/organization"),
        ({"resources": ["issue"]}, "route-subscribes", "/resources"),
        ({"alertable": True}, "route-subscribes", "/alertable"),
        ({"filter": {"resources": []}}, "invalid-filter", "/filter/resources"),
        ({"filter": {"actions": ["x" * 201]}}, "invalid-filter", "/filter/actions/0"),
        ({"filter": {"expression": "(("}}, "invalid-expression", "/filter/expression"),
        ({"filter": {"expression": "[@,@]"}}, "invalid-expression", "/filter/expression"),
        ({"filter": {"expression": "to_string(@)"}}, "invalid-expression", "/filter/expression"),
        ({"filter": {"expression": "a" * 1001}}, "invalid-expression", "/filter/expression"),
        ({"filter": {"expresion": "a"}}, "unknown-field", "/filter/expresion"),
    ],
)
def test_wrong_routes(live: Any, given: Any, code: str, where: str) -> None:
    """Each rule says what is wrong and where, and nothing is registered."""
    sender = Sender(live)
    before = live.stored()["integrations"]
    whole = {"name": "Route", "webhook_url": live.receiver.url("/x")}
    if code not in ("unknown-source", "filter-without-source"):
        whole["source"] = sender.slug
    else:
        whole["organization"] = "acme"
    live.refused(live.client.post("/api/v1/integrations", json=whole | given), 422, code, where)
    assert live.stored()["integrations"] == before


def test_a_route_has_thirty_seconds_unless_told(live: Any) -> None:
    """What is behind a gateway is slow; others keep the documented second."""
    sender = Sender(live)
    route = live.get(f"/api/v1/integrations{sender.route()}")
    assert (route["timeout"], route["source"], route["filter"]) == (30.0, sender.slug, None)
    assert live.register()["timeout"] == 1.0


# -- duplicates --------------------------------------------------------------------------------------


def test_duplicates_are_dropped_by_the_senders_id_if_asked(live: Any) -> None:
    """The second is answered as the first, and goes nowhere."""
    sender = Sender(live, deduplicate="request-id")
    path = sender.route()
    first = sender.send(message_id="4f" * 16)
    again = sender.send(message_id="4f" * 16)
    assert again == first | {"duplicate": True}
    sender.send(message_id="5f" * 16)
    came = [each.header("Request-ID") for each in live.receiver.wait(path, 2)]
    assert sorted(came) == ["4f" * 16, "5f" * 16]
    assert live.get(f"/api/v1/events/{first['id']}")["id"] == first["id"]


def test_duplicates_are_dropped_by_a_field_or_by_the_body(live: Any) -> None:
    """A body without the field is never taken for a duplicate."""
    by_field = Sender(live, deduplicate="data.order.id")
    by_field.route()
    one = by_field.send("a.b", data={"order": {"id": 1}})
    assert by_field.send("c.d", data={"order": {"id": 1}})["id"] == one["id"]
    assert not by_field.send("a.b", data={"order": {"id": 2}})["duplicate"]
    assert [by_field.send("a.b", data={})["duplicate"] for _ in range(2)] == [False, False]
    by_body = Sender(live, deduplicate="body")
    by_body.route()
    body, headers = signed_request(SECRET, "issue.created")
    answers = [
        live.ok(by_body.post(body, headers | {"Request-ID": each}), 200) for each in ("a", "b")
    ]
    assert [each["duplicate"] for each in answers] == [False, True]


def test_without_asking_everything_goes_on(live: Any) -> None:
    """The same id twice is two webhooks."""
    sender = Sender(live)
    path = sender.route()
    for _ in range(2):
        assert not sender.send(message_id="4f" * 16)["duplicate"]
    live.receiver.wait(path, 2)


def test_no_publisher_can_name_what_came_in(live: Any) -> None:
    """The ids of what came in have a blank, which a publisher's own cannot have."""
    sender = Sender(live, deduplicate="request-id")
    answer = sender.send(message_id="17")
    event = {"resource": "issue", "action": "created", "data": {}, "id": answer["id"]}
    path = "/api/v1/organizations/acme/events"
    live.refused(live.client.post(path, json=event), 422, "bad-id", "/id")
    assert live.publish(id="17")["deliveries"] >= 0
    assert sender.send(message_id="17")["duplicate"]


# -- replay ------------------------------------------------------------------------------------------


def test_a_replay_sends_the_same_bytes_and_headers(live: Any) -> None:
    """Down to the sender's own id and signature."""
    sender = Sender(live)
    path = sender.route()
    event = live.get(f"/api/v1/events/{sender.send()['id']}")
    delivery = event["deliveries"][0]["id"]
    live.settled(delivery, "delivered")
    live.ok(live.client.post(f"/api/v1/deliveries/{delivery}/replay"), 202)
    first, second = live.receiver.wait(path, 2)
    assert (first.body, first.headers) == (second.body, second.headers)


def test_what_fails_is_tried_again_as_it_came(live: Any) -> None:
    """The ordinary schedule, the ordinary log."""
    sender = Sender(live)
    path = sender.route(retry_schedule=[0, 0, 0])
    live.receiver.answers[path] = (503, {"Retry-After": "0"})
    event = live.get(f"/api/v1/events/{sender.send()['id']}")
    found = live.settled(event["deliveries"][0]["id"], "parked", 3)
    assert [each["response"]["status"] for each in found["attempts"]] == [503] * 3
    assert len({(each.body, each.headers) for each in live.receiver.at(path)}) == 1


# -- secrets, URLs, the life of a source -------------------------------------------------------------


def test_a_secret_is_rotated_by_adding_and_dropping(live: Any) -> None:
    """Both are good between; after it only the new one, and none of them is ever shown."""
    sender = Sender(live)
    url = f"/api/v1/sources/{sender.slug}/secrets"
    old = live.get(url)[0]["id"]
    added = live.client.post(url, json={"secret": NEW_SECRET})
    assert [each["hint"] for each in live.ok(added, 201)] == ["********", "********5678"]
    assert NEW_SECRET not in added.text
    sender.send()
    sender.send(secret=NEW_SECRET)
    live.refused(live.client.post(url, json={"secret": "third"}), 409, "too-many-secrets")
    live.ok(live.client.delete(f"{url}/{old}"), 204)
    sender.send(secret=NEW_SECRET)
    body, headers = signed_request(SECRET, "issue.created")
    live.refused(sender.post(body, headers), 401, "signature-mismatch")
    (last,) = live.get(url)
    live.refused(live.client.delete(f"{url}/{last['id']}"), 409, "last-secret")
    live.refused(live.client.delete(f"{url}/{old}"), 404, "unknown-secret")


def test_a_new_url_ends_the_old_one(live: Any) -> None:
    """It is shown once, and what comes to the old one is what comes to nobody."""
    sender = Sender(live)
    made = live.ok(live.client.post(f"/api/v1/sources/{sender.slug}/url"), 200)
    assert made["path"] != sender.path
    assert made["url"] == live.served.url + made["path"]
    body, headers = signed_request(SECRET, "issue.created")
    live.refused(sender.post(body, headers), 404, "unknown-path")
    live.ok(sender.post(body, headers, made["path"]), 200)


def test_a_source_is_changed_listed_and_deleted(live: Any) -> None:
    """A deleted one is unknown at once; its slug is free, its routes and its log stay."""
    sender = Sender(live)
    path = sender.route()
    url = f"/api/v1/sources/{sender.slug}"
    changes = {"name": "Other", "deduplicate": "body", "max_body_bytes": 2048, "keep_refused": True}
    changed = live.ok(live.client.patch(url, json=changes), 200)
    assert {name: changed[name] for name in changes} == changes
    assert changed in live.get("/api/v1/sources")["sources"]
    assert "url" not in changed
    answer = sender.send(data={})
    live.receiver.wait(path)
    live.ok(live.client.delete(url), 204)
    live.refused(live.client.get(url), 404, "unknown-source")
    live.refused(live.client.delete(url), 404, "unknown-source")
    body, headers = signed_request(SECRET, "issue.created")
    live.refused(sender.post(body, headers), 404, "unknown-path")
    assert live.get(f"/api/v1/events/{answer['id']}")["forwarded"]["source"] == sender.slug
    assert live.get(f"/api/v1/integrations{path}")["source"] == sender.slug
    given = {"name": "Again", "slug": sender.slug, "organization": "acme", "scheme": "github"}
    live.ok(live.client.post("/api/v1/sources", json=given | {"secrets": ["x"]}), 201)


@pytest.mark.parametrize(
    ("given", "code", "where"),
    [
        ({"scheme": "sentri"}, "unknown-scheme", "/scheme"),
        ({"scheme": "plain-hmac"}, "missing-plain-hmac", "/plain_hmac"),
        ({"plain_hmac": {"header": "X"}}, "plain-hmac-not-allowed", "/plain_hmac"),
        (
            {"scheme": "plain-hmac", "plain_hmac": {"header": "a b"}},
            "invalid-header",
            "/plain_hmac",
        ),
        ({"secrets": []}, "invalid-secrets", "/secrets"),
        ({"secrets": ["a", "b", "c"]}, "invalid-secrets", "/secrets"),
        ({"secrets": ["good", " "]}, "invalid-secret", "/secrets/1"),
        ({"secrets": ["x" * 1001]}, "invalid-secret", "/secrets/0"),
        ({"scheme": "standard", "secrets": ["whsec_%"]}, "secret-unusable", "/secrets/0"),
        ({"deduplicate": "(("}, "invalid-expression", "/deduplicate"),
        ({"max_body_bytes": 100}, "out-of-range", "/max_body_bytes"),
        ({"max_body_bytes": 10**9}, "out-of-range", "/max_body_bytes"),
        ({"slug": "Über"}, "invalid-slug", "/slug"),
        ({"name": ""}, "invalid-name", "/name"),
        ({"organization": "A B"}, "invalid-organization", "/organization"),
        ({"tokn": "x"}, "unknown-field", "/tokn"),
    ],
)
def test_wrong_sources(live: Any, given: Any, code: str, where: str) -> None:
    """Each rule says what is wrong and where; no secret is in what it says."""
    whole = {"name": "S", "organization": "acme", "scheme": "sentry", "secrets": [SECRET]}
    answer = live.client.post("/api/v1/sources", json=whole | given)
    live.refused(answer, 422, code, where)
    assert SECRET not in answer.text


def test_a_plain_hmac_is_described(live: Any) -> None:
    """Its parameters become its name, and what is no JSON goes on, too."""
    plain = {"header": "X-Acme", "algorithm": "sha512", "encoding": "base64", "json": False}
    sender = Sender(live, "sentry")
    given = {"name": "Acme", "organization": "acme", "scheme": "plain-hmac", "plain_hmac": plain}
    made = live.ok(live.client.post("/api/v1/sources", json=given | {"secrets": [SECRET]}), 201)
    assert made["scheme"] == "plain-hmac/sha512/base64/bytes/X-Acme/"
    scheme = scheme_named(made["scheme"])
    route = live.register(source=made["slug"])["slug"]
    body = b"\x00\xff no JSON \r\n"
    _, headers = signed_request(SECRET, scheme=scheme, body=body)
    answer = live.ok(sender.post(body, headers, made["path"]), 200)
    (request,) = live.receiver.wait(f"/{route}")
    assert request.body == body
    event = live.get(f"/api/v1/events/{answer['id']}")
    assert event["data"] is None
    assert base64.b64decode(event["forwarded"]["body_base64"]) == body


@pytest.mark.parametrize("scheme", ["standard", "svix", "github", "stripe", "slack", "shopify"])
def test_every_scheme_comes_in_and_verifies_behind(live: Any, scheme: str) -> None:
    """The application verifies with the same scheme; only an age it must not limit."""
    secret = (
        "whsec_" + base64.b64encode(b"k" * 24).decode()
        if scheme in ("standard", "svix")
        else SECRET
    )
    sender = Sender(live, scheme, secrets=[secret])
    path = sender.route()
    body, headers = signed_request(secret, "orders.create", scheme=sender.scheme)
    live.ok(sender.post(body, headers), 200)
    (request,) = live.receiver.wait(path)
    assert verify(request.body, request.headers, secret, scheme=sender.scheme).body == body


def test_slacks_question_is_answered_and_goes_nowhere(live: Any) -> None:
    """The challenge comes back, if the question is signed; nothing is stored."""
    sender = Sender(live, "slack")
    sender.route()
    before = live.stored()
    body = b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7"}'
    _, headers = signed_request(SECRET, scheme=sender.scheme, body=body)
    answer = live.ok(sender.post(body, headers), 200)
    assert answer == {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7"}
    _, wrong = signed_request("wrong", scheme=sender.scheme, body=body)
    live.refused(sender.post(body, wrong), 401, "signature-mismatch")
    assert live.stored() == before
