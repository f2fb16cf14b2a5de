"""``hookline serve`` as a process: it starts, says where, stops, and refuses in one line."""

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hookline.cli.children import clean_environment, started_server

DEADLINE_S = 60


@contextlib.contextmanager
def serving(folder, *flags: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-m", "hookline", "serve", "--port", "0", *flags],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def lines_until(running: subprocess.Popen[str], last: str) -> str:
    assert running.stderr is not None
    said = ""
    for line in running.stderr:
        said += line
        if last in line:
            return said
    raise AssertionError(f"it ended: {said}")


def test_the_first_start_shows_a_key_once_and_sigterm_ends_it_with_0(tmp_path):
    """A key is shown at the first start and never again; both stop gracefully."""
    with serving(tmp_path) as first:
        said = lines_until(first, "Ctrl-C")
        assert "hookline serves http://127.0.0.1:" in said
        assert "sqlite:///hookline.db" in said
        assert "export HOOKLINE_API_KEY=hkl_" in said
        first.send_signal(signal.SIGTERM)
        out, err = first.communicate(timeout=DEADLINE_S)
        assert (first.returncode, out) == (0, "")
        assert "Traceback" not in err
    with serving(tmp_path) as second:
        assert "hkl_" not in lines_until(second, "Ctrl-C")
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=DEADLINE_S)
        assert second.returncode == 0


def test_json_is_one_line_and_the_end_of_stdin_ends_it(tmp_path):
    """A program that starts hookline reads one line, and cannot leave it behind."""
    with serving(tmp_path, "--json", "--until-stdin-closes") as running:
        assert running.stdout is not None
        assert running.stdin is not None
        said = json.loads(running.stdout.readline())
        assert said.keys() == {"url", "database", "api_key"}
        running.stdin.close()
        running.stdin = None  # communicate() would flush it
        assert running.wait(DEADLINE_S) == 0


def refused(result, *words: str) -> None:
    """Exit code 2, one line that says what, one that says what to do."""
    assert result.code == 2, result.err
    assert result.out == b""
    error, hint = result.err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    for word in words:
        assert word in error


def test_an_occupied_port_is_refused_in_one_line(process):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(process("serve", "--port", port), f"cannot listen on 127.0.0.1:{port}")


def test_a_database_of_somebody_else_is_refused_in_one_line(process, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs.db")) as theirs:
        theirs.execute("CREATE TABLE customers (id)")
    result = process("serve", "--port", "0", "--database", "sqlite:///theirs.db")
    refused(result, "theirs.db is a SQLite database of another program")


def test_a_newer_schema_is_refused_in_one_line(process, tmp_path):
    with started_server(tmp_path, allow=""):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "hookline.db")) as ours:
        ours.execute("PRAGMA user_version = 9999")
    result = process("serve", "--port", "0", "--database", "sqlite:///hookline.db")
    refused(result, "has schema 9999")


def test_a_database_in_use_is_refused_in_one_line(process, tmp_path):
    with started_server(tmp_path, allow=""):
        result = process("serve", "--port", "0", "--database", "sqlite:///hookline.db")
    refused(result, "hookline.db is in use by another hookline")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port", "99999"], "--port 99999"),
        (["--host", "no host"], "--host no host"),
        (["--allow-addresses", "10.0.0.0/33"], "--allow-addresses 10.0.0.0/33"),
        (["--log", "xml"], "--log xml is neither text nor json"),
        (["--prt", "0"], "Unknown option: --prt. Did you mean --port"),
    ],
)
def test_a_wrong_flag_is_refused_in_one_line(call, flags, words):
    refused(call("serve", *flags), words)


def test_postgresql_without_a_key_is_refused_in_one_line(process):
    """No file can stand beside a database on a server; it is said before anything is connected."""
    result = process("serve", "--port", "0", "--database", "postgresql://u:hunter2@h/d")
    refused(result, "HOOKLINE_SECRET_KEY")
    assert "hunter2" not in result.err


@pytest.mark.parametrize("secret", ["u:hunter2@127.0.0.1:1/d", "127.0.0.1:1/d?password=hunter2"])
def test_a_postgresql_that_is_not_there_is_refused_in_one_line(process, secret):
    """The line says what is wrong and shows no password."""
    result = process(
        *("serve", "--port", "0", "--database", f"postgresql://{secret}"),
        HOOKLINE_SECRET_KEY="ab" * 32,
    )
    refused(result, "the database cannot be reached")
    assert "hunter2" not in result.err


def test_a_missing_driver_is_refused_with_what_to_install(tmp_path):
    """PostgreSQL's driver is an extra of the package, and SQLite does without it."""
    program = (
        "import sys; sys.modules['asyncpg'] = None\n"
        "from hookline.cli.main import main; sys.argv = ['hookline', 'serve', '--port', '0']; main()"
    )
    given = {"HOOKLINE_DATABASE": "postgresql://u:hunter2@h/d", "HOOKLINE_SECRET_KEY": "ab" * 32}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean_environment(**given),
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert "pip install 'hookline[postgres]'" in " ".join(said.split())
    assert "hunter2" not in said


LOG = """
import logging, structlog, sys
from hookline.cli import serving
from hookline.core.masking import Mask
from hookline.core.secret import Secret
serving.configure_log(sys.argv[1], Mask([Secret("open sesame")]))
structlog.get_logger("a").warning("sent", path="/\\x1b[2J")
logging.getLogger("library").warning("odd \\x1b[2J")
logging.getLogger("library").warning("login with open sesame and hkl_%s", "ab" * 32)
client_secret = "hunter2"
try:
    raise OSError("gone")
except OSError:
    structlog.get_logger("b").exception("failed")
"""


LAST_WORDS = """
import sys, threading
from hookline.cli import serving
from hookline.core.masking import Mask
serving.configure_log("text", Mask())

def fail():
    raise ValueError("no number: hkl_" + "ab" * 32)

threading.Thread(target=fail).start()
fail()
"""


def test_what_ends_the_process_is_masked_too():
    """A bug's traceback, of a thread and of the process itself, keeps its words but no key."""
    done = subprocess.run(
        [sys.executable, "-c", LAST_WORDS],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 1
    assert done.stderr.count("ValueError: no number: hkl_********\n") == 2
    assert done.stderr.count("Traceback") == 2
    assert "abab" not in done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_logs_neither_play_with_the_terminal_nor_tell_local_variables(form):
    """A traceback in the log has no values of variables, and no line what is known for a secret."""
    done = subprocess.run(
        [sys.executable, "-c", LOG, form],
        env={**clean_environment(), "TERM": "xterm-256color"},
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert done.stdout == ""
    assert all(word in done.stderr for word in ("sent", "odd", "failed", "OSError: gone"))
    assert "\x1b" not in done.stderr
    assert 'client_secret = "hunter2"' not in done.stderr
    assert "'hunter2'" not in done.stderr
    assert "login with ******** and hkl_********" in done.stderr
    assert "hkl_a" not in done.stderr
    assert "sesame" not in done.stderr.partition("Traceback")[0]
    if form == "json":
        assert len([json.loads(line) for line in done.stderr.splitlines()]) == 4
