"""What the documents say is so: paths exist, commands are real, examples run."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import hookline.core
import hookline.samples
from hookline import __version__
from hookline.cli.main import run
from hookline.core.lifecycle import mermaid

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def modules() -> list[str]:
    packages = (hookline.core, hookline.samples)
    return [
        name
        for package in packages
        for _, name, _ in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ] + [package.__name__ for package in packages]


def commands() -> list[str]:
    """Each hookline command line in a shell block of a page, without its comment."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [
        line[line.index("hookline ") :] for line in lines if re.search(r"(^|=\S+ )hookline ", line)
    ]
    return sorted({line.split("  #")[0].strip() for line in found})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page):
    """Each file of the project that a page names is there."""
    named = re.findall(r"`((?:src|docs|tests|bench)/[\w./-]+)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_diagram_is_the_table():
    """The lifecycle's diagram in ARCHITECTURE.md is the one that its table makes."""
    assert mermaid() in (ROOT / "ARCHITECTURE.md").read_text()


def test_the_layers_are_those_of_the_folder():
    """ARCHITECTURE.md names every room."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = {path.stem for path in (ROOT / "src/hookline").iterdir() if path.name[0] not in "_p"}
    assert {room for room in rooms if f"| `{room}` |" not in text} == set()


def test_there_are_commands_in_the_pages():
    """The next test has something to try."""
    assert len(commands()) >= 8


@pytest.mark.parametrize("line", commands())
def test_commands_are_real(line, capsys):
    """Each command of a page exists, with each flag that the page gives it."""
    words = shlex.split(line.replace("…", ""))[1:]
    names = []
    for word in words:
        if not re.fullmatch(r"[a-z]+", word) or len(names) == 2:
            break
        names.append(word)
    assert run([*names, "--help"]) == 0
    help_text = capsys.readouterr().out
    flags = [word.split("=")[0] for word in words if word.startswith("--")]
    assert [flag for flag in flags if flag not in help_text] == []


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name):
    """The examples in the core's docstrings give what they say."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_changelog_knows_the_version():
    """A version that is released is in the changelog; before that there is an unreleased part."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in text or f"## {__version__}" in text


def test_every_environment_variable_of_the_pages_is_a_setting():
    """A page names no variable that hookline does not read."""
    settings = (ROOT / "docs/reference/settings.md").read_text()
    named = {name for page in PAGES for name in re.findall(r"HOOKLINE_[A-Z_]+", page.read_text())}
    assert {name for name in named if name not in settings} == set()
