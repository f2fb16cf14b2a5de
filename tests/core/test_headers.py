"""The documented headers: spelling, order, and that no value can write a header of its own."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core import headers
from hookline.core.headers import webhook_headers

GOOD = {
    "request_id": "0123456789abcdef0123456789abcdef",
    "resource": "event_alert",
    "signature": "ab" * 32,
}
TEXTS = ["request_id", "resource", "signature"]


def build(**changes: str) -> tuple[tuple[str, str], ...]:
    values = GOOD | changes
    return webhook_headers(
        request_id=values["request_id"],
        resource=values["resource"],
        timestamp=1767225600,
        signature=values["signature"],
    )


def test_the_examples_in_the_docstrings_are_true() -> None:
    """The headers printed in the docstring are the ones that the function gives."""
    assert doctest.testmod(headers).failed == 0
    assert doctest.testmod(headers).attempted > 0


def test_the_five_documented_headers() -> None:
    """Spelling, order and values are those of the documentation, and there is no sixth."""
    assert build() == (
        ("Content-Type", "application/json"),
        ("Request-ID", "0123456789abcdef0123456789abcdef"),
        ("Sentry-Hook-Resource", "event_alert"),
        ("Sentry-Hook-Timestamp", "1767225600"),
        ("Sentry-Hook-Signature", "ab" * 32),
    )


def test_the_constants_are_the_names() -> None:
    """Who needs one header by name finds it under a constant."""
    assert [name for name, _ in build()] == [
        headers.CONTENT_TYPE,
        headers.REQUEST_ID,
        headers.RESOURCE,
        headers.TIMESTAMP,
        headers.SIGNATURE,
    ]


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize(
    "value",
    ["", "a\r\nX: y", "a\n", "\r", "a\x00b", "a\tb", "a\x7f", "é", "a\u2028b", "a\x85b", "\ud800"],
)
def test_a_value_that_could_write_a_header_is_refused(field: str, value: str) -> None:
    """Line breaks of any kind, NUL, non-ASCII and nothing at all are a defect, reported as one."""
    with pytest.raises(ValueError, match=r"^a header value is empty or is not printable ASCII$"):
        build(**{field: value})


@pytest.mark.parametrize("field", TEXTS)
@given(value=st.text(st.characters(exclude_categories=())))
def test_whatever_passes_is_one_line_of_ascii(field: str, value: str) -> None:
    """Each text is either refused or stands in its header unchanged, on one line."""
    try:
        built = build(**{field: value})
    except ValueError:
        return
    assert value in [given for _, given in built]
    assert len(value.splitlines()) == 1
    assert value.isascii()
