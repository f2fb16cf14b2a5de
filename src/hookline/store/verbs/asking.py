"""How a verb speaks to a database that it does not know: it asks for statements, and is answered.

A verb is a generator. It yields an ``Ask``, the name of a statement with its values, and is sent the
``Answer``; what it returns is what the verb came to. Whoever runs it (``store.sqlite.rows``) has the
text of that name in the database's own SQL and its own way of waiting, and runs the whole verb in one
transaction. So one logic serves every database, synchronous or not.

* A verb asks for nothing but statements: no clock, no waiting, no transaction of its own. Where part of
  its work may have to be undone it asks for ``savepoint``, ``rollback_to`` and ``release``.
* An error of the database is not thrown into the verb: it ends the transaction, and the verb with it. A
  verb that must know that a row is there already asks so that this is an answer (``DO NOTHING``).
* What a verb raises of its own accord (``Conflict``, ``NotFound``) undoes its work likewise.
* A verb may be run again from its beginning, so whoever runs it makes it anew: it keeps nothing.
* A column of truth comes as a bool or as 0 or 1; a verb takes it by its truth and hands in a bool.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = ["Answer", "Ask", "Row", "Verb"]

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]


class Ask(NamedTuple):
    """One statement to run.

    Attributes:
        name: of a text in the database's ``.sql`` files.
        values: those that stand alone, by position.
        rows: rows of values, all as wide, for a statement that takes a batch of them; None: it takes
            none. Where there are none of them nothing is run, and the answer is empty. A batch may be
            run in several pieces, so no row of it may depend on what another one changes.
    """

    name: str
    values: tuple[Any, ...] = ()
    rows: Sequence[Row] | None = None


class Answer(NamedTuple):
    """What came of it.

    Attributes:
        rows: what the statement returned, those of a batch's pieces one after the other.
        changed: how many rows it inserted, changed or deleted; 0 where it only reads.
    """

    rows: list[Row]
    changed: int


# Run inside another one by ``value = yield from verb(...)``.
Verb: TypeAlias = Generator[Ask, Answer, T]
