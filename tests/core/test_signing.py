"""The signature: what the documentation's receiver computes, and what is refused."""

import doctest
import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.core import signing
from hookline.core.signing import matches, sign

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates included


def by_hand(key: bytes, body: bytes) -> str:
    """HMAC as RFC 2104 writes it, so that nothing of ours or of the hmac module checks itself."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + body).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).hexdigest()


def test_the_examples_in_the_docstrings_are_true() -> None:
    """The value in the docstring is the one that the function gives."""
    assert doctest.testmod(signing) == (0, 3)


def test_a_signature_made_by_another_program() -> None:
    """OpenSSL's command line gives the same digits (`openssl dgst -sha256 -hmac`)."""
    assert (
        sign("northwind-secret", b'{"action":"created"}')
        == "c2e0a77baace35b1eee40d1e1f3f95756e62077f25ff2f443aaf34434b6865cb"
    )


@given(secret=st.text(), body=st.binary())
@example(secret="", body=b"")
@example(secret="é" * 65, body="é".encode())
def test_it_is_hmac_sha256_of_the_bytes(secret: str, body: bytes) -> None:
    """The key is the secret as UTF-8 text, the message is the body and nothing else."""
    assert sign(secret, body) == by_hand(secret.encode(), body)


def test_a_hexadecimal_secret_is_not_decoded() -> None:
    """A secret of 64 hex digits is a key of 64 bytes."""
    secret = "0f" * 32
    assert sign(secret, b"{}") == by_hand(b"0f" * 32, b"{}") != by_hand(b"\x0f" * 32, b"{}")


@given(secret=ANY_TEXT, body=st.binary())
@example(secret="\ud800", body=b"{}")
def test_what_was_signed_matches(secret: str, body: bytes) -> None:
    """A signature matches the secret and the body it was made with."""
    assert matches(secret, body, sign(secret, body))


@given(secret=ANY_TEXT, body=st.binary(), signature=ANY_TEXT)
@example(secret="\ud800", body=b"{}", signature="\udfff")
def test_any_other_text_is_no_match_and_no_error(secret: str, body: bytes, signature: str) -> None:
    """Whatever text stands in the header, the answer is a plain no."""
    assert matches(secret, body, signature) is False


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(str.upper, id="upper case"),
        pytest.param(lambda s: s + " ", id="blank after"),
        pytest.param(lambda s: "\n" + s, id="line break before"),
        pytest.param(lambda s: "sha256=" + s, id="prefix"),
        pytest.param(lambda s: s[:-1], id="cut"),
        pytest.param(lambda s: s + "0", id="longer"),
        pytest.param(lambda s: s.replace(s[5], "é"), id="not ASCII"),
        pytest.param(lambda s: s.translate({ord("0") + i: 0x0660 + i for i in range(10)}), id="٣"),
        pytest.param(lambda s: "\ud800" + s[1:], id="lone surrogate"),
        pytest.param(lambda _: "", id="empty"),
    ],
)
def test_a_near_miss_does_not_match(spoil) -> None:  # type: ignore[no-untyped-def]
    """Only the documented spelling matches; being lenient is the business of a diagnosis."""
    assert matches("secret", b"{}", spoil(sign("secret", b"{}"))) is False


@given(body=st.binary(min_size=1), at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_bit_is_enough(body: bytes, at: int, bit: int) -> None:
    """A body that differs in one bit does not match."""
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit
    assert not matches("secret", bytes(changed), sign("secret", body))


def test_the_comparison_takes_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digits are compared by hmac.compare_digest, and both sides reach it whole."""
    seen: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        seen.append((a, b))
        return a == b

    monkeypatch.setattr(signing.hmac, "compare_digest", compare)
    right = sign("secret", b"{}")
    assert matches("secret", b"{}", right)
    assert not matches("secret", b"{}", "0")
    assert seen == [(right.encode(), right.encode()), (right.encode(), b"0")]
