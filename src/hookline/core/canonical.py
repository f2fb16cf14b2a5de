r"""Bytes that survive a receiver's JSON parser: the slow path that is always right.

The documented receiver does not check the bytes that came. It checks the bytes of
``JSON.stringify(request.body)``, where ``request.body`` is what a framework made with
``JSON.parse``. Such a receiver accepts a body B exactly if::

    JSON.stringify(JSON.parse(B)) === B

that is, if B is a *fixed point* of JavaScript. Receivers that sign the raw bytes accept any B. So a
sender whose bodies are fixed points satisfies both, and nobody has to choose (DESIGN §4).

**What JavaScript does to a document**, and so what ``encode`` does first:

- *Whitespace* goes.
- *Strings* are written as themselves, also U+007F and U+2028. Escaped are ``"`` and ``\``, the
  characters below U+0020 (``\b \t \n \f \r``, else ``\u001f`` with small letters), and surrogates
  that are not half of a pair (``\ud800``; "well-formed JSON.stringify", ES2019).
- *Numbers* are doubles and printed as such: ``core.numbers``. An integer that a double cannot hold
  would come out as another one, so it is sent as a string, and the publisher is told
  (``Respelled``).
- *Keys that look like array indices* ("0" to "4294967294", no leading zeros) come first, in
  ascending order; the others keep the order in which they were written (ECMA-262, 10.1.11.1).
- *A key written twice* has the last value at the first place. Python's dict does the same.
- ``__proto__`` is a key like any other for JSON.parse.

The second form, ``ascii_form``, is what the original system sends: ``json.dumps`` with ``","`` and
``":"``, everything outside ASCII escaped, integers at any size, floats as Python prints them.

**Numbers stay text** between reading and writing (``Number``): turning ten thousand digits into an
int is refused by Python, and both forms want the literal.

**Limits.** The standard library's scanner recurses, so the depth is checked on the text before it
runs: no input reaches its RecursionError. All steps are linear in the length of the text.

WARNING: ``send.intake`` has a second, fast implementation of reading and of the JavaScript form. It
may take a document only if its result is provably this module's; whoever changes a rule here must
look at the scans there. Tests hold both against each other and against a real engine.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import NoReturn, TypeAlias, cast

from hookline.core.errors import Invalid, Malformed
from hookline.core.numbers import ascii_number, js_float, js_integer
from hookline.core.quoting import excerpt, pointer

__all__ = [
    "DEEPEST",
    "Document",
    "Encoded",
    "Number",
    "Respelled",
    "ascii_form",
    "encode",
    "encode_ascii",
    "parse",
]

# The most that a caller may allow. Writing takes two frames a level, on a stack of 1,000 that is
# shared with the web framework above us.
DEEPEST = 200
# Beyond so many, a list of warnings tells nobody more.
MOST_WARNINGS = 100
# ECMA-262, 6.1.7: an array index is an integer from 0 to 2**32 - 2.
LARGEST_INDEX = 2**32 - 2

# A string that is not closed reaches to the end: otherwise each of the quotes in it would be tried
# as a beginning, in quadratic time.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_BRACKETS = re.compile(_STRING + r"|[][{}]", re.DOTALL)
_PUNCTUATION = re.compile(_STRING + r"|[][{}:,]", re.DOTALL)
_NOT_JSON_WORDS = re.compile(_STRING + r"|NaN|-?Infinity", re.DOTALL)


class Number(str):
    """A number as it was written: the literal."""

    __slots__ = ()

    @property
    def is_integer(self) -> bool:
        """Whether it has neither a fraction nor an exponent."""
        return self.lstrip("-").isdecimal()


Document: TypeAlias = "bool | int | str | Number | list[Document] | dict[str, Document] | None"
_Path: TypeAlias = "tuple[_Path, str | int] | None"


@dataclass(frozen=True, slots=True)
class Respelled:
    """A number that is sent as a string, because a receiver would have read another number."""

    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document's bytes, and what had to be changed to make them."""

    text: bytes
    warnings: tuple[Respelled, ...]


