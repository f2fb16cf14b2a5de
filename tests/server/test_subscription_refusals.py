"""What the routes about failing integrations refuse, in the one error shape; and an empty body."""

from typing import Any

import pytest

NEVER = "2020-01-01T00:00:00Z"


def path_of(app: dict[str, Any], verb: str = "") -> str:
    return f"/api/v1/integrations/{app['slug']}{verb and '/' + verb}"


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_a_body_can_be_left_out(live, content_type):
    """Where all fields have a default, nothing at all is as good as {}."""
    app = live.register()
    for verb in ("unsubscribe", "resubscribe"):
        live.ok(live.post(path_of(app, verb), b"", content_type), 200)
    live.refused(live.post(path_of(app, "recover"), b"", content_type), *_no_body(content_type))


def _no_body(content_type: str | None) -> tuple[Any, ...]:
    json = content_type == "application/json"
    return (400, "not-json") if json else (415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("verb", "body", "status", "code", "where"),
    [
        ("unsubscribe", b"{", 400, "not-json", None),
        ("unsubscribe", b"[]", 422, "wrong-type", ""),
        ("unsubscribe", b'{"detail":7}', 422, "wrong-type", "/detail"),
        ("unsubscribe", b'{"detail":"a\\nb"}', 422, "invalid-detail", "/detail"),
        ("unsubscribe", b'{"detail":"%s"}' % (b"x" * 201), 422, "invalid-detail", "/detail"),
        ("unsubscribe", b'{"because":"x"}', 422, "unknown-field", "/because"),
        ("resubscribe", b'{"recover":1}', 422, "wrong-type", "/recover"),
        ("resubscribe", b'{"dry_run":"yes"}', 422, "wrong-type", "/dry_run"),
        ("recover", b"{}", 422, "missing-field", ""),
        ("recover", b'{"since":"2h"}', 422, "invalid-instant", "/since"),
        ("recover", b'{"since":"2026-01-01T00:00:00"}', 422, "invalid-instant", "/since"),
        ("recover", b'{"since":"2026-01-01T00:00:00Z","until":"x"}', 422, "invalid-instant", "/until"),
        ("recover", b'{"since":"9998-01-01T00:00:00Z"}', 422, "empty-span", "/since"),
        (
            "recover",
            b'{"since":"0001-01-01T00:00:00Z","until":"0001-01-01T00:00:00Z"}',
            422,
            "empty-span",
            "/since",
        ),
        ("recover", b'{"since":"2026-01-01T00:00:00Z","states":[]}', 422, "invalid-states", "/states"),
        (
            "recover",
            b'{"since":"2026-01-01T00:00:00Z","states":["waiting"]}',
            422,
            "invalid-field",
            "/states/0",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(live, verb, body, status, code, where):
    """In the one error shape, with the place; and nothing changed."""
    app = live.register()
    live.refused(live.post(path_of(app, verb), body), status, code, where)
    assert live.get(path_of(app))["status"] == "subscribed"
    assert live.get(path_of(app, "recoveries")) == []


def test_what_its_state_forbids(live):
    """Each says what to do instead."""
    app = live.register()
    refused = [("resubscribe", {}), ("resubscribe", {"dry_run": True, "recover": True})]
    for verb, body in refused:
        answer = live.client.post(path_of(app, verb), json=body)
        assert "recover" in live.refused(answer, 409, "already-subscribed")["hint"]
    live.ok(live.client.post(path_of(app, "unsubscribe")), 200)
    answer = live.client.post(path_of(app, "unsubscribe"))
    assert "resubscribe" in live.refused(answer, 409, "already-unsubscribed")["hint"]
    answer = live.client.post(path_of(app, "recover"), json={"since": NEVER})
    assert "resubscribe" in live.refused(answer, 409, "integration-unsubscribed")["hint"]


@pytest.mark.parametrize(
    ("method", "verb"),
    [
        ("POST", "unsubscribe"),
        ("POST", "resubscribe"),
        ("POST", "recover"),
        ("GET", "recoveries"),
        ("GET", "health"),
    ],
)
def test_of_what_is_not_there(live, method, verb):
    """404, as for the integration itself."""
    body = {"since": NEVER} if verb == "recover" else None
    answer = live.client.request(method, f"/api/v1/integrations/nobody/{verb}", json=body)
    live.refused(answer, 404, "unknown-integration")
    live.refused(live.client.get("/api/v1/notices?integration=nobody"), 404, "unknown-integration")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/notices?limit=0", "invalid-parameter"),
        ("/api/v1/notices?limit=201", "invalid-parameter"),
        ("/api/v1/notices?before=0", "invalid-parameter"),
        ("/api/v1/notices?before=x", "invalid-parameter"),
        ("/api/v1/notices?before=9223372036854775808", "invalid-parameter"),
        ("/api/v1/notices?after=1", "unknown-parameter"),
        ("/api/v1/deliveries?park_reason=bored", "invalid-parameter"),
    ],
)
def test_parameters_against_their_rule(live, path, code):
    """As elsewhere."""
    live.refused(live.client.get(path), 422, code)
