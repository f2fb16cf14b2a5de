"""What each key opens: every route, with every scope, by the routes' own list."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.core.errors import Forbidden, Unauthorized
from hookline.core.scopes import Scope
from hookline.core.secret import Secret
from hookline.server.app import make_app
from hookline.server.keys import KeyRing, digest_of
from hookline.server.serve import serving
from hookline.settings import Settings
from hookline.store.credentials import ApiKey

PUBLISH = "/api/v1/organizations/acme/events"
PUBLISHING = [
    ("POST", "/api/v1/organizations/{organization}/events"),
    ("POST", "/api/v1/organizations/{organization}/events/batch"),
]
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json")}
VALUES = {
    "{slug}": "nobody",
    "{organization}": "acme",
    "{uuid}": "24b397fc-a86e-43ef-9297-949e21b82480",
    "{id}": "424242",
}


@pytest.fixture(scope="module")
def routes(live: Any) -> list[tuple[str, str]]:
    """Each method and path that is routed: by the framework's list, and the two below it."""

    async def make() -> Any:
        from hookline.send.intake import Limits

        return make_app(live.served.engine, KeyRing(), Limits())

    framework = live.run(make).framework
    found = [
        (method, route.path_format)
        for route in framework.routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    ]
    return [*found, *PUBLISHING]


@pytest.fixture(scope="module")
def clients(live: Any) -> Iterator[dict[Scope, httpx.Client]]:
    """A client for each scope, with a key that has that one only."""
    with ExitStack() as stack:
        made = {}
        for scope in Scope:
            given = {"name": f"only {scope}", "scopes": [scope.value]}
            key = live.ok(live.client.post("/api/v1/keys", json=given), 201)
            assert key["scopes"] == [scope.value]
            headers = {"Authorization": f"Bearer {key['key']}"}
            client = httpx.Client(base_url=live.served.url, headers=headers, trust_env=False)
            made[scope] = stack.enter_context(client)
        yield made


def _needed(method: str, path: str) -> Scope | None:
    if (method, path) in OPEN:
        return None
    if (method, path) in PUBLISHING:
        return Scope.PUBLISH
    return Scope.READ if method == "GET" else Scope.ADMIN


def _ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    for name, value in VALUES.items():
        path = path.replace(name, value)
    # No body and no content type: whoever is let in is refused for that, or finds nothing there.
    return client.request(method, path)


def test_every_route_is_opened_by_one_scope_and_by_admin(
    live: Any, routes: Any, clients: Any
) -> None:
    """The wrong scope gets 403 with the right one's name in the hint, and nothing is done."""
    before = live.stored()
    assert len(routes) > 22
    assert set(PUBLISHING) | OPEN <= set(routes)
    for method, path in routes:
        needed = _needed(method, path)
        for scope, client in clients.items():
            answer = _ask(client, method, path)
            if needed is None or scope in (needed, Scope.ADMIN):
                assert answer.status_code not in (401, 403), (method, path, scope)
                continue
            error = live.refused(answer, 403, "wrong-scope")
            assert f'"{needed}"' in error["hint"], (method, path, scope)
            assert "www-authenticate" not in answer.headers
    assert live.stored() == before


def test_the_document_says_which_scope_opens_a_call(live: Any, routes: Any) -> None:
    """Each operation names the role that it needs; three need none."""
    paths = live.get("/openapi.json")["paths"]
    said = {
        (method.upper(), path): operation.get("security")
        for path, item in paths.items()
        for method, operation in item.items()
    }
    for method, path in set(routes) - {("GET", "/openapi.json")}:
        needed = _needed(method, path)
        expected = None if needed is None else [{"key": [needed.value]}]
        assert said[method, path] == expected, (method, path)


def test_head_is_a_look(live: Any, clients: Any) -> None:
    """It needs what GET needs."""
    assert clients[Scope.READ].head("/api/v1/keys").status_code == 200
    assert clients[Scope.PUBLISH].head("/api/v1/keys").status_code == 403


