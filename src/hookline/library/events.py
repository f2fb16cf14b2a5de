"""What a program hands in, and what it is answered: the values of the HTTP API, as Python's own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict, cast

from hookline.core.canonical import Respelled
from hookline.core.errors import Invalid
from hookline.core.registration import check_organization
from hookline.send.intake import Limits, Submission, read_event
from hookline.store.values import Recorded

__all__ = ["Event", "EventFields", "Published", "event_of", "published", "submission"]


@dataclass(frozen=True, slots=True)
class Event:
    """An event to publish, with the fields and the rules of ``POST …/events``.

    Attributes:
        organization: the tenant's slug in your product.
        resource: such as ``issue``, or one that you registered.
        action: such as ``created``.
        data: what receivers get as ``data``; anything that JSON has a form for.
        actor: who did it: ``{"type": "user", "id": 7, "name": "Ann"}``; None: your application.
        id: your own name for the event: publishing it again is answered as the first time, and sends
            nothing.
        targets: slugs of the integrations to send an alert to; None: all that want it.
    """

    organization: str
    resource: str
    action: str
    data: Mapping[str, Any]
    actor: Mapping[str, Any] | None = None
    id: str | None = None
    targets: Sequence[str] | None = None


class EventFields(TypedDict, total=False):
    """The fields of ``Event``, for those who give them by name."""

    organization: Required[str]
    resource: Required[str]
    action: Required[str]
    data: Required[Mapping[str, Any]]
    actor: Mapping[str, Any] | None
    id: str | None
    targets: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Published:
    """What became of an event.

    Attributes:
        id: your own id of it, or the one that it was given.
        deliveries: how many installations it goes to.
        warnings: numbers that are sent as strings, each with its place.
        duplicate: there was an event of that id before: this is what was answered then.
    """

    id: str
    deliveries: int
    warnings: tuple[Respelled, ...]
    duplicate: bool


def event_of(event: Event | None, fields: Mapping[str, Any]) -> Event:
    """The event, given whole or by its fields. Raises ``TypeError`` for both, or other fields."""
    if event is None:
        return Event(**fields)
    if fields:
        raise TypeError("give an Event or its fields, not both")
    return event


def submission(event: Event, limits: Limits) -> Submission:
    """The event as it is taken in over HTTP: as bytes, by the same rules.

    Raises:
        Malformed, Invalid, TooLarge: as over HTTP.
        Invalid: ``not-json``: it holds what JSON has no form for.
    """
    check_organization(cast("Any", event.organization))
    given = {"resource": event.resource, "action": event.action, "data": _mapping(event.data)}
    if event.actor is not None:
        given["actor"] = _mapping(event.actor)
    if event.id is not None:
        given["id"] = event.id
    if event.targets is not None:
        given["targets"] = _sequence(event.targets)
    try:
        body = json.dumps(given, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as trouble:  # also for a value that contains itself
        raise _not_json(str(trouble)) from trouble
    except RecursionError:
        raise _not_json("it nests too deep") from None
    return read_event(body.encode(), limits)


def _mapping(value: Any) -> Any:
    # Not only dicts, though json.dumps takes no others: a mapping of some framework's will do.
    return dict(value) if isinstance(value, Mapping) else value


def _sequence(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _not_json(reason: str) -> Invalid:
    return Invalid(
        "not-json",
        f"the event cannot be written as JSON: {reason[:200]}",
        "numbers, strings, booleans, None, lists and dicts can; write dates and decimals as strings",
        where="",
    )


def published(recorded: Recorded) -> Published:
    """The answer to who published."""
    warned = json.loads(recorded.warnings) if recorded.warnings else ()
    warnings = tuple(Respelled(each["where"], each["message"]) for each in warned)
    return Published(recorded.id, recorded.deliveries, warnings, recorded.duplicate)
