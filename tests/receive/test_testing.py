"""What users test with: signed requests, the recording receiver, and the fixtures of pytest."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection, RemoteDisconnected
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hookline import samples
from hookline.core.canonical import encode, parse
from hookline.receive import GITHUB, SENTRY_APP, STRIPE, plain_hmac, verify
from hookline.receive.recording import IDLE_S, MOST_BODY
from hookline.receive.testing import (
    INSTALLATION,
    SECRET,
    Answer,
    RecordingReceiver,
    SignedRequest,
    sample_names,
    signed_request,
)


def post(receiver: RecordingReceiver, request: SignedRequest) -> tuple[int, bytes, dict[str, str]]:
    """Send a request over a connection of its own."""
    url = urlsplit(receiver.url)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=30)
    try:
        connection.request("POST", url.path, request.body, request.headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def connect(receiver: RecordingReceiver) -> socket.socket:
    """Open a connection."""
    url = urlsplit(receiver.url)
    return socket.create_connection((url.hostname or "", url.port or 0), timeout=30)


def ends(receiver: RecordingReceiver) -> bool:
    """Whether it ends, long before an idle connection or an answer that is due in an hour would."""
    ending = threading.Thread(target=receiver.__exit__, args=(None, None, None))
    ending.start()
    ending.join(IDLE_S / 2)
    return not ending.is_alive()


def raw(receiver: RecordingReceiver, request: bytes) -> bytes:
    """Send bytes as they are, and read until the end."""
    with connect(receiver) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


@pytest.mark.parametrize("name", samples.names())
def test_every_documented_event(name: str) -> None:
    """A signed request of each sample verifies, is that event, and is a fixed point of JavaScript."""
    body, headers = signed_request("s3cret", name)
    webhook = verify(body, headers, "s3cret", max_age_s=60)
    assert (webhook.event, webhook.installation) == (name, INSTALLATION)
    assert webhook.data.keys()
    assert encode(parse(body)).text == body
    assert name in sample_names()


def test_what_can_be_chosen() -> None:
    """Event, data, actor, installation, id and time are as they were asked for."""
    person = {"type": "user", "id": 7, "name": "Mira"}
    body, headers = signed_request(
        "s",
        "order.paid",
        data={"id": 17, "total": 100.0},
        actor=person,
        installation="0b1c",
        message_id="4f" * 16,
        now=1_000,
    )
    webhook = verify(body, headers, "s")
    assert (webhook.event, webhook.data, webhook.actor) == (
        "order.paid",
        {"id": 17, "total": 100},
        person,
    )
    assert (webhook.installation, webhook.id, webhook.timestamp) == ("0b1c", "4f" * 16, 1_000)
    exact = signed_request("s", body=b'{ "action":"a","data":{} }')
    assert verify(*exact, "s").body == b'{ "action":"a","data":{} }'
    assert signed_request().headers["Request-ID"] != signed_request().headers["Request-ID"]


def test_other_senders_data() -> None:
    """Data that is given stands where the sender puts it."""
    github = verify(
        *signed_request("s", "push", scheme=GITHUB, data={"ref": "main"}), "s", scheme=GITHUB
    )
    assert github.data == {"ref": "main"}
    stripe = verify(*signed_request("s", scheme=STRIPE, data={"object": {}}), "s", scheme=STRIPE)
    assert stripe.data == {"object": {}}
    plain = plain_hmac(header="X-Sig")
    assert verify(*signed_request("s", scheme=plain, data={"id": 1}), "s", scheme=plain).data == {
        "type": "invoice.paid",
        "id": 1,
    }
    empty = signed_request("s", scheme=SENTRY_APP)
    assert "Content-Type" not in empty.headers


def test_a_receiver_records_and_verifies() -> None:
    """Bytes, headers, path and order are kept; what is right is a webhook, what is not an error."""
    good, bad = signed_request("s"), signed_request("wrong")
    with RecordingReceiver("s") as receiver:
        assert post(receiver, good)[0] == 200
        assert post(receiver, bad)[0] == 401
        first, second = receiver.wait_for(2)
        assert receiver.requests == [first, second]
        assert [webhook.event for webhook in receiver.webhooks] == ["issue.created"]
    assert (first.method, first.path, first.body) == ("POST", "/webhook", good.body)
    assert first.webhook
    assert first.error is None
    assert {"Sentry-Hook-Signature", "Request-ID"} <= {name for name, _ in first.headers}
    assert (second.webhook, second.status) == (None, 401)
    assert second.error
    assert second.error.code == "signature-mismatch"


def test_a_receiver_without_secrets_takes_all() -> None:
    """Without secrets nothing is checked."""
    with RecordingReceiver() as receiver:
        assert post(receiver, SignedRequest(b"\xff", {}))[0] == 200
        (request,) = receiver.wait_for(1)
    assert (request.webhook, request.error, request.body) == (None, None, b"\xff")


def test_a_receiver_answers_as_told() -> None:
    """First the answers of the list, then the other one, which can be changed; or none at all."""
    teapot = Answer(418, headers=(("X-Kind", "pot"),), body=b"short and stout")
    request = signed_request("s")
    with RecordingReceiver("s", answer=204, answers=[503, teapot]) as receiver:
        assert post(receiver, request)[0] == 503
        status, body, headers = post(receiver, request)
        assert (status, body, headers["X-Kind"]) == (418, b"short and stout", "pot")
        assert post(receiver, request)[:2] == (204, b"")
        receiver.answer = Answer(200, delay_s=0.001)
        assert post(receiver, request)[0] == 200
        receiver.answer = Answer(hang_up=True)
        with pytest.raises(RemoteDisconnected):
            post(receiver, request)
        assert [each.status for each in receiver.requests] == [503, 418, 204, 200, 0]


def test_a_connection_is_kept_for_the_next_request() -> None:
    """Senders keep connections; the receiver does, too, and ends them with itself."""
    request = signed_request("s")
    with RecordingReceiver("s") as receiver:
        url = urlsplit(receiver.url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=30)
        for _ in range(3):
            connection.request("POST", url.path, request.body, request.headers)
            assert connection.getresponse().read() == b""
        assert len(receiver.wait_for(3)) == 3
        assert ends(receiver)
    assert connection.sock.recv(1) == b""
    connection.close()


def test_a_slow_answer_does_not_hold_up_the_end() -> None:
    """A receiver that still waits to answer ends at once, and no thread is left."""
    before = threading.active_count()
    with RecordingReceiver("s", answer=Answer(200, delay_s=3_600)) as receiver:
        open_ = connect(receiver)
        body, headers = signed_request("s")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST / HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        open_.sendall(head.encode() + body)
        receiver.wait_for(1)
        assert ends(receiver)
    assert open_.recv(1) == b""
    open_.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    ],
)
def test_what_a_receiver_does_not_take(head: bytes, status: int) -> None:
    """Too much, and what is not HTTP as senders speak it, is refused and not recorded."""
    with RecordingReceiver() as receiver:
        assert str(status).encode() in raw(receiver, head)
        assert receiver.total == 0


def test_a_request_that_breaks_off() -> None:
    """Half a body is not recorded."""
    with RecordingReceiver() as receiver:
        with connect(receiver) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        assert post(receiver, SignedRequest(b"whole", {}))[0] == 200
        assert [each.body for each in receiver.requests] == [b"whole"]


def test_waiting_has_an_end() -> None:
    """What does not come in time is an error that says how much came."""
    with RecordingReceiver() as receiver:
        post(receiver, SignedRequest(b"", {}))
        with pytest.raises(TimeoutError, match=r"1 of 2 requests came in 0\.01 s"):
            receiver.wait_for(2, timeout_s=0.01)
    with pytest.raises(RuntimeError, match="inside its with block"):
        RecordingReceiver().url  # noqa: B018


# --- the pytest plugin --------------------------------------------------

USERS_TESTS = """
import sys
from urllib.request import Request, urlopen

