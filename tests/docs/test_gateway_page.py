"""What the page of the gateway says is what the code does."""

import re
from pathlib import Path

from hookline.core.forwarding import forwarded_headers
from hookline.send.expressions import FUNCTIONS, LONGEST, MOST_WORK, compiled
from hookline.send.refusals import LONGEST_BODY, MOST_KEPT
from hookline.server.ingress import DEADLINE_S, MOST_READING

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "gateway.md").read_text()


def test_the_functions_are_those_that_are_let_in():
    """By name, and no others."""
    (line,) = [each for each in PAGE.splitlines() if each.startswith("Known are ")]
    named = set(re.findall(r"`(\w+)`", line.partition(". ")[0]))
    assert named == FUNCTIONS


def test_the_expressions_of_the_page_can_be_used():
    """Each example of the table, and the one in a command."""
    table = PAGE.partition("| to ask | write |")[2].partition("\n\n")[0]
    spans = re.findall(r"`` (.+?) ``|``(.+?) ``|`([^`|]+)`", table)
    examples = [part.strip() for each in spans for part in each if part.strip() and "…" not in part]
    assert len(examples) >= 6
    for example in [*examples, "workflow_run.conclusion == 'failure'"]:
        compiled(example, "/x")


def test_the_numbers_are_those_of_the_code():
    """Limits of expressions, of bodies, of what is kept."""
    assert f"{LONGEST:,} characters" in PAGE
    assert f"{MOST_WORK:,} steps" in PAGE
    assert f"within {DEADLINE_S:g} seconds" in PAGE
    assert f"{MOST_READING // 1_048_576} MiB of bodies" in PAGE
    assert f"last {MOST_KEPT} " in PAGE
    assert f"{LONGEST_BODY // 1024} KiB of the body" in PAGE


def test_the_headers_that_stay_behind_do():
    """Each that the table names; those that it says go on, do."""
    table = PAGE.partition("| left out | why |")[2].partition("\n\n")[0]
    named = re.findall(r"`([\w-]+?-?)…?`", table)
    assert len(named) >= 12
    for name in named:
        header = f"{name}Any" if name.endswith("-") and name != "Proxy-" else name
        header = "Proxy-Authorization" if header == "Proxy-" else header
        if not header.endswith("_url"):
            assert forwarded_headers([(header.encode(), b"x")]) == (), header
    for name in ("Authorization", "Cookie"):
        assert forwarded_headers([(name.encode(), b"x")]) == ((name, "x"),)
