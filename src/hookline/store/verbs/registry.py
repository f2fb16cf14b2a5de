"""Integrations, installations and resources."""

import json
from collections.abc import Sequence
from typing import TypeVar

from hookline.core.errors import Conflict
from hookline.core.gate import Closed
from hookline.core.matching import Candidate
from hookline.core.model import (
    BodyEncoding,
    Installation,
    Integration,
    Kind,
    Policy,
    Unsubscribed,
)
from hookline.core.rate import Period, RateLimit
from hookline.core.routing import Filter
from hookline.core.schedule import RetrySchedule
from hookline.core.unsubscribing import Reason
from hookline.store.values import NewEvent, NewInstallation, NewIntegration, Route
from hookline.store.verbs.asking import Ask, Row, Verb
from hookline.store.verbs.credentials import check_there, secrets_of
from hookline.store.verbs.lanes import read_gate, refresh, shut, write_gates
from hookline.store.verbs.outbound import record

__all__ = [
    "candidates",
    "create_installation",
    "create_integration",
    "define_resource",
    "delete_installation",
    "delete_integration",
    "ensure_organization",
    "installation",
    "installations",
    "integration",
    "integrations",
    "routes",
    "update_integration",
]

T = TypeVar("T")


def ensure_organization(slug: str, now: int) -> Verb[int]:
    """The organization's id; made on first use."""
    answer = yield Ask("organization", (slug,))
    if not answer.rows:
        yield Ask("insert_organization", (slug, now))
        answer = yield Ask("organization", (slug,))
    return int(answer.rows[0][0])


def create_integration(new: NewIntegration) -> Verb[Integration]:
    """Register; an internal one is installed in its organization too."""
    organization_id = None
    if new.organization is not None:
        organization_id = yield from ensure_organization(new.organization, new.now)
    inserted = yield Ask("insert_integration", _new_row(new, organization_id))
    if not inserted.rows:
        raise Conflict(
            "slug-taken",
            f"there is an integration {new.slug!r} already",
            "choose another slug, or change that one with PATCH",
            where="/slug",
        )
    integration_id = inserted.rows[0][0]
    policy = new.policy
    yield Ask("insert_secret", (integration_id, new.sealed_secret, new.now))
    yield Ask("insert_gate", (integration_id, policy.max_in_flight, *_rate_row(policy)))
    if new.installation_uuid is not None and organization_id is not None:
        yield from _insert_installation(
            new.installation_uuid, integration_id, organization_id, None, new.now
        )
    made = yield from integration(new.slug)
    return _must(made)


def _new_row(new: NewIntegration, organization_id: int | None) -> Row:
    return (
        new.uuid,
        new.slug,
        new.name,
        new.kind,
        organization_id,
        new.webhook_url,
        new.client_id,
        json.dumps(new.resources),
        new.alertable,
        *_policy_row(new.policy),
        new.now,
        new.now,
        new.source_id,
        _filter_row(new.filter),
    )


def _filter_row(wanted: Filter | None) -> str | None:
    return None if wanted is None else wanted.encode()


def update_integration(changed: Integration) -> Verb[Integration]:
    """Replace what may change."""
    yield from check_there(changed.id)
    policy = changed.policy
    values = (
        changed.id,
        changed.name,
        changed.webhook_url,
        json.dumps(changed.resources),
        changed.alertable,
        *_policy_row(policy),
        changed.updated_at,
        _filter_row(changed.filter),
    )
    yield Ask("update_integration", values)
    yield Ask("update_gate", (changed.id, policy.max_in_flight, *_rate_row(policy)))
    yield from _change_lanes(changed.id, ordered=policy.ordered, now=changed.updated_at)
    updated = yield from integration(changed.slug)
    return _must(updated)


def _change_lanes(integration_id: int, *, ordered: bool, now: int) -> Verb[None]:
    gate = yield from read_gate(integration_id)
    if ordered:
        yield Ask("in_order_of_acceptance", (integration_id,))
    if gate.closed is None:
        yield from refresh(gate, ordered=ordered, now=now)
    else:
        yield Ask("order_lanes", (integration_id, ordered))


def _policy_row(policy: Policy) -> Row:
    return (
        policy.timeout_ms,
        policy.max_in_flight,
        json.dumps(policy.retry_schedule),
        policy.body_encoding,
        *_rate_row(policy),
        policy.ordered,
    )


def _rate_row(policy: Policy) -> tuple[int | None, str | None]:
    limit = policy.rate_limit
    return (None, None) if limit is None else (limit.number, limit.per)


def delete_integration(integration_id: int, now: int) -> Verb[bool]:
    """Delete it and its installations; what waits for it is parked, or is to be swept."""
    gate = yield from read_gate(integration_id)
    yield Ask("delete_integration", (integration_id, now))
    yield Ask("delete_installations_of", (integration_id, now))
    gate.closed = Closed.DELETED
    yield from write_gates([gate], now)
    unswept = yield from shut(gate, now)
    return unswept


def integration(slug: str) -> Verb[Integration | None]:
    """The integration by that slug."""
    answer = yield Ask("integration", (slug,))
    return _integration(answer.rows[0]) if answer.rows else None


def integrations(after: str, limit: int) -> Verb[list[Integration]]:
    """Integrations by slug, those after ``after``."""
    answer = yield Ask("integrations", (after, limit))
    return [_integration(row) for row in answer.rows]


