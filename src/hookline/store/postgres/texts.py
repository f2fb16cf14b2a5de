"""The statements of PostgreSQL, for whichever driver runs them."""

import importlib.resources
import re
from dataclasses import dataclass
from typing import Final

from hookline.store.statements import load_statements

__all__ = ["SCHEMA", "STATEMENTS", "Statement", "migrations"]

SCHEMA: Final = "hookline"  # all that is ours stands in it

_RETURNS = re.compile(r"\ASELECT\b|^RETURNING\b", re.MULTILINE)
_PACKAGE = importlib.resources.files("hookline.store.postgres")


@dataclass(frozen=True, slots=True)
class Statement:
    """A named text.

    Attributes:
        text: empty where this database needs no such statement; then nothing is run.
        returns: it answers with rows: it begins with SELECT or has a line that begins with RETURNING.
        changes: it is more than a SELECT.
    """

    text: str
    returns: bool
    changes: bool


def _statements() -> dict[str, Statement]:
    texts = load_statements("hookline.store.postgres")
    return {
        name: Statement(text, bool(_RETURNS.search(text)), not text.startswith("SELECT"))
        for name, text in texts.items()
    }


STATEMENTS: Final = _statements()


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and SQL of each migration, in order."""
    folder = _PACKAGE / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [
        (int(name[:4]), name.removesuffix(".sql"), (folder / name).read_text(encoding="utf-8"))
        for name in names
    ]
