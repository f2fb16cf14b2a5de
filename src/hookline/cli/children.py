"""Processes that we start and must end: a server and a receiver, for the demo and for tests.

They get a session of their own, so that Ctrl-C reaches only us and we end them in order. Each ends
also when its standard input does: whatever becomes of us, nothing stays behind.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from hookline.cli.client import ServerTrouble

__all__ = ["Receiver", "Server", "clean_environment", "started_receiver", "started_server"]

START_S: Final = 30.0
STOP_S: Final = 15.0


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment without anybody's settings but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    return {**kept, **settings}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    Attributes:
        log: the file that has its stderr.
    """

    url: str
    key: str
    log: Path


@dataclass(slots=True)
class Receiver:
    """A receiver that runs.

    Attributes:
        javascript: the engine that it checks with; None if there is none.
        reports: what it told of each webhook, in the order of arrival.
    """

    url: str
    javascript: str | None
    _stdin: IO[str]
    reports: list[dict[str, Any]] = field(default_factory=list)
    _learned: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``, as an allow list takes it."""
        return self.url.removeprefix("http://")

    def learn(self, secret: str) -> None:
        """Let it accept signatures with this secret, from now on."""
        expected = self._learned + 1
        self._stdin.write(json.dumps({"secret": secret}) + "\n")
        self._stdin.flush()
        self.wait_until(lambda: self._learned >= expected, "the receiver to learn a secret")

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many webhooks have come, and return the reports."""
        self.wait_until(lambda: len(self.reports) >= count, f"{count} webhooks")
        return self.reports

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds of what it told.

        Raises:
            TimeoutError: it did not come true in good time.
        """
        with self._changed:
            if not self._changed.wait_for(condition, START_S):
                raise TimeoutError(f"waited {START_S:g} s for {what}, got {len(self.reports)}")

    def told(self, document: dict[str, Any]) -> None:
        """Take one line of its output."""
        with self._changed:
            if "learned" in document:
                self._learned = document["learned"]
            else:
                self.reports.append(document)
            self._changed.notify_all()


@contextlib.contextmanager
def started_receiver(*, fail_first: int = 0) -> Iterator[Receiver]:
    """A receiver process, for the length of the block."""
    command = ["-m", "hookline.cli.receiver", "--fail-first", str(fail_first)]
    with _started(command, clean_environment(), None) as (process, lines):
        first = _first_line(process, lines, "the receiver", None)
        assert process.stdin is not None  # noqa: S101
        receiver = Receiver(first["url"], first["javascript"], process.stdin)

        def follow() -> None:
            while (line := lines.get()) is not None:
                receiver.told(json.loads(line))

        threading.Thread(target=follow, daemon=True).start()
        yield receiver


@contextlib.contextmanager
def started_server(
    folder: Path, *, allow: str, port: int = 0, key: str | None = None
) -> Iterator[Server]:
    """A server process on a database in ``folder``, for the length of the block."""
    command = ["-m", "hookline", "serve", "--json", "--until-stdin-closes", "--port", str(port)]
    command += ["--database", f"sqlite:///{folder / 'hookline.db'}", "--allow-addresses", allow]
    settings = {} if key is None else {"HOOKLINE_API_KEY": key}
    log = folder / "server.log"
    with _started(command, clean_environment(**settings), log) as (process, lines):
        first = _first_line(process, lines, "the server", log)
        yield Server(first["url"], key or first["api_key"], log)


@contextlib.contextmanager
def _started(
    arguments: Sequence[str], environ: dict[str, str], log: Path | None
) -> Iterator[tuple[subprocess.Popen[str], "queue.Queue[str | None]"]]:
    with contextlib.ExitStack() as stack:
        stderr = None if log is None else stack.enter_context(log.open("wb"))
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *arguments],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            start_new_session=True,
        )
        stack.callback(_end, process)
        lines: queue.Queue[str | None] = queue.Queue()
        pump = threading.Thread(target=_pump, args=(process, lines), daemon=True)
        pump.start()
        yield process, lines


def _pump(process: subprocess.Popen[str], lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None  # noqa: S101
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _first_line(
    process: subprocess.Popen[str], lines: "queue.Queue[str | None]", who: str, log: Path | None
) -> dict[str, Any]:
    with contextlib.suppress(queue.Empty):
        if (line := lines.get(timeout=START_S)) is not None:
            document: dict[str, Any] = json.loads(line)
            return document
    said = "" if log is None else log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ServerTrouble(
        "child-failed", f"{who} did not start (exit code {process.poll()})\n{said}".rstrip(), ""
    )


def _end(process: subprocess.Popen[str]) -> None:
    """End it: by the end of its input, else by signals that get ruder."""
    assert process.stdin is not None  # noqa: S101
    with contextlib.suppress(OSError):
        process.stdin.close()
    for ruder in (None, process.terminate, process.kill):
        if ruder is not None:
            ruder()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            return
