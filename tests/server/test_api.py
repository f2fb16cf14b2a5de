"""The API as a publisher and an operator use it: registering, installing, fan-out, resources, keys."""

import json
import re
from typing import Any

import httpx
import pytest

HEX = re.compile(r"[0-9a-f]{64}")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_an_internal_integration_is_installed_at_once(live: Any) -> None:
    """With the defaults, a slug from its name, and a secret that is shown."""
    url = live.receiver.url("/internal")
    given = {"name": "My  First App!", "webhook_url": url, "organization": "acme"}
    made = live.ok(live.client.post("/api/v1/integrations", json=given), 201)
    (installation,) = made.pop("installations")
    assert UUID4.fullmatch(installation["uuid"])
    assert HEX.fullmatch(made.pop("client_secret"))
    assert HEX.fullmatch(made.pop("client_id"))
    assert UUID4.fullmatch(made.pop("uuid"))
    assert INSTANT.fullmatch(made["created_at"])
    assert made.pop("created_at") == made.pop("updated_at")
    assert made == {
        "slug": "my-first-app", "name": "My  First App!", "kind": "internal",
        "organization": "acme", "webhook_url": url, "resources": [], "alertable": False,
        "status": "subscribed", "timeout": 1.0, "max_in_flight": 32,
        "retry_schedule": [0, 5, 30, 120, 600, 3600, 14400, 43200, 86400],
        "body_encoding": "javascript", "rate_limit": None, "ordered": False, "unsubscribed": None,
        "source": None, "filter": None,
    }  # fmt: skip
    assert installation == live.get("/api/v1/organizations/acme/installations")[-1]


def test_a_public_integration_is_installed_by_organizations(live: Any) -> None:
    """Nothing is installed at first."""
    made = live.register(kind="public")
    assert (made["organization"], made["installations"]) == (None, [])


def test_secrets_are_in_no_other_answer(live: Any) -> None:
    """The client secret is shown once; afterwards no route tells it."""
    made = live.register(slug="secretive", resources=["issue"])
    event = live.publish()
    live.receiver.wait("/secretive")
    delivery = next(
        each for each in live.get(f"/api/v1/events/{event['id']}")["deliveries"]
        if each["integration"] == "secretive"
    )  # fmt: skip
    live.settled(delivery["id"], "delivered")
    for path in (
        "/api/v1/integrations", "/api/v1/integrations/secretive", "/api/v1/deliveries",
        "/api/v1/organizations/acme/installations", f"/api/v1/events/{event['id']}",
        f"/api/v1/deliveries/{delivery['id']}", f"/api/v1/deliveries/{delivery['id']}/explain",
        "/openapi.json", "/api/v1/keys", "/api/v1/resources",
    ):  # fmt: skip
        answer = live.client.get(path)
        assert answer.status_code == 200
        assert made["client_secret"] not in answer.text
    changed = live.client.patch("/api/v1/integrations/secretive", json={"resources": []})
    assert made["client_secret"] not in live.client.delete("/api/v1/integrations/secretive").text
    assert made["client_secret"] not in changed.text


def test_changing_changes_what_is_given(live: Any) -> None:
    """What is left out stays; an empty change changes nothing but the time."""
    made = live.register(resources=["issue"], timeout=2.5)
    path = f"/api/v1/integrations/{made['slug']}"
    was = live.get(path)
    changes = {"name": "Other", "timeout": 0.1, "retry_schedule": [0], "body_encoding": "ascii",
               "resources": ["error", "comment"], "alertable": True, "max_in_flight": 1000}  # fmt: skip
    now = live.ok(live.client.patch(path, json=changes), 200)
    assert now == was | changes | {"updated_at": now["updated_at"]}
    again = live.ok(live.client.patch(path, json={}), 200)
    assert again == now | {"updated_at": again["updated_at"]}
    assert was["updated_at"] < now["updated_at"] < again["updated_at"]
    assert live.get(path) == again


def test_integrations_are_listed_by_slug_in_pages(live: Any) -> None:
    """The pages hold each once, in order; the last one has no next."""
    for stem in ("zz-c", "zz-a", "zz-b"):
        live.register(slug=stem)
    seen, after = [], ""
    while after is not None:
        page = live.get("/api/v1/integrations", after=after, limit=2)
        assert len(page["integrations"]) <= 2
        seen += [each["slug"] for each in page["integrations"]]
        after = page["next"]
    assert seen == sorted(set(seen))
    assert seen[-3:] == ["zz-a", "zz-b", "zz-c"]


