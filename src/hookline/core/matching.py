"""Which installations an event goes to, and why: a pure decision, made before anything is stored."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from hookline.core.errors import Invalid
from hookline.core.model import BodyEncoding, Considered, Kind
from hookline.core.resources import Resource, Routing
from hookline.core.routing import Filter, Holds, takes

__all__ = ["Candidate", "Plan", "considered_from", "plan", "plan_for_one", "plan_for_routes"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One installation of an organization, with what decides whether it wants an event.

    Attributes:
        source_id: the source that it is a route of; None where it is none.
        filter: which of the source's webhooks it takes; None: all.
    """

    installation_id: int
    installation: str
    integration_id: int
    integration: str
    kind: Kind
    resources: frozenset[str]
    alertable: bool
    body_encoding: BodyEncoding
    source_id: int | None = None
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Where an event goes.

    Attributes:
        id: digest of the decision, so that equal decisions are stored once.
        chosen: the installations that get a delivery.
        considered: the whole decision as JSON: ``[[installation, integration, chosen, reason], …]``.
        any_ascii: whether one of the chosen wants the ascii encoding.
    """

    id: bytes
    chosen: tuple[Candidate, ...]
    considered: str
    any_ascii: bool


def plan(
    resource: Resource, candidates: Sequence[Candidate], targets: Sequence[str] | None
) -> Plan:
    """Choose among an organization's installations.

    Subscribed resources go to every installation whose integration subscribes to the resource.
    Alerts go to the integrations named in ``targets``, or without it to every alertable one, and
    what concerns installing likewise, or to every public one.

    An integration that is unsubscribed is chosen like any other: the store parks its delivery at once,
    so that all it missed can be recovered. Routes of sources are no candidates: what publishers hand in
    is not for them.

    Raises:
        Invalid: ``targets`` for a resource that is not an alert, or a target that is not installed.
    """
    candidates = [each for each in candidates if each.source_id is None]
    _check_targets(resource, candidates, targets)
    verdicts = [(each, *_wants(resource, each, targets)) for each in candidates]
    return _made(verdicts)


def plan_for_one(candidate: Candidate, reason: str) -> Plan:
    """The plan of an event that concerns one installation, whatever it subscribes to."""
    return _made([(candidate, True, reason)])


def plan_for_routes(
    source_id: int, candidates: Sequence[Candidate], resource: str, action: str, holds: Holds
) -> Plan:
    """Choose among the routes of a source; nobody else is considered.

    Args:
        source_id: by which source it came in.
        candidates: the installations of the source's organization.
        resource: what the sender calls it.
        action: likewise; may be empty.
        holds: tries a filter's expression on the body.
    """
    routes = [each for each in candidates if each.source_id == source_id]
    return _made([(each, *takes(each.filter, resource, action, holds)) for each in routes])


def _check_targets(
    resource: Resource, candidates: Sequence[Candidate], targets: Sequence[str] | None
) -> None:
    if targets is None:
        return
    if resource.routing is Routing.SUBSCRIBED:
        raise Invalid(
            "targets-not-allowed",
            f"{resource.name!r} goes to those who subscribe to it; it takes no targets",
            "leave targets out; only alerts and installation events take them",
            where="/targets",
        )
    installed = {each.integration for each in candidates}
    for index, slug in enumerate(targets):
        if slug not in installed:
            raise Invalid(
                "unknown-integration",
                f"no integration {slug!r} is installed in this organization",
                "see GET /api/v1/organizations/{organization}/installations for those that are",
                where=f"/targets/{index}",
            )


def _wants(
    resource: Resource, candidate: Candidate, targets: Sequence[str] | None
) -> tuple[bool, str]:
    if targets is not None:
        named = candidate.integration in targets
        return named, "named in targets" if named else "not named in targets"
    match resource.routing:
        case Routing.SUBSCRIBED:
            subscribes = resource.name in candidate.resources
            verb = "subscribes" if subscribes else "does not subscribe"
            return subscribes, f"{verb} to {resource.name}"
        case Routing.ALERT:
            return candidate.alertable, "alertable" if candidate.alertable else "not alertable"
        case Routing.LIFECYCLE:
            public = candidate.kind is Kind.PUBLIC
            return public, "public" if public else "internal"


def _made(verdicts: Sequence[tuple[Candidate, bool, str]]) -> Plan:
    chosen = tuple(each for each, wants, _ in verdicts if wants)
    considered = json.dumps(
        [[each.installation, each.integration, wants, reason] for each, wants, reason in verdicts],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return Plan(
        id=blake2b(considered.encode(), digest_size=16).digest(),
        chosen=chosen,
        considered=considered,
        any_ascii=any(each.body_encoding is BodyEncoding.ASCII for each in chosen),
    )


def considered_from(text: str) -> tuple[Considered, ...]:
    """Read ``Plan.considered`` back."""
    return tuple(Considered(*row) for row in json.loads(text))
