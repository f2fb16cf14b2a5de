"""A database of ours spread over shards, one an organization, and what each statement touches of them.

The shards are partitions of a real server. Which of them a statement looked into, or wrote, is what the
server counts: a look into an index that finds nothing counts as well.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from hookline.store.postgres import database
from hookline.store.postgres.texts import STATEMENTS

__all__ = ["BULK", "SHARDED", "Shards", "key", "naming_shards", "spread"]

# What grows with the traffic of an organization, and what says who of it may go next.
BULK: Final = ("events", "deliveries", "attempts")
SHARDED: Final = (*BULK, "lanes", "turns", "arrivals")

NAMES: Final = {statement.text: name for name, statement in STATEMENTS.items() if statement.text}
COUNTED: Final = """
SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd + n_tup_del
FROM pg_stat_xact_user_tables WHERE relname ~ '_[0-9]+$'
"""


def key(organization: int, number: int) -> bytes:
    """An id of an event or a delivery: an organization's lie together, and its attempts by them."""
    return organization.to_bytes(4) + number.to_bytes(12)


def naming_shards() -> dict[str, str]:
    """The statements that name a table which is spread, by name; parts of statements are none."""
    tables = re.compile(rf"\b({'|'.join(SHARDED)})\b(?!\.)")
    return {
        name: text
        for text, name in NAMES.items()
        if tables.search(text) and not name.endswith("_columns")
    }


async def spread(url: str, organizations: Sequence[int]) -> None:
    """Let each table of an empty database that is to be spread be a partition an organization.

    Attempts have no column of the organization: they are spread by ranges of their deliveries' ids.
    """
    connection = await asyncpg.connect(url, server_settings=database.SESSION)
    try:
        async with connection.transaction():
            for table in SHARDED:
                await _spread(connection, table, organizations)
    finally:
        await connection.close()


async def _spread(connection: Any, table: str, organizations: Sequence[int]) -> None:
    columns = await connection.fetchval(
        "SELECT string_agg(attname, ', ' ORDER BY array_position(indkey::int2[], attnum))"
        " FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)"
        " WHERE indisprimary AND indrelid = $1::regclass",
        table,
    )
    others = await connection.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE NOT indisprimary"
        " AND indrelid = $1::regclass",
        table,
    )
    by_id = table == "attempts"
    how = "RANGE (delivery_id)" if by_id else "LIST (organization_id)"
    if not by_id and "organization_id" not in columns:
        columns += ", organization_id"  # a unique index must contain what its table is spread by
    parts = [
        f"FOR VALUES FROM ('\\x{key(each, 0).hex()}') TO ('\\x{key(each + 1, 0).hex()}')"
        if by_id
        else f"FOR VALUES IN ({each})"
        for each in organizations
    ]
    for statement in (
        f"ALTER TABLE {table} RENAME TO whole",
        f"CREATE TABLE {table} (LIKE whole INCLUDING DEFAULTS INCLUDING IDENTITY"
        f" INCLUDING CONSTRAINTS) PARTITION BY {how}",
        "DROP TABLE whole",
        f"ALTER TABLE {table} ADD PRIMARY KEY ({columns})",
        *(row[0] for row in others),
        *(
            f"CREATE TABLE {table}_{each} PARTITION OF {table} {part} WITH (autovacuum_enabled = off)"
            for each, part in zip(organizations, parts, strict=True)
        ),
    ):
        await connection.execute(statement)


class Shards:
    """A connection of the store's writers, in a transaction, on which each statement is watched.

    Attributes:
        touched: name of a statement -> the (table, organization) that it looked into or wrote.
    """

    def __init__(self, connection: Any):
        self.touched: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._connection = connection
        self._before: Mapping[str, int] = {}

    async def fetch(self, text: str, *values: Any) -> Any:
        """As the driver's."""
        await self._look()
        rows = await self._connection.fetch(text, *values)
        await self._note(text)
        return rows

    async def execute(self, text: str, *values: Any) -> Any:
        """As the driver's."""
        await self._look()
        status = await self._connection.execute(text, *values)
        await self._note(text)
        return status

    async def _look(self) -> None:
        self._before = dict(await self._connection.fetch(COUNTED))

    async def _note(self, text: str) -> None:
        after = dict(await self._connection.fetch(COUNTED))
        touched = self.touched[NAMES.get(text, text)]
        for name, count in after.items():
            if count != self._before.get(name, 0):
                table, _, organization = name.rpartition("_")
                touched.add((table, int(organization)))

    def elsewhere(self, organization: int) -> dict[str, set[str]]:
        """The statements that went beyond an organization's shard, and in which tables."""
        return {
            name: tables
            for name, touched in self.touched.items()
            if (tables := {table for table, whose in touched if whose != organization})
        }
