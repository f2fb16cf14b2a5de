"""What a publisher hands in, checked and turned into bytes.

Every accepted event comes through here, so there are two ways to the same answer:

- **slow**: ``core.canonical`` reads the body, every rule is checked by name, and what is wrong is
  said with its place. It is always right.
- **fast**: msgspec reads and writes in C. It gives an answer only where that is provably the slow
  one's; at anything doubtful, and at anything wrong, it gives none and the slow way decides.

What msgspec already does as JavaScript does (tests hold it to that): the spelling of strings,
order, keys written twice, ``-0``. It refuses lone surrogates. Left to do here:

- floats keep their spelling: a hook spells each as JavaScript does while it is read;
- integers that a double cannot hold, keys that look like array indices, depth: ``send.scans``.

Measured in docs/decisions/0001-fixed-point-bytes.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Never

import msgspec

from hookline.core import envelope
from hookline.core.actor import SYSTEM, Actor, check_actor
from hookline.core.canonical import DEEPEST, Document, Respelled, encode, encode_ascii, parse
from hookline.core.errors import HooklineError, Invalid, TooLarge
from hookline.core.numbers import js_float
from hookline.core.quoting import did_you_mean, excerpt, pointer
from hookline.send.scans import settled, shallow

__all__ = ["Limits", "Submission", "read_batch", "read_event"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a publisher may hand in at once.

    Args:
        data_bytes: bytes of ``data`` as they are sent.
        depth: how deep ``data`` may nest, itself included.
        batch_events: events in one batch.
    """

    data_bytes: int = 1_048_576
    depth: int = 100
    batch_events: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= DEEPEST - 2:  # the event and the batch around it are two levels
            raise ValueError(f"depth is {self.depth}, and 1 to {DEEPEST - 2} is safe")


@dataclass(frozen=True, slots=True)
class Submission:
    """One event as handed in, checked.

    Args:
        resource: such as ``issue``; whether it is registered is checked elsewhere.
        action: such as ``created``; likewise.
        id: the publisher's own name for the event, by which a repetition is recognised.
        targets: the integrations to send it to; ``None`` is all that subscribe.
        tail: the part of the body that is the same for every installation (``core.envelope``).
        warnings: numbers that are sent as strings.
    """

    resource: str
    action: str
    id: str | None
    targets: tuple[str, ...] | None
    tail: bytes
    warnings: tuple[Respelled, ...] = ()
    _actor: Actor = field(default=SYSTEM, repr=False, compare=False)
    # The event's own bytes, or what was read from them: floats cannot be had from ``tail``.
    _source: "bytes | dict[str, Document]" = field(default=b"", repr=False, compare=False)

    def ascii_tail(self) -> bytes | None:
        """Return the tail as ``json.dumps`` would spell it; ``None`` if that is ``tail`` itself."""
        event = self._source
        if isinstance(event, bytes):
            event = _object(parse(event, max_depth=DEEPEST))
        tail = envelope.tail(encode_ascii(event["data"]), self._actor.encode_ascii())
        return None if tail == self.tail else tail


def read_event(body: bytes, limits: Limits) -> Submission:
    """Return the event in ``body``: ``{resource, action, data, actor?, id?, targets?}``.

    Raises:
        Malformed: the body is not JSON.
        Invalid: a field is missing, unknown or against a rule; ``where`` points to it.
        TooLarge: ``data`` is over the limit.
    """
    return _fast(body, limits) or _slow(body, limits)


def read_batch(body: bytes, *, ndjson: bool, limits: Limits) -> list[Submission]:
    """Return the events of a JSON list, or of one JSON object on each line.

    All or nothing: the first that is refused refuses the batch, and ``where`` begins with its
    index. Blank lines do not count.

    Raises:
        Malformed: as for one event.
        Invalid: as for one event, or the batch is empty.
        TooLarge: as for one event, or there are too many of them.
    """
    return _read_lines(body, limits) if ndjson else _read_list(body, limits)