from hookline.receive import GITHUB, verify


def test_signed(hookline_signed, hookline_secret):
    body, headers = hookline_signed("issue.created")
    assert verify(body, headers, hookline_secret).event == "issue.created"


def test_receiver(hookline_receiver, hookline_signed):
    body, headers = hookline_signed()
    with urlopen(Request(hookline_receiver.url, body, headers)) as answer:
        assert answer.status == 200
    assert hookline_receiver.wait_for(1)[0].webhook.body == body
"""
OVERRIDES = """
import pytest

from hookline.receive import GITHUB


@pytest.fixture
def hookline_secret():
    return "our own"


@pytest.fixture
def hookline_scheme():
    return GITHUB
"""
OVERRIDING_TESTS = """
def test_ours(hookline_signed, hookline_receiver):
    assert "X-Hub-Signature-256" in hookline_signed().headers
    assert hookline_receiver.scheme.name == "github"
    assert hookline_receiver.secrets == "our own"
"""
WITHOUT_US = """
import sys


def test_nothing():
    ours = {name for name in sys.modules if name.startswith("hookline")}
    assert "hookline.receive.testing" not in ours
    assert "hookline.receive.recording" not in ours
    assert not [name for name in ours if name.startswith(("hookline.samples", "hookline.send"))]
    assert not {"sqlite3", "http.server", "cryptography", "litestar"} & set(sys.modules)
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def users_run(tmp_path: Path) -> Run:
    """Runs pytest in a project of a user's own, with warnings as errors."""

    def run(*arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        # The others' plugins in our environment are not the user's.
        others = {point.name for point in entry_points(group="pytest11")} - {"hookline"}
        alone = [f"-pno:{name}" for name in sorted({*others, "cacheprovider"})]
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "pytest", "-W", "error", *alone, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_fixtures(users_run: Run) -> None:
    """In a user's project the fixtures are there without a word, and warn of nothing."""
    made = users_run(test_users=USERS_TESTS)
    assert "2 passed" in made.stdout, made.stdout + made.stderr
    assert "warning" not in made.stdout


def test_the_fixtures_can_be_overridden(users_run: Run) -> None:
    """A conftest.py sets another secret and another scheme."""
    made = users_run(conftest=OVERRIDES, test_ours=OVERRIDING_TESTS)
    assert "1 passed" in made.stdout, made.stdout + made.stderr


def test_a_run_that_uses_none_of_them(users_run: Run) -> None:
    """A run without our fixtures loads neither the server, nor the samples, nor a package of ours."""
    made = users_run(test_without=WITHOUT_US)
    assert "1 passed" in made.stdout, made.stdout + made.stderr


def test_the_plugin_can_be_left_out(users_run: Run) -> None:
    """``-p no:hookline`` leaves nothing of us in the run."""
    body = 'import sys\n\n\ndef test_gone():\n    assert "hookline.receive" not in sys.modules\n'
    made = users_run("-p", "no:hookline", test_gone=body)
    assert "1 passed" in made.stdout, made.stdout + made.stderr


def test_the_fixtures_here(
    hookline_receiver: RecordingReceiver, hookline_signed: Callable[..., SignedRequest]
) -> None:
    """The fixtures are in our own run, too; the secret is one that every scheme can use."""
    assert post(hookline_receiver, hookline_signed("comment.created"))[0] == 200
    (webhook,) = hookline_receiver.webhooks
    assert webhook.event == "comment.created"
    assert json.loads(webhook.body)["action"] == "created"
    assert hookline_receiver.secrets == SECRET
