"""Which hosts have to be looked up, and whose look-up comes next.

A look-up that hangs takes a thread until the system's resolver gives up, ten seconds or more, and cannot
be cancelled. So threads are what names compete for, and who competes is what their last look-up was:

- ``KNOWN``: it was answered promptly. These come first, and ``RESERVED`` threads are theirs alone.
- ``NEW``: there was none, or it failed promptly.
- ``HUNG``: it took ``HUNG_S`` or longer. However many they are, they share ``MOST_HUNG`` threads.

So names of dead servers delay nobody: at first each has a thread, of hundreds, and from the second time
on they wait for each other.

Hundreds of look-ups that begin at once are too much for a small resolver on the same machine: dnsmasq
takes 150 queries at a time, a socket's buffer some 270, and what is lost is asked for again after
seconds. So few begin together, and others follow as these end or have shown that they take their time.
"""

import re
from collections.abc import Mapping
from enum import IntEnum
from urllib.parse import urlsplit

__all__ = [
    "FRESH_S",
    "HUNG_S",
    "MOST_FRESH",
    "MOST_HUNG",
    "MOST_THREADS",
    "RESERVED",
    "Standing",
    "named_host",
    "next_of",
]

MOST_THREADS = 512
RESERVED = 32
MOST_HUNG = 64
MOST_FRESH = 64  # look-ups, of two queries each, that began less than FRESH_S ago
FRESH_S = 0.05
HUNG_S = 1.0  # the default timeout: what takes longer has missed its attempt


class Standing(IntEnum):
    """What a name's last look-up was; the order is the order of turns."""

    KNOWN = 0
    NEW = 1
    HUNG = 2


def next_of(
    waiting: Mapping[Standing, int], busy: Mapping[Standing, int], fresh: int
) -> Standing | None:
    """Say from which of the queues the next look-up begins; None while all have to wait.

    Args:
        waiting: the names in each queue.
        busy: the look-ups under way from each.
        fresh: those of them that began less than ``FRESH_S`` ago.

    >>> next_of({Standing.NEW: 1, Standing.HUNG: 1}, {Standing.HUNG: 64}, fresh=0)
    <Standing.NEW: 1>
    """
    known, new, hung = (busy.get(each, 0) for each in Standing)
    if fresh >= MOST_FRESH or known + new + hung >= MOST_THREADS:
        return None
    if waiting.get(Standing.KNOWN):
        return Standing.KNOWN
    if new + hung >= MOST_THREADS - RESERVED:
        return None
    if waiting.get(Standing.NEW):
        return Standing.NEW
    return Standing.HUNG if waiting.get(Standing.HUNG) and hung < MOST_HUNG else None


_NAME = re.compile(r"[a-z0-9_.-]{1,254}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_OWN = {"localhost", "onion"}


def named_host(url: str) -> tuple[str, int] | None:
    """Return the host and port of a URL if its host is a name that a resolver must be asked for.

    None for addresses, for ``localhost`` and below it, which libcurl answers itself, for ``.onion``,
    which it refuses, and for a host that registration would not have let through.

    >>> named_host("https://Hooks.example.com/a")
    ('hooks.example.com', 443)
    >>> named_host("http://127.1:8080/") is None
    True
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    last = host.removesuffix(".").rpartition(".")[2]
    if not _NAME.fullmatch(host) or _NUMBER.fullmatch(last) or last in _OWN:
        return None
    return host, port or (443 if parts.scheme == "https" else 80)
