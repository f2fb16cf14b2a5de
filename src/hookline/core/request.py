"""From a leased delivery to the exact request that goes out: a pure function."""

from typing import NamedTuple

from hookline.core import envelope, signing
from hookline.core.forwarding import Forwarded, without
from hookline.core.headers import webhook_headers

__all__ = ["Outbound", "build", "pass_on"]


class Outbound(NamedTuple):
    """A request, ready to be sent; ``signature`` and ``started_at`` are kept for the log.

    Attributes:
        signature: ours; empty where the request is another's that is passed on.
        without: headers that a client would add by itself, and must not.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout_ms: int
    signature: str
    started_at: int
    without: tuple[str, ...] = ()


def build(
    *,
    delivery_id: bytes,
    url: str,
    resource: str,
    action: str,
    installation: str,
    tail: bytes,
    secret: str,
    timeout_ms: int,
    now: int,
) -> Outbound:
    """The request of one attempt.

    Every attempt of a delivery has the same body and the same Request-ID; the timestamp is this
    attempt's, and the signature is over the body alone, as the contract has it. ``now`` is the wall
    clock, since receivers compare the timestamp with theirs; nothing is decided by it.
    """
    body = envelope.body(action, installation, tail)
    signature = signing.sign(secret, body)
    headers = webhook_headers(
        request_id=delivery_id.hex(),
        resource=resource,
        timestamp=now // 1_000_000,
        signature=signature,
    )
    return Outbound(url, headers, body, timeout_ms, signature, now)


def pass_on(*, url: str, forwarded: bytes, body: bytes, timeout_ms: int, now: int) -> Outbound:
    """The request of one attempt to deliver what came in by a source.

    It is the sender's own, byte for byte, with the sender's headers, and nothing of ours: so the
    application can verify it as if it had come without us, and its id is the same at every attempt.

    Raises:
        ValueError: a header could not stand in a request; the server that it came by let none in.
    """
    headers = Forwarded.decode(forwarded).headers
    if not all(name and _BREAKS.isdisjoint(name + value) for name, value in headers):
        raise ValueError("a forwarded header is empty or holds a line break")
    return Outbound(url, headers, body, timeout_ms, "", now, without(headers))


_BREAKS = frozenset("\r\n\0")