def parse(text: bytes, *, max_depth: int = 100, first_line: int = 1) -> Document:
    """Return the document that ``text`` spells, numbers as literals.

    Args:
        text: JSON in UTF-8 (RFC 8259).
        max_depth: how deep containers may nest; at most ``DEEPEST``.
        first_line: what the first line is called in messages.

    Raises:
        Malformed: it is not UTF-8, or not JSON; the message names the place.
        Invalid: it nests too deep; ``where`` points to the first container that does.
    """
    if max_depth > DEEPEST:
        raise ValueError(f"max_depth is {max_depth}, and at most {DEEPEST} is safe")
    source = _decoded(text, first_line)
    if source.count("{") + source.count("[") > max_depth:
        _check_depth(source, max_depth)
    try:
        return cast("Document", _DECODER.decode(source))
    except json.JSONDecodeError as error:
        _refuse(source, error.pos, first_line, error.msg)
    except _NotJsonError as error:
        words = (match for match in _NOT_JSON_WORDS.finditer(source) if match[0][0] != '"')
        _refuse(source, next(words).start(), first_line, f"{error} is no JSON value")


def encode(document: Document, *, where: str = "") -> Encoded:
    """Return the bytes that JavaScript leaves as they are.

    Args:
        document: what ``parse`` returned, or built by hand; no deeper than ``DEEPEST``.
        where: JSON Pointer to the document; the warnings' places are below it.

    >>> encode(parse(b'{"b": 1.0, "7": 9007199254740993}')).text
    b'{"7":"9007199254740993","b":1}'
    """
    writer = _Writer(encode_basestring, _js_token, _js_order)
    writer.write(document, None, "")
    return Encoded(_utf8("".join(writer.parts)), _warnings(writer, where))


def encode_ascii(document: Document) -> bytes:
    """Return the bytes that Python's ``json.dumps`` would make, without whitespace."""
    writer = _Writer(encode_basestring_ascii, _ascii_token, dict.items)
    writer.write(document, None, "")
    return "".join(writer.parts).encode("ascii")


def ascii_form(text: bytes) -> bytes:
    r"""Return ``json.dumps(json.loads(text), separators=(",", ":"))`` as bytes.

    Two things differ, where Python has no answer: integers of more than 4,300 digits are kept, and
    a number beyond a double's range is a string and not ``Infinity``.

    >>> ascii_form('{"é": 1E5}'.encode())
    b'{"\\u00e9":100000.0}'
    """
    return encode_ascii(parse(text, max_depth=DEEPEST))


# --- reading ------------------------------------------------------------


class _NotJsonError(Exception):
    """NaN or Infinity, which Python's parser takes and JSON does not know."""


def _refuse_word(word: str) -> NoReturn:
    raise _NotJsonError(word)


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse_word)


def _decoded(text: bytes, first_line: int) -> str:
    try:
        source = text.decode()
    except UnicodeDecodeError as error:
        line = first_line + text.count(b"\n", 0, error.start)
        raise Malformed(
            "not-utf-8",
            f"byte {error.start} (line {line}) is not UTF-8: 0x{text[error.start]:02x}",
            "JSON travels as UTF-8; surrogates are written as escapes such as \\ud83d\\ude00",
        ) from None
    if source.startswith("\ufeff"):
        raise Malformed(
            "byte-order-mark",
            f"line {first_line} begins with a byte order mark (EF BB BF)",
            'leave it out; in Python write with encoding="utf-8", not "utf-8-sig"',
        )
    return source


def _refuse(source: str, position: int, first_line: int, reason: str) -> NoReturn:
    before = source[:position]
    line = first_line + before.count("\n")
    column = position - before.rfind("\n")
    raise Malformed(
        "not-json",
        f"{reason}: line {line}, column {column} (byte {len(before.encode())})",
        "send one JSON document in UTF-8; NaN and Infinity do not exist in JSON",
    ) from None


def _check_depth(source: str, max_depth: int) -> None:
    depth = 0
    for match in _BRACKETS.finditer(source):
        mark = match[0]
        if mark in "{[":
            depth += 1
            if depth > max_depth:
                raise Invalid(
                    "too-deep",
                    f"containers nest more than {max_depth} deep",
                    "flatten the document, or send the deep part as a string",
                    where=_pointer_at(source, match.start()),
                )
        elif mark in "]}":
            depth -= 1


def _pointer_at(source: str, position: int) -> str:
    """Return a pointer to the value that begins at ``position``."""
    path: list[str | int] = []
    latest = ""
    for match in _PUNCTUATION.finditer(source, 0, position):
        mark = match[0]
        if mark in "{[":
            path.append("" if mark == "{" else 0)
        elif mark in "]}":
            del path[-1:]
        elif mark == ":" and path:
            path[-1] = _string(latest)
        elif mark == "," and path and isinstance(path[-1], int):
            path[-1] += 1
        else:
            latest = mark
    return pointer(path)


