"""From a leased delivery to the exact request that goes out: a pure function."""

from typing import NamedTuple

from hookline.core import envelope, signing
from hookline.core.headers import webhook_headers

__all__ = ["Outbound", "build"]


class Outbound(NamedTuple):
    """A request, ready to be sent; ``signature`` and ``started_at`` are kept for the log."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout_ms: int
    signature: str
    started_at: int


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
