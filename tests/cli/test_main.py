"""What holds of every command: help with an example, errors of one shape, quiet endings."""

import json
import os
import shlex
import subprocess
import sys

import pytest
from cyclopts import App

from hookline import __version__
from hookline.cli.children import clean_environment
from hookline.cli.main import app


def commands(group: App, *path: str) -> list[tuple[str, ...]]:
    found = []
    for name in group:
        if not name.startswith("-"):
            command = group[name]
            below = commands(command, *path, name)
            found += below or [(*path, name)]
    return found


COMMANDS = commands(app)


def test_all_commands_are_there():
    nouns = {path[0] for path in COMMANDS}
    assert {"serve", "demo", "trigger", "verify", "config", "version"} <= nouns
    assert {"integration", "delivery", "event", "resource", "key"} <= nouns


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_that_parses(call, path, monkeypatch):
    """The first line says what it does, and each example is a command line that it takes."""
    monkeypatch.setenv("COLUMNS", "200")
    shown = call(*path, "--help").text
    examples = [line.strip() for line in shown.splitlines() if line.startswith(" ")]
    examples = [line[line.index("hookline") :] for line in examples if "hookline" in line]
    mine = [line for line in examples if line.startswith(" ".join(["hookline", *path]))]
    assert mine, shown
    for line in mine:
        tokens = shlex.split(line.partition(" >")[0])[1:]
        app.parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_that_prints_can_print_json(call, path):
    assert "--json" in call(*path, "--help").text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["srve"], 'Unknown command "srve". Did you mean "serve"?'),
        (["delivery", "shw"], 'Did you mean "show"?'),
        (["trigger", "--cuont", "3"], "Unknown option: --cuont. Did you mean --count?"),
        (["delivery", "show"], "requires an argument"),
        (["delivery", "list", "--limit", "many"], '"many"'),
        (["config", "extra"], "extra"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2_in_two_lines(call, arguments, words):
    result = call(*arguments)
    assert (result.code, result.out) == (2, b"")
    error, hint = result.err.splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert hint.startswith("hint: `hookline")


def test_bare_hookline_shows_the_commands(call):
    result = call()
    assert result.code == 0
    assert "trigger" in result.text


def test_version(call):
    assert __version__ in call("version").text
    assert call("--version").text.strip() == __version__
    assert json.loads(call("version", "--json").out)["hookline"] == __version__


def test_config_shows_values_and_where_they_come_from(call, monkeypatch):
    """Every setting is there; a secret is stars; a wrong one is exit code 2."""
    monkeypatch.setenv("HOOKLINE_PORT", "9000")
    monkeypatch.setenv("HOOKLINE_API_KEY", "hunter2")
    rows = {row["name"]: row for row in json.loads(call("config", "--json").out)}
    assert (rows["HOOKLINE_PORT"]["value"], rows["HOOKLINE_PORT"]["origin"]) == (
        "9000",
        "HOOKLINE_PORT",
    )
    assert rows["HOOKLINE_HOST"]["origin"] == "default"
    shown = call("config").text
    assert "HOOKLINE_PORT" in shown
    assert "hunter2" not in shown + json.dumps(rows)
    monkeypatch.setenv("HOOKLINE_POTR", "1")
    wrong = call("config")
    assert (wrong.code, "did you mean HOOKLINE_PORT?" in wrong.err) == (2, True)


def test_a_closed_pipe_is_quiet():
    """Whoever reads only the first line gets no complaint."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "hookline", "trigger", "--list"],
        env=clean_environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_is_quiet(call, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hookline.cli.config.print_json", interrupted)
    result = call("version", "--json")
    assert (result.code, result.out, result.err) == (130, b"", "")
