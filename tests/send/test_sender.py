"""The sender against real sockets: good receivers, bad ones, and addresses that are not allowed."""

import asyncio
import contextlib
import gzip
import os
import resource
import socket
import ssl

import pytest
import trustme
from tests.send.wire import LOOPBACK, Wire

from hookline.core.address import AllowList
from hookline.core.outcome import Answered, Blocked, Reason, Unanswered
from hookline.send.sender import RESPONSE_CAP


def raw(answer: bytes, *, then_close: bool = False):
    async def script(_request, writer):
        writer.write(answer)
        if then_close:
            writer.close()

    return script


async def never(_request, _writer):
    await asyncio.Event().wait()


async def drip(_request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless_body(_request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"y" * 65_536)
        await writer.drain()


async def endless_head(_request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Filler: " + b"z" * 1000 + b"\r\n")
        await writer.drain()


async def test_the_request_goes_out_as_it_was_built(wire, receiver):
    """The bytes of the body and the headers, in order, are those of the request."""
    completed = await wire.post(receiver.url)
    assert completed.outcome == Answered(204)
    (request,) = receiver.requests
    assert request.body == b'{"a":1}'
    assert request.head.split(b"\r\n") == [
        b"POST /hook HTTP/1.1",
        f"Host: 127.0.0.1:{receiver.port}".encode(),
        b"User-Agent: hookline/test",
        b"Accept: */*",
        b"Content-Type: application/json",
        b"Request-ID: " + b"a" * 32,
        b"Content-Length: 7",
    ]


async def test_the_log_says_where_and_when(wire, receiver):
    """What completed carries the address, the HTTP version and the times of the phases."""
    completed = await wire.post(receiver.url)
    assert completed.address == f"127.0.0.1:{receiver.port}"
    assert completed.http_version == "1.1"
    assert completed.response_head == b"HTTP/1.1 204 No Content\r\n\r\n"
    times = completed.timings
    assert 0 < times.connect <= times.first_byte <= times.total
    assert times.tls == 0


async def test_connections_are_used_again(wire, receiver):
    """One request after the other goes over one connection."""
    for _ in range(5):
        await wire.post(receiver.url)
    assert receiver.connections == 1


async def test_a_large_body_does_not_wait_for_permission(wire, receiver):
    """No Expect header is sent, which would cost a receiver's second."""
    body = b'"' + b"x" * 1_500_000 + b'"'
    completed = await wire.post(receiver.url, body=body)
    assert completed.outcome == Answered(204)
    assert receiver.requests[0].header("Expect") is None
    assert receiver.requests[0].body == body


async def test_a_body_with_nul_and_high_bytes_arrives_whole(wire, receiver):
    """The body is bytes, not text."""
    body = bytes(range(256))
    await wire.post(receiver.url, body=body)
    assert receiver.requests[0].body == body


@pytest.mark.parametrize("status", [200, 201, 299, 301, 308, 400, 410, 429, 500, 503, 599])
async def test_every_status_is_an_answer(wire, receiver, status):
    """A complete answer is an answer, whatever its status."""
    receiver.answer = raw(f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nok".encode())
    completed = await wire.post(receiver.url)
    assert completed.outcome == Answered(status)
    assert completed.response_body == b"ok"


async def test_a_redirect_is_not_followed(wire, receiver):
    """The answer is the redirect itself; its target gets nothing."""
    receiver.answer = raw(
        f"HTTP/1.1 307 Away\r\nLocation: {receiver.url}2\r\nContent-Length: 0\r\n\r\n".encode()
    )
    completed = await wire.post(receiver.url)
    assert completed.outcome == Answered(307)
    await wire.post(receiver.url)  # whatever followed would have come before this
    assert [r.head.split(b" ")[1] for r in receiver.requests] == [b"/hook", b"/hook"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (never, Reason.SLOW),
        (drip, Reason.SLOW),
        (raw(b"", then_close=True), Reason.RESET),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", then_close=True), Reason.RESET),
        (raw(b"this is not HTTP\r\n\r\n", then_close=True), Reason.MALFORMED),
        (raw(b"\x16\x03\x01\x02\x00\x01\x00\x01", then_close=True), Reason.MALFORMED),
        (raw(b"HTTP/1.1 2x0 OK\r\n\r\n", then_close=True), Reason.MALFORMED),
        (endless_head, Reason.MALFORMED),
    ],
    ids=[
        "never", "drip", "close", "half", "no-http", "tls-hello", "bad-status", "endless-head",
    ],
)  # fmt: skip
async def test_an_incomplete_answer_is_none(wire, receiver, answer, reason):
    """Whatever is not a complete answer in time is none, and the log says why."""
    receiver.answer = answer
    completed = await wire.post(receiver.url, timeout_ms=400)
    assert isinstance(completed.outcome, Unanswered)
    assert completed.outcome.reason == reason
    assert completed.outcome.detail


async def test_a_slow_receiver_does_not_hold_up_a_quick_one(wire, receiver):
    """Two hundred attempts hang; one that was begun after them comes back first."""
    hanging: set[bytes] = set()

    async def mostly_never(request, writer):
        if b"slow" in request.body:
            hanging.add(request.body)
            await never(request, writer)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    receiver.answer = mostly_never
    slow = [wire.post(receiver.url, body=b"slow %d" % n, timeout_ms=10_000) for n in range(200)]
    completed = await wire.post(receiver.url, body=b"quick")
    assert completed.outcome == Answered(204)
    assert not any(each.done() for each in slow)


async def test_reading_stops_at_the_cap(wire, receiver):
    """An endless body counts by its status; the log keeps its beginning and says that it was cut."""
    receiver.answer = endless_body
    completed = await wire.post(receiver.url, timeout_ms=20_000)
    assert completed.outcome == Answered(200)
    assert completed.response_body == b"y" * RESPONSE_CAP
    assert completed.response_cut


async def test_a_body_of_exactly_the_cap_is_whole(wire, receiver):
    """At the cap nothing is cut."""
    body = b"z" * RESPONSE_CAP
    receiver.answer = raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    completed = await wire.post(receiver.url)
    assert (completed.response_body, completed.response_cut) == (body, False)


async def test_what_came_is_kept_as_it_came(wire, receiver):
    """A compressed body is neither asked for nor decompressed."""
    body = gzip.compress(b"a" * 100_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    receiver.answer = raw(head + body)
    completed = await wire.post(receiver.url)
    assert completed.response_body == body
    assert receiver.requests[0].header("Accept-Encoding") is None


async def test_a_slot_forgets_what_it_held(wire, receiver):
    """What one attempt brought does not show in the next one's record."""
    receiver.answer = raw(b"HTTP/1.1 500 No\r\nX-Secret: one\r\nContent-Length: 3\r\n\r\none")
    await wire.post(receiver.url)
    receiver.answer = raw(b"HTTP/1.1 204 Yes\r\n\r\n")
    completed = await wire.post(receiver.url)
    assert completed.response_head == b"HTTP/1.1 204 Yes\r\n\r\n"
    assert completed.response_body == b""


async def test_nobody_listens(wire):
    """A refused connection is no answer."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken, but not listening
        completed = await wire.post(f"http://127.0.0.1:{bound.getsockname()[1]}/")
    assert isinstance(completed.outcome, Unanswered)
    assert completed.outcome.reason == Reason.REFUSED


async def test_a_name_that_does_not_resolve(wire):
    """A name that no resolver knows is no answer."""
    completed = await wire.post("http://nobody.invalid/")
    assert isinstance(completed.outcome, Unanswered)
    assert completed.outcome.reason in (Reason.DNS, Reason.SLOW)


async def serve_tls(receiver, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server = await asyncio.start_server(
        receiver.serve, "127.0.0.1", 0, ssl=context, limit=4 * 1_048_576
    )
    return server, server.sockets[0].getsockname()[1]


async def test_tls_is_verified_and_timed(authority, make_wire, receiver):
    """With a certificate of a trusted authority the request goes out, however large its body."""
    server, port = await serve_tls(receiver, authority.issue_cert("127.0.0.1"))
    body = b"x" * 1_500_000
    url = f"https://127.0.0.1:{port}/"
    completed = await make_wire().post(url, body=body, timeout_ms=20_000)
    server.close()
    assert completed.outcome == Answered(204)
    assert completed.timings.connect < completed.timings.tls < completed.timings.first_byte
    assert receiver.requests[0].body == body


async def test_a_certificate_for_another_name_is_refused(authority, make_wire, receiver):
    """A certificate that names somebody else gets no request."""
    server, port = await serve_tls(receiver, authority.issue_cert("else.example"))
    completed = await make_wire().post(f"https://127.0.0.1:{port}/")
    server.close()
    assert isinstance(completed.outcome, Unanswered)
    assert completed.outcome.reason == Reason.TLS
    assert receiver.requests == []


async def test_an_authority_that_is_not_trusted_is_refused(authority, make_wire, receiver):
    """A certificate of a stranger's authority gets no request."""
    server, port = await serve_tls(receiver, trustme.CA().issue_cert("127.0.0.1"))
    completed = await make_wire().post(f"https://127.0.0.1:{port}/")
    server.close()
    assert isinstance(completed.outcome, Unanswered)
    assert completed.outcome.reason == Reason.TLS
    assert receiver.requests == []


async def test_tls_with_one_who_does_not_speak_it(wire, receiver):
    """A TLS failure is no answer."""

    async def plain(_reader, writer):
        writer.write(b"plain\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    completed = await wire.post(f"https://127.0.0.1:{port}/")
    server.close()
    assert isinstance(completed.outcome, Unanswered)
    assert completed.outcome.reason == Reason.TLS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_an_address_that_is_not_allowed_gets_nothing(make_wire, receiver, host):
    """Without leave nothing connects to loopback, by whatever name or form; the log has the rule."""
    completed = await make_wire(AllowList()).post(f"http://{host}:{receiver.port}/hook")
    assert isinstance(completed.outcome, Blocked)
    assert completed.outcome.rule
    assert receiver.connections == 0


async def test_leave_is_for_a_port(make_wire, receiver):
    """An allow entry with a port allows no other port."""
    wire = make_wire(AllowList.parse(f"127.0.0.1:{receiver.port}"))
    assert (await wire.post(receiver.url)).outcome == Answered(204)
    other = await wire.post(f"http://127.0.0.1:{receiver.port + 1}/")
    assert isinstance(other.outcome, Blocked)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_not_used(make_wire, receiver, monkeypatch, name):
    """What the environment says of proxies is not asked: a proxy would get past the guard."""
    monkeypatch.setenv(name, f"http://127.0.0.1:{receiver.port}")
    completed = await make_wire().post(f"http://127.0.0.1:{receiver.port}/direct")
    assert completed.outcome == Answered(204)
    assert receiver.requests[0].head.startswith(b"POST /direct ")


async def test_without_descriptors_it_says_so(wire, receiver):
    """When no socket can be made the attempt has no answer, the log says why, and it goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        completed = await wire.post(receiver.url)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(completed.outcome, Unanswered)
    assert "no socket" in completed.outcome.detail
    assert (await wire.post(receiver.url)).outcome == Answered(204)


async def test_many_at_once(wire, receiver):
    """A thousand requests at once each get their own answer."""

    async def echo(request, writer):
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body
        )

    receiver.answer = echo
    posts = [wire.post(receiver.url, body=b"%d" % n, timeout_ms=20_000) for n in range(1000)]
    completed = await asyncio.gather(*posts)
    assert [each.response_body for each in completed] == [b"%d" % n for n in range(1000)]


async def test_closing_abandons_what_hangs(receiver):
    """Close returns although an attempt hangs."""
    wire = Wire(LOOPBACK)
    receiver.answer = never
    post = wire.post(receiver.url, timeout_ms=30_000)
    await receiver.wait(1)
    await asyncio.to_thread(wire.sender.close)
    assert not post.done()
