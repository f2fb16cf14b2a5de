"""Starting and asking the processes of a benchmark."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.database import Database

__all__ = [
    "CLEAN",
    "KEY",
    "Process",
    "backlog",
    "bare",
    "call",
    "check_exact",
    "cpu_seconds",
    "dead",
    "load",
    "register",
    "rss_mb",
    "server",
    "sink",
    "wait_for",
]

KEY = "bench-key-0123456789abcdef0123456789abcdef"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}


class Process:
    """A child that prints its port first, then answers lines with lines."""

    def __init__(self, *arguments: str, environ: dict[str, str] | None = None):
        self.child = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=CLEAN | (environ or {}),
            text=True,
        )
        self.port = int(self._line())

    def ask(self, line: str) -> Any:
        assert self.child.stdin is not None
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return json.loads(self._line())

    def stop(self) -> None:
        self.child.terminate()
        self.child.wait(40)
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                stream.close()

    def _line(self) -> str:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.child.args} ended with {self.child.wait()}")
        return line


@contextlib.contextmanager
def sink() -> Iterator[Process]:
    """A receiver."""
    process = Process("-m", "bench.sink")
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def dead() -> Iterator[Process]:
    """Receivers that never answer."""
    process = Process("-m", "bench.dead")
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def server(database: Database, *ports: int) -> Iterator[Process]:
    """A Hookline on a database, which may reach these ports of loopback."""
    environ = database.environ | {
        "HOOKLINE_API_KEY": KEY,
        "HOOKLINE_PORT": "0",
        "HOOKLINE_ALLOW_ADDRESSES": ", ".join(f"127.0.0.1:{port}" for port in ports),
        "HOOKLINE_LOG_ATTEMPTS": "none",
    }
    process = Process("-m", "bench.server", environ=environ)
    try:
        yield process
    finally:
        process.stop()


def call(server: Process, path: str, document: dict[str, Any]) -> Any:
    """POST to the API."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1{path}",
        data=json.dumps(document).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def register(server: Process, port: int, prefix: str, number: int) -> None:
    """Each organization has one integration, so that every event is one delivery."""
    for n in range(number):
        document = {
            "name": f"{prefix} {n}",
            "organization": f"{prefix}-{n}",
            "webhook_url": f"http://127.0.0.1:{port}/hook",
            "resources": ["issue"],
            "max_in_flight": 64,
        }
        call(server, "/integrations", document)


def backlog(database: Database, count: int, prefix: str, organizations: int) -> None:
    """Record events while nobody serves the database."""
    arguments = [str(count), prefix, str(organizations)]
    subprocess.run(
        [sys.executable, "-m", "bench.backlog", *arguments],
        check=True,
        env=CLEAN | database.environ,
    )


def wait_for(sink: Process, count: int, timeout_s: float = 120) -> dict[str, int]:
    """Wait until so many have arrived."""
    deadline = time.monotonic() + timeout_s
    while True:
        stats: dict[str, int] = sink.ask("stats")
        if stats["count"] >= count:
            return stats
        if time.monotonic() > deadline:
            sys.exit(f"void: {stats['count']} of {count} arrived in {timeout_s} s")
        time.sleep(0.1)


def check_exact(sink: Process, count: int) -> None:
    """See that none has arrived twice."""
    time.sleep(0.3)  # a late duplicate would show here
    arrived = sink.ask("stats")["count"]
    if arrived != count:
        sys.exit(f"void: {arrived} arrived, {count} were due")


def load(plan: dict[str, Any]) -> dict[str, Any]:
    """Publish by a plan; returns what came of it."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(plan),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=CLEAN,
    )
    result: dict[str, Any] = json.loads(answer.stdout)
    if result["refusals"]:
        raise RuntimeError(f"void: {result['refusals']} refused, such as {result['refused']}")
    return result


def bare(port: int, count: int) -> float:
    """Bare libcurl's POSTs a second to the sink."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.bare", f"http://127.0.0.1:{port}/hook", str(count)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=CLEAN,
    )
    return float(answer.stdout)


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB, at its highest."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
