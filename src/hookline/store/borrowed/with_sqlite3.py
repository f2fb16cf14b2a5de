"""Connections of the standard library's ``sqlite3``."""

import sqlite3
from typing import TypeVar

from hookline.store.borrowed.steps import Borrowed, Step, Work, no_transaction, on_sqlite, play
from hookline.store.verbs.asking import Answer

__all__ = ["beginning", "lend"]

T = TypeVar("T")


class _Lent(Borrowed):
    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection

    def run(self, work: Work[T]) -> T:
        connection = self._connection
        begin = beginning(connection)
        texts = connection.text_factory
        connection.text_factory = str
        try:
            return play(on_sqlite(work, begin), self._do)
        finally:
            connection.text_factory = texts

    def _do(self, step: Step) -> Answer:
        cursor = self._connection.cursor()
        try:
            cursor.row_factory = None  # rows as they are, whatever the caller likes his to be
            cursor.execute(step.text, step.values)
            return Answer(cursor.fetchall() if step.returns else [], max(cursor.rowcount, 0))
        finally:
            cursor.close()


def lend(connection: sqlite3.Connection) -> Borrowed:
    """The connection, for one piece of work."""
    return _Lent(connection)


def beginning(connection: sqlite3.Connection) -> str | None:
    """What its driver would begin a transaction with at the first change; None where one is open.

    Raises:
        UsageError: it would begin none.
    """
    if connection.in_transaction:
        return None
    if connection.isolation_level is None or getattr(connection, "autocommit", -1) is True:
        raise no_transaction("begin one first: connection.execute('BEGIN')")
    return f"BEGIN {connection.isolation_level}"
