"""What goes to the terminal: notes and errors to stderr, results to stdout, strangers' text tamed.

Rules:

- With ``--json`` stdout holds exactly one JSON document. It is printable ASCII: JSON itself leaves DEL
  and the C1 controls bare, and some terminals obey those.
- Text of a stranger's (a response body, a header, an error of some server) passes ``harmless``: a
  receiver's answer must not be able to move the cursor, retitle the window or paint a false line.
- Nothing is read as markup: ``[red]`` in an integration's name is four letters in brackets.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from hookline.core.errors import HooklineError, UsageError
from hookline.core.masking import Mask
from hookline.core.secret import Secret
from hookline.settings import Settings

__all__ = [
    "BAD",
    "DIM",
    "GOOD",
    "TITLE",
    "WARN",
    "Pipe",
    "cell",
    "err",
    "fields",
    "harmless",
    "make_table",
    "moment",
    "note",
    "out",
    "print_error",
    "print_json",
]

GOOD, BAD, WARN, DIM, TITLE = "green", "red", "yellow", "dim", "bold"

WIDTH_OF_A_FILE = 160
"""Columns where there is no terminal: an id that is cut cannot be pasted."""


class Pipe(Console):
    """A console that leaves it to ``main`` what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        """Say it to the caller, where Rich would exit with code 1."""
        raise BrokenPipeError


def _console(file: TextIO) -> Console:
    # Made for each use: stdout may be another one by now, in tests above all.
    width = None if file.isatty() or "COLUMNS" in os.environ else WIDTH_OF_A_FILE
    return Pipe(file=file, width=width, markup=False, emoji=False, highlight=False)


def out() -> Console:
    """The console for results."""
    return _console(sys.stdout)


def err() -> Console:
    """The console for notes, progress and errors."""
    return _console(sys.stderr)


def harmless(text: str, *, lines: bool = True) -> str:
    r"""Text that does nothing to a terminal but show itself.

    What is not printable (controls, bidirectional marks, lone surrogates) is shown escaped.

    Args:
        text: a stranger's.
        lines: whether it may break lines.

    >>> harmless("\x1b[2Jgone\x07 é")
    '\\x1b[2Jgone\\x07 é'
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(
        char if char.isprintable() or char in kept else ascii(char)[1:-1] for char in text
    )


def cell(value: object, style: str | Style = "") -> Text:
    """A value on one line of a table."""
    return Text(harmless("" if value is None else str(value), lines=False), style=style)


def make_table(*columns: str, unbroken: Sequence[str] = ()) -> Table:
    """A table without ornament; the columns in ``unbroken`` are never cut or wrapped."""
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style=TITLE,
        collapse_padding=True,
    )
    for name in columns:
        table.add_column(name, no_wrap=name in unbroken, overflow="fold")
    return table


def fields(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one pair a line; pairs without a value are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=DIM, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value is not None and value != "":
            table.add_row(name, value if isinstance(value, Text) else cell(value))
    return table


def moment(instant: str) -> str:
    """An instant of the API's for a table: to the second, in UTC."""
    return instant[:19].replace("T", " ")


def note(text: str, style: str = "") -> None:
    """Say something beside the result: on stderr."""
    err().print(harmless(text), style=style or None, soft_wrap=True)


def print_json(document: Any, *, one_line: bool = False) -> None:
    """Print the one JSON document of a ``--json``."""
    text = json.dumps(document, indent=None if one_line else 2)
    print(text.replace("\x7f", "\\u007f"), flush=True)


def print_error(error: HooklineError) -> None:
    """``error: …`` and ``hint: …``, on stderr, without secrets that were given in a wrong place.

    Terminals are recorded, and CI keeps what is printed.
    """
    secrets = [Secret(os.environ.get("WEBHOOK_SECRET", ""))]
    with contextlib.suppress(UsageError):  # which is then the error to print, and shows no value
        secrets += Settings.from_environ(os.environ).secrets()
    mask = Mask(secrets)
    # The place in a document means something to who sent a document, not a flag.
    _line("error", BAD, mask(str(error)))
    if error.hint:
        _line("hint", DIM, mask(error.hint))


def _line(label: str, style: str, text: str) -> None:
    line = Text()
    line.append(f"{label}: ", style=style)
    line.append(harmless(text).replace("\n", "\n  "))
    err().print(line, soft_wrap=True)
