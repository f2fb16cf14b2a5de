"""Identifiers against the standard library's reading of RFC 9562."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.ids import uuid7, uuid7_floor, uuid7_instant

INSTANTS = st.integers(0, (2**48 - 1) * 1000 + 999)
CHANCE = st.binary(min_size=8, max_size=8)
ONES = b"\xff" * 8
ZEROS = bytes(8)


@given(INSTANTS, CHANCE)
def test_the_standard_library_takes_it_for_version_7(now_us, chance):
    """Version and variant are right for every time and all chance, and the millisecond is there."""
    made = uuid.UUID(bytes=uuid7(now_us, chance))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == now_us // 1000


@given(INSTANTS, INSTANTS, CHANCE, CHANCE)
def test_identifiers_sort_as_their_times_do(one, other, chance, other_chance):
    """Made at different microseconds, bytes and text both sort by time, whatever chance adds."""
    if one != other:
        a, b = uuid7(one, chance), uuid7(other, other_chance)
        assert (a < b) == (one < other) == (a.hex() < b.hex())


@given(INSTANTS.filter(lambda now: now % 1000 < 999))
def test_the_next_microsecond_sorts_after_the_worst_chance(now_us):
    """Inside one millisecond the order holds too, all ones against all zeros."""
    assert uuid7(now_us, ONES) < uuid7(now_us + 1, ZEROS)


@given(INSTANTS, CHANCE)
def test_62_bits_of_chance_survive(now_us, chance):
    """All but the top two bits of the random bytes are in the identifier."""
    expected = int.from_bytes(chance) & (1 << 62) - 1
    assert int.from_bytes(uuid7(now_us, chance)) & (1 << 62) - 1 == expected


@given(INSTANTS, INSTANTS, CHANCE)
def test_the_floor_parts_older_from_younger(instant, made_at, chance):
    """What was made before an instant is below its floor, everything else is not."""
    assert (uuid7(made_at, chance) < uuid7_floor(instant)) == (made_at < instant)


@given(INSTANTS, CHANCE)
def test_an_identifier_tells_when_it_was_made(now_us, chance):
    """The microsecond comes back out, whatever chance added."""
    assert uuid7_instant(uuid7(now_us, chance)) == now_us


def test_the_example_of_the_rfc():
    """RFC 9562 A.6: 2022-02-22T14:22:22-05:00 is 017F22E2-79B0-7…-98C4-DC0C0C07398F."""
    made = uuid7(1_645_557_742_000_000, bytes.fromhex("18c4dc0c0c07398f"))
    assert str(uuid.UUID(bytes=made)) == "017f22e2-79b0-7000-98c4-dc0c0c07398f"


@pytest.mark.parametrize("now_us", [-1, 2**48 * 1000])
def test_a_time_that_does_not_fit_is_refused(now_us):
    """Wrapping round would break the order without a word."""
    with pytest.raises(ValueError, match="does not fit"):
        uuid7(now_us, ZEROS)


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_the_wrong_amount_of_chance_is_refused(size):
    """Too little would collide; too much is a misunderstanding."""
    with pytest.raises(ValueError, match="8 random bytes"):
        uuid7(0, bytes(size))
