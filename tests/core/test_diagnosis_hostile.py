"""The diagnosis under hostile input: bounded work, no exception, no secret in an answer."""

import gzip
import hashlib
import hmac
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookline.core import diagnosis
from hookline.core.diagnosis import diagnose
from hookline.core.signing import sign

SECRET = "5f0c" * 16
OTHER = "another-secret-of-north"
BODY = '{"b":"é x","a":[1,{"c":100.5,"d":[]}],"e":null}'.encode()
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def rewritten(**spelling: object) -> bytes:
    return json.dumps(json.loads(BODY), **spelling).encode()  # type: ignore[arg-type]


def with_key(key: bytes, body: bytes = BODY) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def test_a_compression_bomb_is_not_unfolded() -> None:
    """Eight MiB are looked at, what would become more is no candidate."""
    limit = diagnosis.MAX_INFLATED
    assert limit == 8 * 1024 * 1024
    for size, cause in [
        (limit, "body-compressed"),
        (limit + 1, "wrong-secret-or-altered-body"),
        (4 * limit, "wrong-secret-or-altered-body"),
    ]:
        plain = b"0" * size
        packed = gzip.compress(plain, 6, mtime=0)
        found = diagnose(packed, sign(SECRET, plain), [SECRET], reserialisers=())
        assert found.cause == cause, size
        if size > limit:  # nor is the part that was looked at taken for the whole
            found = diagnose(packed, sign(SECRET, plain[:limit]), [SECRET], reserialisers=())
            assert found.cause == "wrong-secret-or-altered-body", size


@pytest.mark.parametrize("body", [b"\x1f\x8b", b"\x1f\x8b\x08\x00junk", b"x", b"xyz", b"\x78\x9c"])
def test_what_only_looks_compressed(body: bytes) -> None:
    """A body that begins like gzip or zlib and is neither is simply not decompressed."""
    assert diagnose(body, "0" * 64, [SECRET]).cause == "wrong-secret-or-altered-body"


def test_the_number_of_guesses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand secrets cost a thousand plain checks, and guesses for the first eight only."""
    calls = 0
    digest: Callable[[bytes, bytes, str], bytes] = hmac.digest

    def count(key: bytes, body: bytes, algorithm: str) -> bytes:
        nonlocal calls
        calls += 1
        return digest(key, body, algorithm)

    monkeypatch.setattr(diagnosis.hmac, "digest", count)
    secrets = [f"{n:064x}" for n in range(1000)]
    assert diagnose(BODY, "0" * 64, secrets).cause == "wrong-secret-or-altered-body"
    assert calls <= 1000 + 8 * 6 * 25
    assert diagnose(BODY, sign(secrets[999], BODY), secrets).secret_index == 999


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"1e999", b"NaN"]
)
def test_bodies_that_are_hard_on_parsers(body: bytes) -> None:
    """Deep nesting and endless numbers end in a diagnosis."""
    assert diagnose(body, "0" * 64, [SECRET]).cause == "wrong-secret-or-altered-body"


@pytest.mark.parametrize("body", [b'"\\ud800"', b"\xff\xfe[\x001\x00]\x00", b"\x00", b"\xc3"])
def test_bodies_in_odd_encodings(body: bytes) -> None:
    """Lone surrogates, UTF-16 and broken UTF-8 end in a diagnosis, and a match still matches."""
    assert diagnose(body, "0" * 64, [SECRET]).cause == "wrong-secret-or-altered-body"
    assert diagnose(body, sign(SECRET, body), [SECRET]).matches


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary() | st.sampled_from([BODY, gzip.compress(BODY), b"{}", b""]),
    signature=ANY_TEXT | st.from_regex(r"[0-9a-fA-F]{0,130}", fullmatch=True),
    secrets=st.lists(ANY_TEXT, max_size=3),
)
@example(body=b"", signature="", secrets=[""])
@example(body=b"\xff", signature="\ud800", secrets=["\ud800"])
@example(body=b"\xff", signature="0" * 40, secrets=["\ud800"])
def test_it_never_raises(body: bytes, signature: str, secrets: list[str]) -> None:
    """Any bytes, any signature and any secrets lead to a diagnosis with a stable cause."""
    found = diagnose(body, signature, secrets)
    assert not found.matches
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", found.cause)
    assert found.explanation.endswith(".")
    assert found.hint.endswith(".")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_mutated_message_never_matches_nor_raises(data: st.DataObject) -> None:
    """A genuine message with bytes changed, added or lost is diagnosed, and never called right."""
    genuine = data.draw(st.sampled_from([BODY, rewritten(), gzip.compress(BODY, mtime=0)]))
    at = data.draw(st.integers(0, len(genuine)))
    cut = data.draw(st.integers(0, 3))
    spice = data.draw(st.sampled_from([b"", b"\n", b" ", b"\xff", b"\xef\xbb\xbf", b"{}", b'"']))
    body = genuine[:at] + spice + genuine[at + cut :]
    found = diagnose(body, sign(SECRET, genuine), [OTHER, SECRET])
    assert found.matches == (body == genuine)
    assert (found.secret_index is None) == (found.cause == "wrong-secret-or-altered-body")


@settings(max_examples=100, deadline=None)
@given(
    spoil_body=st.sampled_from(
        [BODY, BODY + b"\n", rewritten(), rewritten(sort_keys=True, indent=2)]
    ),
    key=st.sampled_from([SECRET.encode(), bytes.fromhex(SECRET), b"else", SECRET.encode() + b"\n"]),
    spoil=st.sampled_from([str.upper, str.strip, lambda s: f"sha256={s} ", lambda s: s[:40]]),
)
def test_no_secret_and_no_right_signature_in_the_answer(
    spoil_body: bytes, key: bytes, spoil: Callable[[str], str]
) -> None:
    """Results are shown and logged, so they hold nothing that could sign."""
    shown = repr(diagnose(BODY, spoil(with_key(key, spoil_body)), [OTHER, SECRET])).lower()
    for private in (SECRET, OTHER, sign(SECRET, BODY), with_key(key, spoil_body)):
        assert private[:16] not in shown