def test_a_deleted_integration_is_gone_and_its_slug_free(live: Any) -> None:
    """Its installations go with it; the log stays, also under a new integration of that name."""
    live.register(slug="gone", organization="gone-org", resources=["issue"])
    first = live.publish("gone-org")
    live.receiver.wait("/gone")
    delivery = live.delivery_of(first)["id"]
    live.settled(delivery, "delivered")
    assert live.client.delete("/api/v1/integrations/gone").status_code == 204
    live.refused(live.client.get("/api/v1/integrations/gone"), 404, "unknown-integration")
    assert live.get("/api/v1/organizations/gone-org/installations") == []
    assert live.publish("gone-org")["deliveries"] == 0
    again = live.register(slug="gone", organization="gone-org", resources=["issue"])
    assert live.publish("gone-org")["deliveries"] == 1
    live.receiver.wait("/gone", 2)
    assert (
        live.get(f"/api/v1/deliveries/{delivery}")["installation"]
        != again["installations"][0]["uuid"]
    )


def test_installing_tells_the_integration(live: Any) -> None:
    """The documented webhook: the installation, its code, who did it; and the answer has the code."""
    made = live.register(slug="public-app", kind="public")
    actor = {"type": "user", "id": 7, "name": "Ada"}
    path = "/api/v1/organizations/installer/installations"
    answer = live.ok(
        live.client.post(path, json={"integration": "public-app", "actor": actor}), 201
    )
    (request,) = live.receiver.wait("/public-app")
    body = request.json()
    told = body["data"]["installation"]
    assert request.header("Sentry-Hook-Resource") == "installation"
    assert list(body) == ["action", "installation", "data", "actor"]
    assert (body["action"], body["installation"]) == ("created", {"uuid": answer["uuid"]})
    assert body["actor"] == actor
    assert HEX.fullmatch(answer["code"])
    assert isinstance(told["organization"].pop("id"), int)
    assert isinstance(told["app"].pop("sentryAppId"), int)
    assert told == {
        "status": "installed", "organization": {"slug": "installer"},
        "app": {"uuid": made["uuid"], "slug": "public-app"},
        "uuid": answer["uuid"], "code": answer["code"],
    }  # fmt: skip
    assert (answer["status"], answer["organization"]) == ("installed", "installer")
    (listed,) = live.get(path)
    assert listed == {key: value for key, value in answer.items() if key != "code"}
    again = live.client.post(path, json={"integration": "public-app"})
    error = live.refused(again, 409, "already-installed", None)
    assert answer["uuid"] in error["hint"]


def test_uninstalling_tells_the_integration(live: Any) -> None:
    """``installation.deleted`` by the system, without a code; a second time it is not there."""
    live.register(slug="leaving", kind="public", resources=["issue"])
    path = "/api/v1/organizations/leaver/installations"
    made = live.ok(live.client.post(path, json={"integration": "leaving"}), 201)
    uninstall = f"/api/v1/installations/{made['uuid']}"
    removed = live.ok(live.client.delete(uninstall), 200)
    assert (removed["uuid"], removed["status"]) == (made["uuid"], "deleted")
    created, deleted = sorted(
        (each.json() for each in live.receiver.wait("/leaving", 2)), key=lambda body: body["action"]
    )
    assert (created["action"], deleted["action"]) == ("created", "deleted")
    assert "code" not in deleted["data"]["installation"]
    assert deleted["actor"] == {"type": "application", "id": "sentry", "name": "Sentry"}
    live.refused(live.client.delete(uninstall), 404, "unknown-installation")
    assert live.get(path) == []
    assert live.publish("leaver")["deliveries"] == 0


def test_an_internal_integration_hears_nothing_of_installing(live: Any) -> None:
    """Installing and uninstalling it are silent: the event after them is the first that comes."""
    made = live.register(slug="silent", organization="silent-org", resources=["issue"])
    live.publish("silent-org", data={"sentinel": 1})
    live.ok(live.client.delete(f"/api/v1/installations/{made['installations'][0]['uuid']}"), 200)
    live.register(slug="after", organization="silent-org", resources=["issue"])
    live.publish("silent-org", data={"sentinel": 2})
    live.receiver.wait("/after")
    (request,) = live.receiver.wait("/silent")
    assert request.header("Sentry-Hook-Resource") == "issue"


