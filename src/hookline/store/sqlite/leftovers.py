"""What a process that died has left in the file."""

from sqlite3 import Connection

from hookline.store.sqlite.rows import run
from hookline.store.verbs import outbound

__all__ = ["void_leases"]


def void_leases(connection: Connection, now: int) -> int:
    """Let what it had under way wait again, and give up its claims; how many deliveries there were.

    It is gone, for whoever opens the file holds its lock.
    """
    connection.execute("DELETE FROM facts WHERE name LIKE 'claim %'")
    connection.execute("UPDATE deliveries SET leased_until = 0 WHERE state = 'leased'")
    return run(connection, outbound.rescue(now))
