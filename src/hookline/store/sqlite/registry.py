"""Integrations, installations and resources, in SQL."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, TypeVar

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
from hookline.core.schedule import RetrySchedule
from hookline.core.unsubscribing import Reason
from hookline.store.sqlite.credentials import check_there, secrets_of
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.lanes import read_gates, refresh, shut, write_gates
from hookline.store.sqlite.outbound import record
from hookline.store.sqlite.rows import fetch_rows
from hookline.store.values import NewEvent, NewInstallation, NewIntegration, Route

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

Connection = sqlite3.Connection
T = TypeVar("T")


def ensure_organization(connection: Connection, slug: str, now: int) -> int:
    """The organization's id; made on first use."""
    row = connection.execute("SELECT id FROM organizations WHERE slug = ?", (slug,)).fetchone()
    if row is not None:
        return int(row[0])
    cursor = connection.execute(
        "INSERT INTO organizations (slug, created_at) VALUES (?, ?)", (slug, now)
    )
    return int(cursor.lastrowid or 0)


def create_integration(connection: Connection, new: NewIntegration) -> Integration:
    """Register; an internal one is installed in its organization too."""
    if integration(connection, new.slug) is not None:
        raise Conflict(
            "slug-taken",
            f"there is an integration {new.slug!r} already",
            "choose another slug, or change that one with PATCH",
            where="/slug",
        )
    organization_id = None
    if new.organization is not None:
        organization_id = ensure_organization(connection, new.organization, new.now)
    policy = new.policy
    cursor = connection.execute(
        QUERIES["insert_integration"],
        (
            new.uuid,
            new.slug,
            new.name,
            new.kind,
            organization_id,
            new.webhook_url,
            new.client_id,
            json.dumps(new.resources),
            new.alertable,
            *_policy_row(policy),
            new.now,
            new.now,
        ),
    )
    integration_id = int(cursor.lastrowid or 0)
    connection.execute(
        "INSERT INTO secrets (integration_id, sealed, created_at) VALUES (?, ?, ?)",
        (integration_id, new.sealed_secret, new.now),
    )
    connection.execute(
        "INSERT INTO gates (integration_id, max_in_flight, rate_number, rate_per) VALUES (?, ?, ?, ?)",
        (integration_id, policy.max_in_flight, *_rate_row(policy)),
    )
    if new.installation_uuid is not None and organization_id is not None:
        _insert_installation(
            connection, new.installation_uuid, integration_id, organization_id, None, new.now
        )
    return _must(integration(connection, new.slug))


def update_integration(connection: Connection, changed: Integration) -> Integration:
    """Replace what may change."""
    check_there(connection, changed.id)
    policy = changed.policy
    connection.execute(
        QUERIES["update_integration"],
        (
            changed.name,
            changed.webhook_url,
            json.dumps(changed.resources),
            changed.alertable,
            *_policy_row(policy),
            changed.updated_at,
            changed.id,
        ),
    )
    connection.execute(
        QUERIES["update_gate"], (policy.max_in_flight, *_rate_row(policy), changed.id)
    )
    _change_lanes(connection, changed.id, ordered=policy.ordered, now=changed.updated_at)
    return _must(integration(connection, changed.slug))


def _change_lanes(connection: Connection, integration_id: int, *, ordered: bool, now: int) -> None:
    gate = read_gates(connection, [integration_id])[integration_id]
    if ordered:
        values = {"integration_id": integration_id}
        connection.execute(QUERIES["in_order_of_acceptance"], values)
    if gate.closed is None:
        refresh(connection, gate, ordered=ordered, now=now)
    else:
        sql = "UPDATE lanes SET ordered = ? WHERE integration_id = ?"
        connection.execute(sql, (ordered, integration_id))


def _policy_row(policy: Policy) -> tuple[Any, ...]:
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


def delete_integration(connection: Connection, integration_id: int, now: int) -> bool:
    """Delete it and its installations; what waits for it is parked, or is to be swept."""
    for table, column in (("integrations", "id"), ("installations", "integration_id")):
        connection.execute(
            f"UPDATE {table} SET deleted_at = ? WHERE {column} = ? AND deleted_at IS NULL",  # noqa: S608
            (now, integration_id),
        )
    gate = read_gates(connection, [integration_id])[integration_id]
    gate.closed = Closed.DELETED
    write_gates(connection, [gate], now)
    return shut(connection, gate, now)


def integration(connection: Connection, slug: str) -> Integration | None:
    """The integration by that slug."""
    sql = f"{QUERIES['integration_columns']} WHERE n.slug = ? AND n.deleted_at IS NULL"
    row = connection.execute(sql, (slug,)).fetchone()
    return None if row is None else _integration(row)


def integrations(connection: Connection, after: str, limit: int) -> list[Integration]:
    """Integrations by slug, those after ``after``."""
    where = "WHERE n.slug > ? AND n.deleted_at IS NULL ORDER BY n.slug LIMIT ?"
    sql = f"{QUERIES['integration_columns']} {where}"
    return [_integration(row) for row in connection.execute(sql, (after, limit))]


