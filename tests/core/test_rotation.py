"""Which of two client secrets signs, at any instant."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.core.rotation import SignWith, Term, check_overlap, is_valid, signer

ROTATED, END = 1_000, 2_000
ONLY = [Term(1, 0, None, False)]
NEW_SIGNS = [Term(1, 0, END, False), Term(2, ROTATED, None, False)]
OLD_SIGNS = [Term(1, 0, END, True), Term(2, ROTATED, None, False)]


@pytest.mark.parametrize(
    ("terms", "now", "index"),
    [
        (ONLY, 0, 0),
        (ONLY, 10**18, 0),
        (NEW_SIGNS, ROTATED, 1),
        (NEW_SIGNS, END - 1, 1),
        (NEW_SIGNS, END, 1),
        (OLD_SIGNS, ROTATED, 0),
        (OLD_SIGNS, END - 1, 0),
        (OLD_SIGNS, END, 1),
        (OLD_SIGNS, 10**18, 1),
        # A clock that was set back makes it sign again, if it is still there.
        (OLD_SIGNS, -1, 0),
    ],
)
def test_who_signs(terms, now, index):
    """The new one, or the old one if it was chosen, until the very instant of its end."""
    assert signer(terms, now) == index


terms = st.lists(
    st.tuples(st.none() | st.integers(0, 100), st.booleans()), min_size=0, max_size=4
).map(
    lambda rows: [
        *(Term(n, n, end, chosen) for n, (end, chosen) in enumerate(rows)),
        Term(99, 50, None, False),
    ]
)


@given(terms, st.integers(-1, 101))
def test_what_signs_is_valid(secrets, now):
    """Whatever is stored, an expired secret signs nothing, and something always signs."""
    assert is_valid(secrets[signer(secrets, now)], now)


@given(terms)
def test_time_only_moves_towards_the_new(secrets):
    """As time passes the signer changes to a newer one, never back."""
    indexes = [signer(secrets, now) for now in range(-1, 102)]
    assert all(earlier <= later for earlier, later in pairwise(indexes))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 0), (0.5, 500_000), (86_400, 86_400_000_000), (604_800, 604_800_000_000)],
)
def test_overlaps(seconds, expected):
    """Seconds in, microseconds out."""
    assert check_overlap(seconds, SignWith.NEW) == expected


@pytest.mark.parametrize(
    "seconds",
    [-1, -0.001, 604_800.5, 1 << 20_000, float("inf"), float("nan")],
    ids=lambda s: f"{s:.9g}" if s < 1e9 else "huge",
)
def test_overlaps_out_of_range(seconds):
    """Refused by name, however hostile the number."""
    with pytest.raises(Invalid) as caught:
        check_overlap(seconds, SignWith.NEW)
    assert (caught.value.code, caught.value.where) == ("out-of-range", "/overlap")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("seconds", [0, 0.0000001])
def test_the_old_one_cannot_sign_without_an_overlap(seconds):
    """A contradiction is refused, not resolved."""
    with pytest.raises(Invalid) as caught:
        check_overlap(seconds, SignWith.OLD)
    assert (caught.value.code, caught.value.where) == ("no-overlap", "/sign_with")
