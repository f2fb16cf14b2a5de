"""What a PostgreSQL server did to answer our statements, as its own ``auto_explain`` tells it.

The plans are those of the statements as they were run, with our driver, in a session like the store's.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from hookline.store.postgres import database
from hookline.store.postgres.texts import STATEMENTS

__all__ = ["Plan", "explained", "fill"]

AUTO_EXPLAIN = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}
NAMES = {statement.text: name for name, statement in STATEMENTS.items() if statement.text}


@dataclass(frozen=True)
class Plan:
    """How a statement was run."""

    name: str
    root: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Its nodes, from the top."""
        left = [self.root]
        while left:
            node = left.pop()
            yield node
            left += node.get("Plans", [])

    @property
    def scanned(self) -> int:
        """Rows of tables and entries of indexes that were looked at, passed over or not."""
        return sum(
            round(node["Actual Loops"] * sum(node.get(each, 0) for each in LOOKED_AT))
            for node in self.nodes()
            if "Scan" in node["Node Type"] and {"Relation Name", "Index Name"} & set(node)
        )

    @property
    def pages(self) -> int:
        """Pages that were looked at, again and again counted again."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    @property
    def read_whole(self) -> set[str]:
        """The tables that were gone through from end to end."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"}

    @property
    def tables(self) -> set[str]:
        """The tables that were looked into; those that were left out while it ran are not in it."""
        return {
            node["Relation Name"]
            for node in self.nodes()
            if "Scan" in node["Node Type"] and "Relation Name" in node and node["Actual Loops"]
        }

    def __str__(self) -> str:
        steps = [
            f"{node['Node Type']} {node.get('Index Name') or node.get('Relation Name', '')}"
            f" {node.get('Actual Rows')}x{node.get('Actual Loops')}"
            for node in self.nodes()
        ]
        return f"{self.name}: {self.scanned} rows, {self.pages} pages: {'; '.join(steps)}"


LOOKED_AT = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


@contextlib.asynccontextmanager
async def explained(
    url: str, plan_cache_mode: str, settings: dict[str, str] = database.WRITING
) -> AsyncIterator[tuple["asyncpg.Connection[asyncpg.Record]", list[Plan]]]:
    """A session such as the store's writers have, and the plans of what is run in it, as they come.

    ``settings``: of another kind of session.
    """
    plans: list[Plan] = []

    def heard(_connection: object, message: Any) -> None:
        _, found, text = str(message.message).partition("plan:\n")
        if found:
            told = json.loads(text)
            name = NAMES.get(told["Query Text"])
            if name is not None:
                plans.append(Plan(name, told["Plan"]))

    connection = await asyncpg.connect(url, server_settings=settings, statement_cache_size=256)
    try:
        await connection.execute("LOAD 'auto_explain'")
        for name, value in {**AUTO_EXPLAIN, "plan_cache_mode": plan_cache_mode}.items():
            await connection.execute(f"SET {name} = '{value}'")
        connection.add_log_listener(heard)
        yield connection, plans
        connection.remove_log_listener(heard)
    finally:
        await connection.close()


FILL = """
INSERT INTO organizations (id, slug, created_at) OVERRIDING SYSTEM VALUE
SELECT n, 'organization-' || n, 0 FROM generate_series(1, 100) AS n;
INSERT INTO turns (organization_id, slow, ready_at)
SELECT n, slow, CASE WHEN NOT slow THEN {now} - 1000 END
FROM generate_series(1, 100) AS n, (VALUES (false), (true)) AS line (slow);
INSERT INTO integrations (
    id, uuid, slug, name, kind, webhook_url, client_id, resources, alertable, timeout_ms, max_in_flight,
    retry_schedule, body_encoding, created_at, updated_at
) OVERRIDING SYSTEM VALUE
SELECT n, 'uuid-' || n, 'app-' || n, 'App', 'public', 'https://receiver.example/', 'client-' || n, '[]',
    false, 1000, 32, '[]', 'ascii', 0, 0
FROM generate_series(1, {lanes} / 10) AS n;
-- Every other receiver is dead: its slots are taken, and its lanes wait at its gate.
INSERT INTO gates (integration_id, max_in_flight, in_flight)
SELECT id, 32, CASE WHEN id % 2 = 0 THEN 32 ELSE 0 END FROM integrations;
INSERT INTO lanes (organization_id, integration_id, ready_at, gated_at)
SELECT n % 100 + 1, n / 10 + 1, CASE WHEN (n / 10 + 1) % 2 = 1 THEN {now} - 1000 END,
    CASE WHEN (n / 10 + 1) % 2 = 0 THEN {now} - 1000 END
FROM generate_series(0, {lanes} - 1) AS n;
INSERT INTO installations (id, uuid, integration_id, organization_id, created_at) OVERRIDING SYSTEM VALUE
SELECT row_number() OVER (), 'installation-' || organization_id || '-' || integration_id, integration_id,
    organization_id, 0
FROM lanes;
INSERT INTO plans VALUES ('\\x00', '[]', 0);
INSERT INTO events (
    id, organization_id, external_id, resource, action, tail, plan_id, delivery_count, accepted_at
)
SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), n % {lanes} % 100 + 1, 'event-' || n, 'issue', 'created',
    'tail', '\\x00', 1, {now} - 2000
FROM generate_series(1, {waiting}) AS n;
INSERT INTO deliveries (
    id, event_id, organization_id, installation_id, integration_id, in_ascii, state, due_at
)
SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), decode(lpad(to_hex(n), 32, '0'), 'hex'),
    n % {lanes} % 100 + 1, n % {lanes} + 1, n % {lanes} / 10 + 1, false, 'waiting',
    {now} - 1000 + n % 500
FROM generate_series(1, {waiting}) AS n;
-- What was tried before: a tenth of it.
INSERT INTO attempts
SELECT id, 1, {now} - 2000, 'https://receiver.example/', 'failure', '', 500, '', 0, 0, 0, 0, 0, '',
    '1.1', '\\x00', '\\x00', false
FROM deliveries ORDER BY id LIMIT {waiting} / 10;
UPDATE deliveries SET attempts_made = 1
WHERE id IN (SELECT delivery_id FROM attempts)
"""
NEVER_LOOKED_AT = """
DO $$ BEGIN EXECUTE (
    SELECT string_agg(format('ALTER TABLE %s SET (autovacuum_enabled = off)', oid::regclass), ';')
    FROM pg_class WHERE relnamespace = 'hookline'::regnamespace AND relkind = 'r'
); END $$
"""


async def fill(url: str, *, lanes: int, waiting: int, now: int) -> None:
    """Let so much wait in so many lanes of a hundred organizations; half of the receivers are dead.

    No statistics are there afterwards, and none are made unless somebody asks for them.
    """
    connection = await asyncpg.connect(url, server_settings=database.SESSION)
    try:
        await connection.execute(NEVER_LOOKED_AT)
        for statement in FILL.format(lanes=lanes, waiting=waiting, now=now).split(";\n"):
            await connection.execute(statement, timeout=600)
    finally:
        await connection.close()
