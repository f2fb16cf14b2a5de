"""Connections of Django: ``django.db.connection``, or one of ``django.db.connections``."""

from typing import Any, TypeVar

from hookline.store.borrowed.connections import borrow, stranger
from hookline.store.borrowed.steps import Borrowed, Work, no_transaction

__all__ = ["lend"]

T = TypeVar("T")


class _Lent(Borrowed):
    def __init__(self, connection: Any):  # a DatabaseWrapper, or the proxy of one
        self._connection = connection

    def run(self, work: Work[T]) -> T:
        connection = self._connection
        connection.validate_thread_sharing()
        connection.ensure_connection()
        if connection.get_autocommit():
            raise no_transaction("publish inside `with transaction.atomic():`")
        lent = borrow(connection.connection)
        if not isinstance(lent, Borrowed):
            raise stranger(connection.connection)
        with connection.wrap_database_errors:
            return lent.run(work)


def lend(connection: Any) -> Borrowed:
    """The connection, for one piece of work."""
    if not hasattr(connection, "wrap_database_errors"):
        raise stranger(connection)
    return _Lent(connection)
