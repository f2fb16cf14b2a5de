"""docs/reference/receive.md: its tables are the code's, and its examples run."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline import receive
from hookline.core import mistakes
from hookline.core.mistakes import Mistake
from hookline.core.spellings import SPELLINGS
from hookline.receive import names, scheme_named
from hookline.receive.errors import REASONS
from hookline.receive.testing import signed_request
from hookline.receive.webhook import Webhook

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/receive.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_code_is_in_the_page() -> None:
    """The table of errors has each code of the code, with its status and its hint, and no other."""
    told = {
        code.strip("` "): (int(status), hint.strip(" |")) for code, status, hint in rows("Errors")
    }
    assert told == {code: (reason.status, reason.hint) for code, reason in REASONS.items()}


def test_every_code_is_raised_somewhere() -> None:
    """No code is in the table for nothing, and none is raised that is not in it."""
    sources = [path.read_text("utf-8") for path in (ROOT / "src/hookline/receive").glob("*.py")]
    texts = "\n".join(sources)
    raised = set(re.findall(r'WebhookError\(\s*"([a-z0-9-]+)"', texts))
    chosen = set(re.findall(r'"([a-z-]+)" if text else "([a-z-]+)"', texts).pop())
    assert raised | chosen == set(REASONS)


def test_every_scheme_is_in_the_page() -> None:
    """The table of schemes has each one's constant, name and header, in their order."""
    told = rows("Schemes")
    assert [row[1].strip("`") for row in told] == list(names())
    for constant, name, header, *_ in told:
        scheme = scheme_named(name.strip("`"))
        assert getattr(receive, constant.strip("`")) is scheme
        assert f"`{scheme.form.header}`" in header


def test_every_attribute_is_in_the_page() -> None:
    """The table of the webhook has each public attribute, and no other."""
    told = {name for row in rows("The webhook") for name in re.findall(r"`(\w+)`", row[0])}
    public = {name for name in dir(Webhook) if not name.startswith("_")}
    assert told == public - {"data_as", "header"}


def test_every_cause_is_in_the_page() -> None:
    """The table of causes has each mistake that the diagnosis knows, and no other but explain's."""
    told = {
        name
        for row in rows("Why a signature fails")
        for name in re.findall(r"`([a-z0-9-]+)`", row[0])
    }
    known = {value.cause for value in vars(mistakes).values() if isinstance(value, Mistake)}
    known |= {cause for cause, _, _ in SPELLINGS}
    known |= {"body-charset", "signature-prefix", "signature-prefix-missing"}
    known |= {"signature-other-algorithm", "signature-wrong-length"}
    assert told == known | {"other-scheme", "headers-renamed", "no-common-version"}


@pytest.fixture
def somewhere(tmp_path: Path) -> Iterator[None]:
    """The examples make files: in a folder of their own."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)


def test_the_examples_run(somewhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example runs, and the functions in them do what the page says."""
    space: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "receive.md", "exec"), space)
    with contextlib.closing(space["seen"]):  # type: ignore[type-var]
        run = {name: value for name, value in space.items() if callable(value)}
        body, headers = signed_request("the old one")
        assert run["receive"](body, headers) == (204, "")
        assert run["receive"](body + b" ", headers) == (401, "signature-mismatch")
        webhook = receive.verify(body, headers, "the old one")
        assert run["title"](webhook) == webhook.data["issue"]["title"]
        capsys.readouterr()
        run["handle_once"](webhook)
        run["handle_once"](webhook)
        assert capsys.readouterr().out == "handling issue.created\n"
        assert run["why"](body, headers, "new", "the old one").startswith("secret-old: ")
        assert run["why"](body, headers, "the old one", "") == "it is right"
