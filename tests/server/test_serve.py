"""Serving: the socket, what is said of a port that is taken, what is let go of, what is not HTTP."""

import asyncio
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.core.errors import UsageError
from hookline.server.serve import serving
from hookline.settings import Settings

EVENT = b'{"resource":"issue","action":"created","data":{}}'


def _settings(folder: Path, **more: str) -> Settings:
    return Settings.from_environ(
        {"HOOKLINE_DATABASE": f"sqlite:///{folder}/x.db", "HOOKLINE_PORT": "0", **more}
    )


def test_answers_go_out_at_once(live: Any) -> None:
    """Nagle's algorithm is off: twenty requests on a connection do not wait 40 ms each."""
    live.get("/healthz")
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        live.get("/healthz")
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.03


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Says which, and leaves no database open behind it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serving(_settings(tmp_path, HOOKLINE_PORT=str(port))):
                pytest.fail("it listens")  # pragma: no cover
    assert list(tmp_path.iterdir()) == []


async def test_a_database_that_cannot_be_opened_frees_the_port(tmp_path: Path) -> None:
    """The port was bound first; it is free again."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    settings = _settings(tmp_path / "nowhere", HOOKLINE_PORT=str(port))
    with pytest.raises(UsageError, match="cannot open the database"):
        async with serving(settings):
            pytest.fail("it serves")  # pragma: no cover
    socket.create_server(("127.0.0.1", port)).close()


async def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    """It works, also after a restart; and it is shown only where it was made."""
    async with serving(_settings(tmp_path)) as served:
        assert served.first_key is not None
        key = served.first_key.reveal()
    async with serving(_settings(tmp_path)) as served:
        assert served.first_key is None
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"Authorization": f"Bearer {key}"}
            answer = await client.get(f"{served.url}/api/v1/keys", headers=headers)
    assert [each["name"] for each in answer.json()] == ["first"]
    assert key not in answer.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nBroken\r\n\r\n",
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS handshake
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0x10\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
    ],
)
def test_what_is_not_http_is_refused_in_the_same_shape(live: Any, request_bytes: bytes) -> None:
    """The parser refuses before there is a request; the connection is closed."""
    head, _, body = live.raw(request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in head
    headers = {"content-type": "application/json"}
    live.refused(httpx.Response(400, headers=headers, content=body), 400, "not-http")


def test_a_bad_host_header_is_refused(live: Any) -> None:
    """By the framework, before a route is looked for."""
    head, _, body = live.raw(b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    headers = {"content-type": "application/json"}
    live.refused(httpx.Response(400, headers=headers, content=body), 400, "bad-request")


def test_an_upgrade_is_not_offered(live: Any) -> None:
    """A WebSocket handshake is answered as the GET that it also is."""
    answer = live.raw(
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/api/v1/organizations/acme/events", "/api/v1/keys"])
def test_hanging_up_in_the_middle_of_a_body(live: Any, path: str) -> None:
    """Nothing is stored of a request that never ended, and the server answers the next one."""
    before = live.stored()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {live.key}\r\n"
    body = b'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"name":"x"}'
    live.raw(head.encode() + body, hang_up=True)
    assert live.get("/healthz")["status"] == "ok"
    assert live.stored() == before


async def test_a_request_under_way_is_answered_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publisher in the middle of its body is waited for a moment, and told that it is stored."""
    monkeypatch.setattr("hookline.server.serve.GRACE_S", 10)  # a busy machine may need more of it
    async with serving(_settings(tmp_path, HOOKLINE_API_KEY="k" * 40)) as served:
        port = int(served.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST /api/v1/organizations/acme/events HTTP/1.1\r\nHost: x\r\n"
        head += f"Authorization: Bearer {'k' * 40}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(EVENT)}\r\n\r\n".encode() + EVENT[:10])
        await writer.drain()
        async with httpx.AsyncClient(trust_env=False) as client:  # it is read by now
            assert (await client.get(f"{served.url}/healthz")).status_code == 200
        asyncio.get_running_loop().call_later(0.2, writer.write, EVENT[10:])  # it stops by then
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert b"connection: close" in answer
