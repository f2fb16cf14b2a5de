"""Every refusal has one shape, on every route: who may call, what is there, which methods it takes."""

from typing import Any

import httpx
import pytest
import structlog

from hookline.server.app import make_app
from hookline.server.keys import KeyRing
from hookline.server.query import asked_by

PUBLISH = "/api/v1/organizations/acme/events"
OPEN = {"/healthz", "/readyz", "/openapi.json"}
VALUES = {
    "{slug}": "nobody",
    "{organization}": "acme",
    "{uuid}": "24b397fc-a86e-43ef-9297-949e21b82480",
    "{id}": "1",
}


@pytest.fixture(scope="module")
def framework(live: Any) -> Any:
    """The framework's part of the application, which knows its routes."""

    async def make() -> Any:
        from hookline.send.intake import Limits

        return make_app(live.served.engine, KeyRing(), Limits())

    return live.run(make).framework


@pytest.fixture(scope="module")
def operations(framework: Any) -> list[tuple[str, str]]:
    """Each method and path that the application routes, by the framework's own list."""
    found = [
        (method, route.path_format)
        for route in framework.routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    ]
    publishing = "/api/v1/organizations/{organization}/events"
    return [*found, ("POST", publishing), ("POST", f"{publishing}/batch")]


def _concrete(path: str) -> str:
    for name, value in VALUES.items():
        path = path.replace(name, value)
    return path


def test_every_route_needs_a_key_but_three(live: Any, operations: Any) -> None:
    """Without a key each answers 401, says how to send one, and does nothing."""
    before = live.stored()
    assert len(operations) > 20
    for method, path in operations:
        response = httpx.request(method, live.served.url + _concrete(path), trust_env=False)
        if path in OPEN:
            assert response.status_code == 200
            continue
        live.refused(response, 401, "missing-key")
        assert response.headers["www-authenticate"] == "Bearer"
    assert live.stored() == before


