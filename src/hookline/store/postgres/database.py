"""Connecting to PostgreSQL: whose schema it is, how old, and what its trouble means.

Everything of ours stands in the schema ``hookline`` of the database that the URL names, and our
connections look for names nowhere else: so the database may be the publisher's own.

Two pools of connections: one writes, and one reads and could not write, so that nobody waits for whoever
looks at the log. A connection that was lost is replaced when the next one is wanted; the URL may name
several hosts, and the first that takes writes is used, which is how a failover is followed.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from hookline.core.errors import HooklineError, UsageError
from hookline.store.postgres.texts import SCHEMA, STATEMENTS, Statement, migrations
from hookline.store.postgres.trouble import unavailable

__all__ = [
    "STATEMENTS",
    "Pools",
    "Statement",
    "connect",
    "connect_one",
    "migrate",
    "migrations",
    "named",
]

# Taken while the schema is looked at and changed, so that nodes that start together take turns.
LOCK_KEY: Final = 0x484B4C4E  # "HKLN"

WRITERS: Final = 8
READERS: Final = 4
CONNECT_S: Final = 5.0
COMMAND_S: Final = 30.0  # longer than any statement of ours; then the connection is taken for lost

# Of every session. synchronous_commit is what 202 stands on, so it is not left to the server's file. A
# node that stalls in the middle of a transaction must not hold its locks longer than others can wait.
SESSION: Final = {
    "application_name": "hookline",
    "search_path": SCHEMA,
    "synchronous_commit": "on",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "10000",
    "jit": "off",
}

# Of those who write. What they run takes a batch and looks each of its rows up by index; there is
# nothing that goes through a table. So the server plans it once, for any values, and takes the indexes
# whatever it knows of the tables. Just filled or just restored it knows nothing, and then it went
# through 700,000 rows for the lanes of one lease.
WRITING: Final = {
    **SESSION,
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


def named(url: str) -> str:
    """How messages name the database: host and name, and nothing that opens it."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2] or "".join(parse_qs(parts.query).get("host", [])[:1])
        return f"the PostgreSQL database {parts.path.lstrip('/') or '(unnamed)'} at {host or '(local)'}"
    return "the PostgreSQL database"


@dataclass(frozen=True, slots=True)
class Pools:
    """Connections that write and connections that read."""

    writing: "asyncpg.Pool[asyncpg.Record]"
    reading: "asyncpg.Pool[asyncpg.Record]"

    async def close(self) -> None:
        """Close every connection once it is given back."""
        await self.reading.close()
        await self.writing.close()

    async def forget(self) -> None:
        """Replace every connection when it is next wanted: they reach the wrong server."""
        await self.reading.expire_connections()
        await self.writing.expire_connections()


async def connect(url: str) -> Pools:
    """Pools of connections, with the schema brought up to date.

    Raises:
        UsageError: the URL cannot be read, or names what is not there or not ours to use; or the
            schema is newer than this version.
        Unavailable: the server cannot be reached or takes no connections now.
    """
    pools: list[asyncpg.Pool[asyncpg.Record]] = []
    try:
        with _told(url):
            pools.append(await _pool(url, WRITERS, WRITING))
            await migrate(pools[0], url)
            pools.append(await _pool(url, READERS, SESSION, init=_only_read))
    except BaseException:
        for pool in pools:
            pool.terminate()
        raise
    return Pools(*pools)


async def _pool(
    url: str, size: int, settings: dict[str, str], init: Any = None
) -> "asyncpg.Pool[asyncpg.Record]":
    more: dict[str, Any] = {"init": init, "target_session_attrs": "read-write"}  # of several hosts
    pool = asyncpg.create_pool(
        url,
        min_size=0,  # else it tries to have some again and again while the server is away
        max_size=size,
        timeout=CONNECT_S,
        command_timeout=COMMAND_S,
        statement_cache_size=256,
        max_cached_statement_lifetime=0,
        server_settings=settings,
        reset=_leave_as_it_is,
        **more,
    )
    await pool
    return pool


async def connect_one(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection outside the pools, which takes writes and waits for no disk.

    Raises:
        UsageError, Unavailable: as ``connect`` does.
    """
    with _told(url):
        return await asyncpg.connect(
            url,
            timeout=CONNECT_S,
            command_timeout=CONNECT_S,
            server_settings={
                **SESSION,
                "application_name": "hookline signals",
                "synchronous_commit": "off",
            },
            target_session_attrs=asyncpg.connect_utils.SessionAttribute.read_write,
        )


async def _only_read(connection: Any) -> None:
    # Not before it is connected: it would be taken for a server that takes no writes.
    await connection.execute("SET default_transaction_read_only TO on")


async def _leave_as_it_is(_connection: Any) -> None:
    # asyncpg would reset everything on each return, a round trip. We change nothing that outlives a
    # transaction, and an open one is rolled back by the runner.
    return


_REFUSED = {
    "28P01": ("database-refused-us", "check the user and the password in HOOKLINE_DATABASE"),
    "28000": (
        "database-refused-us",
        "check the user in HOOKLINE_DATABASE and the server's pg_hba.conf",
    ),
    "3D000": ("database-missing", "create it, or name another one in HOOKLINE_DATABASE"),
    "42501": (
        "database-forbidden",
        "let this user create the schema: GRANT CREATE ON DATABASE, or CREATE SCHEMA hookline"
        " AUTHORIZATION that user",
    ),
}


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn what goes wrong at the start into errors that say what to do and give no secret away."""
    where = named(url)
    try:
        yield
    except HooklineError:
        raise
    except asyncpg.PostgresError as trouble:
        if trouble.sqlstate in _REFUSED:
            code, hint = _REFUSED[trouble.sqlstate]
            raise UsageError(code, f"cannot use {where}: {trouble}", hint) from trouble
        raise unavailable(trouble) from trouble
    except (asyncpg.InternalClientError, OSError) as trouble:
        raise unavailable(trouble) from trouble
    except (asyncpg.InterfaceError, ValueError):
        # These quote the URL, and where a character of the password is not encoded they quote that. Not
        # even the traceback may have it.
        raise UsageError(
            "bad-database-url",
            "HOOKLINE_DATABASE is no URL of a PostgreSQL database that can be read",
            "write postgresql://USER:PASSWORD@HOST:PORT/NAME, with / : @ ? # % in the password as"
            " %2F %3A %40 %3F %23 %25",
        ) from None


async def migrate(pool: "asyncpg.Pool[asyncpg.Record]", url: str) -> None:
    """Bring the schema up to this version: all that is missing in one transaction, or nothing."""
    known = migrations()
    latest = known[-1][0]
    async with pool.acquire() as connection, connection.transaction():
        # As long as it takes: another node is at it, and is needed by this one.
        await connection.execute("SET LOCAL lock_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK_KEY, timeout=3600)
        version = await _version(connection)
        if version > latest:
            raise UsageError(
                "newer-schema",
                f"{named(url)} has schema {version}, but this version of hookline knows only up to"
                f" {latest}",
                "install the newer hookline that wrote it, or use another database",
            )
        for number, name, sql in known:
            if number > version:
                await connection.execute(sql, timeout=3600)
                await connection.execute(
                    "INSERT INTO migrations (number, name, applied_at) VALUES ($1, $2, $3)",
                    number,
                    name,
                    time.time_ns() // 1000,
                )


async def _version(connection: Any) -> int:
    there = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
    if not await connection.fetchval(there, SCHEMA):
        await connection.execute(f"CREATE SCHEMA {SCHEMA}")
    if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.migrations") is None:
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM migrations"))