def create_installation(
    connection: Connection, new: NewInstallation, announcement: NewEvent | None
) -> Installation:
    """Install, and record the event that says so."""
    check_there(connection, new.integration_id)
    organization_id = ensure_organization(connection, new.organization, new.now)
    taken = connection.execute(
        "SELECT uuid FROM installations"
        " WHERE organization_id = ? AND integration_id = ? AND deleted_at IS NULL",
        (organization_id, new.integration_id),
    ).fetchone()
    if taken is not None:
        raise Conflict(
            "already-installed",
            f"it is installed in {new.organization!r} already, as {taken[0]}",
            f"use that one, or delete it first: DELETE /api/v1/installations/{taken[0]}",
        )
    installation_id = _insert_installation(
        connection, new.uuid, new.integration_id, organization_id, new.code_digest, new.now
    )
    if announcement is not None:
        deliveries = tuple(
            each._replace(installation_id=installation_id) for each in announcement.deliveries
        )
        record(
            connection,
            [announcement._replace(organization_id=organization_id, deliveries=deliveries)],
        )
    return _must(installation(connection, new.uuid))


def delete_installation(
    connection: Connection, uuid: str, now: int, announcement: NewEvent | None
) -> Installation | None:
    """Uninstall, and record the event that says so."""
    changed = connection.execute(
        "UPDATE installations SET deleted_at = ? WHERE uuid = ? AND deleted_at IS NULL", (now, uuid)
    ).rowcount
    if not changed:
        return None
    if announcement is not None:
        record(connection, [announcement])
    return installation(connection, uuid)


def _insert_installation(
    connection: Connection,
    uuid: str,
    integration_id: int,
    organization_id: int,
    code_digest: bytes | None,
    now: int,
) -> int:
    cursor = connection.execute(
        "INSERT INTO installations (uuid, integration_id, organization_id, code_digest, created_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (uuid, integration_id, organization_id, code_digest, now),
    )
    connection.execute(QUERIES["insert_turns"], (organization_id,))
    connection.execute(QUERIES["insert_lane"], (organization_id, integration_id))
    return int(cursor.lastrowid or 0)


def installation(connection: Connection, uuid: str) -> Installation | None:
    """The installation by that uuid, deleted or not."""
    sql = f"{QUERIES['installation_columns']} WHERE i.uuid = ?"
    row = connection.execute(sql, (uuid,)).fetchone()
    return None if row is None else Installation(*row)


def installations(
    connection: Connection, organization: str | None, integration_id: int | None
) -> list[Installation]:
    """Installations in force, of an organization or of an integration."""
    where = (
        "WHERE i.deleted_at IS NULL AND (? IS NULL OR o.slug = ?)"
        " AND (? IS NULL OR i.integration_id = ?) ORDER BY i.id"
    )
    sql = f"{QUERIES['installation_columns']} {where}"
    values = (organization, organization, integration_id, integration_id)
    return [Installation(*row) for row in connection.execute(sql, values)]


def candidates(connection: Connection, organization: str) -> tuple[int | None, list[Candidate]]:
    """The organization's id and who might want its events."""
    row = connection.execute(
        "SELECT id FROM organizations WHERE slug = ?", (organization,)
    ).fetchone()
    if row is None:
        return None, []
    rows = connection.execute(QUERIES["candidates"], (organization,)).fetchall()
    return int(row[0]), [_candidate(each) for each in rows]


def routes(connection: Connection, integration_ids: Sequence[int]) -> list[Route]:
    """What a dispatcher must know of these integrations, deleted ones included."""
    secrets = secrets_of(connection, integration_ids)
    rows = fetch_rows(connection, "routes", [(each,) for each in integration_ids])
    return [
        Route(row[0], row[1], row[2], row[3], _policy(*row[4:]), secrets.get(row[0], ()))
        for row in rows
    ]


def define_resource(connection: Connection, name: str, actions: tuple[str, ...], now: int) -> None:
    """Register a publisher's resource."""
    try:
        connection.execute(
            "INSERT INTO resources (name, actions, created_at) VALUES (?, ?, ?)",
            (name, json.dumps(actions), now),
        )
    except sqlite3.IntegrityError as taken:
        raise Conflict(
            "resource-exists",
            f"the resource {name!r} is registered already",
            "see GET /api/v1/resources for what is registered",
            where="/name",
        ) from taken


def resources(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The registered resources and their actions."""
    rows = connection.execute("SELECT name, actions FROM resources ORDER BY name")
    return {name: tuple(json.loads(actions)) for name, actions in rows}


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


def _integration(row: tuple[Any, ...]) -> Integration:
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
    )


def _candidate(row: tuple[Any, ...]) -> Candidate:
    return Candidate(
        installation_id=row[0],
        installation=row[1],
        integration_id=row[2],
        integration=row[3],
        kind=Kind(row[4]),
        resources=frozenset(json.loads(row[5])),
        alertable=bool(row[6]),
        body_encoding=BodyEncoding(row[7]),
    )


def _must(found: T | None) -> T:
    assert found is not None, "written in this transaction"  # noqa: S101
    return found