def test_the_document_lists_every_route(live: Any, operations: Any) -> None:
    """What is routed is documented, and what is documented is routed."""
    paths = live.get("/openapi.json")["paths"]
    documented = {(method.upper(), path) for path, item in paths.items() for method in item}
    assert documented - {("POST", "/in/{token}")} == {*operations} - {("GET", "/openapi.json")}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "missing-key"),
        (b"Bearer", "wrong-key"),
        (b"Bearer wrong", "wrong-key"),
        (b"Bearer " + b"k" * 39, "wrong-key"),
        (b"Bearer " + b"k" * 41, "wrong-key"),
        (b"Bearer " + b"K" * 40, "wrong-key"),
        (b"Bearer " + b"x" * 10_000, "wrong-key"),
        (b"Bearer \xff\xfe\xc3\xa9", "wrong-key"),
        (b"k" * 40, "missing-key"),
        (b"Basic " + b"k" * 40, "missing-key"),
        (b"\xff\xfe", "missing-key"),
        (b"Bearer," + b"k" * 40, "missing-key"),
    ],
)
@pytest.mark.parametrize("path", [PUBLISH, "/api/v1/keys"])
def test_odd_keys_are_refused(live: Any, path: str, value: bytes, code: str) -> None:
    """Whatever the Authorization header holds, on the short way and through the framework."""
    with httpx.Client(trust_env=False) as client:
        headers = {b"Authorization": value, b"Content-Type": b"application/json"}
        response = client.post(live.served.url + path, headers=headers, content=b'{"name":"x"}')
    error = live.refused(response, 401, code)
    assert "x" * 20 not in error["message"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_as_the_standard_has_it(live: Any, scheme: str) -> None:
    """RFC 9110: the scheme's case does not matter."""
    headers = {"Authorization": f"{scheme} {live.key}"}
    assert live.client.get("/api/v1/keys", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
)
def test_a_method_that_a_path_does_not_take(live: Any, operations: Any, method: str) -> None:
    """405 names those that it takes, on every path that there is."""
    takes: dict[str, set[str]] = {}
    for taken, path in operations:
        takes.setdefault(path, set()).update({taken, "HEAD"} if taken == "GET" else {taken})
    for path, methods in takes.items():
        if method in methods:
            continue
        response = live.client.request(method, _concrete(path))
        assert response.status_code == 405
        assert response.headers["allow"] == ", ".join(sorted(methods))
        if method != "HEAD":
            live.refused(response, 405, "method-not-allowed")


def test_head_is_get_without_the_body(live: Any) -> None:
    """The same status and length, and no body."""
    response = live.client.head("/api/v1/resources")
    same = live.client.get("/api/v1/resources")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == same.headers["content-length"]


@pytest.mark.parametrize(
    "path",
    [
        "/", "/nothing", "/api", "/api/v1", "/api/v2/keys", "/api/v1/keys/1/2",
        "/api/v1/events/", "/docs", "/schema",
        "/schema/openapi.json", "/openapi.yaml", "/api/v1/organizations//events",
        "/api/v1/organizations/a%2Fb/events", "/api/v1/organizations/acme/events/batch/x",
        "/" + "x" * 8_000, "/%00", "/%ff%fe", "/%0d%0aX-Evil:%201", "/..%2f..%2fetc/passwd",
        "/api/v1/integrations/a%2Fb",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_there(live: Any, method: str, path: str) -> None:
    """404 for whatever names nothing, however it is spelt."""
    response = live.client.request(method, path)
    live.refused(response, 404, "unknown-path")
    assert "x-evil" not in response.headers


@pytest.mark.parametrize(
    "name",
    ["ACME", "a%20b", "%2E", "%00", "%0d%0aX-Evil:1", "%C3%A9", "%FF", "a.b", "-a", "_a", "a-",
     "a" * 65, "a" * 8_000, "%2561cme", "%25", "a%3Fb", "%F0%9F%98%80"],
)  # fmt: skip
@pytest.mark.parametrize("tail", ["events", "events/batch", "installations"])
def test_what_cannot_be_an_organization(live: Any, name: str, tail: str) -> None:
    """An organization's name in a path obeys its rule; nothing is decoded twice."""
    body = b'{"resource":"issue","action":"created","data":{},"integration":"x"}'
    before = live.stored()
    body = b"[%s]" % body if tail.endswith("batch") else body
    body = b'{"integration":"x"}' if tail == "installations" else body
    response = live.post(f"/api/v1/organizations/{name}/{tail}", body)
    live.refused(response, 422, "invalid-organization")
    assert "x-evil" not in response.headers
    assert live.stored() == before


def test_an_encoded_name_is_the_name(live: Any) -> None:
    """Percent-encoding a letter changes nothing, and a slash at the end neither."""
    body = b'{"resource":"issue","action":"created","data":{}}'
    for path in (
        "/api/v1/organizations/%61cme/events",
        f"{PUBLISH}/",
        "/api/v1/organizations/acme/%65vents",
    ):
        assert live.post(path, body).status_code == 202


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/integrations/{}", "unknown-integration"),
        ("/api/v1/events/{}", "unknown-event"),
        ("/api/v1/deliveries/{}", "unknown-delivery"),
        ("/api/v1/deliveries/{}/explain", "unknown-delivery"),
    ],
)
@pytest.mark.parametrize(
    "name",
    ["x", "0" * 32, "0" * 31, "0" * 33, "01%2002%20" + "0" * 28, "%00", "%0d%0aX:1", "%FF", "a" * 9_000,
     "%C3%A9", "%22%3E%3Cscript%3E", "..%20", "%25s", "'; drop table events; --"],
)  # fmt: skip
def test_what_is_not_known(live: Any, path: str, code: str, name: str) -> None:
    """A name that names nothing is 404, whatever it holds."""
    live.refused(live.client.get(path.format(name)), 404, code)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("DELETE", "/api/v1/integrations/nobody", "unknown-integration"),
        ("DELETE", "/api/v1/installations/nobody", "unknown-installation"),
        ("DELETE", "/api/v1/installations/%00", "unknown-installation"),
        ("DELETE", "/api/v1/keys/424242", "unknown-key"),
        ("DELETE", "/api/v1/keys/9223372036854775807", "unknown-key"),
        ("POST", f"/api/v1/deliveries/{'0' * 32}/replay", "unknown-delivery"),
        ("POST", "/api/v1/deliveries/x/replay", "unknown-delivery"),
    ],
)
def test_what_cannot_be_changed_because_it_is_not_there(
    live: Any, method: str, path: str, code: str
) -> None:
    """404, and nothing changed."""
    before = live.stored()
    live.refused(live.client.request(method, path), 404, code)
    assert live.stored() == before


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/api/v1/deliveries?limit=0", "limit"),
        ("/api/v1/deliveries?limit=201", "limit"),
        ("/api/v1/deliveries?limit=x", "limit"),
        ("/api/v1/deliveries?limit=", "limit"),
        ("/api/v1/deliveries?limit=" + "9" * 40, "limit"),
        ("/api/v1/deliveries?limit=" + "9" * 5_000, "limit"),
        ("/api/v1/deliveries?limit=-1", "limit"),
        ("/api/v1/deliveries?limit=NaN", "limit"),
        ("/api/v1/deliveries?state=lost", "state"),
        ("/api/v1/deliveries?state=", "state"),
        ("/api/v1/deliveries?state=%00", "state"),
        ("/api/v1/deliveries?before=x", "before"),
        ("/api/v1/deliveries?before=", "before"),
        ("/api/v1/integrations?limit=201", "limit"),
        ("/api/v1/integrations?after=" + "a" * 201, "after"),
    ],
)
def test_parameters_against_their_rule(live: Any, path: str, names: str) -> None:
    """The message begins with the parameter's name, as the caller wrote it."""
    error = live.refused(live.client.get(path), 422, "invalid-parameter")
    assert error["message"].startswith(f"{names}: ")


