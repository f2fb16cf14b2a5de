"""Telling webhooks that were handled already from those that were not.

Senders send *at least once*: after a timeout nobody knows whether the receiver was done. Nor can this
make it exactly once: between a handler's effect and the note that it is done, a process can die. What
it does make sure of is that two workers do not handle one webhook at the same time, that a webhook
whose handler was done is not handled again (for ``ttl_s``), and that one whose handler failed, or died,
is. A handler that must not have its effect twice writes it in the same transaction as the key.

Three steps: ``claim`` (mine, for ``lease_s``), then ``confirm`` (done) or ``release`` (failed, let the
next one have it). ``once`` is the three as a block; ``first`` is claim and confirm in one, for handlers
that cannot fail.

    >>> seen = InMemory()
    >>> [seen.first("sentry:4f01", now=0), seen.first("sentry:4f01", now=1)]
    [True, False]

All calls are short (well below a millisecond; on a disk that syncs slowly, a few), so async code calls
them as they are.
"""

import contextlib
import hashlib
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from hookline.receive.errors import WebhookError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Deduplicator", "InMemory", "SQLite"]

DAY_S: Final = 86_400.0
LEASE_S: Final = 300.0
MOST: Final = 100_000


class Deduplicator(ABC):
    """Keys that were seen, for some time. Safe to use from many threads.

    Keys are a stranger's text, of any length: what is kept is their hash.

    Args:
        max_entries: so many keys are kept; then the oldest goes.
        ttl_s: so many seconds a confirmed key is known. More than a sender goes on trying.
        lease_s: so many seconds a claim holds if it is neither confirmed nor released, that is, if
            the process died. More than a handler takes.
    """

    def __init__(
        self, *, max_entries: int = MOST, ttl_s: float = DAY_S, lease_s: float = LEASE_S
    ) -> None:
        if max_entries < 1 or not ttl_s > 0 or not lease_s > 0:
            raise ValueError("max_entries, ttl_s and lease_s have to be more than 0")
        self.max_entries = max_entries
        self.ttl_s = ttl_s
        self.lease_s = lease_s

    def claim(self, key: str, now: float | None = None) -> str | None:
        """Take a key: a token, or None if somebody has it or was done with it.

        Args:
            key: such as ``webhook.key``.
            now: seconds since 1970; None is this machine's clock.

        Raises:
            WebhookError: ``deduplicator-failed``.
        """
        token = os.urandom(8).hex()
        moment = _moment(now)
        taken = self._put(_hashed(key), token, moment, moment + self.lease_s)
        return token if taken else None

    def confirm(self, key: str, token: str, now: float | None = None) -> bool:
        """Say that it is done; False if the lease ran out meanwhile and another one has the key."""
        return self._done(_hashed(key), token, _moment(now) + self.ttl_s)

    def release(self, key: str, token: str) -> bool:
        """Give it back; False if the lease ran out meanwhile and another one has the key."""
        return self._drop(_hashed(key), token)

    def first(self, key: str, now: float | None = None) -> bool:
        """Whether the key is seen for the first time; from now on it is done."""
        moment = _moment(now)
        return self._put(_hashed(key), None, moment, moment + self.ttl_s)

    @contextlib.contextmanager
    def once(self, key: str) -> Iterator[bool]:
        """Run a block as the one that handles it: True, or False if it is a duplicate.

        The key is confirmed when the block ends, and released if it raises.

        >>> seen = InMemory()
        >>> with seen.once("sentry:4f01") as mine:
        ...     if mine:
        ...         print("handled")
        handled
        """
        token = self.claim(key)
        if token is None:
            yield False
            return
        try:
            yield True
        except BaseException:
            self.release(key, token)
            raise
        self.confirm(key, token)

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""

    @abstractmethod
    def _put(self, key: bytes, token: str | None, now: float, until: float) -> bool:
        """Put a key down unless it is there and has not run out; without a token it is done."""

    @abstractmethod
    def _done(self, key: bytes, token: str, until: float) -> bool:
        """Take the token from a key that has it."""

    @abstractmethod
    def _drop(self, key: bytes, token: str) -> bool:
        """Forget a key that has the token."""


