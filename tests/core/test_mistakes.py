"""The mistakes: every cause has a name and texts of its own."""

import re

import pytest

from hookline.core import mistakes
from hookline.core.mistakes import Mistake

ALL = [
    *(value for value in vars(mistakes).values() if isinstance(value, Mistake)),
    mistakes.reserialised("body-python-default", "json.dumps"),
    mistakes.other_algorithm("sha1", proved=True),
    mistakes.wrong_length(63),
    mistakes.missing("Sentry-Hook-Signature"),
    mistakes.with_prefix(""),
    mistakes.prefix_lost("sha256="),
    mistakes.other_charset("written as UTF-16"),
]


def test_every_cause_is_there_once() -> None:
    """No two mistakes share a cause, an explanation or a hint."""
    assert len(ALL) == 28
    for texts in zip(*((m.cause, m.explanation, m.hint) for m in ALL), strict=True):
        assert len(set(texts)) == len(ALL)


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.cause)
def test_every_mistake_is_well_formed(mistake: Mistake) -> None:
    """Causes are kebab-case and say where the mistake lies; texts are whole sentences in ASCII."""
    assert re.fullmatch(
        r"(signature|secret|body|no|wrong)(-[a-z0-9]+)+",
        mistake.cause,
    )
    for text in (mistake.explanation, mistake.hint):
        assert text[0].isupper()
        assert text.endswith(".")
        assert text.isascii()
        assert "  " not in text


def test_what_is_proved_is_told_apart_from_what_is_likely() -> None:
    """A digest of another algorithm is called one only if its value fits."""
    assert mistakes.other_algorithm("sha512", proved=True).explanation == (
        "The signature is the HMAC-SHA512 of these bytes."
    )
    assert mistakes.other_algorithm("sha512", proved=False).explanation == (
        "The signature has the length of an HMAC-SHA512."
    )
