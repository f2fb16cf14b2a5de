"""``hookline trigger`` against a receiver process, and ``--print`` into ``hookline verify``."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest
from tests.cli.receiving import receiving

from hookline import samples
from hookline.cli.children import started_receiver

SECRET = "northwind-secret"
PATIENT = ("--timeout", "20")
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9bevil \u202egnp\n"


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[str]:
    """A receiver in this process that always gives this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with receiving(Handler) as url:
        yield url


def test_the_list_is_the_samples(call):
    result = call("trigger", "--list")
    assert result.text.split() == list(samples.names())
    assert json.loads(call("trigger", "--list", "--json").out) == list(samples.names())


@pytest.mark.parametrize("name", ["issue.created", "event_alert.triggered", "installation.deleted"])
def test_a_sample_is_accepted_both_ways(call, receiver, name):
    """The receiver finds the signature right over the raw bytes and over V8's."""
    receiver.learn(SECRET)
    before = len(receiver.reports)
    result = call("trigger", name, "--to", receiver.url, "--secret", SECRET, *PATIENT)
    assert result.code == 0, result.err
    report = receiver.wait_for(before + 1)[-1]
    assert (report["raw"], report["js"]) == (True, True)
    assert f"{report['resource']}.{report['action']}" == name
    assert report["request_id"] in result.text
    assert f"{report['bytes']:,} bytes" in result.text
    assert "answered 200" in result.text


def test_several_are_several_webhooks(call, receiver):
    receiver.learn(SECRET)
    before = len(receiver.reports)
    arguments = (
        "comment.created",
        "--to",
        receiver.url,
        "--secret",
        SECRET,
        "--count",
        "5",
        *PATIENT,
    )
    told = json.loads(call("trigger", *arguments, "--json").out)
    ids = {each["request_id"] for each in receiver.wait_for(before + 5)[before:]}
    assert (told["sent"], told["succeeded"], len(ids)) == (5, 5, 5)


def test_a_refused_signature_leads_to_verify(call, receiver):
    result = call("trigger", "issue.created", "--to", receiver.url, "--secret", "wrong", *PATIENT)
    assert result.code == 1
    assert "answered 401" in result.text
    assert "hookline verify" in result.err


def test_nobody_listening_is_said_with_what_to_do(call):
    with answering(b"") as url:
        pass
    result = call("trigger", "issue.created", "--to", url, "--secret", SECRET)
    assert result.code == 1
    assert "refused" in result.text
    assert "Is it running?" in result.err


def test_the_first_failure_is_shown(call):
    """One 500 among several is exit code 1, and the one that is shown."""
    with started_receiver(fail_first=1) as failing:
        failing.learn(SECRET)
        arguments = (
            "issue.created",
            "--to",
            failing.url,
            "--secret",
            SECRET,
            "--count",
            "2",
            *PATIENT,
        )
        result = call("trigger", *arguments)
    assert result.code == 1
    assert "answered 500" in result.text
    assert "2 sent, 1 answered 2xx, 1 failed" in result.text


def test_an_answer_cannot_play_with_the_terminal(call):
    """Escape sequences of a receiver's are shown and not obeyed, also inside JSON."""
    with answering(HOSTILE.encode(), status=500) as url:
        shown = call("trigger", "issue.created", "--to", url, "--secret", SECRET)
        told = call("trigger", "issue.created", "--to", url, "--secret", SECRET, "--json")
    assert r"\x1b[2J\x1b]0;owned\x07\x9bevil \u202egnp" in shown.text
    for text in (shown.text, shown.err, told.text):
        assert all(char.isprintable() or char == "\n" for char in text)
    (attempt,) = json.loads(told.out)["attempts"]
    assert attempt["response"]["body"] == HOSTILE


@pytest.mark.parametrize("encoding", ["javascript", "ascii"])
@pytest.mark.parametrize("name", samples.names())
def test_what_is_printed_verifies(call, tmp_path, name, encoding):
    """The body on stdout and the header lines on stderr are what ``verify`` takes."""
    flags = ("--secret", SECRET, "--print", "--body-encoding", encoding)
    printed = call("trigger", name, *flags)
    assert printed.code == 0
    body, headers = tmp_path / "body.json", tmp_path / "headers.txt"
    body.write_bytes(printed.out)
    headers.write_text(printed.err)
    assert json.loads(printed.out)["action"] == name.partition(".")[2]
    assert encoding == "javascript" or printed.out.isascii()
    checked = call("verify", "--secret", SECRET, "--headers", str(headers), str(body))
    assert (checked.code, checked.text.split()[0]) == (0, "match")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["issue.crated", "--to", "http://h/", "--secret", "s"], "no sample 'issue.crated'"),
        (["--to", "http://h/", "--secret", "s"], "which event?"),
        (["issue.created", "--secret", "s"], "where to?"),
        (["issue.created", "--to", "ftp://h/", "--secret", "s"], "begins with ftp:"),
        (["issue.created", "--to", "http://h/"], "no client secret"),
        (["issue.created", "--to", "http://h/", "--secret", ""], "a secret is empty"),
        (["issue.created", "--to", "http://h/", "--secret", "s", "--count", "0"], "--count 0"),
        (["issue.created", "--to", "http://h/", "--secret", "s", "--timeout", "99"], "--timeout"),
        (["issue.created", "--print", "--secret", "s", "--organization", "A B"], "'A B' is not"),
    ],
)
def test_wrong_use_is_exit_code_2(call, arguments, words):
    result = call("trigger", *arguments)
    assert result.code == 2
    assert words in result.err
    assert "hint: " in result.err