def test_a_key_with_two_scopes(live: Any) -> None:
    """It opens what each of them opens, and is listed with both in order."""
    given = {"name": "two", "scopes": ["read", "publish", "read"]}
    made = live.ok(live.client.post("/api/v1/keys", json=given), 201)
    headers = {"Authorization": f"Bearer {made['key']}"}
    with httpx.Client(base_url=live.served.url, headers=headers, trust_env=False) as client:
        assert live.ok(client.get("/api/v1/keys"), 200)[-1]["scopes"] == ["publish", "read"]
        event = {"resource": "issue", "action": "created", "data": {}}
        live.ok(client.post(PUBLISH, json=event), 202)
        error = live.refused(client.post("/api/v1/keys", json={}), 403, "wrong-scope")
    assert error["message"] == "this key may only publish and read"


@pytest.mark.parametrize(
    ("scopes", "code", "where"),
    [
        ([], "missing-scope", "/scopes"),
        (["admin", "wirte"], "unknown-scope", "/scopes/1"),
        ("admin", "wrong-type", "/scopes"),
        ([1], "wrong-type", "/scopes/0"),
        (None, "wrong-type", "/scopes"),
    ],
)
def test_wrong_scopes(live: Any, scopes: Any, code: str, where: str) -> None:
    """Refused with the place, and no key is made."""
    before = live.stored()
    answer = live.client.post("/api/v1/keys", json={"name": "x", "scopes": scopes})
    live.refused(answer, 422, code, where)
    assert live.stored() == before


def test_a_key_without_scopes_may_do_everything(live: Any) -> None:
    """As keys could before there were scopes."""
    made = live.ok(live.client.post("/api/v1/keys", json={"name": "old style"}), 201)
    assert made["scopes"] == ["admin"]


# -- revoking -------------------------------------------------------------------------------------


def _slow_post(live: Any, path: str, key: str, body: bytes) -> socket.socket:
    """Begin a request, and send all of it but the last byte of its body."""
    sock = socket.create_connection(("127.0.0.1", int(live.served.url.rpartition(":")[2])))
    sock.settimeout(10)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock.sendall(head.encode())
    # The server asks for the body when it begins to read it, which is after it looked at the key.
    assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
    sock.sendall(body[:-1])
    return sock


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PUBLISH, b'{"resource":"issue","action":"created","data":{}}'),
        (f"{PUBLISH}/batch", b'[{"resource":"issue","action":"created","data":{}}]'),
        ("/api/v1/keys", b'{"name":"a key to come back with"}'),
    ],
    ids=["publish", "batch", "keys"],
)
def test_a_request_that_was_begun_before_its_key_was_revoked(
    live: Any, path: str, body: bytes
) -> None:
    """Whoever holds requests open gets nothing done with them afterwards."""
    made = live.ok(live.client.post("/api/v1/keys", json={"name": "slow"}), 201)
    with _slow_post(live, path, made["key"], body) as slow:
        before = live.stored()
        assert live.client.delete(f"/api/v1/keys/{made['id']}").status_code == 204
        slow.sendall(body[-1:])
        assert slow.recv(1000).startswith(b"HTTP/1.1 401 ")
    assert live.stored() == before


def test_revoking_stops_publishers_that_are_at_it(live: Any) -> None:
    """On connections that are kept alive: after the answer to DELETE not one event is accepted."""
    made = live.ok(live.client.post("/api/v1/keys", json={"name": "busy"}), 201)
    event = {"resource": "issue", "action": "created", "data": {}}
    busy, revoked, late = threading.Barrier(5), threading.Event(), []

    def publish() -> None:
        headers = {"Authorization": f"Bearer {made['key']}"}
        with httpx.Client(base_url=live.served.url, headers=headers, trust_env=False) as client:
            accepted = client.post(PUBLISH, json=event).status_code
            busy.wait(10)
            while accepted == 202:
                was_revoked = revoked.is_set()
                accepted = client.post(PUBLISH, json=event).status_code
                if was_revoked:
                    late.append(accepted)
            late.append(accepted)

    publishers = [threading.Thread(target=publish) for _ in range(4)]
    for each in publishers:
        each.start()
    busy.wait(10)
    assert live.client.delete(f"/api/v1/keys/{made['id']}").status_code == 204
    revoked.set()
    for each in publishers:
        each.join(10)
    assert set(late) == {401}


