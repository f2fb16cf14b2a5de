"""Receivers that do harm: each a script for one connection, and what must come of its attempt."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from hookline.core.outcome import Reason

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

GIGABYTE = 1_073_741_824
OK = b"HTTP/1.1 200 OK\r\n"


class Hostile(NamedTuple):
    """A receiver, the outcome that its attempt must have, and words that the log must then say."""

    name: str
    script: Script
    outcome: int | Reason
    words: str = ""


async def never(*_unused: object) -> None:
    """Do nothing until the connection ends."""
    await asyncio.Event().wait()


async def asked(reader: asyncio.StreamReader) -> None:
    """Read a request, so that the answer is to something."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
    await reader.readexactly(int(length.partition(b":")[2]))


def says(answer: bytes, *, then: Script | None = None) -> Script:
    """Answer with these bytes and close, or go on with another script."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(answer)
        await writer.drain()
        if then is not None:
            await then(reader, writer)

    return script


def endlessly(first: bytes, again: bytes, pause_s: float = 0) -> Script:
    """Answer with ``first``, and then with ``again`` for ever."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return script


async def at_once(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close without a look at the request."""


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End the connection with RST."""
    made = writer.get_extra_info("socket")
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_soon(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End the connection with RST at its first byte."""
    await reader.readexactly(1)
    await reset(reader, writer)


async def half_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that nothing more will come, and keep listening."""
    writer.write_eof()
    await never()


async def gibberish_forever(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send, whatever was asked, what is no HTTP."""
    while True:
        writer.write(b"\x00\xff\x1b[2J" * 1000)
        await writer.drain()


def body(length: bytes | str, *headers: bytes) -> bytes:
    """A good status line and head with this Content-Length."""
    given = length if isinstance(length, bytes) else length.encode()
    return OK + b"".join(h + b"\r\n" for h in headers) + b"Content-Length: " + given + b"\r\n\r\n"


def chunked(rest: bytes) -> bytes:
    """A good head and a chunked body of these bytes."""
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + rest


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
# Ten kilobytes that would be ten megabytes.
BOMB = bytes.fromhex("1f8b0800000000000203") + b"\xec\xc1\x01" * 3400

SLOW, RESET, MALFORMED = Reason.SLOW, Reason.RESET, Reason.MALFORMED
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
TERMINAL_CODES = b"HTTP/1.1 200 \x1b[2J\r\nX: \x1b[31m\xff\r\nContent-Length: 0\r\n\r\n"
TWO_LENGTHS = body("100", b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n"
STRANGE_ENCODING = OK + b"Transfer-Encoding: \xff\xfe\x1b[2J\r\n\r\nok"

# What the log must say, beside what the transport says.
NO_ANSWER = "took the request but did not answer in time"
BEGAN = "began to answer but did not finish in time"
NOTHING = "without an answer"
MIDDLE = "in the middle of its answer"
LONG = "the headers of the answer are too long"
MANY = "the headers of the answer are too many"
CHUNKS = "the answer's chunks are malformed"
NOT_HTTP = "what came back is not HTTP"
STATUS_LINE = "the answer's status line is malformed"
HEADER = "a header of the answer is malformed"
LENGTH = "the answer's Content-Length is no number, or there are two"
CODING = "a Transfer-Encoding that nobody asked for"


def empty(status: bytes) -> Script:
    """Answer with this status line and no body."""
    return says(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")


RECEIVERS = [
    # -- too slow ------------------------------------------------------------------------------
    Hostile("never answers", never, SLOW, NO_ANSWER),
    Hostile("drips the status line", endlessly(b"HTTP/1.1 2", b"0", 0.05), SLOW, NO_ANSWER),
    Hostile("drips the head", endlessly(OK + b"X: ", b"x", 0.05), SLOW, BEGAN),
    Hostile("drips the body", endlessly(body("1000"), b"x", 0.05), SLOW, BEGAN),
    Hostile("drips chunks", endlessly(chunked(b""), b"1\r\nx\r\n", 0.05), SLOW, BEGAN),
    Hostile("stops in the head", says(OK + b"Server: x\r\n", then=never), SLOW, BEGAN),
    Hostile("stops in the body", says(body("10") + b"12345", then=never), SLOW, BEGAN),
    Hostile("a 100 and nothing more", says(CONTINUE, then=never), SLOW, BEGAN),
    Hostile("a 103 now and then", endlessly(b"", HINTS, 0.05), SLOW, BEGAN),
    Hostile("a 101 and silence", says(UPGRADED, then=never), SLOW, BEGAN),
    Hostile("endless chunk extension", endlessly(chunked(b"5;"), b"z" * 65_536), SLOW, BEGAN),
    # -- closes --------------------------------------------------------------------------------
    # The request may be on its way in two pieces: then the second one finds out.
    Hostile("accepts and closes", at_once, RESET, "the receiver"),
    Hostile("accepts and resets", reset_soon, RESET, "the receiver"),
    Hostile("closes after the request", says(b""), RESET, NOTHING),
    Hostile("half-closes after the request", says(b"", then=half_close), RESET, NOTHING),
    Hostile("closes in the status line", says(b"HTTP/1.1 200"), RESET, NOTHING),
    Hostile("resets in the status line", says(b"HTTP/1.1 20", then=reset), RESET, NOTHING),
    Hostile("closes after the status line", says(OK), RESET, MIDDLE),
    Hostile("closes in a header", says(OK + b"Server: x"), RESET, MIDDLE),
    Hostile("closes after a header", says(OK + b"Server: x\r\n"), RESET, MIDDLE),
    Hostile("closes in the last line end", says(OK + b"Server: x\r\n\r"), RESET, MIDDLE),
    Hostile("closes in the head behind a 100", says(CONTINUE + OK + b"X: y\r\n"), RESET, MIDDLE),
    Hostile("half-closes in the head", says(OK + b"X: y\r\n", then=half_close), RESET, MIDDLE),
    Hostile("resets in the head", says(OK + b"Server: x\r\n", then=reset), RESET, MIDDLE),
    Hostile("closes in the body", says(body("10") + b"12345"), RESET, MIDDLE),
    Hostile("resets in the body", says(body("10") + b"12345", then=reset), RESET, MIDDLE),
    Hostile("half-closes in the body", says(body("10") + b"12", then=half_close), RESET, MIDDLE),
    Hostile("closes in a chunk", says(chunked(b"5\r\nab")), RESET, MIDDLE),
    Hostile("closes before the last chunk", says(chunked(b"2\r\nab\r\n")), RESET, MIDDLE),
    Hostile("closes in the trailers", says(chunked(b"0\r\nX: y\r\n")), RESET, MIDDLE),
    Hostile("closes after a 100", says(CONTINUE), RESET, MIDDLE),
    Hostile("closes after a 101", says(UPGRADED), RESET, MIDDLE),
    # -- too much ------------------------------------------------------------------------------
    Hostile("endless status line", endlessly(b"HTTP/1.1 200 ", b"z" * 65_536), MALFORMED, LONG),
    Hostile("endless header line", endlessly(OK + b"X: ", b"z" * 65_536), MALFORMED, LONG),
    Hostile("endless headers", endlessly(OK, b"X: " + b"z" * 1000 + b"\r\n"), MALFORMED, LONG),
    Hostile("endless tiny headers", endlessly(OK, b"a:b\r\n" * 1000), MALFORMED, MANY),
    Hostile("endless folded header", endlessly(OK + b"X: y\r\n", b" z\r\n" * 99), MALFORMED, LONG),
    Hostile("endless trailers", endlessly(chunked(b"0\r\n"), b"X: zzz\r\n" * 99), MALFORMED, MANY),
    Hostile("endless long trailers", endlessly(chunked(b"0\r\n"), b"X: " + b"z" * 999 + b"\r\n"),
            MALFORMED, LONG),
    Hostile("endless chunk size", endlessly(chunked(b""), b"0" * 65_536), MALFORMED, CHUNKS),
    Hostile("endless 100s", endlessly(b"", CONTINUE * 1000), MALFORMED, LONG),
    Hostile("endless 103s", endlessly(b"", HINTS * 1000), MALFORMED, LONG),
    Hostile("endless body", endlessly(OK + b"\r\n", b"y" * 65_536), 200),
    Hostile("endless chunks", endlessly(chunked(b""), b"ffff\r\n" + b"y" * 65_535 + b"\r\n"), 200),
    Hostile("a gigabyte", endlessly(body(str(GIGABYTE)), b"y" * 65_536), 200),
    Hostile("a gzip bomb", says(body(str(len(BOMB)), b"Content-Encoding: gzip") + BOMB), 200),
    Hostile("unheard-of encoding", says(body("2", b"Content-Encoding: \xff\xfe") + b"ok"), 200),
    # -- not HTTP ------------------------------------------------------------------------------
    Hostile("no HTTP", says(b"this is not HTTP\r\n\r\n"), MALFORMED, NOT_HTTP),
    Hostile("HTTP/0.9", says(b"<html>hello</html>"), MALFORMED, NOT_HTTP),
    Hostile("endless gibberish", gibberish_forever, MALFORMED, NOT_HTTP),
    Hostile("SSH", says(b"SSH-2.0-OpenSSH_9.2\r\n", then=never), MALFORMED, NOT_HTTP),
    Hostile("a TLS alert", says(b"\x15\x03\x03\x00\x02\x02\x46"), MALFORMED, NOT_HTTP),
    Hostile("HTTP/2 frames", says(b"\x00\x00\x06\x04" + b"\x00" * 11), MALFORMED, NOT_HTTP),
    Hostile("HTTP/3 in text", says(b"HTTP/3 200 OK\r\n\r\n"), MALFORMED, STATUS_LINE),
    Hostile("HTTP/9.9", says(b"HTTP/9.9 200 OK\r\n\r\n"), MALFORMED, STATUS_LINE),
    Hostile("ICY", says(b"ICY 200 OK\r\n\r\n"), MALFORMED, NOT_HTTP),
    Hostile("status in letters", empty(b"2x0 OK"), MALFORMED, STATUS_LINE),
    Hostile("status of two digits", empty(b"20 OK"), MALFORMED, STATUS_LINE),
    Hostile("negative status", empty(b"-200 OK"), MALFORMED, STATUS_LINE),
    Hostile("status 000", empty(b"000 No"), MALFORMED, STATUS_LINE),
    Hostile("status 099", empty(b"099 No"), MALFORMED, STATUS_LINE),
    Hostile("status 600", empty(b"600 Odd"), 600),
    Hostile("status 999", empty(b"999 Odd"), 999),
    Hostile("status 1000, which reads as a 100", empty(b"1000 OK"), RESET, MIDDLE),
    Hostile("no reason phrase", empty(b"200"), 200),
    Hostile("terminal codes", says(TERMINAL_CODES), 200),
    Hostile("bare line feeds", says(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), 200),
    Hostile("HTTP/1.0", says(b"HTTP/1.0 200 OK\r\n\r\nok"), 200),
    Hostile("folded header", says(body("2", b"X: a", b"\tb") + b"ok"), 200),
    Hostile("NUL in a header", says(body("2", b"X: a\0b") + b"ok"), MALFORMED, HEADER),
    Hostile("carriage return in a header", says(body("2", b"X: a\rb") + b"ok"), MALFORMED, HEADER),
    Hostile("header without colon", says(body("2", b"nonsense") + b"ok"), MALFORMED, HEADER),
    Hostile("two equal lengths", says(body("2", b"Content-Length: 2") + b"ok"), 200),
    Hostile("two lengths", says(body("2", b"Content-Length: 3") + b"ok"), MALFORMED, LENGTH),
    Hostile("negative length", says(body("-1") + b"ok"), MALFORMED, LENGTH),
    Hostile("length in letters", says(body("two") + b"ok"), MALFORMED, LENGTH),
    Hostile("length with a plus", says(body("+2") + b"ok"), MALFORMED, LENGTH),
    # No 64-bit number: libcurl takes it as not said, and the body ends with the connection.
    Hostile("length of 30 digits", says(body("9" * 30) + b"ok"), 200),
    Hostile("length of 30 digits, kept", endlessly(body("9" * 30), b"y" * 65_536), 200),
    Hostile("length and chunks", says(TWO_LENGTHS), 200),
    Hostile("chunk size in letters", says(chunked(b"zz\r\nok\r\n0\r\n\r\n")), MALFORMED, CHUNKS),
    Hostile("negative chunk size", says(chunked(b"-2\r\nok\r\n0\r\n\r\n")), MALFORMED, CHUNKS),
    Hostile("chunk size of 17 digits", says(chunked(b"f" * 17 + b"\r\nok")), MALFORMED, CHUNKS),
    Hostile("chunk over its size", says(chunked(b"2\r\nokay\r\n0\r\n\r\n")), MALFORMED, CHUNKS),
    Hostile("strange transfer encoding", says(STRANGE_ENCODING), MALFORMED, CODING),
    Hostile("an answer behind the answer", says(body("2") + b"okHTTP/1.1 500 No\r\n\r\n"), 200),
    Hostile("a body to a 204", says(b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello"), 204),
]  # fmt: skip


@contextlib.asynccontextmanager
async def serving(script: Script, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve a script on loopback; the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await server.wait_closed()
        await asyncio.sleep(0)