class InMemory(Deduplicator):
    """Keys of one process: duplicates that reach another process, or come after a restart, pass."""

    def __init__(
        self, *, max_entries: int = MOST, ttl_s: float = DAY_S, lease_s: float = LEASE_S
    ) -> None:
        super().__init__(max_entries=max_entries, ttl_s=ttl_s, lease_s=lease_s)
        self._lock = threading.Lock()
        # In the order of their last change, so that the first one is the oldest.
        self._entries: dict[bytes, tuple[float, str | None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Forget all."""
        with self._lock:
            self._entries.clear()

    def _put(self, key: bytes, token: str | None, now: float, until: float) -> bool:
        with self._lock:
            if now < self._entries.get(key, (now, None))[0]:
                return False
            self._entries.pop(key, None)
            while self._entries and (
                len(self._entries) >= self.max_entries or now >= self._oldest()[0]
            ):
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (until, token)
            return True

    def _oldest(self) -> tuple[float, str | None]:
        return self._entries[next(iter(self._entries))]

    def _done(self, key: bytes, token: str, until: float) -> bool:
        with self._lock:
            if self._entries.get(key, (0.0, None))[1] != token:
                return False
            del self._entries[key]
            self._entries[key] = (until, None)
            return True

    def _drop(self, key: bytes, token: str) -> bool:
        with self._lock:
            if self._entries.get(key, (0.0, None))[1] != token:
                return False
            del self._entries[key]
            return True


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (
  key BLOB PRIMARY KEY, until REAL NOT NULL, token TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_until ON seen (until);
"""
# One statement is one transaction: of two processes that put down one key, one changes a row.
_PUT: Final = """
INSERT INTO seen (key, until, token) VALUES (:key, :until, :token)
ON CONFLICT (key) DO UPDATE SET until = excluded.until, token = excluded.token
WHERE seen.until <= :now
"""
_DONE: Final = "UPDATE seen SET until = :until, token = NULL WHERE key = :key AND token = :token"
_DROP: Final = "DELETE FROM seen WHERE key = :key AND token = :token"
# Two for each one put down: what ran out goes faster than it comes, and no call takes long.
_EXPIRE: Final = """
DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE until <= :now ORDER BY until LIMIT 2)
"""
_SHRINK: Final = """
DELETE FROM seen WHERE key IN (
  SELECT key FROM seen ORDER BY until LIMIT max(0, (SELECT count(*) FROM seen) - :most)
)
"""
COUNT_EVERY: Final = 1_000
BUSY_S: Final = 1.0


class SQLite(Deduplicator):
    """Keys in a file that the processes of one machine share, and that outlives them.

    The file is made when it is first needed, by each process for itself: one object can be made before
    a server forks its workers. A power failure may cost the last keys, whose duplicates then pass.

    Args:
        path: the file; not on a network drive.
        max_entries: so many keys are kept, or at most a thousand more.
        ttl_s: as in ``Deduplicator``.
        lease_s: as in ``Deduplicator``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_entries: int = 1_000_000,
        ttl_s: float = 7 * DAY_S,
        lease_s: float = LEASE_S,
    ) -> None:
        super().__init__(max_entries=max_entries, ttl_s=ttl_s, lease_s=lease_s)
        self.path = os.fspath(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._puts = 0

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def _put(self, key: bytes, token: str | None, now: float, until: float) -> bool:
        with self._lock:
            put = self._run(_PUT, key=key, token=token, now=now, until=until)
            if put:
                self._run(_EXPIRE, now=now)
                self._puts += 1
                # Counting reads the whole index, so it is not done each time.
                if self._puts % COUNT_EVERY == 0:
                    self._run(_SHRINK, most=self.max_entries)
            return put > 0

    def _done(self, key: bytes, token: str, until: float) -> bool:
        with self._lock:
            return self._run(_DONE, key=key, token=token, until=until) > 0

    def _drop(self, key: bytes, token: str) -> bool:
        with self._lock:
            return self._run(_DROP, key=key, token=token) > 0

    def _run(self, statement: str, **values: object) -> int:
        """Run one statement and return how many rows it changed."""
        import sqlite3  # noqa: PLC0415  (those who verify need no database)

        try:
            with contextlib.closing(self._open().execute(statement, values)) as cursor:
                return cursor.rowcount
        except (sqlite3.Error, OSError) as error:
            raise WebhookError(
                "deduplicator-failed", f"the deduplicator's file failed: {error}"
            ) from None

    def _open(self) -> "sqlite3.Connection":
        import sqlite3  # noqa: PLC0415

        # A connection must not be used, nor closed, on the other side of a fork.
        if self._connection is None or self._owner != os.getpid():
            made = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(made)
            except BaseException:
                made.close()
                raise
            self._connection, self._owner = made, os.getpid()
        return self._connection


def _prepare(connection: "sqlite3.Connection") -> None:
    import sqlite3  # noqa: PLC0415

    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        except sqlite3.OperationalError:
            # Where two make one file at once, SQLite fails here instead of waiting, as it does
            # elsewhere: of four processes and 300 files, 13 first calls failed.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def _hashed(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _moment(now: float | None) -> float:
    return time.time() if now is None else now