def _string(token: str) -> str:
    try:
        return cast("str", json.loads(token))
    except json.JSONDecodeError:
        return token.strip('"')  # not JSON either, but the depth is what was noticed first


# --- writing ------------------------------------------------------------


class _Writer:
    """Writes a document in one of the two forms; they differ in three functions."""

    __slots__ = ("number", "order", "parts", "quote", "respelled", "respelled_count")

    def __init__(
        self,
        quote: Callable[[str], str],
        number: Callable[[Number | int], str],
        order: Callable[[dict[str, Document]], Iterable[tuple[str, Document]]],
    ):
        self.quote = quote
        self.number = number
        self.order = order
        self.parts: list[str] = []
        self.respelled: list[tuple[_Path, Number | int]] = []
        self.respelled_count = 0

    def write(self, value: Document, parent: _Path, step: str | int) -> None:
        # The path costs one pair for each container, and becomes text only for a warning.
        if type(value) is str:
            self.parts.append(self.quote(value))
        elif isinstance(value, dict):
            self._write_object(value, (parent, step))
        elif isinstance(value, list):
            self._write_array(value, (parent, step))
        elif value is None or isinstance(value, bool):
            self.parts.append(_WORDS[value])
        elif isinstance(value, Number | int):
            self._write_number(value, (parent, step))
        else:
            raise TypeError(f"a document holds no {type(value).__name__}")

    def _write_object(self, value: dict[str, Document], path: _Path) -> None:
        separator = "{"
        for key, child in self.order(value):
            self.parts.append(f"{separator}{self.quote(key)}:")
            self.write(child, path, key)
            separator = ","
        self.parts.append("}" if value else "{}")

    def _write_array(self, value: list[Document], path: _Path) -> None:
        separator = "["
        for index, child in enumerate(value):
            self.parts.append(separator)
            self.write(child, path, index)
            separator = ","
        self.parts.append("]" if value else "[]")

    def _write_number(self, value: Number | int, path: _Path) -> None:
        token = self.number(value)
        self.parts.append(token)
        if token[0] == '"':
            self.respelled_count += 1
            if self.respelled_count <= MOST_WARNINGS:
                self.respelled.append((path, value))


_WORDS: dict[bool | None, str] = {None: "null", True: "true", False: "false"}


def _js_token(value: Number | int) -> str:
    if isinstance(value, Number) and not value.is_integer:
        return js_float(value)
    return js_integer(value)


def _ascii_token(value: Number | int) -> str:
    return ascii_number(value if isinstance(value, Number) else str(value))


def _js_order(value: dict[str, Document]) -> Iterable[tuple[str, Document]]:
    # str.isdecimal() decides for nearly all keys at the price of a method call.
    indices = sorted((key for key in value if key.isdecimal() and _is_index(key)), key=int)
    if not indices:
        return value.items()
    first = dict.fromkeys(indices)
    return [(key, value[key]) for key in (*first, *(key for key in value if key not in first))]


def _is_index(key: str) -> bool:
    # isdecimal() is also true of digits such as "٣", which are ordinary keys.
    if not key.isascii() or len(key) > 10 or (key[0] == "0" and key != "0"):
        return False
    return int(key) <= LARGEST_INDEX


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Halves that stand side by side are one character to JavaScript; parse() has joined them,
        # a document built by hand may not have. What is left alone becomes \udXXX, small letters.
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return joined.encode("utf-8", "backslashreplace")


def _warnings(writer: _Writer, base: str) -> tuple[Respelled, ...]:
    found = [_warning(path, value, base) for path, value in writer.respelled]
    if more := writer.respelled_count - len(found):
        found.append(Respelled(base, f"and {more} more numbers are sent as strings"))
    return tuple(found)


def _warning(path: _Path, value: Number | int, base: str) -> Respelled:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    steps.pop()  # the document itself
    # The token and not str(value): an int may have more digits than str() allows.
    literal = excerpt(_js_token(value).strip('"'))
    message = f"a double cannot hold {literal}: it is sent as a string with all its digits"
    return Respelled(pointer(reversed(steps), base=base), message)