def test_who_gets_an_event(live: Any) -> None:
    """Subscribers of the resource in this organization, and alerts by target or to all alertable."""
    here, there = "fan-out", "elsewhere"
    live.register(slug="fo-issue", organization=here, resources=["issue"])
    live.register(slug="fo-alert", organization=here, alertable=True)
    live.register(slug="fo-none", organization=here)
    live.register(slug="fo-other", organization=there, resources=["issue"], alertable=True)
    slugs = {"fo-issue", "fo-alert", "fo-none", "fo-other"}
    alert = {"resource": "event_alert", "action": "triggered"}
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"resource": "issue", "action": "created"}, {"fo-issue"}),
        ({"resource": "error", "action": "created"}, set()),
        (alert, {"fo-alert"}),
        (alert | {"targets": ["fo-none"]}, {"fo-none"}),
        (alert | {"targets": ["fo-none", "fo-alert", "fo-issue"]}, {"fo-none", "fo-alert", "fo-issue"}),
        (alert | {"targets": []}, set()),
        ({"resource": "metric_alert", "action": "critical"}, {"fo-alert"}),
    ]  # fmt: skip
    expected: dict[str, list[int]] = {slug: [] for slug in slugs}
    for number, (event, chosen) in enumerate(cases):
        answer = live.publish(here, data={"case": number}, **event)
        assert answer["deliveries"] == len(chosen)
        shown = live.get(f"/api/v1/events/{answer['id']}")
        assert {each["integration"] for each in shown["deliveries"]} == chosen
        assert {e["integration"]: e["chosen"] for e in shown["considered"]} == {
            slug: slug in chosen for slug in slugs - {"fo-other"}
        }
        for slug in chosen:
            expected[slug].append(number)
    # The sentinel: whatever else was sent to anybody came before it, for all lanes are idle.
    for slug in slugs:
        live.client.patch(f"/api/v1/integrations/{slug}", json={"resources": ["comment"]})
    for organization in (here, there):
        live.publish(organization, resource="comment", action="created", data={"case": 99})
    for slug in slugs:
        got = live.receiver.wait(f"/{slug}", len(expected[slug]) + 1)
        assert sorted(r.json()["data"]["case"] for r in got) == [*expected[slug], 99]


def test_an_event_tells_why_each_installation_was_chosen(live: Any) -> None:
    """In words, with what was handed in."""
    live.register(slug="why-yes", organization="why", resources=["issue"])
    live.register(slug="why-no", organization="why", resources=["error"])
    answer = live.publish("why", id="why-1", data={"é": [1.0, "\U0001f600"]})
    assert answer == {"id": "why-1", "deliveries": 1, "warnings": []}
    shown = live.get("/api/v1/events/why-1")
    assert {each["integration"]: each["reason"] for each in shown["considered"]} == {
        "why-yes": "subscribes to issue", "why-no": "does not subscribe to issue",
    }  # fmt: skip
    assert shown["data"] == {"é": [1, "\U0001f600"]}
    assert shown["actor"] == {"type": "application", "id": "sentry", "name": "Sentry"}
    kept = ("id", "organization", "resource", "action", "targets")
    assert [shown[key] for key in kept] == ["why-1", "why", "issue", "created", None]
    assert INSTANT.fullmatch(shown["accepted_at"])


def test_an_event_with_half_of_a_surrogate_pair_can_be_looked_at(live: Any) -> None:
    """It is carried as the escape that it came as."""
    body = b'{"resource":"issue","action":"created","id":"half","data":{"x":"\\ud800"}}'
    assert live.post("/api/v1/organizations/acme/events", body).status_code == 202
    assert b'"data":{"x":"\\ud800"}' in live.client.get("/api/v1/events/half").content


@pytest.mark.parametrize("name", ["a/b", "a//b/", "..", "a/../b", "%41", "a?b#c", "~", "\\"])
def test_an_event_is_found_by_whatever_id_it_was_given(live: Any, name: str) -> None:
    """Any visible ASCII is an id; percent-encoded, it is found again."""
    assert live.publish(id=name)["id"] == name
    encoded = "".join(f"%{ord(char):02X}" for char in name)
    assert live.get(f"/api/v1/events/{encoded}")["id"] == name


