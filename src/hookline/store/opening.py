"""Which store an address names, without importing the driver of one that is not asked for."""

import importlib
from pathlib import Path

from hookline.core.errors import UsageError
from hookline.store.contract import Store
from hookline.store.sqlite.store import SqliteStore

__all__ = ["is_postgres", "open_store"]

_SCHEMES = ("postgresql://", "postgres://")


def is_postgres(address: str) -> bool:
    """Whether it is the URL of a PostgreSQL database."""
    return address.startswith(_SCHEMES)


async def open_store(address: str | Path, now: int) -> Store:
    """Open the database that a URL or a path names.

    Args:
        address: the path of a SQLite file, or the URL of a PostgreSQL database.
        now: when, for what a process that died left behind.

    Raises:
        UsageError: it is not there, not ours, newer than this version; or its driver is missing.
        Unavailable: it cannot be used now.
    """
    if isinstance(address, Path) or not is_postgres(address):
        return await SqliteStore.open(Path(address), now)
    try:
        module = importlib.import_module("hookline.store.postgres.store")
    except ModuleNotFoundError as missing:
        if missing.name != "asyncpg":
            raise
        raise UsageError(
            "postgres-not-installed",
            "HOOKLINE_DATABASE is a PostgreSQL database, and its driver is not installed",
            "pip install 'hookline[postgres]'",
        ) from missing
    store: Store = await module.PostgresStore.open(address)
    return store
