"""Taking secrets out of what is said: error answers, log lines, messages on a terminal.

``Secret`` keeps our own code from showing one. This is for text that came from outside and is quoted
back: a key in a URL's path, in a field of a wrong name, in a library's message. Two ways, both needed:

* *by shape*: what we make ourselves has a shape (``hkl_`` and hex digits; client secrets: 64 hex
  digits), and so have the token in a source's path, ``Bearer …`` and the user part of a URL. This
  finds also the keys that only the caller knows, and those that were cut in the middle: excerpts end
  after 60 characters.
* *by value*: what the operator chose (HOOKLINE_API_KEY, a password) has any shape, but we know it.

Request-IDs (32 hex digits) are no secrets and stay; signatures and client ids (64) go, since nothing
tells them from a secret.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from hookline.core.secret import STARS, Secret

__all__ = ["Mask"]

# Quantifiers stand over single classes, and no run is gone over again for long: the time is linear in
# the text, which is a stranger's.
_SHAPES: Final = re.compile(
    r"hkl_[0-9A-Za-z]+"
    r"|[0-9A-Fa-f]{33,}|[0-9A-Fa-f]{16,32}(?=…|'?\.\.\.)"
    r"|(?<=[Bb]earer )[^\s<\"'\\]{8,}"
    r"|(?<=/in/)[0-9A-Za-z_-]{16,}"
    r"|(?<=://)[^\s/?#@\"'\\]{1,200}@"
)
_KEPT: Final = {"hkl_": "hkl_" + STARS}
_USER_PART: Final = re.compile(r"://(?P<user>[^/?#]*)@")

# A value that was cut is known by its beginning; a shorter one than this is a word, not a secret.
LEAST: Final = 6
BEGINNING: Final = 16


class Mask:
    """Replaces secrets in a text by stars.

    Args:
        known: secrets to be found by their value. Of a URL, the password is one by itself.

    >>> Mask([Secret("correct horse")])("no correct horse at hkl_0123abcd, http://u:p@host/")
    'no ******** at hkl_********, http://********@host/'
    """

    __slots__ = ("__values",)

    def __init__(self, known: Iterable[Secret] = ()):
        texts = {text for secret in known for text in _texts(secret.reveal())}
        values = {form for text in texts if len(text) >= LEAST for form in _forms(text)}
        # The longest first: one may be a part of another.
        self.__values = tuple(sorted(values, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """The text with stars for secrets."""
        for value in self.__values:
            text = _without(text, value)
        return _SHAPES.sub(_stars, text)


def _texts(text: str) -> Iterator[str]:
    yield text
    if user := _USER_PART.search(text):
        password = user["user"].partition(":")[2]
        yield from (user["user"], password, unquote(password))


def _forms(text: str) -> Iterator[str]:
    """As it is, as JSON spells it, as Python does: log lines are one or the other."""
    yield from (text, json.dumps(text)[1:-1], repr(text)[1:-1])


def _stars(found: re.Match[str]) -> str:
    text = found[0]
    if text.endswith("@"):
        return STARS + "@"
    return _KEPT.get(text[:4], STARS)


def _without(text: str, value: str) -> str:
    beginning = value[:BEGINNING]
    at = text.find(beginning)
    parts, done = [], 0
    while at >= 0:
        end = at + len(beginning)
        while end - at < len(value) and text[end : end + 1] == value[end - at]:
            end += 1
        parts += [text[done:at], STARS]
        done = end
        at = text.find(beginning, end)
    return "".join([*parts, text[done:]])
