"""Who did it: the ``actor`` of a body, in its three forms (CONTRACT §4).

======================  ==========================================================================
nobody in particular    ``{"type":"application","id":"sentry","name":"Sentry"}``, a fixed value
an application          ``{"type":"application","id":"…","name":"…"}``
a person                ``{"type":"user","id":7,"name":"…"}``
======================  ==========================================================================

The contract's people have integer ids. Other products have text, so both are taken for a person.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hookline.core.canonical import Document, Number, encode, encode_ascii
from hookline.core.errors import Invalid
from hookline.core.quoting import did_you_mean, excerpt, pointer

__all__ = ["SYSTEM", "Actor", "check_actor"]

Kind: TypeAlias = Literal["application", "user"]

LONGEST = 200
# Beyond this a double skips integers, and a receiver would see another person.
LARGEST_ID = 2**53

_FIELDS = ("type", "id", "name")
_FIELD_SET = set(_FIELDS)


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor that was checked; the fields are in the order in which they are sent."""

    type: Kind
    id: int | str
    name: str

    def encode(self) -> bytes:
        """Return the bytes that JavaScript leaves as they are."""
        return encode(self._document()).text

    def encode_ascii(self) -> bytes:
        """Return the bytes that Python's ``json.dumps`` would make."""
        return encode_ascii(self._document())

    def _document(self) -> Document:
        return {"type": self.type, "id": self.id, "name": self.name}


SYSTEM = Actor("application", "sentry", "Sentry")


def check_actor(document: object) -> Actor:
    """Return the actor that ``document`` describes.

    Args:
        document: a parsed document; numbers may be ``Number`` or int.

    Raises:
        Invalid: it is none of the three forms; ``where`` begins with ``/actor``.

    >>> check_actor({"type": "user", "id": 7, "name": "Ada"})
    Actor(type='user', id=7, name='Ada')
    """
    if not isinstance(document, dict):
        raise _wrong("", "the actor is no object", 'such as {"type":"user","id":7,"name":"Ada"}')
    if document.keys() != _FIELD_SET:
        _refuse_fields(document)
    kind = _kind(document["type"])
    return Actor(kind, _id(kind, document["id"]), _text("name", document["name"]))


def _refuse_fields(document: dict[str, object]) -> None:
    for key in document:
        if key not in _FIELDS:
            raise Invalid(
                "unknown-field",
                f"an actor has no field {excerpt(key)}",
                did_you_mean(key, _FIELDS),
                where=pointer(["actor", key]),
            )
    missing = " and ".join(field for field in _FIELDS if field not in document)
    raise Invalid(
        "missing-field",
        f"the actor has no {missing}",
        "an actor has type, id and name; leave the actor out when nobody in particular acted",
        where="/actor",
    )


def _kind(value: object) -> Kind:
    # Written out because a type checker does not narrow by "in".
    if type(value) is str and value == "user":
        return "user"
    if type(value) is str and value == "application":
        return "application"
    raise _wrong("/type", "the actor's type is unknown", '"user" or "application"')


def _id(kind: Kind, value: object) -> int | str:
    if type(value) is str:
        text = _text("id", value)
        if not text:
            raise _wrong("/id", "the actor's id is empty", "the id that your product knows it by")
        return text
    if kind == "application":
        raise _wrong("/id", "an application's id is no string", "its slug or UUID as text")
    number = _integer(value)
    if number is None:
        raise _wrong("/id", "the actor's id is neither an integer nor a string", "such as 7")
    if abs(number) > LARGEST_ID:
        raise _wrong("/id", "the actor's id is beyond ±2**53", "send it as a string")
    return number


def _integer(value: object) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, Number) and value.is_integer:
        # int() of thousands of digits is slow, or refused; twenty are too many already.
        return int(value[:20])
    return None


def _text(field: str, value: object) -> str:
    if type(value) is not str:
        raise _wrong(f"/{field}", f"the actor's {field} is no string", "text, which may be empty")
    if len(value) > LONGEST:
        reason = f"the actor's {field} has {len(value)} characters"
        raise _wrong(f"/{field}", reason, f"at most {LONGEST}")
    return value


def _wrong(place: str, message: str, hint: str) -> Invalid:
    return Invalid("bad-actor", message, hint, where="/actor" + place)
