"""What of a request that came in goes on: its body byte for byte, and its headers but for some.

Behind the gateway the application verifies again, so what it sees must be what the sender signed. Left
out is only what belongs to the connection that a request came over, and not to the request:

* what RFC 9110 (7.6.1) calls connection-specific, and whatever ``Connection`` names beside itself;
* ``Host``, ``Content-Length`` and ``Expect``, which are the next connection's to say;
* ``Forwarded``, ``X-Forwarded-…`` and ``X-Real-IP``: they tell of the way to *us*. The application
  trusts them where they come from its own proxy, and any stranger could have written these.

All else stays, in its order and its spelling: ``Authorization`` and ``Cookie`` too, for what the sender
was told to send is the application's to check. Where headers are *shown* those two are masked.

What stays is kept as a document of its own beside the body (``Forwarded``).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hookline.core.secret import STARS

__all__ = ["Forwarded", "Pairs", "forwarded_headers", "shown", "without"]

Pairs = tuple[tuple[str, str], ...]

_CONNECTION: Final = frozenset(
    {
        "connection", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_NEXT_HOPS: Final = frozenset({"content-length", "expect", "host"})
_WAY_HERE: Final = frozenset({"forwarded", "x-real-ip"})
_LEFT_OUT: Final = _CONNECTION | _NEXT_HOPS | _WAY_HERE
_WAY_PREFIX: Final = "x-forwarded-"

_MASKED: Final = frozenset({"authorization", "cookie"})

# What an HTTP client adds of its own where a request has none; here it must not.
_CLIENTS: Final = ("Accept", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What is kept of a request beside its body.

    Attributes:
        source: slug of the source that it came in by.
        headers: those that go on, in their order.
    """

    source: str
    headers: Pairs

    def encode(self) -> bytes:
        """As it is kept: JSON in ASCII.

        >>> Forwarded("sentry", (("Request-ID", "4f"),)).encode()
        b'{"source":"sentry","headers":[["Request-ID","4f"]]}'
        """
        document = {"source": self.source, "headers": self.headers}
        return json.dumps(document, separators=(",", ":")).encode("ascii")

    @classmethod
    def decode(cls, document: bytes) -> "Forwarded":
        """Read what ``encode`` made."""
        read = json.loads(document)
        return cls(read["source"], tuple((name, value) for name, value in read["headers"]))


def forwarded_headers(given: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """The headers that go on, in their order; values are latin-1 (RFC 9110, 5.5).

    >>> forwarded_headers([(b"Host", b"h"), (b"X-Event", b"push"), (b"connection", b"close")])
    (('X-Event', 'push'),)
    """
    pairs = [
        (name.decode("latin-1"), value.decode("latin-1").strip(" \t")) for name, value in given
    ]
    named = {
        option.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for option in value.split(",")
    }
    return tuple((name, value) for name, value in pairs if _goes_on(name.lower(), named))


def _goes_on(name: str, named: set[str]) -> bool:
    return not (name in _LEFT_OUT or name in named or name.startswith(_WAY_PREFIX))


def without(headers: Pairs) -> tuple[str, ...]:
    """The headers that a client must not add by itself, because the sender did not send them."""
    given = {name.lower() for name, _ in headers}
    return tuple(name for name in _CLIENTS if name.lower() not in given)


def shown(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers as they may be shown: without what opens something.

    >>> shown((("Cookie", "session=1"), ("X-Event", "push")))
    [('Cookie', '********'), ('X-Event', 'push')]
    """
    return [(name, STARS if name.lower() in _MASKED else value) for name, value in headers]
