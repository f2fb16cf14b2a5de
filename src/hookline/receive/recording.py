"""A receiver for tests: a real server on loopback that records, verifies, and answers as told."""

import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Final, Self

from hookline.receive.errors import WebhookError
from hookline.receive.schemes import SENTRY, Scheme
from hookline.receive.verifying import verify
from hookline.receive.webhook import Webhook

__all__ = ["Answer", "Received", "RecordingReceiver"]

MOST_BODY: Final = 16 * 1_048_576
MOST_KEPT: Final = 10_000
IDLE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer.

    Args:
        status: the HTTP status.
        delay_s: how many seconds to wait before it.
        headers: headers of the answer.
        body: body of the answer.
        hang_up: close the connection instead of answering.
    """

    status: int = 200
    delay_s: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hang_up: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came.

    Attributes:
        method: such as ``POST``.
        path: with the query.
        headers: name and value, in the order and the case in which they came.
        body: byte for byte.
        received_at: seconds since 1970, when its last byte had come.
        status: what it is answered with; 0 for a connection that is closed instead.
        webhook: what it is, if it was verified.
        error: why not.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    received_at: float
    status: int
    webhook: Webhook | None
    error: WebhookError | None


class RecordingReceiver:
    """A receiver that keeps what comes; ``with RecordingReceiver("s3cret") as receiver``.

    What is verified is answered as told; what is not gets the status of its error. Without secrets
    nothing is verified, and all is answered as told.

    Args:
        secrets: as for ``verify``.
        scheme: as for ``verify``.
        answer: what to answer, a status or an ``Answer``; can be changed at any time.
        answers: what to answer first, one after the other.
        max_age_s: as for ``verify``.
    """

    def __init__(
        self,
        secrets: str | Sequence[str] = (),
        *,
        scheme: Scheme = SENTRY,
        answer: int | Answer = 200,
        answers: Iterable[int | Answer] = (),
        max_age_s: float | None = None,
    ) -> None:
        self.secrets = secrets
        self.scheme = scheme
        self.answer = answer
        self.answers = deque(answers)
        self.max_age_s = max_age_s
        self.total = 0
        self._kept: deque[Received] = deque(maxlen=MOST_KEPT)
        self._arrived = threading.Condition()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="recording receiver", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the receiver listens inside its with block only")
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhook"

    @property
    def requests(self) -> list[Received]:
        """What came, the last ten thousand, in the order of arrival."""
        with self._arrived:
            return list(self._kept)

    @property
    def webhooks(self) -> list[Webhook]:
        """What came and was verified."""
        return [request.webhook for request in self.requests if request.webhook]

    def wait_for(self, number: int, timeout_s: float = 10.0) -> list[Received]:
        """Wait until so many requests have come, and return all that have.

        Raises:
            TimeoutError: they did not come in time.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: self.total >= number, timeout_s):
                raise TimeoutError(f"{self.total} of {number} requests came in {timeout_s} s")
            return list(self._kept)

    def take(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> Answer:
        """Keep a request, and decide what to answer."""
        webhook, error = self._verified(headers, body)
        with self._arrived:
            answer = self._next() if error is None else Answer(error.status)
            status = 0 if answer.hang_up else answer.status
            self._kept.append(
                Received(method, path, headers, body, time.time(), status, webhook, error)
            )
            self.total += 1
            self._arrived.notify_all()
        return answer

    def _verified(
        self, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> tuple[Webhook | None, WebhookError | None]:
        if not self.secrets:
            return None, None
        try:
            webhook = verify(
                body, headers, self.secrets, scheme=self.scheme, max_age_s=self.max_age_s
            )
        except WebhookError as error:
            return None, error
        return webhook, None

    def _next(self) -> Answer:
        given = self.answers.popleft() if self.answers else self.answer
        return given if isinstance(given, Answer) else Answer(given)


class _Server(ThreadingMixIn, HTTPServer):
    """One thread for each connection; they all have ended when ``stop`` returns."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, receiver: RecordingReceiver) -> None:
        self.receiver = receiver
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as the base class does."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def stop(self) -> None:
        """Take no more, and end what is open."""
        self.closing.set()
        self.shutdown()
        with self._lock:
            for connection in self._connections:
                _end(connection)
        self.server_close()

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection, to end it when the receiver stops."""
        with self._lock:
            self._connections.add(connection)
            if self.closing.is_set():
                _end(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget it."""
        with self._lock:
            self._connections.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that break; the base class prints a traceback."""


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Print nothing."""

    def _serve(self) -> None:
        status, length = self._length()
        if status:
            self.close_connection = True
            self._answer(Answer(status))
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        headers = tuple(self.headers.items())
        answer = self.server.receiver.take(self.command, self.path, headers, body)
        if answer.delay_s:
            self.server.closing.wait(answer.delay_s)
        if answer.hang_up or self.server.closing.is_set():
            self.close_connection = True
            return
        self._answer(answer)

    do_POST = do_GET = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _length(self) -> tuple[int, int]:
        """A status to refuse it with, or 0 and the length of its body."""
        if "transfer-encoding" in self.headers:
            return 411, 0
        text = self.headers.get("content-length", "0")
        if not (text.isascii() and text.isdecimal() and len(text) <= 12):
            return 400, 0
        return (413, 0) if int(text) > MOST_BODY else (0, int(text))

    def _answer(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status >= 200 and answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if answer.status not in {204, 304}:
            self.wfile.write(answer.body)
