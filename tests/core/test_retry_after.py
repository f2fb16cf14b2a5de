"""Retry-After as strangers send it: seconds, three forms of a date, and all that is neither."""

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core import answer_head, retry_after
from hookline.core.instants import DAY, HOUR, MINUTE, SECOND
from hookline.core.retry_after import LONGEST_US, retry_after_us

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC)  # a Friday
NOW = 1_800_000_000_000_000

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def answer(*lines: str, status: str = "HTTP/1.1 503 Service Unavailable") -> bytes:
    return "\r\n".join([status, "Server: x", *lines, "", ""]).encode("latin-1")


def said(value: str, now: int = NOW) -> int | None:
    return retry_after_us(answer(f"Retry-After: {value}"), now)


def imf(moment: datetime) -> str:
    day, month = DAYS[moment.weekday()][:3], MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment:%Y %H:%M:%S} GMT"


def rfc850(moment: datetime) -> str:
    day, month = DAYS[moment.weekday()], MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02}-{month}-{moment:%y %H:%M:%S} GMT"


def asctime(moment: datetime) -> str:
    day, month = DAYS[moment.weekday()][:3], MONTHS[moment.month - 1]
    return f"{day} {month} {moment.day:2} {moment:%H:%M:%S %Y}"


@pytest.mark.parametrize("module", [answer_head, retry_after])
def test_the_example_in_the_docstring_is_true(module):
    """What the docstring shows is what happens."""
    assert doctest.testmod(module) == (0, 1)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0),
        ("1", SECOND),
        ("120", 120 * SECOND),
        ("007", 7 * SECOND),
        ("86399", DAY - SECOND),
        ("86400", DAY),
        ("86401", DAY),
        ("99999999", DAY),
        ("9" * 9, DAY),
        ("9" * 5_000, DAY),
        ("9" * 100_000, DAY),
        ("0" * 100_000, 0),
        ("0" * 100_000 + "5", 5 * SECOND),
        ("  5\t", 5 * SECOND),
    ],
    ids=lambda value: str(value)[:12],
)
def test_seconds(value, wait):
    """Whole seconds, as many digits as there may be; over a day counts as a day."""
    assert said(value) == wait


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30 * SECOND),
        ("Friday, 15-Jan-27 08:00:30 GMT", 30 * SECOND),
        ("Fri Jan 15 08:00:30 2027", 30 * SECOND),
        ("Fri, 15 Jan 2027 08:00:00 GMT", 0),
        ("Fri, 15 Jan 2027 07:59:59 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
        ("Sat Jan 16 07:59:59 2027", DAY - SECOND),
        ("Sat, 16 Jan 2027 08:00:01 GMT", DAY),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0),
        # Two digits: at most 50 years ahead, else a year that has been.
        ("Friday, 15-Jan-77 08:00:30 GMT", DAY),
        ("Friday, 15-Jan-78 08:00:30 GMT", 0),
        ("Friday, 15-Jan-00 08:00:30 GMT", 0),
        # Not as the standard has it, and still clear: another day's name, another case.
        ("Mon, 15 Jan 2027 08:00:30 GMT", 30 * SECOND),
        ("fri, 15 jan 2027 08:00:30 gmt", 30 * SECOND),
        # A leap second is the second that follows.
        ("Fri, 15 Jan 2027 08:00:60 GMT", MINUTE),
        ("Sat Jan  9 08:00:00 2027", 0),
    ],
)
def test_dates(value, wait):
    """The three forms of a date, from now; one that has passed is no wait."""
    assert said(value) == wait


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "soon", "-1", "+1", "1.5", "1s", "1 2", "5, 10", "1e3", "0x10", "\u00b2", "NaN",
        "15 Jan 2027", "2027-01-15T08:00:30Z", "Fri, 15 Jan 2027 08:00:30",
        "Fri, 15 Jan 2027 08:00:30 UTC", "Fri, 15 Jan 2027 08:00:30 +0000",
        "Fri, 15 Jan 27 08:00:30 GMT", "Fri, 15-Jan-27 08:00:30 GMT",
        "Friday, 15-Jan-2027 08:00:30 GMT", "Fri,15 Jan 2027 08:00:30 GMT",
        "Fri, 15 Foo 2027 08:00:30 GMT", "Fri, 30 Feb 2027 08:00:30 GMT",
        "Fri, 00 Jan 2027 08:00:30 GMT", "Fri, 15 Jan 0000 08:00:30 GMT",
        "Fri, 15 Jan 2027 24:00:00 GMT", "Fri, 15 Jan 2027 08:60:00 GMT",
        "Fri, 15 Jan 2027 08:00:61 GMT", "Fri Jan    08:00:30 2027", "Fri Jan 1  08:00:30 2027",
        "Fri, 15 Jan 2027 08:00:30 GMT, 5", "x" * 100_000, "Fri Jan 15 08:00:30 2027 GMT",
    ],
    ids=lambda value: value[:32],
)  # fmt: skip
def test_what_is_neither_is_not_said(value):
    """Junk is as if the header were not there."""
    assert said(value) is None


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER", "Retry-After "])
def test_the_name_in_any_case(name):
    """Header names have no case."""
    assert retry_after_us(answer(f"{name}:7"), NOW) == 7 * SECOND


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n\r\n",
        answer(),
        answer("X-Retry-After: 7"),
        answer("Retry-After"),
        answer("Retry-After 7"),
        answer("X: Retry-After: 7"),
        b"Retry-After: 7\r\n\r\n",  # where the status line belongs
        answer() + b"Retry-After: 7\r\n",  # a trailer: it came after the status was acted upon
    ],
)
def test_without_the_header(head):
    """Where the final answer's header lines do not say it, nothing is said."""
    assert retry_after_us(head, NOW) is None


