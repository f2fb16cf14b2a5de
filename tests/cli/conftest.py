"""Real processes where that is the point, and the app called in this one where it is not."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import structlog

from hookline.cli.children import (
    Receiver,
    Server,
    clean_environment,
    started_receiver,
    started_server,
)
from hookline.cli.main import run

DEADLINE_S = 60


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> None:
    """Nobody's settings reach a test."""
    for name in [*os.environ]:
        if name.startswith("HOOKLINE_") or name in {"WEBHOOK_SECRET", "COLUMNS"}:
            monkeypatch.delenv(name)


@pytest.fixture
def call(capfdbinary, monkeypatch) -> Iterator[Call]:
    """Run a command in this process, and leave its logs as they were."""
    for module in (sys, threading):
        monkeypatch.setattr(module, "excepthook", module.excepthook)

    def run_here(*argv: str) -> Result:
        capfdbinary.readouterr()
        code = run(argv)
        sys.stderr.flush()
        out, err = capfdbinary.readouterr()
        return Result(code, out, err.decode())

    handlers = logging.root.handlers[:]
    yield run_here
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def process(tmp_path) -> Call:
    """Run a command as a process of its own, until it ends."""

    def run_there(*argv: str, stdin: bytes = b"", **settings: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "hookline", *argv],
            cwd=tmp_path,
            env=clean_environment(**settings),
            input=stdin,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return run_there


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with started_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, receiver) -> Iterator[Server]:
    """A server that may send to the receiver."""
    with started_server(tmp_path_factory.mktemp("server"), allow=receiver.address) as running:
        yield running


@pytest.fixture
def client(call, server, monkeypatch) -> Call:
    """Run a command that talks to the server."""
    monkeypatch.setenv("HOOKLINE_URL", server.url)
    monkeypatch.setenv("HOOKLINE_API_KEY", server.key)
    return call
