"""What the file holds after a run, read past all our own code."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ["Stored", "StoredDelivery", "StoredEvent", "StoredNotice", "mark_of", "read"]

_MARK = re.compile(rb'"mark":(\d+)')


class StoredEvent(NamedTuple):
    """A row of events; ``mark`` is None for what Hookline itself announced."""

    id: bytes
    external_id: str | None
    organization: str
    mark: int | None
    delivery_count: int

    @property
    def public_id(self) -> str:
        """What publishers know it by."""
        return self.external_id or self.id.hex()


class StoredDelivery(NamedTuple):
    """A row of deliveries."""

    id: bytes
    event: bytes
    integration: int
    installation: str
    state: str
    park_reason: str | None
    attempts_made: int


class StoredNotice(NamedTuple):
    """A row of notices."""

    integration: int
    kind: str
    reason: str
    at: int
    id: int = 0
    published_at: int | None = None


@dataclass
class Stored:
    """All of it."""

    events: dict[bytes, StoredEvent] = field(default_factory=dict)
    deliveries: dict[bytes, StoredDelivery] = field(default_factory=dict)
    attempts: dict[bytes, dict[int, int]] = field(default_factory=dict)  # number -> started_at
    notices: list[StoredNotice] = field(default_factory=list)
    deleted: dict[int, int] = field(default_factory=dict)  # integration -> when
    in_flight: int = 0


def mark_of(body: bytes) -> int | None:
    """The publisher's mark in a body."""
    found = _MARK.search(body)
    return None if found is None else int(found[1])


def read(path: Path) -> Stored:
    """Read the file of a process that has ended."""
    stored = Stored()
    with closing(sqlite3.connect(path)) as connection:
        for row in connection.execute(
            "SELECT e.id, e.external_id, o.slug, e.tail, e.delivery_count"
            " FROM events AS e JOIN organizations AS o ON o.id = e.organization_id"
        ):
            stored.events[row[0]] = StoredEvent(*row[:3], mark_of(row[3]), row[4])
        for row in connection.execute(
            "SELECT d.id, d.event_id, d.integration_id, i.uuid, d.state, d.park_reason,"
            " d.attempts_made FROM deliveries AS d JOIN installations AS i ON i.id = d.installation_id"
        ):
            stored.deliveries[row[0]] = StoredDelivery(*row)
        for delivery, number, started_at in connection.execute(
            "SELECT delivery_id, number, started_at FROM attempts"
        ):
            stored.attempts.setdefault(delivery, {})[number] = started_at
        sql = "SELECT integration_id, kind, reason, at, id, published_at FROM notices ORDER BY id"
        stored.notices = [StoredNotice(*row) for row in connection.execute(sql)]
        sql = "SELECT id, deleted_at FROM integrations WHERE deleted_at IS NOT NULL"
        stored.deleted = dict(connection.execute(sql).fetchall())
        for table in ("lanes", "gates"):
            row = connection.execute(f"SELECT coalesce(sum(in_flight), 0) FROM {table}").fetchone()
            stored.in_flight += row[0]
    return stored