def test_the_same_id_again_is_answered_as_the_first_time(live: Any) -> None:
    """Even with other data; in another organization it is another event."""
    live.register(slug="once", organization="dup-a", resources=["issue"])
    big = {"n": 2**60}
    first = live.publish("dup-a", id="dup", data=big)
    assert first["deliveries"] == 1
    assert first["warnings"][0]["where"] == "/data/n"
    again = live.publish("dup-a", id="dup", data={"other": 1}, action="resolved")
    assert again == first | {"duplicate": True}
    other = live.publish("dup-b", id="dup")
    assert other == {"id": "dup", "deliveries": 0, "warnings": []}
    error = live.refused(live.client.get("/api/v1/events/dup"), 409, "ambiguous-event")
    assert "?organization=" in error["hint"]
    assert live.get("/api/v1/events/dup", organization="dup-a")["data"] == {"n": str(2**60)}
    live.refused(
        live.client.get("/api/v1/events/dup", params={"organization": "x"}), 404, "unknown-event"
    )
    live.publish("dup-a", data={"sentinel": 1})
    assert len(live.receiver.wait("/once", 2)) == 2


@pytest.mark.parametrize("ndjson", [False, True])
def test_a_batch_is_answered_in_its_order(live: Any, ndjson: bool) -> None:
    """A list or lines, blank ones among them; duplicates too, also within the batch."""
    stem = f"batch-{ndjson}".lower()
    event = {"resource": "issue", "action": "created", "data": {}}
    events = [event | {"id": f"{stem}-{n}"} for n in (1, 2, 1)]
    events[1]["data"] = {"big": 2**70}
    path = "/api/v1/organizations/batches/events/batch"
    if ndjson:
        lines = "\r\n\n".join(json.dumps(each) for each in events)
        response = live.post(path, lines.encode() + b"\n", "application/x-ndjson")
    else:
        response = live.post(path, json.dumps(events).encode())
    answers = live.ok(response, 202)["events"]
    assert [each["id"] for each in answers] == [f"{stem}-1", f"{stem}-2", f"{stem}-1"]
    assert [each.get("duplicate", False) for each in answers] == [False, False, True]
    assert answers[1]["warnings"][0]["where"].endswith("/data/big")


def test_a_resource_of_ones_own(live: Any) -> None:
    """Registered, subscribed to, delivered, and listed after the documented ones."""
    made = live.ok(
        live.client.post("/api/v1/resources", json={"name": "order", "actions": ["placed"]}), 201
    )
    assert made == {
        "name": "order", "actions": ["placed"], "routing": "subscribed", "documented": False,
    }  # fmt: skip
    listed = live.get("/api/v1/resources")
    assert listed[-1] == made
    assert listed[0]["documented"] is True
    live.register(slug="orders", organization="shop", resources=["order"])
    live.publish("shop", resource="order", action="placed", data={"total": 9.5})
    (request,) = live.receiver.wait("/orders")
    assert request.header("Sentry-Hook-Resource") == "order"
    assert request.json()["data"] == {"total": 9.5}


def test_a_key_works_until_it_is_revoked(live: Any) -> None:
    """It is shown once; a revoked one stays in the list and opens nothing."""
    made = live.ok(live.client.post("/api/v1/keys", json={"name": "ci"}), 201)
    headers = {"Authorization": f"Bearer {made['key']}"}
    with httpx.Client(base_url=live.served.url, headers=headers, trust_env=False) as client:
        listed = live.ok(client.get("/api/v1/keys"), 200)
        assert listed[-1] == {key: value for key, value in made.items() if key != "key"}
        assert live.client.delete(f"/api/v1/keys/{made['id']}").status_code == 204
        live.refused(client.get("/api/v1/keys"), 401, "wrong-key")
        event = {"resource": "issue", "action": "created", "data": {}}
        publish = client.post("/api/v1/organizations/acme/events", json=event)
        live.refused(publish, 401, "wrong-key")
    assert live.get("/api/v1/keys")[-1]["revoked_at"] is not None
    live.refused(live.client.delete(f"/api/v1/keys/{made['id']}"), 404, "unknown-key")


def test_health_needs_no_key(live: Any) -> None:
    """Alive, and ready for events."""
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        answer = httpx.get(live.served.url + path, trust_env=False)
        assert (answer.status_code, answer.json()["status"]) == (200, status)