def create_installation(new: NewInstallation, announcement: NewEvent | None) -> Verb[Installation]:
    """Install, and record the event that says so."""
    yield from check_there(new.integration_id)
    organization_id = yield from ensure_organization(new.organization, new.now)
    taken = (yield Ask("installed", (organization_id, new.integration_id))).rows
    if taken:
        uuid = taken[0][0]
        raise Conflict(
            "already-installed",
            f"it is installed in {new.organization!r} already, as {uuid}",
            f"use that one, or delete it first: DELETE /api/v1/installations/{uuid}",
        )
    installation_id = yield from _insert_installation(
        new.uuid, new.integration_id, organization_id, new.code_digest, new.now
    )
    if announcement is not None:
        deliveries = tuple(
            each._replace(installation_id=installation_id) for each in announcement.deliveries
        )
        yield from record(
            [announcement._replace(organization_id=organization_id, deliveries=deliveries)]
        )
    made = yield from installation(new.uuid)
    return _must(made)


def delete_installation(
    uuid: str, now: int, announcement: NewEvent | None
) -> Verb[Installation | None]:
    """Uninstall, and record the event that says so."""
    deleted = yield Ask("delete_installation", (uuid, now))
    if not deleted.changed:
        return None
    if announcement is not None:
        yield from record([announcement])
    found = yield from installation(uuid)
    return found


def _insert_installation(
    uuid: str, integration_id: int, organization_id: int, code_digest: bytes | None, now: int
) -> Verb[int]:
    values = (uuid, integration_id, organization_id, code_digest, now)
    inserted = yield Ask("insert_installation", values)
    yield Ask("insert_turns", (organization_id,))
    yield Ask("insert_lane", (organization_id, integration_id))
    return int(inserted.rows[0][0])


def installation(uuid: str) -> Verb[Installation | None]:
    """The installation by that uuid, deleted or not."""
    answer = yield Ask("installation", (uuid,))
    return Installation(*answer.rows[0]) if answer.rows else None


def installations(organization: str | None, integration_id: int | None) -> Verb[list[Installation]]:
    """Installations in force, of an organization or of an integration."""
    answer = yield Ask("installations", (organization, integration_id))
    return [Installation(*row) for row in answer.rows]


def candidates(organization: str) -> Verb[tuple[int | None, list[Candidate]]]:
    """The organization's id and who might want its events."""
    known = (yield Ask("organization", (organization,))).rows
    if not known:
        return None, []
    answer = yield Ask("candidates", (organization,))
    return int(known[0][0]), [_candidate(each) for each in answer.rows]


def routes(integration_ids: Sequence[int]) -> Verb[list[Route]]:
    """What a dispatcher must know of these integrations, deleted ones included."""
    secrets = yield from secrets_of(integration_ids)
    answer = yield Ask("routes", rows=[(each,) for each in integration_ids])
    return [
        Route(row[0], row[1], row[2], row[3], _policy(*row[4:]), secrets.get(row[0], ()))
        for row in answer.rows
    ]


def define_resource(name: str, actions: tuple[str, ...], now: int) -> Verb[None]:
    """Register a publisher's resource."""
    inserted = yield Ask("insert_resource", (name, json.dumps(actions), now))
    if not inserted.changed:
        raise Conflict(
            "resource-exists",
            f"the resource {name!r} is registered already",
            "see GET /api/v1/resources for what is registered",
            where="/name",
        )


def resources() -> Verb[dict[str, tuple[str, ...]]]:
    """The registered resources and their actions."""
    answer = yield Ask("resources")
    return {name: tuple(json.loads(actions)) for name, actions in answer.rows}


def _policy(
    timeout_ms: int,
    max_in_flight: int,
    schedule: str,
    encoding: str,
    rate_number: int | None,
    rate_per: str,
    ordered: int,
) -> Policy:
    return Policy(
        timeout_ms,
        max_in_flight,
        RetrySchedule(json.loads(schedule)),
        BodyEncoding(encoding),
        None if rate_number is None else RateLimit(rate_number, Period(rate_per)),
        bool(ordered),
    )


def _integration(row: Row) -> Integration:
    return Integration(
        id=row[0],
        uuid=row[1],
        slug=row[2],
        name=row[3],
        kind=Kind(row[4]),
        organization=row[5],
        webhook_url=row[6],
        client_id=row[7],
        resources=tuple(json.loads(row[8])),
        alertable=bool(row[9]),
        unsubscribed=None if row[10] is None else Unsubscribed(row[10], Reason(row[11]), row[12]),
        created_at=row[13],
        updated_at=row[14],
        policy=_policy(*row[15:22]),
        source=row[22],
        filter=_filter(row[23]),
    )


def _filter(text: str | None) -> Filter | None:
    return None if text is None else Filter.decode(text)


def _candidate(row: Row) -> Candidate:
    return Candidate(
        installation_id=row[0],
        installation=row[1],
        integration_id=row[2],
        integration=row[3],
        kind=Kind(row[4]),
        resources=frozenset(json.loads(row[5])),
        alertable=bool(row[6]),
        body_encoding=BodyEncoding(row[7]),
        source_id=row[8],
        filter=_filter(row[9]),
    )


def _must(found: T | None) -> T:
    assert found is not None, "written in this transaction"  # noqa: S101
    return found
