"""Instants as text and back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.core.instants import DAY, HOUR, MINUTE, SECOND, isoformat, parse_instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = -62_135_596_800_000_000
LAST = 253_402_300_799_999_999
INSTANTS = st.integers(FIRST, LAST) | st.sampled_from([FIRST, -1, 0, 1, LAST])
TEN = 1_795_428_000_000_000  # 2026-11-23T10:00:00Z


@given(INSTANTS)
def test_what_is_written_is_read_back(instant):
    """Every instant of the years 1 to 9999 survives, and the standard library agrees."""
    text = isoformat(instant)
    assert parse_instant(text) == instant
    assert datetime.fromisoformat(text) == EPOCH + timedelta(microseconds=instant)


@given(INSTANTS, INSTANTS)
def test_texts_sort_as_the_instants_do(one, other):
    """The fixed width makes comparing texts and comparing times the same."""
    assert (isoformat(one) < isoformat(other)) == (one < other)


@given(INSTANTS, st.integers(-1439, 1439))
def test_an_offset_names_the_same_instant(instant, minutes):
    """Local time with its offset is read as the instant in UTC."""
    local = instant + minutes * MINUTE
    if FIRST <= local <= LAST:
        sign = "-" if minutes < 0 else "+"
        offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        assert parse_instant(isoformat(local)[:-1] + offset) == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-23T10:00:00Z", TEN),
        ("2026-11-23t10:00:00z", TEN),
        ("2026-11-23 10:00:00Z", TEN),
        ("2026-11-23T12:00:00+02:00", TEN),
        ("2026-11-23T00:30:00-09:30", TEN),
        ("2026-11-23T10:00:00-00:00", TEN),
        ("2026-11-23T10:00:00.5Z", TEN + 500_000),
        ("2026-11-23T10:00:00.000001Z", TEN + 1),
        ("2026-11-23T10:00:00.0000019999Z", TEN + 1),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ("1990-12-31T23:59:60Z", 662_688_000_000_000),
        ("1990-12-31T15:59:60-08:00", 662_688_000_000_000),
        ("1990-12-31T23:59:60.25Z", 662_688_000_250_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("0001-01-01T00:00:00Z", FIRST),
        ("9999-12-31T23:59:59.999999Z", LAST),
    ],
)
def test_the_forms_of_rfc_3339_are_read(text, instant):
    """Either case, a space, any offset, any number of digits, and the leap second of §5.8."""
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    ["", "now", "1795428000", "2026-11-23", "2026-11-23T10:00Z", "2026-11-23T10:00:00.Z",
     "2026-11-23T10:00:00,5Z", "2026-11-23T10:00:00+0200", "2026-11-23T10:00:00+02",
     "2026-11-23T10:00:00 02:00", "2026-11-23T10:00:00+24:00", "2026-11-23T10:00:00+02:60",
     "2026-11-23T24:00:00Z", "2026-11-23T10:60:00Z", "2026-11-23T10:00:61Z",
     "2026-11-23T10:00:60Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
     "2026-00-10T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
     "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z",
     "2026-W48-1T10:00:00Z", "20261123T100000Z", " 2026-11-23T10:00:00Z",
     "2026-11-23T10:00:00Z\n", "\u0662026-11-23T10:00:00Z", "2026-11-23T10:00:00\ud800",
     "9" * 10_000],
)  # fmt: skip
def test_other_texts_are_refused(text):
    """Near misses give the documented error, short, with a form that works."""
    with pytest.raises(Invalid) as caught:
        parse_instant(text, where="/since")
    assert (caught.value.code, caught.value.where) == ("invalid-instant", "/since")
    assert "2026-11-23T10:00:00Z" in caught.value.hint
    assert len(caught.value.message) < 500


def test_a_naive_time_is_refused_for_what_it_lacks():
    """Without an offset nobody knows which instant is meant, and the message says so."""
    with pytest.raises(Invalid, match="no offset"):
        parse_instant("2026-11-23T10:00:00")


@pytest.mark.parametrize("value", [None, 0, 1.5, b"2026-11-23T10:00:00Z", []])
def test_what_is_not_text_is_refused(value):
    """A JSON document may hold anything where a time belongs."""
    with pytest.raises(Invalid, match=type(value).__name__):
        parse_instant(value)


@given(INSTANTS.map(isoformat), st.integers(0, 27), st.text(max_size=3), st.integers(0, 3))
def test_a_mutated_instant_is_read_or_refused(text, at, insert, cut):
    """A genuine time with a piece replaced raises nothing else, and what is read can be written."""
    try:
        instant = parse_instant(text[:at] + insert + text[at + cut :])
    except Invalid:
        return
    assert isoformat(instant)


@pytest.mark.parametrize("instant", [FIRST - 1, LAST + 1, 2**63, 10**400])
def test_what_cannot_be_written_is_an_error(instant):
    """Instants outside of the years 1 to 9999 have no RFC 3339 form."""
    with pytest.raises(ValueError, match="9999"):
        isoformat(instant)


def test_the_units_are_microseconds():
    """The constants add up."""
    assert (SECOND, MINUTE, HOUR, DAY) == (10**6, 60 * 10**6, 3600 * 10**6, 86400 * 10**6)
