"""Which client secret signs, while an integration changes from one to the next.

Rotating makes a new secret; the one before stays valid for an *overlap*, in which the receiver learns
the new one. The documented signature header holds one signature, so one of the two signs: the new one,
or the old one where the integration chose so (its receiver does not know the new one yet). When the
overlap ends the old one signs nothing more, whatever was chosen: the answer depends on the time alone,
and nobody has to do anything at that moment.

At most two are valid: rotating again during an overlap ends the oldest at once.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from hookline.core.errors import Invalid

__all__ = [
    "DEFAULT_OVERLAP_S",
    "MAX_OVERLAP_S",
    "SignWith",
    "Term",
    "check_overlap",
    "is_valid",
    "signer",
]

DEFAULT_OVERLAP_S: Final = 86_400
MAX_OVERLAP_S: Final = 604_800
MICROSECONDS: Final = 1_000_000


class SignWith(StrEnum):
    """Which of two valid secrets makes the signature."""

    NEW = "new"
    OLD = "old"


class Term(NamedTuple):
    """How long a client secret is good for.

    Attributes:
        id: the store's own, greater than those of the secrets before it.
        created_at: when it was made.
        expires_at: from when on it is not valid; None for the newest, which has no end.
        chosen: it signs as long as it is valid, though there is a newer one.
    """

    id: int
    created_at: int
    expires_at: int | None
    chosen: bool


def is_valid(term: Term, now: int) -> bool:
    """Whether a secret may still sign; at the very instant of its end it may not."""
    return term.expires_at is None or now < term.expires_at


def signer(terms: Sequence[Term], now: int) -> int:
    """The index of the secret that signs.

    Args:
        terms: an integration's secrets, the oldest first; at least one.
        now: µs since the epoch.

    >>> old, new = Term(1, 0, 50, True), Term(2, 40, None, False)
    >>> [signer([old, new], now) for now in (49, 50)]
    [0, 1]
    """
    for index, term in enumerate(terms):
        if term.chosen and is_valid(term, now):
            return index
    return len(terms) - 1


def check_overlap(seconds: float, sign_with: SignWith) -> int:
    """How long the old secret stays valid, in µs.

    Raises:
        Invalid: out of range, or no overlap in which the old one could sign.
    """
    if not 0 <= seconds <= MAX_OVERLAP_S:
        # The number is not repeated: an integer may have thousands of digits.
        raise Invalid(
            "out-of-range",
            f"the overlap is out of range: 0 to {MAX_OVERLAP_S:,} seconds (7 days)",
            "give the seconds that the receiver needs to learn the new secret; 0 ends the old one now",
            where="/overlap",
        )
    overlap = round(seconds * MICROSECONDS)
    if not overlap and sign_with is SignWith.OLD:
        raise Invalid(
            "no-overlap",
            "without an overlap there is no old secret to sign with",
            'give an overlap, or leave "sign_with" out',
            where="/sign_with",
        )
    return overlap
