"""The process of ``hookline serve``: signals, logs, and what it says at its start."""

import asyncio
import atexit
import json
import logging
import os
import signal
import sys
import threading
import time
from functools import partial
from traceback import format_exception
from typing import Any

import structlog
import uvloop

from hookline.cli.terminal import DIM, GOOD, TITLE, cell, err, fields, harmless, print_json
from hookline.core.instants import isoformat
from hookline.core.masking import Mask
from hookline.send.lines import LineWriter
from hookline.server.serve import Served, serving
from hookline.settings import Settings

__all__ = ["configure_log", "serve_until_stopped", "watch_stdin"]


def serve_until_stopped(settings: Settings, *, as_json: bool, until_stdin_closes: bool) -> None:
    """Serve until SIGINT, SIGTERM or, if asked for, the end of standard input.

    Raises:
        UsageError: the port is taken, or the database cannot be used.
    """
    lines = configure_log(settings.log, Mask(settings.secrets()))
    uvloop.run(_serve(settings, lines, as_json=as_json, until_stdin_closes=until_stdin_closes))


async def _serve(
    settings: Settings, lines: LineWriter, *, as_json: bool, until_stdin_closes: bool
) -> None:
    stop = asyncio.Event()
    if until_stdin_closes:
        loop = asyncio.get_running_loop()
        threading.Thread(target=watch_stdin, args=(loop, stop), daemon=True).start()
    async with serving(settings, signals=(signal.SIGINT, signal.SIGTERM), lines=lines) as served:
        _announce(served, settings, as_json=as_json)
        told = asyncio.create_task(stop.wait())
        await asyncio.wait({served.done, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        # Not through the console: a pipe that nobody reads any more would hold up the stop.
        lines.write(b"stopping: what is under way is finished first; again stops at once\n")


def watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Wait in a thread for the end of standard input, and set ``stop`` then."""
    # os.read, because a thread that holds sys.stdin's lock would make the interpreter's end fail.
    while os.read(0, 65_536):
        pass
    loop.call_soon_threadsafe(stop.set)


def _announce(served: Served, settings: Settings, *, as_json: bool) -> None:
    key = None if served.first_key is None else served.first_key.reveal()
    if as_json:
        document = {"url": served.url, "database": str(settings.database), "api_key": key}
        print_json(document, one_line=True)  # whoever started us reads one line, and goes on
        return
    console = err()
    console.print(f"hookline serves {served.url}", style=TITLE)
    allowed = ", ".join(settings.allow_addresses) or "public addresses only"
    rows = [
        ("database", str(settings.database)),
        ("API", f"{served.url}/openapi.json"),
        ("may send to", allowed),
    ]
    console.print(fields(rows))
    if key is not None:
        console.print("\nAn API key was made. It is shown this once; keep it:", style=GOOD)
        console.print(cell(f"  export HOOKLINE_API_KEY={key}"), soft_wrap=True)
        if settings.url != served.url:
            console.print(cell(f"  export HOOKLINE_URL={served.url}"), soft_wrap=True)
        console.print("then, for example:  hookline integration list\n")
    console.print("Ctrl-C stops it.", style=DIM)


# --- logs ------------------------------------------------------------


def configure_log(form: str, mask: Mask) -> LineWriter:
    """Our own events, and other libraries' warnings, as lines of the one form on stderr.

    Secrets are taken out of the finished line: whatever value, traceback or library they came from.
    """
    lines = LineWriter(sys.stderr.fileno(), partial(_dropped, form))
    atexit.register(lines.close)
    renderer: Any = structlog.processors.JSONRenderer()
    formatter: list[Any] = [structlog.processors.format_exc_info]
    if form == "text":
        # Plain tracebacks, since pretty ones print local variables, and secrets are among those;
        # values by repr(), since a stranger's text may hold what a terminal obeys.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            repr_native_str=True,
        )
        formatter = []
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *formatter,
            renderer,
            _masked(mask),
        ],
        logger_factory=structlog.WriteLoggerFactory(_Stream(lines)),  # type: ignore[arg-type]
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    _mask_last_words(mask)
    return lines


def _dropped(form: str, lines: int) -> bytes:
    """The line that says how many lines are missing before it."""
    now = isoformat(time.time_ns() // 1000)
    if form == "json":
        said = {"event": "log.dropped", "lines": lines, "level": "warning", "timestamp": now}
        return json.dumps(said).encode() + b"\n"
    return f"{now} [warning  ] log.dropped lines={lines}\n".encode()


class _Stream:
    """The log as structlog wants it: a file that takes text."""

    def __init__(self, lines: LineWriter):
        self._lines = lines

    def write(self, text: str) -> None:
        """Take one line."""
        self._lines.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""


def _masked(mask: Mask) -> Any:
    return lambda _logger, _name, line: mask(line)


def _mask_last_words(mask: Mask) -> None:
    """Let Python's own traceback of a bug that ends the process or a thread pass the mask, too."""

    def say(error: BaseException | None) -> None:
        sys.stderr.write(mask("".join(format_exception(error))))

    sys.excepthook = lambda _kind, error, _traceback: say(error)
    threading.excepthook = lambda given: say(given.exc_value)


class _Forward(logging.Handler):
    """What libraries log with the standard library, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        logger = structlog.get_logger(record.name)
        message = harmless(record.getMessage(), lines=False)
        logger.log(record.levelno, message, logger=record.name, exc_info=record.exc_info)