def test_of_several_the_longest_counts():
    """Whoever asks twice is not called again before the later time; junk among them is no one."""
    lines = ["Retry-After: 5", "Retry-After: 90", f"Retry-After: {imf(MOMENT)}", "Retry-After: -"]
    assert retry_after_us(answer(*lines), NOW) == 90 * SECOND


@pytest.mark.parametrize("status", ["HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints"])
def test_an_interim_answer_does_not_ask(status):
    """Only the final block counts, however many came before it."""
    interim = answer("Retry-After: 600", status=status)
    assert retry_after_us(interim, NOW) is None
    assert retry_after_us(interim * 3 + answer(), NOW) is None
    assert retry_after_us(interim * 3 + answer("Retry-After: 7"), NOW) == 7 * SECOND


def test_lines_that_end_or_go_on_in_other_ways():
    """Bare line feeds end lines, and a line that begins with white space goes on with the last."""
    assert retry_after_us(b"HTTP/1.1 503\nRetry-After: 7\n\n", NOW) == 7 * SECOND
    folded = answer("Retry-After: Fri, 15 Jan", "\t2027 08:00:30 GMT")
    assert retry_after_us(folded, NOW) == 30 * SECOND
    assert retry_after_us(answer("Retry-After:", " 7"), NOW) == 7 * SECOND
    assert retry_after_us(b"HTTP/1.1 503\r\n Retry-After: 7\r\n\r\n", NOW) == 7 * SECOND
    endless = answer("Retry-After: 7", *["\t"] * 200_000, "Retry-After: 8")
    assert retry_after_us(endless, NOW) == 8 * SECOND


@given(st.sampled_from([imf, rfc850, asctime]), st.integers(-40 * 365 * 86400, 40 * 365 * 86400))
def test_every_form_of_every_date_is_read(form, seconds):
    """What is written forty years around now in any form is the wait until then, in bounds."""
    value = form(MOMENT + timedelta(seconds=seconds))
    assert said(value) == min(max(seconds * SECOND, 0), LONGEST_US)


@given(st.integers(0, 230 * 365 * 86400), st.integers(0, 2 * DAY // SECOND))
def test_a_date_near_now_in_any_year(now_s, seconds):
    """Two digits of a year are read rightly whatever the year is, also over a century's end."""
    moment = EPOCH + timedelta(seconds=now_s + seconds)
    for form in (imf, rfc850, asctime):
        assert said(form(moment), now_s * SECOND) == min(seconds * SECOND, DAY)


GENUINE = [answer(f"Retry-After: {v}") for v in ("7", imf(MOMENT), rfc850(MOMENT), asctime(MOMENT))]


@given(st.binary() | st.binary().map(lambda value: answer()[:-2] + b"Retry-After: " + value))
def test_any_bytes_get_an_answer(head):
    """No head raises, and what is said is within bounds."""
    wait = retry_after_us(head, NOW)
    assert wait is None or 0 <= wait <= LONGEST_US


@given(st.sampled_from(GENUINE), st.integers(0, 100), st.binary(max_size=4), st.integers(0, 4))
def test_a_mutated_answer_gets_one(head, at, insert, cut):
    """A genuine head with a piece replaced never raises either, at any time of ours."""
    mutated = head[:at] + insert + head[at + cut :]
    for now in (0, NOW, 200_000_000 * 1_000 * SECOND // 1_000):
        wait = retry_after_us(mutated, now)
        assert wait is None or 0 <= wait <= LONGEST_US


def test_a_day_is_the_longest():
    """The cap of the design."""
    assert LONGEST_US == 24 * HOUR
