"""The adapters by their protocols: what a server may hand over, also slowly, in floods, or never."""

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.flow.processes import until

from hookline.receive import Receiver, Webhook
from hookline.receive.asgi import MOST_PIECES
from hookline.receive.testing import SECRET, signed_request
from hookline.receive.wsgi import headers_of

DEADLINE_S = 20


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[Receiver] = []

    def make(**more: Any) -> Receiver:
        made.append(Receiver(SECRET, **more))
        made[-1].on()(lambda webhook: ran.append(webhook.event))
        return made[-1]

    ran: list[str] = []
    make.ran = ran
    yield make
    for each in made:
        each.close()


# --- ASGI ------------------------------------------------------------


class Server:
    """A server's side of ASGI: what it hands over, one message after the other, then nothing."""

    def __init__(self, *pieces: bytes, ends: bool = True, **scope: Any):
        self.messages = [
            {"type": "http.request", "body": piece, "more_body": n < len(pieces) or not ends}
            for n, piece in enumerate(pieces, 1)
        ]
        self.handed = 0
        self.sent: list[dict[str, Any]] = []
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/",
            "root_path": "",
            "headers": [],
        } | scope

    def hang_up(self) -> "Server":
        self.messages.append({"type": "http.disconnect"})
        return self

    async def receive(self) -> dict[str, Any]:
        if self.handed == len(self.messages):
            await asyncio.Event().wait()
        self.handed += 1
        return self.messages[self.handed - 1]

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def serve(self, hooks: Receiver, path: str | None = None) -> int:
        """The status that it was told to answer; 0 for none."""
        async with asyncio.timeout(DEADLINE_S):
            await hooks.asgi(path)(self.scope, self.receive, self.send)
        return self.sent[0]["status"] if self.sent else 0


