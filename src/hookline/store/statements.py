"""Statements by name, from the ``.sql`` files of a database's package.

A statement stands under a line ``-- name --``, with a comment that says what for. ``{name}`` in it
stands for the text of another, such as the columns that several of them select; ``{rows}`` is for
whoever runs it. Comments are left out of the text: they are for readers.
"""

import importlib.resources
import re

__all__ = ["load_statements"]

_HEADING = re.compile(r"^-- ([a-z_]+) --$\n", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n?", re.MULTILINE)
_PART = re.compile(r"\{(?!rows\})([a-z_]+)\}")


def load_statements(package: str) -> dict[str, str]:
    """The statements of all ``.sql`` files directly in a package.

    Raises:
        ValueError: two have the same name.
        KeyError: one names a part that there is not.
    """
    found: dict[str, str] = {}
    for file in importlib.resources.files(package).iterdir():
        if not file.name.endswith(".sql"):
            continue
        parts = _HEADING.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are named {name}")
            found[name] = _COMMENT.sub("", text).strip()
    return {name: _PART.sub(lambda part: found[part[1]], text) for name, text in found.items()}