def _key(number: int, *scopes: Scope, revoked_at: int | None = None) -> tuple[bytes, ApiKey]:
    text = f"key {number}"
    return b"Bearer " + text.encode(), ApiKey(
        number, text, digest_of(Secret(text)), scopes, 0, revoked_at
    )


def test_a_revoked_key_does_not_come_back() -> None:
    """Not even if the news of its making arrives after the news of its end."""
    ring = KeyRing()
    header, key = _key(1, Scope.READ)
    ring.add(key)
    ring.check(header, Scope.READ)
    with pytest.raises(Forbidden):
        ring.check(header, Scope.PUBLISH)
    ring.revoke(1)
    ring.add(key)
    with pytest.raises(Unauthorized):
        ring.check(header, Scope.READ)


def test_revoked_keys_are_not_taken_at_the_start() -> None:
    """The store lists them, too."""
    ring = KeyRing()
    header, key = _key(1, Scope.ADMIN, revoked_at=1)
    ring.add(key)
    with pytest.raises(Unauthorized):
        ring.check(header, Scope.READ)


# -- nobody locks himself out ---------------------------------------------------------------------


def _settings(folder: Path, **more: str) -> Settings:
    return Settings.from_environ(
        {"HOOKLINE_DATABASE": f"sqlite:///{folder}/x.db", "HOOKLINE_PORT": "0", **more}
    )


async def test_the_last_admin_key_stays(tmp_path: Path) -> None:
    """Others may go; it may go too once there is another, or where the setting has one."""
    async with serving(_settings(tmp_path)) as served, httpx.AsyncClient(trust_env=False) as client:
        client.base_url = httpx.URL(f"{served.url}/api/v1/")
        assert served.first_key is not None
        client.headers["Authorization"] = f"Bearer {served.first_key.reveal()}"
        (first,) = (await client.get("keys")).json()
        lesser = await client.post("keys", json={"name": "x", "scopes": ["read", "publish"]})
        refused = await client.delete(f"keys/{first['id']}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "last-admin-key")
        assert (await client.delete(f"keys/{lesser.json()['id']}")).status_code == 204
        heir = (await client.post("keys", json={"name": "heir"})).json()
        assert (await client.delete(f"keys/{first['id']}")).status_code == 204
        assert (await client.get("keys")).status_code == 401
    async with (
        serving(_settings(tmp_path, HOOKLINE_API_KEY="fixed-key")) as served,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        client.headers["Authorization"] = "Bearer fixed-key"
        gone = await client.delete(f"{served.url}/api/v1/keys/{heir['id']}")
        assert gone.status_code == 204
        made = await client.post(
            f"{served.url}/api/v1/keys", json={"name": "publisher", "scopes": ["publish"]}
        )
        assert made.status_code == 201
    # Without the setting there would be a publisher only: nobody could make a key any more.
    async with serving(_settings(tmp_path)) as served:
        assert served.first_key is not None


async def test_two_who_revoke_each_other(tmp_path: Path) -> None:
    """Of two admin keys one is left, however close the two calls are."""
    async with serving(_settings(tmp_path)) as served, httpx.AsyncClient(trust_env=False) as client:
        client.base_url = httpx.URL(f"{served.url}/api/v1/")
        assert served.first_key is not None
        client.headers["Authorization"] = f"Bearer {served.first_key.reveal()}"
        await client.post("keys", json={"name": "second"})
        answers = await asyncio.gather(*(client.delete(f"keys/{n}") for n in (1, 2)))
    assert {each.status_code for each in answers} <= {204, 401, 409}
    assert [each.status_code for each in answers].count(204) == 1
