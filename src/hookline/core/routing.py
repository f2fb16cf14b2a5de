"""Which applications a webhook that came in goes to, and why: a pure decision.

A source feeds integrations of its own, its *routes*. Each may have a filter; without one it takes all.
An integration that belongs to a source takes nothing else, and nobody else takes what the source brings.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hookline.core.errors import Invalid
from hookline.core.quoting import excerpt

__all__ = ["Filter", "Holds", "Taken", "check_filter", "takes"]

MOST_NAMES = 100
LONGEST_NAME = 200

Holds = Callable[[str], str | None]
"""Tries an expression on the body; None: it holds, else why it does not."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a route takes; each part that is given must hold.

    Attributes:
        resources: one of these; None: any.
        actions: one of these; None: any.
        expression: a JMESPath expression that is true of the body; None: whatever the body is.
    """

    resources: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    expression: str | None = None

    def encode(self) -> str:
        """As it is kept: JSON with what is given."""
        parts = {
            "resources": self.resources,
            "actions": self.actions,
            "expression": self.expression,
        }
        return json.dumps({name: part for name, part in parts.items() if part is not None})

    @classmethod
    def decode(cls, text: str) -> "Filter":
        """Read what ``encode`` made."""
        parts: dict[str, Any] = json.loads(text)
        return cls(
            _names(parts.get("resources")), _names(parts.get("actions")), parts.get("expression")
        )


def _names(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def check_filter(
    resources: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
    expression: str | None = None,
) -> Filter | None:
    """The filter that these make; None where they ask for nothing. The expression is checked elsewhere.

    The names are the sender's, so any will do.

    Raises:
        Invalid: a list is empty or too long, or a name is.
    """
    if resources is None and actions is None and expression is None:
        return None
    return Filter(_checked(resources, "resources"), _checked(actions, "actions"), expression)


def _checked(names: Sequence[str] | None, which: str) -> tuple[str, ...] | None:
    if names is None:
        return None
    if not 1 <= len(names) <= MOST_NAMES:
        raise Invalid(
            "invalid-filter",
            f"a filter names 1 to {MOST_NAMES} {which}, not {len(names)}",
            f"leave {which} out to take all of them",
            where=f"/filter/{which}",
        )
    for index, name in enumerate(names):
        if len(name) > LONGEST_NAME:
            raise Invalid(
                "invalid-filter",
                f"{excerpt(name)} is over {LONGEST_NAME} characters",
                "name what the sender sends, such as issue or created",
                where=f"/filter/{which}/{index}",
            )
    return tuple(names)


class Taken(NamedTuple):
    """Whether a route takes a webhook, and the reason in words."""

    chosen: bool
    reason: str


def takes(wanted: Filter | None, resource: str, action: str, holds: Holds) -> Taken:
    """Whether a route with this filter takes a webhook; the expression is tried last.

    >>> takes(Filter(resources=("issue",)), "comment", "created", lambda _: None)
    Taken(chosen=False, reason='its filter takes no resource "comment"')
    """
    if wanted is None:
        return Taken(True, "takes all that its source brings")
    if wanted.resources is not None and resource not in wanted.resources:
        return Taken(False, f"its filter takes no resource {excerpt(resource)}")
    if wanted.actions is not None and action not in wanted.actions:
        return Taken(False, f"its filter takes no action {excerpt(action)}")
    why_not = None if wanted.expression is None else holds(wanted.expression)
    if why_not is not None:
        return Taken(False, f"its filter's expression {why_not}")
    return Taken(True, "its filter matches")
