"""The five documented headers of a webhook, spelt and ordered as documented.

The resource travels only in a header, never in the body, and no header is signed.
"""

__all__ = [
    "CONTENT_TYPE",
    "JSON",
    "REQUEST_ID",
    "RESOURCE",
    "SIGNATURE",
    "TIMESTAMP",
    "webhook_headers",
]

CONTENT_TYPE = "Content-Type"
REQUEST_ID = "Request-ID"
RESOURCE = "Sentry-Hook-Resource"
TIMESTAMP = "Sentry-Hook-Timestamp"
SIGNATURE = "Sentry-Hook-Signature"

JSON = "application/json"
"""The documented content type: without a charset."""


def webhook_headers(
    *, request_id: str, resource: str, timestamp: int, signature: str
) -> tuple[tuple[str, str], ...]:
    """Build the headers of one attempt.

    Args:
        request_id: 32 lower-case hex digits; the same for every attempt of a delivery.
        resource: what the event is about, such as ``issue``.
        timestamp: Unix seconds at which this attempt was built.
        signature: what ``signing.sign`` gave for the body.

    Raises:
        ValueError: a value could not stand in a header. Names and ids are checked long before, so
            this is a defect of ours; but a line break here would let a value write headers.

    >>> for header in webhook_headers(
    ...     request_id="0" * 32, resource="issue", timestamp=1767225600, signature="f" * 64
    ... )[:4]:
    ...     print(*header, sep=": ")
    Content-Type: application/json
    Request-ID: 00000000000000000000000000000000
    Sentry-Hook-Resource: issue
    Sentry-Hook-Timestamp: 1767225600
    """
    # An empty value makes libcurl drop the header; a NUL makes it cut the value. Two scans in C of
    # the joined text are the cheapest guard against those, line breaks, and everything non-ASCII.
    joined = f"{request_id}{resource}{signature}"
    clean = joined.isascii() and joined.isprintable()
    if not (clean and request_id and resource and signature):
        raise ValueError("a header value is empty or is not printable ASCII")
    return (
        (CONTENT_TYPE, JSON),
        (REQUEST_ID, request_id),
        (RESOURCE, resource),
        (TIMESTAMP, str(timestamp)),
        (SIGNATURE, signature),
    )
