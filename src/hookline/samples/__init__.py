"""A realistic sample of every documented resource and action, as pure data.

The shapes are the documented ones, the values are ours. They are realistic also in what receivers
trip over: emoji, é, U+2028, floats such as 100.0, keys that look like integers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hookline.core.resources import DOCUMENTED, check_action, find
from hookline.samples.comment import comment
from hookline.samples.event import error, event_alert
from hookline.samples.issue import activity_alert, issue
from hookline.samples.lifecycle import installation
from hookline.samples.metric_alert import metric_alert
from hookline.samples.preprod import preprod_artifact
from hookline.samples.seer import seer
from hookline.samples.world import MIRA, Json, World, person

__all__ = ["Sample", "names", "sample"]

_FAMILIES: Final[Mapping[str, Callable[[World, str], Json]]] = {
    "installation": installation,
    "event_alert": event_alert,
    "issue": issue,
    "metric_alert": metric_alert,
    "error": error,
    "comment": comment,
    "seer": seer,
    "preprod_artifact": preprod_artifact,
    "activity_alert": activity_alert,
}

# What people do; everything else is done by the system itself.
_BY_PEOPLE: Final = frozenset(
    {
        *(f"installation.{action}" for action in ("created", "deleted")),
        *(f"comment.{action}" for action in ("created", "updated", "deleted")),
        *(f"issue.{action}" for action in ("resolved", "assigned", "ignored", "archived")),
    }
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One event as a publisher would hand it in.

    Args:
        resource: what it is about.
        action: what happened.
        data: the documented ``data``; a fresh one for each call.
        actor: who did it, or None where it is the system itself.
    """

    resource: str
    action: str
    data: Json
    actor: Json | None


def names() -> tuple[str, ...]:
    """List all samples as ``resource.action``, in the order of the documentation.

    >>> names()[:2]
    ('installation.created', 'installation.deleted')
    """
    return tuple(f"{r.name}.{action}" for r in DOCUMENTED.values() for action in r.actions)


def sample(
    resource: str,
    action: str,
    *,
    now: int,
    installation_uuid: str,
    organization: str = "northwind",
    integration: str = "pager-bridge",
) -> Sample:
    """Make the sample of a documented resource and action.

    Args:
        resource: such as ``issue``.
        action: such as ``created``.
        now: microseconds since the epoch; every time in the sample is a little before it.
        installation_uuid: the installation that it is for.
        organization: slug of that installation's organization.
        integration: slug of the integration that is installed.

    Raises:
        Invalid: ``unknown-resource`` or ``unknown-action``.

    >>> made = sample("comment", "created", now=1767225600000000, installation_uuid="0f8e...")
    >>> made.data["timestamp"]
    '2025-12-31T23:59:57.750000Z'
    """
    check_action(find(resource, {}), action)
    world = World(now, installation_uuid, organization, integration)
    by_person = f"{resource}.{action}" in _BY_PEOPLE
    return Sample(
        resource=resource,
        action=action,
        data=_FAMILIES[resource](world, action),
        actor=person(MIRA) if by_person else None,
    )
