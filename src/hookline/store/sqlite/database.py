"""Opening a SQLite file: whose it is, how old its schema is, and how it is used."""

import contextlib
import fcntl
import importlib.resources
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from hookline.core.errors import Unavailable, UsageError
from hookline.store.statements import load_statements

__all__ = [
    "APPLICATION_ID",
    "LOCK_WAIT_MS",
    "QUERIES",
    "connect",
    "fold",
    "lock",
    "migrate",
    "migrations",
    "open_checked",
    "still_there",
    "unavailable",
]

APPLICATION_ID: Final = 0x484B4C4E  # "HKLN", where SQLite files say whose they are

_MAGIC: Final = b"SQLite format 3\0"
LOCK_WAIT_MS: Final = 2_000  # for another process that holds the write lock
FOLD_WAIT_MS: Final = 50  # for reads that stand in the way of cutting the log

_PACKAGE = importlib.resources.files("hookline.store.sqlite")
QUERIES: Final = load_statements("hookline.store.sqlite")


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, set up for our way of using it."""
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=LOCK_WAIT_MS / 1000,
        cached_statements=512,
    )
    with _closed_on_failure(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # Overwrites what is deleted where that costs no writing more; see credentials.sql.
        connection.execute("PRAGMA secure_delete = FAST")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    return connection


def fold(path: Path) -> bool:
    """Bring the write-ahead log into the file and cut it to nothing; whether that could be done.

    While it works nobody can write, so it does what takes long beforehand, and gives up soon where a
    read stands in the way.

    Raises:
        sqlite3.DatabaseError: the disk is full, or failed.
    """
    with contextlib.closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {FOLD_WAIT_MS}")
        (held_up, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not held_up


@contextlib.contextmanager
def _closed_on_failure(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def lock(path: Path) -> IO[bytes]:
    """Take the file for this process, for as long as the returned handle is open.

    Leases of a process that died are void at once, because no other can hold one: that is what the
    lock is for. The operating system lets go of it when the process ends, however it ends.
    """
    lock_path = path.with_name(path.name + ".lock")
    try:
        handle = lock_path.open(
            "ab"
        )  # a file of that name may be there already: it keeps its bytes
    except OSError as trouble:
        raise _cannot_open(path, trouble.strerror or str(trouble)) from trouble
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as trouble:
        handle.close()
        raise UsageError(
            "database-in-use",
            f"{path} is in use by another hookline",
            "stop that one, or give this one a database of its own with HOOKLINE_DATABASE",
        ) from trouble
    return handle


def open_checked(path: Path) -> sqlite3.Connection:
    """The writing connection to our own file, made or migrated as needed.

    Raises:
        UsageError: it is not a database, not ours, newer than this version, or cannot be written.
    """
    try:
        _check_ours(path)
        connection = connect(path)
        with _closed_on_failure(connection):
            migrate(connection, path)
    except (sqlite3.DatabaseError, OSError) as trouble:
        raise _cannot_open(path, str(trouble)) from trouble
    return connection


def _cannot_open(path: Path, reason: str) -> UsageError:
    return UsageError(
        "cannot-open-database",
        f"cannot open the database {path}: {reason}",
        "check that the folder exists and that this user may write to it and to the file",
    )


def _check_ours(path: Path) -> None:
    # Looked at through a connection that cannot write: switching a stranger's file to WAL, as
    # connect() does, would already change it.
    if not path.exists() or path.stat().st_size == 0:
        return
    # SQLite takes a file of one byte for an empty database, so its first bytes are looked at first.
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise _foreign("not-a-database", f"{path} is not a SQLite database")
    looking = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (application_id,) = looking.execute("PRAGMA application_id").fetchone()
        (tables,) = looking.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as trouble:
        if trouble.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise _foreign("not-a-database", f"{path} is not a SQLite database") from trouble
    finally:
        looking.close()
    if tables and application_id != APPLICATION_ID:
        raise _foreign("not-our-database", f"{path} is a SQLite database of another program")


def _foreign(code: str, message: str) -> UsageError:
    return UsageError(
        code,
        message,
        "point HOOKLINE_DATABASE at another file; hookline makes a new one where there is none",
    )


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and SQL of each migration, in order."""
    folder = _PACKAGE / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [
        (int(name[:4]), name.removesuffix(".sql"), (folder / name).read_text(encoding="utf-8"))
        for name in names
    ]


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to this version, each migration in one transaction with its record."""
    known = migrations()
    latest = known[-1][0]
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > latest:
        raise UsageError(
            "newer-schema",
            f"{path} has schema {version}, but this version of hookline knows only up to {latest}",
            "install the newer hookline that wrote it, or use another file",
        )
    for number, name, sql in known:
        if number > version:
            _apply(connection, number, name, sql)


def _apply(connection: sqlite3.Connection, number: int, name: str, sql: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < number:  # else another process was faster, and that is success
            for statement in _statements(sql):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO migrations VALUES (?, ?, ?)", (number, name, time.time_ns() // 1000)
            )
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(sql: str) -> Iterator[str]:
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def still_there(path: Path) -> Callable[[], None]:
    """A check that raises ``Unavailable`` while ``path`` is not the file that it is now.

    A file whose folder was moved or deleted takes writes as before, and what was written is gone with
    the process: without this, publishers were answered 202 for it. It costs two microseconds.
    """
    opened = path.stat()

    def check() -> None:
        try:
            now = os.stat(path)  # noqa: PTH116  Path.stat takes three times as long
        except OSError:
            now = None
        if now is None or not os.path.samestat(opened, now):
            raise Unavailable(
                "database-moved",
                "the database file is not where it was when hookline was started",
                "bring that file back, or start hookline again with the one that is there now",
            )

    return check


_WORDS = {
    sqlite3.SQLITE_FULL: ("disk-full", "the disk is full", "free some space; it resumes by itself"),
    sqlite3.SQLITE_BUSY: (
        "database-locked",
        "another process holds the database",
        "it resumes by itself when the lock is let go",
    ),
    sqlite3.SQLITE_READONLY: (
        "database-read-only",
        "the database cannot be written",
        "give this user the right to write to the file and its folder",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "database-missing",
        "the database file cannot be opened",
        "bring the file and its folder back",
    ),
    sqlite3.SQLITE_IOERR: (
        "database-io",
        "the disk failed to read or write",
        "look at the system's log for the disk",
    ),
}


def unavailable(trouble: sqlite3.Error) -> Unavailable:
    """What a publisher is told when the database cannot do it now."""
    number = getattr(trouble, "sqlite_errorcode", 0) & 0xFF
    code, message, hint = _WORDS.get(
        number, ("database-unavailable", "the database failed", "see the server's log")
    )
    return Unavailable(code, f"{message} ({trouble})", hint)