def lines(headers: dict[str, str], **more: str) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them."""
    given = {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}
    return [(name.lower().encode(), value.encode()) for name, value in given.items()]


async def test_a_body_in_pieces_is_put_together(make):
    """Also with empty pieces between."""
    body, headers = signed_request()
    hooks = make()
    server = Server(b"", body[:7], b"", body[7:], headers=lines(headers))
    assert await server.serve(hooks) == 200
    assert await hooks.drain(DEADLINE_S)
    assert make.ran == ["issue.created"]


async def test_what_is_too_large_is_not_read_to_its_end(make):
    """By its length, or once it is over the limit; what is thrown away has a limit, too."""
    hooks = make(max_body=1_000)
    announced = Server(ends=False, headers=lines({}, content_length="1001"))
    announced.hang_up()
    assert await announced.serve(hooks) == 0
    endless = Server(*[b"x" * 65_536] * 1_000, ends=False)
    assert await endless.serve(hooks) == 413
    assert endless.handed < 200
    assert (b"connection", b"close") in endless.sent[0]["headers"]


async def test_floods_of_pieces_end(make):
    """An endless body in empty pieces has no bytes, and ends all the same."""
    flood = Server(*[b""] * (3 * MOST_PIECES), ends=False)
    assert await flood.serve(make()) == 400
    assert flood.handed <= 2 * MOST_PIECES


async def test_a_length_that_lies_is_refused(make):
    """Fewer or more bytes than announced, where a server lets that through."""
    body, headers = signed_request()
    for wrong in (len(body) - 1, len(body) + 1):
        server = Server(body, headers=lines(headers, content_length=str(wrong)))
        assert await server.serve(make()) == 400
    twice = [*lines(headers, content_length="5"), (b"content-length", b"6")]
    assert await Server(body, headers=twice).serve(make()) == 400
    assert make.ran == []


async def test_a_sender_that_hangs_up_gets_no_answer(make):
    """Within its body, nothing is answered and nothing is taken."""
    body, headers = signed_request()
    server = Server(body, ends=False, headers=lines(headers)).hang_up()
    assert await server.serve(make()) == 0
    assert (server.sent, make.ran) == ([], [])


@pytest.mark.parametrize(
    ("path", "root", "wanted", "status"),
    [
        ("/hooks", "", "/hooks", 200),
        ("/hooks/", "", "/hooks", 200),
        ("/app/hooks", "/app", "/hooks", 200),
        ("/", "", None, 200),
        ("/any", "", None, 200),
        ("/hooks/more", "", "/hooks", 404),
        ("/", "", "/hooks", 404),
    ],
)
async def test_a_path_can_be_wanted(make, path, root, wanted, status):
    """Inside another app the path is what is left of it there; without one every path is taken."""
    body, headers = signed_request()
    server = Server(body, path=path, root_path=root, headers=lines(headers))
    assert await server.serve(make(), wanted) == status


async def test_the_lifespan_waits_for_handlers(make):
    """Shutdown is complete when what was accepted is done with."""
    hooks, go, done = make(), asyncio.Event(), []

    @hooks.on("issue")
    async def held(webhook: Webhook) -> None:
        await go.wait()
        done.append(webhook.event)

    server = Server(type="lifespan")
    server.messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    await hooks.answer(*signed_request())
    living = asyncio.create_task(hooks.asgi()(server.scope, server.receive, server.send))
    await until(lambda: server.handed == 2, "the shutdown")
    assert [each["type"] for each in server.sent] == ["lifespan.startup.complete"]
    go.set()
    await living
    assert done == ["issue.created"]
    assert server.sent[-1]["type"] == "lifespan.shutdown.complete"


async def test_other_protocols_are_refused(make):
    """A WebSocket is closed; a scope that nobody knows is an error, as ASGI wants it."""
    server = Server(type="websocket")
    server.messages = [{"type": "websocket.connect"}]
    await make().asgi()(server.scope, server.receive, server.send)
    assert server.sent == [{"type": "websocket.close", "code": 1000}]
    with pytest.raises(ValueError, match="'smoke'"):
        await make().asgi()({"type": "smoke"}, server.receive, server.send)


@contextlib.asynccontextmanager
async def behind_uvicorn(app: Any) -> AsyncIterator[int]:
    """The app on a real server on this loop; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await until(lambda: server.started, "the server")
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listening.close()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_slow_body_is_given_up(make, chunked):
    """Half a body, and silence: 408, and the connection is closed."""
    hooks = make(body_timeout_s=0.05)
    how = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000"
    async with behind_uvicorn(hooks.asgi()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST / HTTP/1.1\r\nHost: a\r\n{how}\r\n\r\n".encode())
        writer.write(b"2\r\n{}\r\n" if chunked else b"{}")
        answer = await asyncio.wait_for(reader.read(), DEADLINE_S)
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body-too-slow"' in answer


# --- WSGI ------------------------------------------------------------


class Broken(io.RawIOBase):
    """A connection that is reset while it is read."""

    def read(self, size: int = -1) -> bytes:
        raise ConnectionResetError


class Untouched(io.RawIOBase):
    """A connection on which reading would wait for ever."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("there is no body to read")


def serve(hooks: Receiver, body: bytes = b"", path: str | None = None, **environ: Any) -> str:
    """The status line that it answers."""
    told: list[str] = []
    given = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    } | environ
    (answer,) = hooks.wsgi(path)(given, lambda status, _: told.append(status))
    assert answer
    return told[0]


def environ_of(headers: dict[str, str]) -> dict[str, str]:
    """Headers as WSGI has them."""
    return {
        f"{'' if name == 'Content-Type' else 'HTTP_'}{name.upper().replace('-', '_')}": value
        for name, value in headers.items()
    }


def test_headers_of_an_environ_are_headers():
    """What a server made of them is undone, and nothing else of the environ is a header."""
    _, headers = signed_request()
    back = headers_of(environ_of(headers) | {"SERVER_NAME": "a", "HTTPS": "on"})
    assert {name.lower(): value for name, value in back} == {
        name.lower(): value for name, value in headers.items()
    }


def test_wsgi_takes_the_raw_body(make):
    """Exactly as many bytes as announced are read: a keep-alive connection has the next request."""
    body, headers = signed_request()
    stream = io.BytesIO(body + b"POST /next")
    hooks = make()
    told = serve(
        hooks,
        **environ_of(headers) | {"wsgi.input": stream, "CONTENT_LENGTH": str(len(body))},
    )
    assert told == "200 OK"
    assert stream.read() == b"POST /next"
    assert hooks.drain_sync(DEADLINE_S)
    assert make.ran == ["issue.created"]


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": "", "wsgi.input": Untouched()}, 401),
        ({"CONTENT_LENGTH": "x"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "²"}, 400),
        ({"CONTENT_LENGTH": "3"}, 400),
        ({"CONTENT_LENGTH": "1001"}, 413),
        ({"CONTENT_LENGTH": "9" * 15}, 413),
        ({"CONTENT_LENGTH": "9" * 5_000}, 400),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({"wsgi.input": Broken(), "CONTENT_LENGTH": "9"}, 400),
        ({"wsgi.input": Broken(), "CONTENT_LENGTH": "9999"}, 413),
        ({"REQUEST_METHOD": "PUT"}, 405),
        ({"PATH_INFO": "/else"}, 404),
    ],
)
def test_wsgi_refuses_what_it_cannot_read(make, environ, status):
    """Missing, senseless and lying lengths, a reset, another method, another path."""
    assert serve(make(max_body=1_000), b"{}", "/", **environ).startswith(f"{status} ")


def test_wsgi_reads_a_body_without_length_where_it_ends(make):
    """Where the server says that its stream ends, and no further than the limit."""
    body, headers = signed_request()
    hooks = make(max_body=len(body))
    ends = environ_of(headers) | {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    assert serve(hooks, body, **ends) == "200 OK"
    endless = io.BytesIO(b"x" * 10_000_000)
    assert serve(hooks, **ends | {"wsgi.input": endless}).startswith("413 ")
    assert endless.tell() <= len(body) + 1


def test_wsgi_gives_up_a_body_that_trickles(make):
    """Between two reads the time is looked at."""

    class Trickling(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"x"

    hooks = make(body_timeout_s=1e-9)
    assert serve(hooks, **{"wsgi.input": Trickling(), "CONTENT_LENGTH": "1000"}).startswith("408 ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_but_an_answer_comes_of_mutations(make, data):
    """Whatever becomes of a genuine request on its way, it is answered, and by no 5xx."""
    body, headers = signed_request()
    environ: dict[str, Any] = environ_of(headers)
    for name in data.draw(st.lists(st.sampled_from(sorted(environ)), max_size=3)):
        environ[name] = data.draw(st.text(st.characters(max_codepoint=255), max_size=80))
    cut = data.draw(st.integers(0, len(body)))
    content = body[:cut] + data.draw(st.binary(max_size=20)) + body[cut:]
    length = data.draw(st.sampled_from([str(len(content)), "", "7", "x", str(len(content) + 1)]))
    status = serve(make(), content, **environ | {"CONTENT_LENGTH": length})
    assert status[0] in "24"
