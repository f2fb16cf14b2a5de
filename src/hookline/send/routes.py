"""Routes: integrations that belong to a source, and what is different about registering one."""

from collections.abc import Mapping
from typing import Any, Final

from hookline.core.errors import Invalid
from hookline.core.model import Integration, Kind
from hookline.core.routing import Filter
from hookline.core.source import Source
from hookline.send.expressions import check_expression

__all__ = ["check_change", "check_route", "route_defaults"]

TIMEOUT_S: Final = 30.0
"""What is behind a gateway is there because it is slow."""


def route_defaults(source: Source) -> dict[str, Any]:
    """What a route is unless it is said otherwise."""
    return {"timeout": TIMEOUT_S, "organization": source.organization}


def check_route(source: Source | None, fields: Mapping[str, Any]) -> None:
    """See that the fields of a new integration go together.

    Raises:
        Invalid: a filter without a source; a route that is public, in another organization, or wants
            what is published, too.
    """
    _check_filter(fields.get("filter"), has_source=source is not None)
    if source is None:
        return
    if fields["kind"] is not Kind.INTERNAL:
        raise Invalid(
            "route-not-internal",
            "what a source brings goes to an internal integration",
            'leave "kind" out',
            where="/kind",
        )
    if fields["organization"] != source.organization:
        raise Invalid(
            "other-organization",
            f"the source is one of organization {source.organization!r}",
            'leave "organization" out: it is the source\'s',
            where="/organization",
        )
    _check_wants(fields)


def check_change(before: Integration, fields: Mapping[str, Any]) -> None:
    """See that a change fits the integration. Raises ``Invalid`` as ``check_route`` does."""
    _check_filter(fields.get("filter"), has_source=before.source is not None)
    if before.source is not None:
        _check_wants(fields)


def _check_filter(wanted: Filter | None, *, has_source: bool) -> None:
    if wanted is None:
        return
    if not has_source:
        raise Invalid(
            "filter-without-source",
            "filters are for what a source brings, and this integration has no source",
            'give "source", or "resources" to choose among what is published',
            where="/filter",
        )
    if wanted.expression is not None:
        check_expression(wanted.expression, "/filter/expression")


def _check_wants(fields: Mapping[str, Any]) -> None:
    for name in ("resources", "alertable"):
        if fields.get(name):
            raise Invalid(
                "route-subscribes",
                "an integration with a source gets what that brings, and nothing that is published",
                f'leave "{name}" out; "filter" chooses among what the source brings',
                where=f"/{name}",
            )