# --- batches ------------------------------------------------------------


def _read_list(body: bytes, limits: Limits) -> list[Submission]:
    try:
        parts = [bytes(part) for part in _SPLITTER.decode(body)]
        _check_count(len(parts), limits)
        return [
            _fast(part, limits) or _slow(part, limits, place=f"/{index}")
            for index, part in enumerate(parts)
        ]
    except (HooklineError, *_UNREADABLE):
        # Which refusal comes first, and the place in the whole body, is for the slow way to say.
        return _slow_list(body, limits)


def _slow_list(body: bytes, limits: Limits) -> list[Submission]:
    events = parse(body, max_depth=limits.depth + 2)
    if not isinstance(events, list):
        raise Invalid(
            "wrong-type",
            "the batch is no list",
            "send [event, …], or one event a line as application/x-ndjson",
            where="",
        )
    _check_count(len(events), limits)
    return [_examine(event, limits, f"/{index}") for index, event in enumerate(events)]


def _read_lines(body: bytes, limits: Limits) -> list[Submission]:
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    _check_count(len(lines), limits)
    return [
        _fast(line, limits) or _slow(line, limits, place=f"/{index}", first_line=number)
        for index, (number, line) in enumerate(lines)
    ]


def _check_count(count: int, limits: Limits) -> None:
    if count == 0:
        raise Invalid("empty-batch", "the batch has no events", "send at least one", where="")
    if count > limits.batch_events:
        raise TooLarge(
            "too-many-events",
            f"the batch has {count} events",
            f"send at most {limits.batch_events} at once",
            where="",
        )


# --- the slow way ------------------------------------------------------------

_REQUIRED = ("resource", "action", "data")
_FIELDS = (*_REQUIRED, "actor", "id", "targets")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ID = re.compile(r"[!-~]{1,128}")
_SLUG = re.compile(r"[a-z0-9-]{1,57}")
MOST_TARGETS = 100


def _slow(body: bytes, limits: Limits, *, place: str = "", first_line: int = 1) -> Submission:
    try:
        event = parse(body, max_depth=limits.depth + 1, first_line=first_line)
    except HooklineError as error:
        _refuse_below(place, error)
    return _examine(event, limits, place)


def _examine(document: Document, limits: Limits, place: str) -> Submission:
    try:
        event = _object(document)
        _check_fields(event)
        resource, action = _name("resource", event), _name("action", event)
        identity = _identity(event.get("id"))
        targets = _targets(event.get("targets"))
        actor = _actor(event.get("actor"))
        data = encode(_data(event["data"]), where=f"{place}/data")
        _check_size(data.text, limits)
    except HooklineError as error:
        _refuse_below(place, error)
    tail = envelope.tail(data.text, actor.encode())
    return Submission(resource, action, identity, targets, tail, data.warnings, actor, event)


def _refuse_below(place: str, error: HooklineError) -> Never:
    if place:
        error.where = place + (error.where or "")
    raise error


def _object(document: Document) -> dict[str, Document]:
    if not isinstance(document, dict):
        raise Invalid("wrong-type", "the event is no object", _SHAPE, where="")
    return document


_SHAPE = 'an event is {"resource": …, "action": …, "data": {…}}'


def _check_fields(event: dict[str, Document]) -> None:
    for key in event:
        if key not in _FIELDS:
            raise Invalid(
                "unknown-field",
                f"an event has no field {excerpt(key)}",
                did_you_mean(key, _FIELDS),
                where=pointer([key]),
            )
    if missing := [name for name in _REQUIRED if name not in event]:
        raise Invalid(
            "missing-field", f"the event has no {' and no '.join(missing)}", _SHAPE, where=""
        )


def _name(key: str, event: dict[str, Document]) -> str:
    value = _text(key, event[key], "such as issue or created")
    if not _NAME.fullmatch(value):
        raise Invalid(
            f"bad-{key}",
            f"{excerpt(value)} is no {key}",
            "1 to 64 characters: a small letter, then small letters, digits and underscores",
            where=f"/{key}",
        )
    return value


