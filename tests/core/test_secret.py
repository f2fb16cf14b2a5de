"""Secrets do not leak by any of the usual ways."""

import copy
import json
import logging
import pickle
import traceback
from base64 import b64encode, urlsafe_b64encode
from dataclasses import asdict, dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import UsageError
from hookline.core.secret import STARS, Secret, decode_key

TEXT = "correct horse battery staple"
KEY = bytes(range(32))


@dataclass(frozen=True)
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "show",
    [str, repr, "{}".format, "{!r:>40}".format, "{:>40}".format, lambda s: f"{s}",
     lambda s: f"{s!s}", "%s".__mod__, lambda s: repr([s, {s: s}]), lambda s: repr(Holder(s)),
     lambda s: str(asdict(Holder(s))), lambda s: str(ValueError(s)), ascii],
)  # fmt: skip
def test_every_way_of_printing_shows_stars(show):
    """Whatever turns it into text gives stars and nothing of the secret."""
    shown = show(Secret(TEXT))
    assert STARS in shown
    assert TEXT not in shown


def test_a_log_record_shows_stars(caplog):
    """Logging with arguments formats late, and still shows stars."""
    logging.getLogger("hookline.test").error("the key is %s", Secret(TEXT))
    assert f"the key is {STARS}" in caplog.text


def test_a_traceback_with_locals_shows_stars():
    """Tools that print the local variables of a crash print repr, which is stars."""
    secret = Secret(TEXT)
    try:
        raise ValueError(secret)
    except ValueError as error:
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert repr(secret) in shown
    assert TEXT not in shown


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, pickle.dumps])
def test_no_encoder_takes_it(encode):
    """To write a secret down, one has to reveal it first; the refusal does not show it either."""
    with pytest.raises(TypeError) as caught:
        encode(Secret(TEXT))
    assert TEXT not in str(caught.value)


@given(st.text(), st.text())
def test_equality_is_that_of_the_texts(one, other):
    """Secrets are equal when their texts are, lone surrogates and all, and hash alike."""
    assert (Secret(one) == Secret(other)) is (one == other)
    assert hash(Secret(one)) == hash(Secret(str(one)))
    assert Secret(one).reveal() == one


def test_a_secret_is_not_equal_to_its_text():
    """A comparison with plain text is a mistake, and must not become an oracle."""
    assert Secret(TEXT) != TEXT


def test_copies_are_the_secret_itself():
    """Copying, also deep inside a dataclass, neither fails nor multiplies the text."""
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_it_has_no_dict_and_no_new_attributes():
    """Nothing that dumps __dict__ finds anything, and nobody hangs more text onto it."""
    with pytest.raises(TypeError):
        vars(Secret(TEXT))
    with pytest.raises(AttributeError):
        Secret(TEXT).note = TEXT


@pytest.mark.parametrize("value", [None, b"bytes", 5])
def test_only_text_becomes_a_secret(value):
    """Secret(None) would be a secret of the text None somewhere down the road."""
    with pytest.raises(TypeError):
        Secret(value)


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_read_in_every_usual_spelling(key):
    """Hex in either case, base64 in either alphabet."""
    spellings = [
        key.hex(),
        key.hex().upper(),
        b64encode(key).decode(),
        urlsafe_b64encode(key).decode(),
    ]
    assert {decode_key(Secret(text)) for text in spellings} == {key}


@given(
    st.sampled_from([KEY.hex(), b64encode(KEY).decode()]),
    st.integers(0, 63),
    st.text(max_size=2),
    st.integers(0, 2),
)
def test_a_mutated_key_is_32_bytes_or_refused(text, at, insert, cut):
    """A genuine key with a piece replaced decodes in full or raises the documented error."""
    mutated = text[:at] + insert + text[at + cut :]
    try:
        assert len(decode_key(Secret(mutated))) == 32
    except UsageError as error:
        refusal = error
    else:
        return
    assert refusal.code == "invalid-secret-key"
    assert "openssl rand -hex 32" in refusal.hint
    assert len(mutated) < 4 or mutated not in f"{refusal} {refusal.hint}"


@pytest.mark.parametrize(
    "text",
    ["", "secret", KEY.hex()[:-1], KEY.hex() + "0", KEY.hex() + "\n", " " + KEY.hex()[1:],
     b64encode(KEY[:31]).decode(), b64encode(KEY).decode()[:-1], b64encode(KEY).decode() + "\n",
     "\u0660" * 64, b64encode(KEY).decode()[:42] + "=="],
)  # fmt: skip
def test_what_is_nearly_a_key_is_refused(text):
    """One character too few or too many, a line end, other digits: no key is guessed from it."""
    with pytest.raises(UsageError):
        decode_key(Secret(text))
