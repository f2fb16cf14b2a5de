"""Ways of writing a JSON document again: what parsers and printers make of a body on the way."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from hookline.core.canonical import DEEPEST, ascii_form, encode, parse

__all__ = ["PYTHON_SPELLINGS", "SPELLINGS", "Reserialiser"]

Reserialiser = tuple[str, str, Callable[[bytes], bytes]]
"""A cause, who writes like that (continuing "as ... writes it"), and how the body then looks."""

_COMPACT = (",", ":")


def _respell(body: bytes, **spelling: Any) -> bytes:
    return json.dumps(json.loads(body), **spelling).encode()


def _spelling(cause: str, writer: str, **spelling: Any) -> Reserialiser:
    return cause, writer, partial(_respell, **spelling)


def _javascript(body: bytes) -> bytes:
    return encode(parse(body, max_depth=DEEPEST)).text


PYTHON_SPELLINGS: Final[tuple[Reserialiser, ...]] = (
    _spelling("body-compact-ascii", 'json.dumps with separators=(",", ":")', separators=_COMPACT),
    _spelling(
        "body-compact-utf8",
        'json.dumps with separators=(",", ":") and ensure_ascii=False',
        separators=_COMPACT,
        ensure_ascii=False,
    ),
    _spelling("body-python-default", "json.dumps without further arguments"),
    _spelling("body-python-utf8", "json.dumps with ensure_ascii=False", ensure_ascii=False),
    *(
        _spelling(
            "body-sorted-keys",
            "a serialiser that sorts keys",
            sort_keys=True,
            separators=separators,
            ensure_ascii=ensure_ascii,
        )
        for separators in (_COMPACT, None)
        for ensure_ascii in (True, False)
    ),
    *(
        _spelling(
            "body-pretty-printed",
            f"a pretty-printer with {indent} blanks of indentation",
            indent=indent,
            ensure_ascii=ensure_ascii,
        )
        for indent in (2, 4)
        for ensure_ascii in (False, True)
    ),
)
"""What Python's json makes of a body that was parsed and written again."""

SPELLINGS: Final[tuple[Reserialiser, ...]] = (
    ("body-javascript", "JSON.stringify(JSON.parse(body))", _javascript),
    # Before Python's own, which it equals wherever Python can do it at all.
    ("body-compact-ascii", 'json.dumps with separators=(",", ":")', ascii_form),
    *PYTHON_SPELLINGS,
)
"""JavaScript's, and Python's."""
