"""Whose a connection is: told by the package that its class comes from, which is imported only then."""

import importlib
from typing import Final, cast

from hookline.core.errors import UsageError
from hookline.store.borrowed.steps import Borrowed, BorrowedAsync

__all__ = ["borrow", "stranger"]

_PACKAGES: Final = ("asyncpg", "psycopg", "sqlalchemy", "django", "sqlite3", "aiosqlite")


def borrow(connection: object) -> Borrowed | BorrowedAsync:
    """The connection as something that work can be done with.

    Raises:
        UsageError: it is of no driver that we know.
    """
    for each in type(connection).__mro__:
        package = each.__module__.partition(".")[0]
        if package in _PACKAGES:
            adapter = importlib.import_module(f"hookline.store.borrowed.with_{package}")
            return cast("Borrowed | BorrowedAsync", adapter.lend(connection))
    raise stranger(connection)


def stranger(connection: object) -> UsageError:
    """What is said of a connection that nothing is known of."""
    kind = type(connection)
    return UsageError(
        "unknown-connection",
        f"a {kind.__module__}.{kind.__qualname__} is no connection that can be published in",
        "hand in a connection of asyncpg, psycopg 3, sqlite3 or aiosqlite, a connection or session of"
        " SQLAlchemy on one of them, or one of Django's",
    )
