"""Starting and asking the processes of a benchmark."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["KEY", "Process", "bare", "cpu_seconds", "load", "rss_mb", "server", "sink"]

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
def server(folder: Path, sink_port: int) -> Iterator[Process]:
    """A Hookline on a SQLite file in the folder, which may reach the sink."""
    environ = {
        "HOOKLINE_DATABASE": f"sqlite:///{folder}/bench.db",
        "HOOKLINE_API_KEY": KEY,
        "HOOKLINE_PORT": "0",
        "HOOKLINE_ALLOW_ADDRESSES": f"127.0.0.1:{sink_port}",
    }
    process = Process("-m", "bench.server", environ=environ)
    try:
        yield process
    finally:
        process.stop()


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
