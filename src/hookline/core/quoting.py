"""How a document's own text appears in what we say about it: pointers to a place, excerpts.

The text comes from outside, so both are bounded (a key may be a megabyte long, and a hundred of
them nested) and both can always be written as UTF-8 (a key may hold half of a surrogate pair).
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "excerpt", "pointer", "visible"]

LONGEST_POINTER = 500
LONGEST_EXCERPT = 60


def pointer(tokens: Iterable[str | int], *, base: str = "") -> str:
    """Return the JSON Pointer (RFC 6901) of ``tokens`` below ``base``.

    One that would be over 500 characters ends at the last ancestor that fits: still a pointer, only
    less exact.

    >>> pointer(["data", "a/b", 0])
    '/data/a~1b/0'
    """
    text = base
    for token in tokens:
        step = "/" + _printable(str(token)[:LONGEST_POINTER]).replace("~", "~0").replace("/", "~1")
        if len(text) + len(step) > LONGEST_POINTER:
            break
        text += step
    return text


def excerpt(text: str) -> str:
    """Return ``text`` in quotation marks, cut to 60 characters.

    >>> excerpt("no such thing")
    '"no such thing"'
    """
    if len(text) > LONGEST_EXCERPT:
        text = text[: LONGEST_EXCERPT - 1] + "…"
    return f'"{_printable(text)}"'


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the hint for an unknown ``word``: the nearest known one, or all of them.

    >>> did_you_mean("actoor", ["action", "actor"])
    'did you mean "actor"?'
    """
    names = list(known)
    # The comparison is quadratic in the worst case, and nobody mistypes forty letters.
    close = get_close_matches(word, names, 1) if len(word) <= 40 else []
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(names)}"


def visible(text: str) -> str:
    r"""Return ``text`` with what is not printable escaped.

    It then breaks no line, and does nothing to a terminal but show itself: controls, escape sequences,
    bidirectional marks and lone surrogates are written out.

    >>> visible("\x1b[2Jgone\n é")
    '\\x1b[2Jgone\\n é'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
