"""The example receivers behind real servers: genuine webhooks, and what strangers send."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest
from tests.receive.apps import APPS, ENDS_IN_ORDER, App, running

from hookline import samples
from hookline.receive.testing import SECRET, signed_request

MIB = 1_048_576


@pytest.fixture(scope="module", params=APPS)
def app(request) -> Iterator[App]:
    with running(request.param) as made:
        yield made


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=60) as made:
        yield made


def post(client: httpx.Client, app: App, signed: tuple[bytes, dict[str, str]]) -> httpx.Response:
    return client.post(app.url, content=signed[0], headers=signed[1])


def still_works(client: httpx.Client, app: App) -> None:
    """A later webhook is handled, and nothing before it was but what the test accounts for."""
    before = app.handled.count("event: seer.pr_created")
    assert post(client, app, signed_request(event="seer.pr_created")).status_code == 200
    app.wait_until(
        lambda: app.handled.count("event: seer.pr_created") > before, "it handles no more"
    )


def test_every_documented_webhook_is_handled_once(app, client):
    """Each resource and action, sent twice: 200 each time, and one handler runs, once."""
    before = len(app.handled)
    for name in samples.names():
        signed = signed_request(event=name)
        answers = [post(client, app, signed) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 200], name
        assert [each.json()["status"] for each in answers] == ["accepted", "duplicate"], name
    still_works(client, app)
    app.wait_until(lambda: len(app.handled) > before + len(samples.names()), "the handlers")
    told = sorted(app.handled[before:])
    assert len(told) == len(samples.names()) + 1
    assert sum(line.startswith("new issue: ") for line in told) == 1
    for name in samples.names():
        resource, _, action = name.partition(".")
        if resource != "issue":
            assert f"event: {name}" in told
        elif action != "created":
            assert (f"issue: {action}" if app.name == "fastapi" else f"event: {name}") in told


def test_what_is_not_genuine_is_refused(app, client):
    """Mutations of a genuine webhook: the status says whose fault it is, and no handler runs."""
    body, headers = signed_request()
    before = len(app.handled)
    wrong = headers | {"Sentry-Hook-Signature": "0" * 64}
    missing = {name: value for name, value in headers.items() if "Signature" not in name}
    nameless = {name: value for name, value in headers.items() if "Resource" not in name}
    cases = [
        ((body, wrong), 401, "signature-mismatch"),
        ((body[:-1], headers), 401, "signature-mismatch"),
        ((body, missing), 401, "signature-missing"),
        ((body, headers | {"Sentry-Hook-Signature": "é".encode()}), 401, "signature-malformed"),
        ((b"", headers), 401, "signature-mismatch"),
        (signed_request("another"), 401, "signature-mismatch"),
        ((body, nameless), 400, "header-missing"),
        (signed_request(body=body[:-9]), 400, "body-not-json"),
        (signed_request(body=b"\xff\xfe"), 400, "body-not-json"),
        (signed_request(body=b"[" * 100_000), 400, "body-not-json"),
        (signed_request(body=b"[]"), 400, "body-not-documented"),
        (signed_request(body=b""), 400, "body-not-json"),
        (signed_request(body=b" " * (MIB + 1)), 413, "body-too-large"),
    ]
    for signed, status, code in cases:
        answer = post(client, app, signed)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert headers["Sentry-Hook-Signature"] not in answer.text
        assert SECRET not in answer.text
    still_works(client, app)
    assert len(app.handled) == before + 1


def test_other_methods_are_refused(app, client):
    """A GET is answered 405 that names POST."""
    answer = client.get(app.url)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_chunked_body_is_read_or_its_length_asked_for(app, client):
    """A body without a length: taken, refused as too large, or 411 where the server reads none."""
    body, headers = signed_request()
    none = app.name == "wsgi"

    def pieces(content: bytes) -> Iterator[bytes]:
        yield from (content[n : n + 9_000] for n in range(0, len(content), 9_000))

    answer = client.post(app.url, content=pieces(body), headers=headers)
    assert answer.status_code == (411 if none else 200)
    body, headers = signed_request(body=b" " * (MIB + 1))
    if not none:
        answer = client.post(app.url, content=pieces(body), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body-too-large")
    still_works(client, app)


def head(length: object, more: str = "") -> bytes:
    return (
        f"POST /webhooks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()


def test_senders_that_hang_up_do_no_harm(app, client):
    """Connections that end within head and body, and one that announces more than it sends."""
    body, headers = signed_request()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    before = len(app.handled)
    for sent in (b"POST /web", head(len(body), lines) + body[:-1], head(MIB, lines) + body, b""):
        with app.connect() as connection:
            connection.sendall(sent)
    still_works(client, app)
    assert len(app.handled) == before + 1


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "٣", "9" * 400, "1, 2", ""])
def test_lengths_that_are_none_are_refused(app, client, length):
    """Whatever stands in Content-Length, the answer is 4xx or none, and the app goes on."""
    with app.connect() as connection:
        connection.sendall(head(length) + b"{}")
        connection.shutdown(1)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert not answer or answer.split(b" ")[1].startswith(b"4"), answer
    still_works(client, app)


@pytest.mark.parametrize("name", APPS)
def test_its_habits_are_good(name):
    """`hookline trigger --scenario all` finds nothing bad, and only order cannot be told."""
    with running(name, f"{SECRET} another-secret") as app:
        flags = ("--scenario", "all", "--to", app.url, "--timeout", "20", "--json")
        flags += ("--secret", SECRET, "--old-secret", "another-secret")
        done = subprocess.run(
            [sys.executable, "-m", "hookline", "trigger", *flags],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        verdicts = {each["name"]: each["verdict"] for each in json.loads(done.stdout)["scenarios"]}
        assert len(verdicts) == 15
        assert {name for name, verdict in verdicts.items() if verdict != "good"} == {"out-of-order"}
        with httpx.Client(trust_env=False, timeout=60) as client:
            still_works(client, app)


@pytest.mark.parametrize("name", ENDS_IN_ORDER)
def test_an_app_that_is_ended_finishes_what_it_accepted(name):
    """SIGTERM while webhooks are being accepted: what was answered 200 was handled."""
    with running(name) as app, httpx.Client(trust_env=False, timeout=60) as client:
        accepted: list[str] = []
        enough = threading.Event()

        def send() -> None:
            for number in range(10_000):
                message_id = f"{number:032x}"
                signed = signed_request(event="comment.created", message_id=message_id)
                try:
                    answer = post(client, app, signed)
                except httpx.HTTPError:
                    return
                if answer.status_code != 200:
                    return
                accepted.append(json.loads(answer.content)["status"])
                if number == 20:
                    enough.set()

        sending = threading.Thread(target=send)
        sending.start()
        assert enough.wait(60)
        assert app.terminate() in {0, -15}
        sending.join(60)
        # The last one may have been handled without its answer having arrived.
        assert len(app.handled) - len(accepted) in {0, 1}
        assert set(accepted) == {"accepted"}
