"""docs/reference/receive.md: its tables are the code's, and its examples run."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline import receive
from hookline.cli.scenarios import SCENARIOS
from hookline.core import mistakes
from hookline.core.mistakes import Mistake
from hookline.core.spellings import SPELLINGS
from hookline.receive import names, scheme_named
from hookline.receive.answering import REFUSALS
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


def test_every_answer_is_in_the_page() -> None:
    """The table of answers has each refusal of the code, with its status and its message."""
    told = {
        code.strip("` "): (int(status), what.strip(" |")) for code, status, what in rows("Handlers")
    }
    good = {"accepted", "handled", "duplicate", "no-handler", "challenge"}
    assert {code for code, (status, _) in told.items() if status == 200} == good
    refused = {code: what for code, what in told.items() if code not in good}
    assert refused == {code: (each.status, each.message) for code, each in REFUSALS.items()}


def test_every_refusal_is_made_somewhere() -> None:
    """No code of an answer is in the table for nothing, and none is made that is not in it."""
    sources = (ROOT / "src/hookline/receive").glob("*.py")
    texts = "\n".join(path.read_text("utf-8") for path in sources)
    assert {code for code in REFUSALS if texts.count(f'"{code}"') > 1} == set(REFUSALS)
    assert set(re.findall(r'refuse\("([a-z-]+)"\)', texts)) <= set(REFUSALS)


def test_every_scenario_is_in_the_page() -> None:
    """The table of scenarios is the one of trigger."""
    text = PAGE.partition("\n### A receiver's habits\n")[2].partition("\n## ")[0]
    told = [
        [cell.strip(" `") for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    assert told == [[each.name, each.sends, each.wanted] for each in SCENARIOS.values()]


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


async def test_the_examples_run(somewhere: None, capsys: pytest.CaptureFixture[str]) -> None:
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
    hooks = space["hooks"]
    assert isinstance(hooks, receive.Receiver)
    for event in ("issue.created", "issue.created", "issue.archived", "issue.resolved"):
        signed = signed_request("the new secret", event, message_id=event)
        assert (await run["any_framework"](*signed))[0] == 200
    assert await hooks.drain(20)
    hooks.close()
    told = sorted(capsys.readouterr().out.splitlines())
    assert told[:2] == ["also: issue.archived", "also: issue.resolved"]
    assert [line[:4] for line in told[2:]] == ["new:"]
