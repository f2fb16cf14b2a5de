"""The demo, whole, as a process; and its receiver."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from hookline import samples
from hookline.cli.children import clean_environment, started_receiver
from hookline.cli.javascript import open_javascript


def test_once_delivers_and_verifies_everything(process):
    """Plain output: one table, a summary, no control sequences, exit code 0."""
    result = process("demo", "--once")
    assert result.code == 0, result.err
    count = len(samples.names())
    assert f"{count} of {count} delivered" in result.text
    assert f"over the raw body: {count} of {count}" in result.text
    assert f"JSON.stringify(JSON.parse(body)): {count} of {count}" in result.text
    assert result.text.splitlines()[-1].strip() == "all verified"
    assert "\x1b" not in result.text + result.err
    shown = [line.split()[0] for line in result.text.splitlines() if "delivered  " in line]
    assert sorted(shown) == sorted(samples.names())


def test_json_is_one_document_and_sigterm_ends_all_children(tmp_path):
    """Without --once it goes on serving; ended, it leaves neither a process nor a folder."""
    running = subprocess.Popen(
        [sys.executable, "-m", "hookline", "demo", "--json"],
        env={**clean_environment(), "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert running.stdout is not None
        said = ""
        while not said.endswith("}\n") or said.count("{") != said.count("}"):
            said += running.stdout.readline()
        document = json.loads(said)
        assert document["verified"] is True
        with urllib.request.urlopen(f"{document['url']}/healthz", timeout=10) as answer:
            assert answer.status == 200
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        running.stdout.close()
    for url in (document["url"], document["receiver"]):
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=1)
    assert list(tmp_path.iterdir()) == []


def test_the_receiver_tells_both_checks_apart():
    """A body that JavaScript writes otherwise passes one check; an unknown secret passes none."""
    from hookline.core.signing import sign

    with started_receiver(fail_first=1) as receiver:
        receiver.learn("first")
        receiver.learn("second")
        for body, secret in (
            (b'{"action":"a"}', "first"),
            (b'{"action":"a","n":1.0}', "second"),
            (b"{}", "unknown"),
            (b"no \xff json", "second"),
        ):
            request = urllib.request.Request(receiver.url, data=body, method="POST")
            request.add_header("Sentry-Hook-Signature", sign(secret, body))
            request.add_header("Sentry-Hook-Resource", "issue")
            try:
                urllib.request.urlopen(request, timeout=10).close()
            except urllib.error.HTTPError as refused:
                refused.close()
        found = [(r["raw"], r["js"], r["status"]) for r in receiver.wait_for(4)]
    assert found == [
        (True, True, 500),  # failing on purpose
        (True, False, 200),
        (False, False, 401),
        (True, False, 200),
    ]


@pytest.mark.parametrize("engine", ["V8", "node"])
def test_both_engines_print_alike(engine, monkeypatch):
    """Node stands in for V8 where mini-racer is not installed."""
    if engine == "node":
        monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    with open_javascript() as javascript:
        if javascript is None or not javascript.name.startswith(engine):
            pytest.skip(f"NO {engine} HERE")
        body = '{"b": 1.0, "7": "é\\ud800\u2028💥", "c": [1e21]}'.encode()
        again = '{"7":"é\\ud800\u2028💥","b":1,"c":[1e+21]}'.encode()
        assert javascript.reprint(body) == again
        assert javascript.reprint(b"{") is None
        assert javascript.reprint(b"\xff") is None