@pytest.mark.parametrize("value", ["0", "-1", "9223372036854775808", "9" * 40])
def test_a_number_that_no_key_has(live: Any, value: str) -> None:
    """A key's number is positive and fits the database."""
    error = live.refused(live.client.delete(f"/api/v1/keys/{value}"), 422, "invalid-parameter")
    assert error["message"].startswith("id: ")


@pytest.mark.parametrize("value", ["x", "1.0", "9" * 5_000, "%00", "1x"])
def test_what_is_no_number_of_a_key(live: Any, value: str) -> None:
    """Where a number belongs, anything else names nothing."""
    live.refused(live.client.delete(f"/api/v1/keys/{value}"), 404, "unknown-path")


@pytest.mark.parametrize("query", ["organization=%00", "organization=%FF", "integration='--", "&&"])
def test_filters_that_find_nothing(live: Any, query: str) -> None:
    """A filter may hold anything; it is compared, never interpreted."""
    assert live.client.get(f"/api/v1/deliveries?{query}").status_code == 200


@pytest.mark.parametrize(
    ("target", "name", "method", "path"),
    [("store", "api_keys", "GET", "/api/v1/keys"), ("publisher", "publish", "POST", PUBLISH)],
)
def test_a_bug_of_ours_is_told_as_such(
    live: Any, monkeypatch: pytest.MonkeyPatch, target: str, name: str, method: str, path: str
) -> None:
    """500 in the same shape, without its inside; the log has the traceback, and no key."""

    async def broken(*_arguments: Any) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(getattr(live.served.engine, target), name, broken)
    with structlog.testing.capture_logs() as logged:
        event = {"resource": "issue", "action": "created", "data": {}}
        response = live.client.request(method, path, json=event)
    live.refused(response, 500, "internal-error")
    assert "the inside" not in response.text
    assert [(each["event"], each["path"]) for each in logged] == [("request.failed", path)]
    assert "RuntimeError: the inside" in logged[0]["traceback"]
    assert live.key not in str(logged)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/api/v1/deliveries?organisation=acme", "organization"),
        ("/api/v1/integrations?afer=x", "after"),
        ("/api/v1/resources?limit=1", "no parameters"),
    ],
)
def test_a_parameter_that_nobody_reads_is_refused(live, path, hint):
    """A misspelt filter does not answer with everything."""
    answer = live.client.get(path)
    error = live.refused(answer, 422, "unknown-parameter")
    assert hint in error["hint"]


def test_each_route_declares_the_parameters_that_it_documents(live, framework):
    """What a route says that it is asked with is what the document says."""
    document = live.get("/openapi.json")
    documented = {
        (path, method): {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    declared = {
        (route.path_format, method.lower()): set(asked_by(handler.opt))
        for route in framework.routes
        for handler in getattr(route, "route_handlers", [])
        for method in handler.http_methods
    }
    assert any(documented.values())
    for key, names in documented.items():
        assert declared.get(key, set()) == names, key
