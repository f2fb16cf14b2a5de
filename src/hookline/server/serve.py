"""Serving: bind first, then open the engine, then answer until told to stop."""

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hookline.core.errors import Malformed, UsageError
from hookline.core.masking import Mask
from hookline.core.scopes import Scope
from hookline.core.secret import Secret
from hookline.send.attempt_log import AttemptLog, Lines
from hookline.send.engine import Engine
from hookline.send.intake import Limits
from hookline.server.app import make_app
from hookline.server.errors import error_bytes
from hookline.server.ingress import NAMES
from hookline.server.keys import KeyRing
from hookline.settings import Settings
from hookline.settings.engine import engine_config
from hookline.store.signals import Signal

__all__ = ["Served", "serving"]

# A stop takes no longer than the longest attempt under way and a second: of that, what publishers get to
# finish their uploads and to read their answers.
GRACE_S = 0.5
FIRST_KEY_US = 60_000_000
MOST_HEAD = 65_536  # bytes of a request's first line and headers; proxies take 4 to 64 KiB


@dataclass(slots=True)
class Served:
    """A server that answers.

    Attributes:
        url: where.
        first_key: the key that was made because there was none; shown once.
        done: completes when it is told to stop by a signal, or stops through a bug of the dispatcher.
    """

    url: str
    engine: Engine
    first_key: Secret | None
    done: "asyncio.Task[None]"


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, *, signals: Sequence[signal.Signals] = (), lines: Lines | None = None
) -> AsyncIterator[Served]:
    """A server that answers, for the length of the block; it stops gracefully after it.

    Args:
        settings: what to serve, and where.
        signals: those that stop it, and at a second time do so at once; only a process's main thread
            can take them.
        lines: where a line goes for each attempt; None: nowhere.

    Raises:
        UsageError: the port is taken, or the database cannot be used.
    """
    _allow_files(settings.max_in_flight)
    with contextlib.closing(_bind(settings.host, settings.port)) as bound:
        engine = await Engine.open(engine_config(settings, _attempt_log(settings, lines)))
        try:
            keys = KeyRing(settings.api_key)
            engine.following.read_on(Signal.KEYS, partial(_read_keys, engine, keys))
            first_key = await _first_key(engine, keys, settings)
            stopper = _Stopper(_server(engine, keys, settings), engine)
            serve = asyncio.create_task(stopper.server.serve([bound]), name="hookline-serve")
            try:
                await _started(stopper.server, serve)
                loop = asyncio.get_running_loop()
                for number in signals:
                    loop.add_signal_handler(number, stopper.told)
                done = asyncio.create_task(stopper.until_told(serve), name="hookline-stop")
                yield Served(_url(bound), engine, first_key, done)
            finally:
                stopper.stop()
                await serve
            await done
        finally:
            await engine.close()


def _attempt_log(settings: Settings, lines: Lines | None) -> AttemptLog | None:
    if lines is None:
        return None
    return AttemptLog(lines, form=settings.log, which=settings.log_attempts)


async def _read_keys(engine: Engine, keys: KeyRing) -> None:
    known = await engine.store.api_keys()
    keys.add(*known)
    for key in known:
        if key.revoked_at is not None:
            keys.revoke(key.id)


async def _first_key(engine: Engine, keys: KeyRing, settings: Settings) -> Secret | None:
    known = await engine.store.api_keys()
    made = None
    keys.add(*known)
    admins = (key for key in known if key.revoked_at is None and Scope.ADMIN in key.scopes)
    if settings.api_key is not None or any(admins) or not engine.role.answers:
        return None
    # Of nodes that start together on a new database one makes it, and the others hear of it.
    now = engine.clock()
    if await engine.store.claim("first key", engine.node, now, now + FIRST_KEY_US):
        first, made = await engine.registry.create_key("first")
        keys.add(first)
    return made


def _allow_files(in_flight: int) -> None:
    # Each attempt has a socket, each idle connection too, each publisher one; many systems start a
    # process with 1,024 though it may have more.
    wanted = 4 * in_flight + 4_096
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, or else asyncio does not take it for such and leaves Nagle's algorithm on: each answer
    # would wait 40 ms for the acknowledgement of the one before.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(1024)
    except OSError as trouble:
        bound.close()
        raise UsageError(
            "cannot-listen",
            f"cannot listen on {host}:{port}: {trouble.strerror or trouble}",
            "choose another with HOOKLINE_PORT (0: any that is free), or stop what holds it",
        ) from trouble
    bound.setblocking(False)
    return bound


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools: what is not HTTP is refused in the one error shape, too.

    The parser gathers a head, a trailer or a chunk's extension for as long as somebody sends it, so
    what came without bringing a request on is counted. The names of headers are kept as they came, for
    requests that are passed on (``server.ingress``).
    """

    _unheard = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Take bytes; more head than anybody has ends the connection."""
        self._unheard += len(data)
        super().data_received(data)
        if self._unheard > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = True
        self._names: list[bytes] = []
        self.scope[NAMES] = self._names  # type: ignore[typeddict-unknown-key]

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what trails behind a body is none, though the parser says it here, too."""
        if self._in_head:
            self._names.append(name)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
        self._unheard = 0
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unheard = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        self._unheard = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse, and hang up: where the next request would begin is anybody's guess."""
        body = error_bytes(
            Malformed(
                "not-http", "this is not an HTTP/1.1 request", "check the client or the proxy"
            ),
            Mask(),
        )
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise them again after serving, before our deliveries are settled.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the requests under way; whoever dawdles over one is cut off."""
        cut = asyncio.get_running_loop().call_later(GRACE_S, self.cut)
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()

    def cut(self) -> None:
        """Hang up on everybody: uploads that drip in, answers that nobody reads."""
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


class _Stopper:
    """Stops a server and its engine: gracefully, and when told again, at once."""

    def __init__(self, server: _Server, engine: Engine):
        self.server = server
        self._engine = engine
        self._stopping = asyncio.Event()

    def told(self) -> None:
        """Somebody wants it to stop."""
        if self._stopping.is_set():
            self._engine.abandon()
            self.server.cut()
        self.stop()

    def stop(self) -> None:
        """Begin no attempt and take no connection from here on."""
        self._stopping.set()
        self._engine.stop()
        self.server.should_exit = True

    async def until_told(self, serve: "asyncio.Task[None]") -> None:
        """Return when it is told to stop, or when something ended by itself; raises its bug."""
        told = asyncio.create_task(self._stopping.wait())
        failed = self._engine.failed
        await asyncio.wait({told, serve, failed}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if failed.done() and not failed.cancelled():
            failed.result()  # a bug in the dispatcher ends the process loudly


def _server(engine: Engine, keys: KeyRing, settings: Settings) -> _Server:
    limits = Limits(data_bytes=settings.max_data_bytes)
    app = make_app(engine, keys, limits, Mask(settings.secrets()))
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,  # for what still waits for the database when it is cut off
    )
    return _Server(config)


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _started(server: uvicorn.Server, serve: "asyncio.Task[None]") -> None:
    while not server.started and not serve.done():  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.005)
