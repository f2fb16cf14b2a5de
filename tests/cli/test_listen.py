"""``hookline listen`` as a process: one command from a sender to a local application."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.cli.children import clean_environment
from hookline.receive.testing import RecordingReceiver, signed_request

DEADLINE_S = 60
SECRET = "s3cret of the sender"


class Listening:
    """A command that runs, and its lines."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.first = self.line()

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def post(self, body: bytes, headers: Any) -> int:
        with httpx.Client(trust_env=False, timeout=DEADLINE_S) as client:
            return client.post(self.first["url"], content=body, headers=headers).status_code


@contextlib.contextmanager
def listening(folder: Path, to: str, *flags: str, secret: str = SECRET) -> Iterator[Listening]:
    arguments = ["listen", "--to", to, "--port", "0", "--json", "--until-stdin-closes", *flags]
    with (folder / "listen.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hookline", *arguments],
            cwd=folder,
            env=clean_environment(WEBHOOK_SECRET=secret),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield Listening(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_comes_in_is_told_and_reaches_the_application(tmp_path, host):
    """The first line is the URL; each request is one more, refused ones too."""
    with RecordingReceiver(SECRET) as receiver:
        to = receiver.url.replace("127.0.0.1", host)
        with listening(tmp_path, to) as running:
            assert running.first["to"] == to
            body, headers = signed_request(SECRET, "issue.created")
            assert running.post(body, headers) == 200
            told = running.line()
            assert (told["status"], told["code"], told["name"]) == (
                200,
                "accepted",
                "issue.created",
            )
            (got,) = receiver.wait_for(1)
            assert got.body == body
            body, headers = signed_request("wrong", "issue.created")
            assert running.post(body, headers) == 401
            told = running.line()
            assert (told["status"], told["code"]) == (401, "signature-mismatch")
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(DEADLINE_S) == 0
    log = (tmp_path / "listen.log").read_text()
    assert SECRET not in log
    assert running.first["url"].rpartition("/")[2] not in log


def test_with_a_database_the_url_stays_and_what_waits_is_sent(tmp_path):
    """Over a restart, with another secret and another application."""
    database = ("--database", f"sqlite:///{tmp_path}/listen.db")
    with listening(tmp_path, "http://127.0.0.1:9/", *database) as first:
        body, headers = signed_request(SECRET, "issue.created")
        assert first.post(body, headers) == 200
        assert first.line()["code"] == "accepted"
        url = first.first["url"]
    with (
        RecordingReceiver(SECRET) as receiver,
        listening(tmp_path, receiver.url, *database, secret="another") as second,
    ):
        assert second.first["url"].rpartition("/")[2] == url.rpartition("/")[2]
        (got,) = receiver.wait_for(1)
        assert got.body == body
        assert second.post(body, headers) == 401
        assert second.post(*signed_request("another", "issue.created")) == 200


def test_duplicates_are_dropped_if_asked(tmp_path):
    """And told as such."""
    with (
        RecordingReceiver(SECRET) as receiver,
        listening(tmp_path, receiver.url, "--deduplicate", "request-id") as running,
    ):
        request = signed_request(SECRET, "issue.created")
        assert [running.post(*request) for _ in range(2)] == [200, 200]
        assert [running.line()["code"] for _ in range(2)] == ["accepted", "duplicate"]


def test_without_json_it_is_for_people(tmp_path):
    """The URL, then a line for each request."""
    with RecordingReceiver(SECRET) as receiver:
        process = subprocess.Popen(
            [sys.executable, "-m", "hookline", "listen", "--to", receiver.url, "--port", "0"],
            cwd=tmp_path,
            env=clean_environment(WEBHOOK_SECRET=SECRET),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            assert process.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            url = next(word for word in said.split() if "/in/" in word)
            with httpx.Client(trust_env=False, timeout=DEADLINE_S) as client:
                body, headers = signed_request(SECRET, "issue.created")
                assert client.post(url, content=body, headers=headers).status_code == 200
            assert process.stdout.readline().startswith("200  accepted  issue.created  ")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=DEADLINE_S)
            assert process.returncode == 0
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--to", "ftp://x/"), "webhook-url"),
        (("--to", "http://127.0.0.1:9/", "--scheme", "sentri"), "sentry"),
        (("--to", "http://127.0.0.1:9/", "--scheme", "standard"), "base64"),
        (("--to", "http://127.0.0.1:9/", "--deduplicate", "(("), "expression"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(process, flags, code):
    """Exit code 2, an error and a hint, and no traceback."""
    done = process("listen", "--port", "0", *flags, WEBHOOK_SECRET="no base 64 §")
    assert done.code == 2, done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert code in done.err or code == "webhook-url"
    assert "no base 64" not in done.err


def test_a_secret_is_needed(process):
    """Nothing listens without one."""
    done = process("listen", "--to", "http://127.0.0.1:9/")
    assert done.code == 2
    assert "there is no client secret" in done.err
