"""The rules for what may be registered: integrations, organizations, keys.

Each field has one rule, a function from what was given to what is kept.  Registering checks all of
them, changing checks those that are given; there is no second list.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hookline.core.errors import Invalid
from hookline.core.model import BodyEncoding, Kind
from hookline.core.rate import parse_rate_limit
from hookline.core.resources import Resource, Routing, find
from hookline.core.routing import check_filter
from hookline.core.schedule import parse_retry_schedule
from hookline.core.urls import check_webhook_url

__all__ = [
    "MAX_NAME",
    "check_fields",
    "check_name",
    "check_organization",
    "check_resources",
    "check_slug",
    "slug_from",
    "suggested_slug",
]

MAX_NAME: Final = 57  # the documented system's limit for an integration's name
MAX_SLUG: Final = 57
MAX_RESOURCES: Final = 100
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_ORGANIZATION = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


def check_name(value: str, where: str = "/name") -> str:
    """A name for people: 1 to 57 characters, none of them a control character."""
    name = value.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise Invalid(
            "invalid-name",
            f"a name has 1 to {MAX_NAME} characters; this one has {len(name)}",
            "shorten it" if name else "give it a name",
            where=where,
        )
    if not name.isprintable():
        raise Invalid(
            "invalid-name",
            "a name holds printable characters only; this one has a control character",
            "remove line breaks, tabs and the like",
            where=where,
        )
    return name


def check_slug(value: str, where: str = "/slug") -> str:
    """An integration's slug: lower-case letters, digits and inner hyphens, 57 at most."""
    if len(value) <= MAX_SLUG and _SLUG.fullmatch(value):
        return value
    raise Invalid(
        "invalid-slug",
        f"{value[:80]!r} is not a slug: lower-case letters, digits and inner hyphens, 1 to {MAX_SLUG}",
        f"for example {slug_from(value) or 'my-integration'!r}",
        where=where,
    )


def slug_from(name: str) -> str:
    """The slug that a name suggests; empty where it suggests none."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:MAX_SLUG].strip("-")


def suggested_slug(name: str) -> str:
    """The same for who needs one. Raises ``Invalid`` where the name suggests none."""
    slug = slug_from(name)
    if not slug:
        raise Invalid(
            "missing-slug",
            f"the name {name!r} suggests no slug",
            'give "slug": lower-case letters, digits and hyphens',
            where="/slug",
        )
    return slug


def check_organization(value: str, where: str | None = "/organization") -> str:
    """An organization's slug: as the publisher names its tenants."""
    if len(value) <= 64 and _ORGANIZATION.fullmatch(value):
        return value
    raise Invalid(
        "invalid-organization",
        f"{value[:80]!r} is not an organization's slug: lower-case letters, digits, inner hyphens and "
        "underscores, 1 to 64",
        "use the tenant's slug in your product, for example 'acme'",
        where=where,
    )


def check_resources(value: list[str], registered: Mapping[str, Resource]) -> tuple[str, ...]:
    """The resources that an integration subscribes to."""
    if len(value) > MAX_RESOURCES:
        raise Invalid(
            "too-many-resources",
            f"an integration subscribes to at most {MAX_RESOURCES} resources, not {len(value)}",
            "register several integrations",
            where="/resources",
        )
    for index, name in enumerate(value):
        where = f"/resources/{index}"
        try:
            resource = find(name, registered)
        except Invalid as unknown:
            raise Invalid(unknown.code, unknown.message, unknown.hint, where=where) from unknown
        _check_subscribable(resource, where)
        if name in value[:index]:
            raise Invalid(
                "duplicate-resource", f"{name!r} is named twice", "name it once", where=where
            )
    return tuple(value)


def _check_subscribable(resource: Resource, where: str) -> None:
    match resource.routing:
        case Routing.SUBSCRIBED:
            return
        case Routing.ALERT:
            hint = 'leave it out and set "alertable": true; alerts go to alertable integrations'
        case Routing.LIFECYCLE:
            hint = "leave it out; public integrations get it without subscribing"
    raise Invalid("not-subscribable", f"{resource.name!r} is not subscribed to", hint, where=where)


def _within(low: float, high: float, unit: str) -> Callable[[float, str], float]:
    def check(value: float, where: str) -> float:
        if low <= value <= high:
            return value
        # An integer of thousands of digits is hostile, and printing it may raise.
        huge = isinstance(value, int) and value.bit_length() > 64
        raise Invalid(
            "out-of-range",
            f"{'a huge number' if huge else value} is out of range: {low:g} to {high:g} {unit}",
            f"give a number from {low:g} to {high:g}",
            where=where,
        )

    return check


_check_timeout = _within(0.1, 30, "seconds")
_check_max_in_flight = _within(1, 1000, "attempts")

_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    "name": check_name,
    "slug": check_slug,
    "kind": Kind,
    "organization": check_organization,
    "webhook_url": check_webhook_url,
    "alertable": bool,
    "timeout": lambda value: _check_timeout(value, "/timeout"),
    "max_in_flight": lambda value: int(_check_max_in_flight(value, "/max_in_flight")),
    "retry_schedule": parse_retry_schedule,
    "body_encoding": BodyEncoding,
    "rate_limit": parse_rate_limit,
    "ordered": bool,
    "source": str,
    "filter": lambda value: None if value is None else check_filter(**value),
}


def check_fields(given: Mapping[str, Any], registered: Mapping[str, Resource]) -> dict[str, Any]:
    """Check the fields of an integration that are given, and return what is kept of each.

    Raises:
        Invalid: with ``where`` naming the field.
    """
    checked = {name: _FIELDS[name](value) for name, value in given.items() if name != "resources"}
    if "resources" in given:
        checked["resources"] = check_resources(given["resources"], registered)
    return checked