def _identity(value: Document) -> str | None:
    if value is None:
        return None
    text = _text("id", value, "your own name for the event, such as order-17-paid")
    if not _ID.fullmatch(text):
        raise Invalid(
            "bad-id",
            f"{excerpt(text)} cannot be an event's id",
            "1 to 128 visible ASCII characters",
            where="/id",
        )
    return text


def _targets(value: Document) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise Invalid("wrong-type", "targets is no list", "a list of slugs", where="/targets")
    if len(value) > MOST_TARGETS:
        raise Invalid(
            "too-many-targets",
            f"{len(value)} targets",
            f"name at most {MOST_TARGETS}, or leave targets out to reach all that subscribe",
            where="/targets",
        )
    return tuple(_distinct_slugs(value))


def _distinct_slugs(values: list[Document]) -> Iterable[str]:
    seen = set[str]()
    for index, value in enumerate(values):
        place = f"targets/{index}"
        slug = _text(place, value, "an integration's slug")
        if not _SLUG.fullmatch(slug):
            raise Invalid(
                "bad-target",
                f"{excerpt(slug)} is no slug",
                "1 to 57 small letters, digits and dashes",
                where=f"/{place}",
            )
        if slug in seen:
            raise Invalid("bad-target", f'"{slug}" stands twice', "name it once", where=f"/{place}")
        seen.add(slug)
        yield slug


def _text(place: str, value: Document, hint: str) -> str:
    # Not isinstance(): a number is kept as its literal, in a subclass of str.
    if type(value) is not str:
        raise Invalid("wrong-type", f"{place} is no string", hint, where=f"/{place}")
    return value


def _actor(value: Document) -> Actor:
    return SYSTEM if value is None else check_actor(value)


def _data(value: Document) -> Document:
    if not isinstance(value, dict):
        raise Invalid("wrong-type", "data is no object", 'such as {"issue": {…}}', where="/data")
    return value


def _check_size(data: bytes, limits: Limits) -> None:
    if len(data) > limits.data_bytes:
        raise TooLarge(
            "data-too-large",
            f"data has {len(data):,} bytes",
            f"send at most {limits.data_bytes:,}; a link to the rest is the usual way",
            where="/data",
        )


# --- the fast way ------------------------------------------------------------


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    resource: str
    action: str
    data: dict[str, Any]
    actor: Any = None
    id: str | None = None
    targets: list[Any] | None = None


def _spelled(literal: str) -> msgspec.Raw:
    token = js_float(literal)
    if token[0] == '"':
        raise ValueError("not a double: needs a warning, which the slow way words")
    return msgspec.Raw(token.encode())


_DECODER = msgspec.json.Decoder(_Event, float_hook=_spelled)
_SPLITTER = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODER = msgspec.json.Encoder()

# Besides its own, msgspec lets out UnicodeDecodeError, and RecursionError for deep nesting.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)

_SYSTEM_TAIL = SYSTEM.encode()


def _fast(body: bytes, limits: Limits) -> Submission | None:
    """Return what ``_slow`` would, or ``None``: ask it."""
    try:
        event = _DECODER.decode(body)
        if not (
            _NAME.fullmatch(event.resource)
            and _NAME.fullmatch(event.action)
            and shallow(body, limits.depth)
        ):
            return None
        identity, targets = _identity(event.id), _targets(event.targets)
        actor = _actor(event.actor)
        data = _ENCODER.encode(event.data)
    except (Invalid, *_UNREADABLE):
        return None
    if not settled(data) or len(data) > limits.data_bytes:
        return None
    # Names without lone surrogates and small ids are spelled right by msgspec, too.
    tail = envelope.tail(data, _SYSTEM_TAIL if actor is SYSTEM else _ENCODER.encode(actor))
    return Submission(event.resource, event.action, identity, targets, tail, (), actor, body)
