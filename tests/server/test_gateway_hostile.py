"""What strangers post to a source: refused in the one error shape, bounded, counted, and not stored."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from tests.server.senders import SECRET, Sender

from hookline.core.masking import Mask
from hookline.receive.testing import signed_request
from hookline.send.refusals import LONGEST_BODY, MOST_KEPT
from hookline.server.ingress import Ingress

MIB = 1_048_576
STORED = ("events", "deliveries", "attempts", "organizations")


@pytest.fixture
def sender(live: Any) -> Sender:
    found = Sender(live)
    found.route()
    return found


def stored(live: Any) -> list[int]:
    return [live.stored()[table] for table in STORED]


def counted(live: Any, source: str, code: str) -> float:
    """What the metrics say of requests to a source."""
    text = live.client.get("/metrics").text
    wanted = f'hookline_received_total{{result="{code}",source="{source}"}} '
    return sum(float(line[len(wanted) :]) for line in text.splitlines() if line.startswith(wanted))


# -- who is let in -----------------------------------------------------------------------------------


def test_a_wrong_signature_is_refused_and_counted(live: Any, sender: Sender) -> None:
    """401 with the code, no challenge for a key, and no row anywhere."""
    before = stored(live)
    body, headers = signed_request("wrong", "issue.created")
    answer = sender.post(body, headers)
    live.refused(answer, 401, "signature-mismatch")
    assert "www-authenticate" not in answer.headers
    live.refused(sender.post(body, {}), 401, "signature-missing")
    body, headers = signed_request(SECRET, "issue.created")
    for changed in (body + b" ", body[:-1], b"", body.replace(b"created", b"deleted")):
        live.refused(sender.post(changed, headers), 401, "signature-mismatch")
    assert stored(live) == before
    assert counted(live, sender.slug, "signature-mismatch") == 5
    assert counted(live, sender.slug, "signature-missing") == 1
    assert sender.refused() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "body-not-json"),
        (b"\xff\xfe", "body-not-json"),
        (b"[" * 100_000, "body-not-json"),
        (b"[]", "body-not-documented"),
        (b'{"action":1,"data":{}}', "body-not-documented"),
    ],
)
def test_a_signed_body_that_is_no_webhook_is_malformed(
    live: Any, sender: Sender, body: bytes, code: str
) -> None:
    """400, whoever signed it, and nothing is stored."""
    before = stored(live)
    _, headers = signed_request(SECRET, "issue.created", body=body)
    live.refused(sender.post(body, headers), 400, code)
    assert stored(live) == before


def test_odd_names_come_in_all_the_same(live: Any, sender: Sender) -> None:
    """A verified webhook is taken whatever it calls itself; what is shown has an end and no controls."""
    names = ("\ud83d half a pair", "a\nb\x1b[2J\0", "x" * 5_000)
    for name in names:
        body, headers = signed_request(SECRET, "issue.x", data={})
        text = body.decode().replace('"x"', '"' + _escaped(name) + '"')
        _, headers = signed_request(SECRET, "issue.x", body=text.encode())
        answer = live.ok(sender.post(text.encode(), headers), 200)
        action = live.get(f"/api/v1/events/{answer['id']}")["action"]
        assert action.isprintable()
        assert len(action) <= 400


def _escaped(name: str) -> str:
    return "".join(f"\\u{ord(each):04x}" for each in name)


def test_an_unknown_token_is_as_unknown_as_any_path(live: Any, sender: Sender) -> None:
    """The same answer, whatever the method and whether or not the body is read."""
    bad = "/in/" + "x" * 43
    body, headers = signed_request(SECRET, "issue.created")
    for path in (bad, bad + "/", "/in/x", "/in/%ff", sender.path[:-1], sender.path + "x"):
        error = live.refused(sender.post(body, headers, path), 404, "unknown-path")
        other = live.refused(live.client.post("/nowhere", content=body), 404, "unknown-path")
        assert error["hint"] == other["hint"]
        assert error["message"].split('"')[0] == other["message"].split('"')[0]
    live.refused(live.client.get(bad), 404, "unknown-path")
    assert (
        sender.path.removeprefix("/in/")[:-1]
        not in sender.post(body, headers, sender.path[:-1]).text
    )


def test_other_methods_are_not_taken(live: Any, sender: Sender) -> None:
    """405 where there is a source; the token is not repeated."""
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = live.client.request(method, sender.path)
        live.refused(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "POST"
        assert sender.path not in answer.text


# -- how much, and how fast --------------------------------------------------------------------------


def test_a_body_over_the_limit_is_not_read(live: Any) -> None:
    """By what was announced before any of it, else as soon as it is over; then the connection ends."""
    sender = Sender(live, max_body_bytes=2048)
    sender.route()
    before = stored(live)
    body, headers = signed_request(SECRET, "issue.created", body=b'{"a":"' + b"x" * 2048 + b'"}')
    answer = sender.post(body, headers)
    live.refused(answer, 413, "body-too-large")
    assert answer.headers["connection"] == "close"
    head = f"POST {sender.path} HTTP/1.1\r\nHost: h\r\n".encode()
    assert live.raw(head + b"Content-Length: 2049\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    got = live.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk)
    assert got.startswith(b"HTTP/1.1 413 ")
    assert stored(live) == before


def test_a_body_up_to_the_limit_is_taken(live: Any) -> None:
    """The last byte that is allowed is."""
    sender = Sender(live, max_body_bytes=2048)
    body = b'{"action":"created","data":{"x":"%s"}}' % (b"x" * (2048 - 36))
    assert len(body) == 2048
    _, headers = signed_request(SECRET, "issue.created", body=body)
    live.ok(sender.post(body, headers), 200)


@pytest.mark.parametrize(
    "lie",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, identity\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
    ],
)
def test_a_lying_length_is_no_http(live: Any, sender: Sender, lie: bytes) -> None:
    """Where the body would end in two ways, or in none, nothing is taken."""
    before = stored(live)
    body, headers = signed_request(SECRET, "issue.created")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    head = f"POST {sender.path} HTTP/1.1\r\nHost: h\r\n".encode()
    assert live.raw(head + lines + lie + b"\r\n" + body)[9:12] in (b"400", b"413")
    assert stored(live) == before


def test_whoever_hangs_up_in_the_middle_is_forgotten(live: Any, sender: Sender) -> None:
    """Nothing of it is stored or counted as refused, and what comes after it is taken."""
    before = stored(live)
    head = f"POST {sender.path} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{{".encode()
    live.raw(head, hang_up=True)
    live.raw(head.replace(b"\r\n\r\n{", b"\r\nExpect: 100-continue\r\n\r\n"), hang_up=True)
    sender.send()
    assert stored(live)[0] == before[0] + 1


def test_who_waits_to_be_told_to_go_on_is_told(live: Any, sender: Sender) -> None:
    """Where there is a source it may send its body; where there is none it is refused before."""
    body, headers = signed_request(SECRET, "issue.created")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    rest = (
        f"HTTP/1.1\r\nHost: h\r\n{lines}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    assert live.raw(f"POST /in/none {rest}".encode()).startswith(b"HTTP/1.1 404 ")
    port = int(live.served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(f"POST {sender.path} {rest}".encode())
        assert sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(1024).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (b"POST {path} HTTP/1.1\r\nHost: h\r\nX: ", b"x" * 1024),
        (b"POST {path} HTTP/1.1\r\nHost: h\r\n", b"X-Y: z\r\n" * 128),
        (b"POST /", b"x" * 1024),
        (
            b"POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X-Y: z\r\n" * 128,
        ),
        (
            b"POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
            b"x" * 1024,
        ),
        (
            b"POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
            b"x" * 1024,
        ),
    ],
    ids=["a header", "headers", "a path", "trailers", "a trailer", "a chunk's extension"],
)
def test_what_never_ends_is_ended(live: Any, sender: Sender, head: bytes, endless: bytes) -> None:
    """Whatever the parser would gather for ever, the connection ends long before a mebibyte of it."""
    port = int(live.served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(head.replace(b"{path}", sender.path.encode()))
        assert sent_until_it_ends(sock, endless * 16) < 64 * MIB


def sent_until_it_ends(sock: socket.socket, endless: bytes) -> int:
    """Send again and again; how many bytes until the other end would take no more."""
    sent = 0
    try:
        while sent < 64 * MIB:
            sock.sendall(endless)
            sent += len(endless)
    except OSError:
        pass
    return sent


def test_trailers_are_no_headers(live: Any, sender: Sender) -> None:
    """What trails behind a body neither signs it nor goes on."""
    body, headers = signed_request(SECRET, "issue.created")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {sender.path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    chunk = f"{len(body):x}\r\n{body.decode()}\r\n0\r\n"
    got = live.raw(f"{head}\r\n{chunk}{lines}\r\n".encode())
    assert got.startswith(b"HTTP/1.1 401 ")
    got = live.raw(f"{head}{lines}\r\n{chunk}X-Trail: 1\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 200 ")
    event = live.get("/api/v1/events/" + json.loads(got.rpartition(b"\r\n")[2])["id"])
    assert "X-Trail" not in dict(event["forwarded"]["headers"])


# -- a deadline, and a bound on all that is being read: the route by itself ----------------------------


class Upload:
    """A body that comes in as the test says, as an ASGI server hands it on."""

    def __init__(self, sender: Sender, chunks: Sequence[bytes]):
        body, headers = signed_request(SECRET, "issue.created")
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": sender.path,
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
        self.body = body
        self.chunks = asyncio.Queue[bytes]()
        for chunk in chunks:
            self.chunks.put_nowait(chunk)
        self.taken = asyncio.Event()
        self.said: list[Any] = []

    async def receive(self) -> Any:
        if self.chunks.empty():
            self.taken.set()
        chunk = await self.chunks.get()
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    async def send(self, message: Any) -> None:
        self.said.append(message)

    @property
    def status(self) -> int:
        return self.said[0]["status"]


def test_a_body_that_drips_in_has_a_deadline(live: Any, sender: Sender) -> None:
    """408, the connection ends, and what was read of it is let go."""

    async def drip() -> Upload:
        route = Ingress(live.served.engine.gateway, Mask(), most_bytes=MIB, deadline_s=0.05)
        upload = Upload(sender, [b"{"])
        await route(upload.scope, upload.receive, upload.send)
        assert route._reading == 0
        return upload

    upload = live.run(drip)
    assert upload.status == 408
    assert b"body-too-slow" in upload.said[1]["body"]
    assert (b"connection", b"close") in upload.said[0]["headers"]


def test_who_is_let_in_is_asked_again_when_the_body_is_there(live: Any) -> None:
    """A secret that was dropped, and a source that was deleted, while it came in let nothing in."""
    sender = Sender(live, secrets=[SECRET, "the other one"])
    url = f"/api/v1/sources/{sender.slug}"
    route = Ingress(live.served.engine.gateway, Mask(), most_bytes=MIB)

    async def begin() -> tuple[Upload, "asyncio.Task[None]"]:
        upload = Upload(sender, [])
        upload.chunks.put_nowait(upload.body)
        task = asyncio.create_task(route(upload.scope, upload.receive, upload.send))
        while not upload.chunks.empty():
            await asyncio.sleep(0)
        return upload, task

    async def end(upload: Upload, task: "asyncio.Task[None]") -> int:
        upload.chunks.put_nowait(b"")
        await task
        return upload.status

    first = live.get(f"{url}/secrets")[0]["id"]
    upload, task = live.run(begin)
    live.ok(live.client.delete(f"{url}/secrets/{first}"), 204)
    assert live.run(lambda: end(upload, task)) == 401
    upload, task = live.run(begin)
    live.ok(live.client.delete(url), 204)
    assert live.run(lambda: end(upload, task)) == 404


def test_all_bodies_together_have_a_bound(live: Any, sender: Sender) -> None:
    """Who comes when it is reached is asked to come again; when others are done, there is room."""

    async def crowd() -> tuple[Upload, Upload, Upload]:
        route = Ingress(live.served.engine.gateway, Mask(), most_bytes=MIB, most_reading=1_500)
        first, second, third = (Upload(sender, [b"x" * 1_000]) for _ in range(3))
        one = asyncio.create_task(route(first.scope, first.receive, first.send))
        await first.taken.wait()
        await route(second.scope, second.receive, second.send)
        first.chunks.put_nowait(b"")
        await one
        third.chunks.put_nowait(b"")
        await route(third.scope, third.receive, third.send)
        assert route._reading == 0
        return first, second, third

    first, second, third = live.run(crowd)
    assert (first.status, second.status, third.status) == (401, 503, 401)
    assert dict(second.said[0]["headers"])[b"retry-after"] == b"1"


# -- what is kept ------------------------------------------------------------------------------------


def test_what_is_refused_is_kept_if_asked(live: Any) -> None:
    """Why, its headers but for what opens something, and its beginning; the last ones only."""
    sender = Sender(live, keep_refused=True)
    body = b'{"x":"' + b"x" * LONGEST_BODY + b'"}'
    _, headers = signed_request("wrong", "issue.created", body=body)
    sender.post(body, headers | {"Authorization": "Bearer of-the-sender", "X-Odd-CASE": "1"})
    (kept,) = sender.refused()
    assert kept["code"] == "signature-mismatch"
    assert kept["body"].encode() == body[:LONGEST_BODY]
    assert kept["body_bytes"] == len(body)
    given = dict(kept["headers"])
    assert given["Authorization"] == "********"
    assert given["X-Odd-CASE"] == "1"
    assert given["Sentry-Hook-Signature"] == headers["Sentry-Hook-Signature"]
    for number in range(MOST_KEPT + 5):
        sender.post(b"%d" % number, {})
    found = sender.refused(MOST_KEPT)
    assert [each["body"] for each in found] == [str(n) for n in range(MOST_KEPT + 4, 4, -1)]
    url = f"/api/v1/sources/{sender.slug}"
    live.ok(live.client.patch(url, json={"keep_refused": False}), 200)
    assert live.get(f"{url}/refused") == {"refused": [], "kept": False}


def test_only_who_may_read_sees_what_was_refused(live: Any, sender: Sender) -> None:
    """It is a stranger's text, and perhaps somebody's secret."""
    with closing(type(live.client)(base_url=live.served.url, trust_env=False)) as stranger:
        answer = stranger.get(f"/api/v1/sources/{sender.slug}/refused")
    live.refused(answer, 401, "missing-key")


def test_a_mebibyte_is_verified_on_the_loop(live: Any, sender: Sender, capsys: Any) -> None:
    """How long that takes, printed: everybody waits for it."""
    took = {}
    for name, secret in (("refused", "wrong"), ("taken", SECRET)):
        body = b'{"action":"created","data":{"x":[%s1]}}' % (b"123456789," * 104_000)
        _, headers = signed_request(secret, "issue.created", body=body)
        began = time.perf_counter()
        answer = sender.post(body, headers)
        took[name] = time.perf_counter() - began
        assert answer.status_code == (401 if name == "refused" else 200)
    print({name: f"{seconds * 1000:.1f} ms" for name, seconds in took.items()})
