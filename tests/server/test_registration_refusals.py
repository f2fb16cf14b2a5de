"""What registering refuses: each field by its rule, and nothing of it is stored."""

import json
from typing import Any

import pytest

INTEGRATIONS = "/api/v1/integrations"
URL = "https://hooks.example.com/webhooks"
GOOD = {"name": "App", "webhook_url": URL, "organization": "acme"}


def _body(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def _raw(field: str, value: bytes) -> bytes:
    return _body(**{field: "@"}).replace(b'"@"', value)


# What both registering and changing take.
_BARE = b'{"name":"App","webhook_url":"https://hooks.example.com/"}'


def _bare(field: str, value: bytes) -> bytes:
    return b'{"%b":%b}' % (field.encode(), value)


# What a field is refused for on registering and on changing alike.
FIELDS = [
    ("name", b"1", "wrong-type"),
    ("name", b"null", "wrong-type"),
    ("name", b"[]", "wrong-type"),
    ("name", b'""', "invalid-name"),
    ("name", b'"  "', "invalid-name"),
    ("name", b'"' + b"a" * 58 + b'"', "invalid-name"),
    ("name", b'"' + b"a" * 100_000 + b'"', "invalid-field"),
    ("name", b'"a\\r\\nX-Evil: 1"', "invalid-name"),
    ("name", b'"a\\u0000b"', "invalid-name"),
    ("name", b'"a\\u202eb"', "invalid-name"),
    ("webhook_url", b"1", "wrong-type"),
    ("webhook_url", b"null", "wrong-type"),
    ("webhook_url", b'""', "invalid-url"),
    ("webhook_url", b'"hooks.example.com"', "invalid-url"),
    ("webhook_url", b'"//hooks.example.com/"', "invalid-url"),
    ("webhook_url", b'"file:///etc/passwd"', "invalid-url"),
    ("webhook_url", b'"gopher://h:70/_x"', "invalid-url"),
    ("webhook_url", b'"ftp://h/"', "invalid-url"),
    ("webhook_url", b'"javascript:alert(1)"', "invalid-url"),
    ("webhook_url", b'"unix:/run/x.sock"', "invalid-url"),
    ("webhook_url", b'"https://user:pass@h/"', "invalid-url"),
    ("webhook_url", b'"https://user@h/"', "invalid-url"),
    ("webhook_url", b'"https://h/#x"', "invalid-url"),
    ("webhook_url", b'"https://h/\\r\\nX-Evil: 1"', "invalid-url"),
    ("webhook_url", b'"https://h\\u0000/"', "invalid-url"),
    ("webhook_url", b'"https://h\\\\@evil/"', "invalid-url"),
    ("webhook_url", b'"https://h/\\u00e9"', "invalid-url"),
    ("webhook_url", b'"https://0x7f.1/"', "invalid-url"),
    ("webhook_url", b'"https://2130706433/"', "invalid-url"),
    ("webhook_url", b'"https://[::1%25lo]/"', "invalid-url"),
    ("webhook_url", b'"https://h:0/"', "invalid-url"),
    ("webhook_url", b'"https://h:99999/"', "invalid-url"),
    ("webhook_url", b'"https://h/a/../b"', "invalid-url"),
    ("webhook_url", b'"https://h/' + b"a" * 503 + b'"', "invalid-url"),
    ("webhook_url", b'"https://h/' + b"a" * 5_000 + b'"', "invalid-field"),
    ("alertable", b'"true"', "wrong-type"),
    ("alertable", b"1", "wrong-type"),
    ("alertable", b"null", "wrong-type"),
    ("timeout", b'"1"', "wrong-type"),
    ("timeout", b"true", "wrong-type"),
    ("timeout", b"null", "wrong-type"),
    ("timeout", b"0", "out-of-range"),
    ("timeout", b"0.0999", "out-of-range"),
    ("timeout", b"30.001", "out-of-range"),
    ("timeout", b"-1", "out-of-range"),
    ("timeout", b"1e308", "out-of-range"),
    ("timeout", b"1e400", "invalid-field"),
    ("timeout", b"9" * 5_000, "invalid-field"),
    ("max_in_flight", b"0", "out-of-range"),
    ("max_in_flight", b"1001", "out-of-range"),
    ("max_in_flight", b"9" * 30, "out-of-range"),
    ("max_in_flight", b"9" * 4_000, "out-of-range"),
    ("max_in_flight", b"9" * 5_000, "invalid-field"),
    ("max_in_flight", b"1.5", "wrong-type"),
    ("max_in_flight", b"true", "wrong-type"),
    ("retry_schedule", b"null", "wrong-type"),
    ("retry_schedule", b"5", "wrong-type"),
    ("retry_schedule", b"[]", "invalid-retry-schedule"),
    ("retry_schedule", b"[" + b",".join([b"1"] * 51) + b"]", "invalid-retry-schedule"),
    ("retry_schedule", b"[0,-1]", "invalid-retry-schedule"),
    ("retry_schedule", b"[604801]", "invalid-retry-schedule"),
    ("body_encoding", b'"utf-8"', "invalid-field"),
    ("body_encoding", b"null", "wrong-type"),
    ("resources", b'"issue"', "wrong-type"),
    ("resources", b"null", "wrong-type"),
    ("resources", b"{}", "wrong-type"),
]


@pytest.fixture(scope="module")
def existing(live: Any) -> str:
    """An integration to change."""
    return live.register(slug="existing", resources=["issue"])["slug"]


@pytest.mark.parametrize(("field", "value", "code"), FIELDS)
def test_a_field_against_its_rule(
    live: Any, existing: str, field: str, value: bytes, code: str
) -> None:
    """On registering and on changing; ``where`` points to the field."""
    before, was = live.stored(), live.get(f"{INTEGRATIONS}/{existing}")
    live.refused(live.post(INTEGRATIONS, _raw(field, value)), 422, code, f"/{field}")
    response = live.client.patch(
        f"{INTEGRATIONS}/{existing}",
        content=b'{"%b":%b}' % (field.encode(), value),
        headers={"Content-Type": "application/json"},
    )
    live.refused(response, 422, code, f"/{field}")
    assert "x-evil" not in response.headers
    assert live.stored() == before
    assert live.get(f"{INTEGRATIONS}/{existing}") == was


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        (b"[]", "wrong-type", ""),
        (b"null", "wrong-type", ""),
        (b'"x"', "wrong-type", ""),
        (b"{}", "missing-field", ""),
        (b'{"name":"x"}', "missing-field", ""),
        (_body(webhookurl="x"), "unknown-field", "/webhookurl"),
        (_body(client_secret="x"), "unknown-field", "/client_secret"),
        (_body(status="subscribed"), "unknown-field", "/status"),
        (_body(**{"a/b~c": 1}), "unknown-field", "/a~1b~0c"),
        (_body(**{"x` - at `$.name": 1}), "unknown-field", "/x` - at `$.name"),
        (_body(**{"x\n`": 1}), "unknown-field", "/x\n`"),
        (_body(**{"x" * 5_000: 1}), "unknown-field", ""),
        (_body(x={"a": [[]]}), "unknown-field", "/x"),
        (_body(kind="private"), "invalid-field", "/kind"),
        (_body(kind="x" * 100_000), "invalid-field", "/kind"),
        (_body(kind="x` - at `$.name"), "invalid-field", "/kind"),
        (_body(kind=1), "wrong-type", "/kind"),
        (_body(kind="public"), "organization-not-allowed", "/organization"),
        (_body(organization=None), "missing-organization", "/organization"),
        (_body(organization=1), "wrong-type", "/organization"),
        (_body(organization=""), "invalid-organization", "/organization"),
        (_body(organization="Acme"), "invalid-organization", "/organization"),
        (_body(organization="a\r\nb"), "invalid-organization", "/organization"),
        (_body(organization="a" * 65), "invalid-organization", "/organization"),
        (_body(slug=""), "invalid-slug", "/slug"),
        (_body(slug="My App"), "invalid-slug", "/slug"),
        (_body(slug="a_b"), "invalid-slug", "/slug"),
        (_body(slug="-a"), "invalid-slug", "/slug"),
        (_body(slug="a\r\nX-Evil: 1"), "invalid-slug", "/slug"),
        (_body(slug="a" * 58), "invalid-slug", "/slug"),
        (_body(slug=1), "wrong-type", "/slug"),
        (_body(name="日本"), "missing-slug", "/slug"),
        (_body(resources=["issue", 1]), "wrong-type", "/resources/1"),
        (_body(resources=["issue", "isue"]), "unknown-resource", "/resources/1"),
        (_body(resources=["issue", "issue"]), "duplicate-resource", "/resources/1"),
        (_body(resources=["event_alert"]), "not-subscribable", "/resources/0"),
        (_body(resources=["installation"]), "not-subscribable", "/resources/0"),
        (_body(resources=["a\r\nb"]), "unknown-resource", "/resources/0"),
        (_body(resources=["x" * 100_000]), "unknown-resource", "/resources/0"),
        (_body(resources=["issue"] * 101), "too-many-resources", "/resources"),
        (_body(retry_schedule=[0, True]), "wrong-type", "/retry_schedule/1"),
        (_body(retry_schedule=["0"]), "wrong-type", "/retry_schedule/0"),
        (_body(retry_schedule=[0, None]), "wrong-type", "/retry_schedule/1"),
    ],
)
def test_an_integration_that_is_refused(live: Any, body: bytes, code: str, where: str) -> None:
    """With the place, and nothing of it stored: no integration, no organization, no secret."""
    before = live.stored()
    live.refused(live.post(INTEGRATIONS, body), 422, code, where)
    assert live.stored() == before


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        (b"", 400, "not-json", None),
        (b"{", 400, "not-json", None),
        (_BARE[:-1], 400, "not-json", None),
        (_BARE + b"}", 400, "not-json", None),
        (_bare("timeout", b"NaN"), 400, "not-json", None),
        (_bare("timeout", b"Infinity"), 400, "not-json", None),
        (_bare("retry_schedule", b"[0,NaN]"), 400, "not-json", None),
        (_bare("name", b'"\xff"'), 400, "not-utf-8", None),
        (_bare("name", b'"\\ud800"'), 400, "not-json", None),
        (b"\xef\xbb\xbf" + _BARE, 400, "byte-order-mark", None),
        (_bare("resources", b"[" * 100_000), 422, "wrong-type", "/resources/0"),
        (b"[" * 100_000, 422, "wrong-type", ""),
        (b'{"name":' * 100_000, 422, "wrong-type", "/name"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_that_is_no_document(
    live: Any, existing: str, method: str, body: bytes, status: int, code: str, where: str | None
) -> None:
    """Whatever reads it, the answer is a refusal."""
    path = INTEGRATIONS if method == "POST" else f"{INTEGRATIONS}/{existing}"
    before = live.stored()
    headers = {"Content-Type": "application/json"}
    live.refused(
        live.client.request(method, path, content=body, headers=headers), status, code, where
    )
    assert live.stored() == before


def test_a_slug_that_is_taken(live: Any, existing: str) -> None:
    """409 at the slug, given or made from the name; the first one stays as it was."""
    was, before = live.get(f"{INTEGRATIONS}/{existing}"), live.stored()
    response = live.post(INTEGRATIONS, _body(slug=existing, organization="newcomer"))
    live.refused(response, 409, "slug-taken", "/slug")
    live.refused(live.post(INTEGRATIONS, _body(name="Existing")), 409, "slug-taken", "/slug")
    assert live.stored() == before
    assert live.get(f"{INTEGRATIONS}/{existing}") == was


@pytest.mark.parametrize("field", ["slug", "kind", "organization", "client_id", "uuid", "nam"])
def test_what_cannot_be_changed(live: Any, existing: str, field: str) -> None:
    """Changing takes only what may change, and says what that is."""
    response = live.client.patch(f"{INTEGRATIONS}/{existing}", json={field: "x"})
    error = live.refused(response, 422, "unknown-field", f"/{field}")
    assert '"name"' in error["hint"] or "name" in error["hint"]


def test_changing_what_is_not_there(live: Any) -> None:
    """404."""
    response = live.client.patch(f"{INTEGRATIONS}/nobody", json={"name": "x"})
    live.refused(response, 404, "unknown-integration")


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        ({"integration": "nobody"}, 404, "unknown-integration", None),
        ({"integration": "a\r\nb"}, 404, "unknown-integration", None),
        ({"integration": "x" * 201}, 422, "invalid-field", "/integration"),
        ({"integration": "existing"}, 422, "not-installable", "/integration"),
        ({"integration": 1}, 422, "wrong-type", "/integration"),
        ({}, 422, "missing-field", ""),
        ({"integration": "x", "actr": 1}, 422, "unknown-field", "/actr"),
        ({"integration": "x", "actor": 1}, 422, "wrong-type", "/actor"),
        ({"integration": "x", "actor": {}}, 422, "missing-field", "/actor"),
        ({"integration": "x", "actor": {"typ": "user"}}, 422, "unknown-field", "/actor/typ"),
        (
            {"integration": "x", "actor": {"type": "user", "id": 1, "name": "a" * 201}},
            422, "bad-actor", "/actor/name",
        ),
        (
            {"integration": "x", "actor": {"type": "application", "id": 1, "name": "a"}},
            422, "bad-actor", "/actor/id",
        ),
        (
            {"integration": "x", "actor": {"type": "robot", "id": 1, "name": "a"}},
            422, "invalid-field", "/actor/type",
        ),
        (
            {"integration": "x", "actor": {"type": "user", "id": 10**30, "name": "a"}},
            422, "bad-actor", "/actor/id",
        ),
    ],
)  # fmt: skip
def test_an_installation_that_is_refused(
    live: Any, existing: str, body: dict[str, Any], status: int, code: str, where: str | None
) -> None:
    """Nothing is installed, announced, or named for the first time."""
    assert existing == "existing"
    before = live.stored()
    response = live.client.post("/api/v1/organizations/newcomer/installations", json=body)
    live.refused(response, status, code, where)
    assert live.stored() == before


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        ({}, 422, "missing-field", ""),
        ({"name": "order"}, 422, "missing-field", ""),
        ({"name": 1, "actions": ["x"]}, 422, "wrong-type", "/name"),
        ({"name": "Order", "actions": ["x"]}, 422, "invalid-resource-name", "/name"),
        ({"name": "a\r\nb", "actions": ["x"]}, 422, "invalid-resource-name", "/name"),
        ({"name": "a" * 65, "actions": ["x"]}, 422, "invalid-resource-name", "/name"),
        ({"name": "issue", "actions": ["x"]}, 422, "reserved-resource-name", "/name"),
        ({"name": "hookline_x", "actions": ["x"]}, 422, "reserved-resource-name", "/name"),
        ({"name": "order", "actions": []}, 422, "invalid-actions", "/actions"),
        ({"name": "order", "actions": "x"}, 422, "wrong-type", "/actions"),
        ({"name": "order", "actions": ["x"] * 101}, 422, "invalid-actions", "/actions"),
        ({"name": "order", "actions": ["a", "a\n"]}, 422, "invalid-action-name", "/actions/1"),
        ({"name": "order", "actions": ["a", "a"]}, 422, "duplicate-action", "/actions/1"),
        ({"name": "order", "actions": ["a", 1]}, 422, "wrong-type", "/actions/1"),
        ({"name": "order", "actions": ["a"], "x": 1}, 422, "unknown-field", "/x"),
        ({"name": "taken", "actions": ["other"]}, 409, "resource-exists", "/name"),
    ],
)
def test_a_resource_that_is_refused(
    live: Any, body: dict[str, Any], status: int, code: str, where: str
) -> None:
    """Documented, registered and reserved names are taken."""
    live.client.post("/api/v1/resources", json={"name": "taken", "actions": ["made"]})
    before = live.stored()
    live.refused(live.client.post("/api/v1/resources", json=body), status, code, where)
    assert live.stored() == before


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ({}, "missing-field", ""),
        ({"name": ""}, "invalid-name", "/name"),
        ({"name": "a\r\nb"}, "invalid-name", "/name"),
        ({"name": None}, "wrong-type", "/name"),
        ({"name": "a" * 58}, "invalid-name", "/name"),
        ({"name": "x", "key": "mine"}, "unknown-field", "/key"),
    ],
)
def test_a_key_that_is_refused(live: Any, body: dict[str, Any], code: str, where: str) -> None:
    """A key has a name for people; the key itself is ours to make."""
    before = live.stored()
    live.refused(live.client.post("/api/v1/keys", json=body), 422, code, where)
    assert live.stored() == before


def test_of_a_field_that_is_given_twice_the_last_counts(live: Any) -> None:
    """As in JSON everywhere; and the last one is checked."""
    response = live.post(INTEGRATIONS, _body()[:-1] + b',"name":"","slug":"twice"}')
    live.refused(response, 422, "invalid-name", "/name")
    made = live.ok(live.post(INTEGRATIONS, b'{"name":"",' + _body(slug="twice")[1:]), 201)
    assert made["name"] == "App"
