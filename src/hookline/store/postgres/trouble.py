"""What PostgreSQL's trouble means to whoever asked: come again, run again, or a defect of ours."""

import asyncpg

from hookline.core.errors import Unavailable

__all__ = ["TROUBLE", "is_defect", "is_lost", "is_read_only", "may_run_again", "unavailable"]

# What a driver raises where the database, or the way to it, is at fault.
TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# By the server's code (the appendix "Error Codes" of its manual): one of these, or their class.
_WORDS = {
    "53100": ("disk-full", "the disk is full", "free some space; it resumes by itself"),
    "53300": (
        "database-busy",
        "the database takes no more connections",
        "it resumes by itself; raise max_connections of the server if it comes again",
    ),
    "42501": (
        "database-forbidden",
        "the user of HOOKLINE_DATABASE may not do this",
        "let this user own all that stands in the schema hookline",
    ),
    "55P03": (
        "database-locked",
        "another transaction holds what is needed",
        "it resumes by itself when the lock is let go",
    ),
    "40": (
        "database-locked",
        "other transactions stood in the way again and again",
        "it resumes by itself",
    ),
    "25006": (
        "database-read-only",
        "the database cannot be written",
        "it resumes by itself when a server of HOOKLINE_DATABASE takes writes",
    ),
    "57014": ("database-slow", "the database took too long", "see the server's log"),
    "57P04": ("database-missing", "the database was dropped", "bring it back"),
    "3D000": ("database-missing", "there is no such database", "bring it back"),
    "58": ("database-io", "the disk failed to read or write", "look at the server's log"),
    "57P": (
        "database-unreachable",
        "the database is stopping or starting",
        "it resumes by itself when the database is back",
    ),
    "08": (
        "database-unreachable",
        "the connection to the database was lost",
        "it resumes by itself when the database is back",
    ),
}
_UNREACHABLE = (
    "database-unreachable",
    "the database cannot be reached",
    "it resumes by itself when the database is back",
)
_OTHER = ("database-unavailable", "the database failed", "see the server's log")


def unavailable(trouble: BaseException, *, committing: bool = False) -> Unavailable:
    """What a publisher is told when the database cannot do it now.

    Args:
        trouble: one of ``TROUBLE``.
        committing: the commit was asked for and not answered: nobody knows whether it is stored.
    """
    code, message, hint = _words(trouble)
    said = _said(trouble)
    if committing and is_lost(trouble):
        message += "; whether this was stored is not known"
        hint = "hand it in again with the same id; " + hint
    return Unavailable(code, f"{message} ({said})", hint)


def _said(trouble: BaseException) -> str:
    # A server's error without its details, which may quote a row.
    words = trouble.args[0] if isinstance(trouble, asyncpg.PostgresError) else trouble
    return str(words).strip() or type(trouble).__name__


def _words(trouble: BaseException) -> tuple[str, str, str]:
    if isinstance(trouble, asyncpg.TargetServerAttributeNotMatched):
        return _WORDS["25006"]
    if isinstance(trouble, TimeoutError):
        return _WORDS["57014"]
    if not isinstance(trouble, asyncpg.PostgresError):
        return _UNREACHABLE
    state = trouble.sqlstate or ""
    return next((_WORDS[state[:n]] for n in (5, 3, 2) if state[:n] in _WORDS), _OTHER)


def is_lost(trouble: BaseException) -> bool:
    """Whether the connection is gone, and with it the transaction that was not committed."""
    if isinstance(trouble, asyncpg.PostgresError):
        return (trouble.sqlstate or "").startswith(("08", "57P"))
    return isinstance(trouble, asyncpg.InterfaceError | OSError)


def is_read_only(trouble: BaseException) -> bool:
    """Whether the server takes no writes: after a failover it is the wrong one."""
    return isinstance(trouble, asyncpg.PostgresError) and trouble.sqlstate == "25006"


def may_run_again(trouble: BaseException) -> bool:
    """Whether the same transaction may succeed at once when it is run from its beginning.

    Deadlocks and serialization failures; a unique violation, for it means that another node was faster,
    and the verb, which looks first, will see it now; a connection that the server ended; and a statement
    whose plan another node's migration has made void.
    """
    if isinstance(trouble, asyncpg.InvalidCachedStatementError):
        return True
    if isinstance(trouble, asyncpg.PostgresError):
        return trouble.sqlstate in {"40001", "40P01", "23505"} or is_lost(trouble)
    return is_lost(trouble) and not isinstance(trouble, TimeoutError)


def is_defect(trouble: BaseException) -> bool:
    """Whether it is about the values that we handed in, and not about the database."""
    if isinstance(trouble, asyncpg.PostgresError):
        return (trouble.sqlstate or "").startswith(("22", "23"))
    return isinstance(trouble, asyncpg.InterfaceError) and isinstance(trouble, ValueError)
