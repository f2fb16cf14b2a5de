"""What a request carries: its content type, and its JSON read strictly into one of our types.

The framework could read bodies, too, but leniently: it takes ``"5"`` for a number and ``1`` for true,
does not look at the content type, and forgets the place of an unknown field. So routes that take a
body name its type (``takes``), and read it here. ``openapi.py`` documents it from the same name.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request

from hookline.core.canonical import Document, parse
from hookline.core.errors import Invalid, Malformed, UnsupportedMedia
from hookline.core.quoting import did_you_mean, excerpt, pointer
from hookline.server.keys import admit

__all__ = [
    "JSON",
    "NDJSON",
    "HungUp",
    "check_type",
    "content_length",
    "is_optional",
    "may_take",
    "read",
    "read_if_any",
    "taken_by",
    "takes",
]

T = TypeVar("T", bound=msgspec.Struct)

JSON: Final = b"application/json"
NDJSON: Final = b"application/x-ndjson"
DEEPEST: Final = 100
LONGEST_MESSAGE: Final = 200

_CHARSETS: Final = (b"", b"charset=utf-8")
# The end of a message of msgspec's: " - at `$.resources[0]`".
_PLACE = re.compile(r" - at `\$(?P<steps>(?:\.\w+|\[\d+\])*)`$")
_STEP = re.compile(r"\w+")
_UNKNOWN = "Object contains unknown field"
_MISSING = re.compile(r"Object missing required field `(?P<name>\w+)`")


def takes(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """What a route says of itself (``opt``) to declare the type of its body."""
    return {"takes": kind}


def may_take(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """As ``takes``, for a route that can do without a body, too."""
    return {"takes": kind, "optional": True}


def is_optional(opt: Mapping[str, Any]) -> bool:
    """Whether a route can do without the body that it takes."""
    return bool(opt.get("optional"))


def taken_by(opt: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """The type of body that a route declared, if it takes one."""
    found: type[msgspec.Struct] | None = opt.get("takes")
    return found


class HungUp(Exception):
    """Whoever sends hung up before the body was complete: nobody is left to be answered."""


def content_length(value: bytes) -> int:
    """How long a body is announced to be. Raises ``Malformed``."""
    # A server checks this before it passes a request on, but not every server writes the rule alike.
    if value.isdigit() and len(value) < 19:
        return int(value)
    raise Malformed(
        "bad-content-length",
        "the Content-Length header is no number of bytes",
        "leave it to the HTTP client",
    )


def check_type(content_type: bytes, taken: tuple[bytes, ...]) -> bytes:
    """Return which of ``taken`` the Content-Type header names; UTF-8 is the only charset.

    Raises:
        UnsupportedMedia: none of them.
    """
    kind, _, parameters = content_type.partition(b";")
    kind = kind.strip().lower()
    charset = parameters.strip().rstrip(b";").lower().replace(b'"', b"")
    if kind in taken and charset in _CHARSETS:
        return kind
    names = " or ".join(name.decode() for name in taken)
    given = excerpt(content_type.decode("latin-1")) if content_type else "missing"
    raise UnsupportedMedia(
        "unsupported-media-type",
        f"the content type is {given}; this call takes {names} in UTF-8",
        f"send the header: Content-Type: {taken[0].decode()}",
    )


async def read(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Return the body of a request as a ``kind``, nothing converted.

    Raises:
        UnsupportedMedia: it is not announced as JSON.
        Malformed: it is not JSON.
        Invalid: a field is missing, unknown or of a wrong type; ``where`` points to it.
        Unauthorized: its key was revoked while the body came in.
    """
    check_type(request.headers.get("content-type", "").encode("latin-1", "replace"), (JSON,))
    body = await request.body()
    admit(request)  # once more: a body may take long, and the key may have been revoked meanwhile
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        if str(error).startswith(_UNKNOWN):
            raise _unknown_field(body, kind) from error
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        parse(body, max_depth=DEEPEST)  # says what is wrong, and where, in the words of publishing
        raise Malformed(
            "not-json",
            "the body is not JSON that can be read: it holds half of a surrogate pair",
            "escape both halves, such as \\ud83d\\ude00, or neither",
        ) from error


async def read_if_any(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """As ``read``; without a body, a ``kind`` with nothing given, whatever the content type."""
    if await request.body():
        return await read(request, kind)
    admit(request)  # once more, as there
    return kind()


def _invalid(text: str) -> Invalid:
    """Say a finding of msgspec's in our shape."""
    found = _PLACE.search(text)
    steps = _STEP.findall(found["steps"]) if found else []
    message = text[: found.start()] if found else text
    if missing := _MISSING.fullmatch(message):
        hint = f'give "{missing["name"]}"; see /openapi.json for what the call takes'
        return Invalid(
            "missing-field",
            f"the required field {missing['name']} is missing",
            hint,
            where=pointer(steps),
        )
    wording = message[:LONGEST_MESSAGE].replace("`", "")
    return Invalid(
        "wrong-type" if " got " in wording else "invalid-field",
        f"{wording[:1].lower()}{wording[1:]}",
        "see /openapi.json for what the call takes",
        where=pointer(steps),
    )


def _unknown_field(body: bytes, kind: type[msgspec.Struct]) -> Invalid:
    """Name the unknown field, its place, and what was probably meant.

    msgspec's message cannot be taken apart for that: the field may be called anything, a place too.
    """
    found = _first_unknown(parse(body, max_depth=DEEPEST), kind, ())
    if found is None:  # the field was given twice, and the first time with an unknown one in it
        return Invalid("unknown-field", "a field is unknown", "see /openapi.json", where="")
    steps, known = found
    return Invalid(
        "unknown-field",
        f"there is no field {excerpt(steps[-1])} here",
        did_you_mean(steps[-1], known),
        where=pointer(steps),
    )


def _first_unknown(
    document: Document, kind: type[msgspec.Struct], at: tuple[str, ...]
) -> tuple[tuple[str, ...], list[str]] | None:
    if not isinstance(document, dict):
        return None
    fields = {each.encode_name: each.type for each in msgspec.structs.fields(kind)}
    for name, value in document.items():
        if name not in fields:
            return (*at, name), list(fields)
        for inner in _structs(fields[name]):
            found = _first_unknown(value, inner, (*at, name))
            if found is not None:
                return found
    return None


def _structs(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    """The types of object that a field takes."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _structs(part)
