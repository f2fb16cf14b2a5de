"""Strangers' text does nothing to a terminal but show itself."""

import json

import pytest

from hookline.cli.terminal import cell, harmless, print_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 💥", "plain é 💥"),
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J\x7f\r", r"\x9b2J\x7f\r"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\ud800", r"\ud800"),
        ("[red]not markup[/red]", "[red]not markup[/red]"),
    ],
)
def test_what_is_not_printable_is_shown_escaped(text, shown):
    assert harmless(text) == shown


def test_a_cell_is_one_line():
    assert cell("a\nb").plain == r"a\nb"
    assert cell(None).plain == ""


def test_json_is_printable_ascii(capsys):
    document = {"text": "\x9b\x7f é \ud800"}
    print_json(document)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert printed.replace("\n", "").isprintable()
    assert json.loads(printed) == document
