"""A ``Receiver`` as a WSGI app: alone, or inside Flask, Bottle, Pyramid, or any other.

WSGI reads by blocking, so how long a sender may be silent is the server's to limit; between two reads
``body_timeout_s`` counts here too. A body without a length is read where the server promises that its
stream ends (``wsgi.input_terminated``: gunicorn, waitress), else it is refused: a read could wait for
ever.
"""

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hookline.receive.answering import Taken, refuse

if TYPE_CHECKING:
    from hookline.receive.receiver import Receiver

__all__ = ["WSGIReceiver", "headers_of"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]

PIECE: Final = 65_536
DISCARD: Final = 8 * 1_048_576
DISCARD_S: Final = 2.0


class WSGIReceiver:
    """The app. What runs after an answer needs threads that outlive it: uWSGI wants --enable-threads."""

    def __init__(self, hooks: "Receiver", path: str | None = None) -> None:
        self.hooks = hooks
        self.path = path

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        taken = self._take(environ)
        phrase = HTTPStatus(taken.status).phrase
        headers = [*taken.headers, ("Content-Length", str(len(taken.body)))]
        start_response(f"{taken.status} {phrase}", headers)
        return [taken.body]

    def _take(self, environ: Environ) -> Taken:
        length = _length(environ)
        code = self._refused(environ, length)
        if code:
            _discard(environ, length)
            return refuse(code)
        body, code = self._read(environ, length)
        if code:
            return refuse(code)
        return self.hooks.answer_sync(body, headers_of(environ))

    def _refused(self, environ: Environ, length: int | None) -> str:
        """Why it is refused before its body is read; ``""`` if it is not."""
        path = environ.get("PATH_INFO", "")
        if self.path is not None and path.rstrip("/") != self.path.rstrip("/"):
            return "not-found"
        if environ["REQUEST_METHOD"] != "POST":
            return "method-not-allowed"
        if length is None:
            if environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("wsgi.input_terminated"):
                return "length-missing"
            return ""
        if length < 0:
            return "length-malformed"
        return "body-too-large" if length > self.hooks.max_body else ""

    def _read(self, environ: Environ, length: int | None) -> tuple[bytes, str]:
        """The body, or the code by which it is refused."""
        if length is None and not environ.get("wsgi.input_terminated"):
            return b"", ""  # neither a length nor an end: there is no body (RFC 9112, 6.3)
        most = self.hooks.max_body + 1 if length is None else length
        deadline = time.monotonic() + self.hooks.body_timeout_s
        body = bytearray()
        while len(body) < most:
            try:
                piece = environ["wsgi.input"].read(min(PIECE, most - len(body)))
            except (
                OSError,
                ValueError,
            ):  # the sender hung up, or sent no chunks where they were due
                return b"", "body-incomplete"
            if not piece:
                break
            body += piece
            if time.monotonic() > deadline:
                return b"", "body-too-slow"
        if len(body) > self.hooks.max_body:
            return b"", "body-too-large"
        if length is not None and len(body) < length:
            return b"", "body-incomplete"
        return bytes(body), ""


def headers_of(environ: Environ) -> list[tuple[str, str]]:
    """The headers of a WSGI environ, by the names that they were sent under.

    >>> headers_of({"HTTP_REQUEST_ID": "4f", "CONTENT_TYPE": "text/plain", "SERVER_NAME": "a"})
    [('REQUEST-ID', '4f'), ('CONTENT-TYPE', 'text/plain')]
    """
    headers = [
        (name[5:].replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    kind = environ.get("CONTENT_TYPE")
    return [*headers, ("CONTENT-TYPE", kind)] if kind else headers


def _length(environ: Environ) -> int | None:
    """What Content-Length says; None where there is none, -1 where it is no number."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else -1


def _discard(environ: Environ, length: int | None) -> None:
    """Read on for a little, and keep nothing: many clients do not read an answer while they send."""
    left = min(length or 0, DISCARD)
    deadline = time.monotonic() + DISCARD_S
    try:
        while left > 0 and time.monotonic() < deadline:
            piece = environ["wsgi.input"].read(min(PIECE, left))
            if not piece:
                return
            left -= len(piece)
    except (OSError, ValueError):
        return
