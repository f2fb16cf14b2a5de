"""The log of a real server: a line for each attempt, in either form, and a reader that never reads."""

import contextlib
import fcntl
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from hookline.cli.children import clean_environment

DEADLINE_S = 60
F_SETPIPE_SZ = 1031
KEY = "k" * 40
EVENTS = 300


@contextlib.contextmanager
def serving(folder, receiver, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server and its URL; its log goes into a pipe that only the test reads."""
    running = subprocess.Popen(
        [sys.executable, "-m", "hookline", "serve", "--port", "0", "--json"],
        cwd=folder,
        env=clean_environment(
            HOOKLINE_API_KEY=KEY, HOOKLINE_ALLOW_ADDRESSES=receiver.address, **settings
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert running.stderr is not None
        fcntl.fcntl(running.stderr.fileno(), F_SETPIPE_SZ, 4_096)
        assert running.stdout is not None
        yield running, json.loads(running.stdout.readline())["url"]
    finally:
        running.kill()
        running.communicate()


@contextlib.contextmanager
def client_of(url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=20) as client:
        yield client


def publish(client: httpx.Client, receiver, count: int) -> None:
    """Register an integration of the receiver, and publish so many events for it."""
    made = client.post(
        "/api/v1/integrations",
        json={
            "name": "Pager",
            "organization": "acme",
            "webhook_url": f"{receiver.url}/hook?token=hunter2",
            "resources": ["issue"],
            "timeout": 10,
        },
    )
    assert made.status_code == 201, made.text
    receiver.learn(made.json()["client_secret"])
    event = {"resource": "issue", "action": "created", "data": {"title": "t"}}
    path = "/api/v1/organizations/acme/events/batch"
    for _ in range(0, count, 100):
        answer = client.post(path, json=[event] * min(count, 100))
        assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_attempt_has_its_line(tmp_path, receiver, form):
    """As many lines as attempts, in the form that was asked for, and none tells the URL's token."""
    came = len(receiver.reports)
    with serving(tmp_path, receiver, HOOKLINE_LOG=form) as (running, url):
        reading = _Reader(running)
        with client_of(url) as client:
            publish(client, receiver, 20)
            receiver.wait_for(came + 20)
            reading.wait_for(rb"\battempt\b", 20)
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == 0
    lines = [line for line in reading.ended().decode().splitlines() if "attempt" in line]
    assert len(lines) == 20
    assert not any("hunter2" in line or "/hook" in line for line in lines)
    host = receiver.address
    if form == "json":
        documents = [json.loads(line) for line in lines]
        assert {each["receiver"] for each in documents} == {each["address"] for each in documents}
        assert {each["receiver"] for each in documents} == {host}
        assert {each["verdict"] for each in documents} == {"delivered"}
        assert len({each["delivery"] for each in documents}) == 20
    else:
        assert all(f"receiver={host} address={host} " in line for line in lines)
        assert all(re.search(r" success 20[04] delivered ", line) for line in lines)


def test_a_log_that_nobody_reads_holds_up_nothing(tmp_path, receiver):
    """The pipe is full after a dozen lines: everything is delivered, told in /metrics, and it stops."""
    came = len(receiver.reports)
    with serving(tmp_path, receiver) as (running, url):
        with client_of(url) as client:
            publish(client, receiver, EVENTS)
            receiver.wait_for(came + EVENTS)
            until = time.monotonic() + DEADLINE_S
            wanted = f'hookline_attempts_total{{outcome="success"}} {float(EVENTS)}'
            while wanted not in (text := client.get("/metrics").text):
                assert time.monotonic() < until, text
                time.sleep(0.02)
            assert client.get("/readyz").status_code == 200
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == 0


class _Reader:
    """Reads a process's stderr in a thread."""

    def __init__(self, running: subprocess.Popen[bytes]):
        self._stream = running.stderr
        self._came = bytearray()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._stream is not None
        for line in self._stream:
            with self._changed:
                self._came += line
                self._changed.notify_all()

    def wait_for(self, pattern: bytes, count: int) -> None:
        """Wait until this came so often."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: len(re.findall(pattern, self._came)) >= count, DEADLINE_S
            )
            assert found, bytes(self._came)

    def ended(self) -> bytes:
        """All that came until the process ended."""
        self._thread.join(DEADLINE_S)
        return bytes(self._came)
