"""Resources and their actions, as data: the documented ones, and those that a publisher registers.

A publisher's own resource behaves as ``issue`` does: integrations subscribe to it by name.
"""

import difflib
import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hookline.core.errors import Invalid
from hookline.core.notice import NoticeKind

__all__ = [
    "DOCUMENTED",
    "NOTICES",
    "OPERATORS",
    "Resource",
    "Routing",
    "check_action",
    "define",
    "event_name",
    "find",
]

MAX_ACTIONS: Final = 100
MAX_LISTED: Final = 20
MAX_NAME: Final = 64
RESERVED_PREFIX: Final = "hookline"

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME - 1}}}")
_NAME_RULE = f"1 to {MAX_NAME} of a-z, 0-9 and _, beginning with a letter"


class Routing(enum.Enum):
    """How the receivers of an event are found."""

    SUBSCRIBED = "subscribed"
    """Every integration that subscribes to the resource."""

    ALERT = "alert"
    """The event's ``targets``, or else every integration that is ``alertable``; no subscription."""

    LIFECYCLE = "lifecycle"
    """The installation concerned, when Hookline itself sends these. A publisher that keeps its
    installations elsewhere may publish them too: to ``targets``, or to all public integrations."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that events are about, and what can happen to it."""

    name: str
    actions: tuple[str, ...]
    routing: Routing
    documented: bool


def _documented(routing: Routing, name: str, *actions: str) -> tuple[str, Resource]:
    return name, Resource(name, actions, routing, documented=True)


DOCUMENTED: Final[Mapping[str, Resource]] = MappingProxyType(
    dict(
        [
            _documented(Routing.LIFECYCLE, "installation", "created", "deleted"),
            _documented(Routing.ALERT, "event_alert", "triggered"),
            _documented(
                Routing.SUBSCRIBED,
                "issue",
                "created",
                "resolved",
                "assigned",
                "unresolved",
                # One thing under two names: receivers of different ages know one or the other.
                "ignored",
                "archived",
            ),
            _documented(Routing.ALERT, "metric_alert", "critical", "warning", "resolved", "open"),
            _documented(Routing.SUBSCRIBED, "error", "created"),
            _documented(Routing.SUBSCRIBED, "comment", "created", "updated", "deleted"),
            _documented(
                Routing.SUBSCRIBED,
                "seer",
                "root_cause_started",
                "root_cause_completed",
                "solution_started",
                "solution_completed",
                "coding_started",
                "coding_completed",
                "pr_created",
            ),
            _documented(
                Routing.SUBSCRIBED,
                "preprod_artifact",
                "size_analysis_completed",
                "build_distribution_completed",
            ),
            _documented(Routing.ALERT, "activity_alert", "triggered"),
        ]
    )
)
"""The documented resources by name, in the order of the documentation."""

NOTICES: Final = Resource(
    "hookline", tuple(kind.value for kind in NoticeKind), Routing.SUBSCRIBED, documented=False
)
"""What Hookline itself publishes: notices for its operators (``core.notice``)."""

OPERATORS: Final = "hookline"
"""The organization in which notices are published, and where alone they can be subscribed to."""


def define(name: str, actions: Sequence[str]) -> Resource:
    """Describe a publisher's own resource.

    Raises:
        Invalid: ``invalid-resource-name``, ``reserved-resource-name``, ``invalid-actions``,
            ``invalid-action-name`` or ``duplicate-action``.

    >>> define("order", ["placed", "shipped"]).routing
    <Routing.SUBSCRIBED: 'subscribed'>
    """
    _check_own_name(name)
    # A text is a sequence of texts too; without this, "paid" would be four actions.
    if isinstance(actions, str) or not 1 <= len(actions) <= MAX_ACTIONS:
        found = "one text" if isinstance(actions, str) else f"{len(actions)}"
        raise Invalid(
            "invalid-actions",
            f"A resource has 1 to {MAX_ACTIONS} actions in a list; got {found}.",
            'List what can happen to it, such as ["created", "deleted"].',
            where="/actions",
        )
    for index, action in enumerate(actions):
        _check_own_action(action, index, actions)
    return Resource(name, tuple(actions), Routing.SUBSCRIBED, documented=False)


def find(name: str, registered: Mapping[str, Resource]) -> Resource:
    """Find a resource among the documented ones and those that the publisher registered.

    Raises:
        Invalid: ``unknown-resource``; the hint names the likeliest one, or all of them.
    """
    resource = DOCUMENTED.get(name) or registered.get(name)
    if name == NOTICES.name:
        resource = NOTICES
    if resource is not None:
        return resource
    raise Invalid(
        "unknown-resource",
        f"There is no resource {_show(name)}.",
        f"{_suggest(name, [*DOCUMENTED, *registered])} "
        "A resource of your own has to be registered first.",
        where="/resource",
    )


def check_action(resource: Resource, action: str) -> None:
    """See that a resource knows an action.

    Raises:
        Invalid: ``unknown-action``; the hint names the likeliest one, or all of them.
    """
    if action not in resource.actions:
        raise Invalid(
            "unknown-action",
            f"The resource {resource.name} has no action {_show(action)}.",
            _suggest(action, resource.actions),
            where="/action",
        )


def _check_own_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(
            "invalid-resource-name",
            f"{_show(name)} cannot be the name of a resource.",
            f"Use {_NAME_RULE}, such as order or invoice_line.",
            where="/name",
        )
    if name in DOCUMENTED:
        raise Invalid(
            "reserved-resource-name",
            f"The resource {name} is a documented one and is there already.",
            f"It needs no registration; for something else choose another name, such as my_{name}.",
            where="/name",
        )
    if name.startswith(RESERVED_PREFIX):
        raise Invalid(
            "reserved-resource-name",
            f"Names that begin with {RESERVED_PREFIX} are kept for Hookline itself; got {name}.",
            "Choose a name from your own trade, such as order.",
            where="/name",
        )


def _check_own_action(action: str, index: int, actions: Sequence[str]) -> None:
    if not _NAME.fullmatch(action):
        raise Invalid(
            "invalid-action-name",
            f"{_show(action)} cannot be the name of an action.",
            f"Use {_NAME_RULE}, such as created or paid_back.",
            where=f"/actions/{index}",
        )
    if action in actions[:index]:
        raise Invalid(
            "duplicate-action",
            f"The action {action} is listed twice.",
            "List each action once.",
            where=f"/actions/{index}",
        )


def _suggest(wrong: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(wrong, names, n=1)
    rest = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    listed = f"Known: {', '.join(names[:MAX_LISTED])}{rest}."
    return f"Did you mean {close[0]}? {listed}" if close else listed


def _show(text: str) -> str:
    """Quote what a caller gave, short and on one line whatever it holds."""
    return ascii(text) if len(text) <= MAX_NAME else f"{text[:MAX_NAME]!a}..."


def event_name(resource: str, action: str) -> str:
    """What an event is called in one word; other senders' may have no action, or neither.

    >>> event_name("issue", "created"), event_name("push", ""), event_name("", "")
    ('issue.created', 'push', '-')
    """
    return ".".join(part for part in (resource, action) if part) or "-"
