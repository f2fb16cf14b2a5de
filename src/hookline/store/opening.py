"""Opening a store: which of them it is, says where the database is.

Nobody else names a store. PostgreSQL's needs a driver that SQLite's does not, so it is imported only
where it is asked for.
"""

from pathlib import Path
from typing import TypeAlias

from hookline.core.errors import UsageError
from hookline.core.secret import Secret, decode_key
from hookline.store.contract import Store
from hookline.store.sqlite.store import SqliteStore
from hookline.store.vault import Vault, load_key

__all__ = ["DatabaseAt", "open_store"]

# SQLite's file, or PostgreSQL's URL, which may hold a password.
DatabaseAt: TypeAlias = Path | Secret


async def open_store(
    database: DatabaseAt, secret_key: Secret | None, now: int
) -> tuple[Store, Vault]:
    """Open the store of a database, made if it is new, and what seals the secrets in it.

    Args:
        database: where it is.
        secret_key: seals secrets; None: the key in a file beside the database, made if missing.
        now: µs since the epoch; from when on what a dead process had under way waits again.

    Raises:
        UsageError: the database cannot be used, its driver is not installed, or there is no key.
        Unavailable: it cannot be used at this moment.
    """
    if isinstance(database, Path):
        store: Store = await SqliteStore.open(database, now)
        try:
            return store, Vault(load_key(secret_key, database))
        except BaseException:
            await store.close()
            raise
    if secret_key is None:  # beside a server there is no place for a file
        raise UsageError(
            "secret-key-missing",
            "with PostgreSQL the key that seals secrets must be given: HOOKLINE_SECRET_KEY",
            "make one with: openssl rand -hex 32 and give the same to every node",
        )
    vault = Vault(decode_key(secret_key))
    return await _postgres(database), vault


async def _postgres(url: Secret) -> Store:
    try:
        from hookline.store.postgres.store import PostgresStore  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if missing.name != "asyncpg":
            raise
        raise UsageError(
            "postgres-not-installed",
            "PostgreSQL needs the package asyncpg, which is not installed",
            "pip install 'hookline[postgres]'",
        ) from None
    return await PostgresStore.open(url.reveal())
