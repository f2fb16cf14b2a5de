"""The diagnosis of JSON that was parsed and written again, and of what comes with it."""

import hashlib
import hmac
import json

import pytest

from hookline.core import mistakes
from hookline.core.diagnosis import PYTHON_SPELLINGS, Diagnosis, diagnose
from hookline.core.errors import Malformed
from hookline.core.signing import sign

SECRET = "5f0c" * 16
OTHER = "another-secret-of-north"
# é, a blank in a text, keys out of order, a float, an empty list: every spelling below differs.
BODY = '{"b":"é x","a":[1,{"c":100.5,"d":[]}],"e":null}'.encode()


def rewritten(**spelling: object) -> bytes:
    return json.dumps(json.loads(BODY), **spelling).encode()  # type: ignore[arg-type]


COMPACT = (",", ":")
SPELLINGS = [
    ("body-compact-ascii", rewritten(separators=COMPACT)),
    ("body-python-default", rewritten()),
    ("body-python-utf8", rewritten(ensure_ascii=False)),
    ("body-sorted-keys", rewritten(sort_keys=True)),
    ("body-sorted-keys", rewritten(sort_keys=True, separators=COMPACT)),
    ("body-sorted-keys", rewritten(sort_keys=True, ensure_ascii=False)),
    ("body-sorted-keys", rewritten(sort_keys=True, separators=COMPACT, ensure_ascii=False)),
    ("body-pretty-printed", rewritten(indent=2)),
    ("body-pretty-printed", rewritten(indent=4)),
    ("body-pretty-printed", rewritten(indent=2, ensure_ascii=False)),
    ("body-pretty-printed", rewritten(indent=4, ensure_ascii=False)),
]


def with_key(key: bytes, body: bytes = BODY) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("cause", "written"), SPELLINGS)
def test_the_receiver_wrote_the_json_again(cause: str, written: bytes) -> None:
    """The genuine body is at hand, and the signature is over another spelling of it."""
    found = diagnose(BODY, sign(SECRET, written), [SECRET])
    assert (found.matches, found.cause, found.secret_index) == (False, cause, 0)


@pytest.mark.parametrize(("_cause", "written"), SPELLINGS)
@pytest.mark.parametrize(
    ("cause", "genuine"),
    [
        ("body-compact-utf8", rewritten(separators=COMPACT, ensure_ascii=False)),
        ("body-compact-ascii", rewritten(separators=COMPACT)),
    ],
)
def test_the_body_at_hand_was_written_again(
    _cause: str, written: bytes, cause: str, genuine: bytes
) -> None:
    """A framework's spelling is at hand, and the signature is over the bytes that were sent."""
    keeps_order = list(json.loads(written)) == list(json.loads(genuine))
    found = diagnose(written, sign(SECRET, genuine), [SECRET])
    if written == genuine:
        assert found.cause == "match"
    elif keeps_order:
        assert (found.cause, found.secret_index) == (cause, 0)
    else:  # sorting forgets the order of the keys for good
        assert found.cause == "wrong-secret-or-altered-body"


@pytest.mark.parametrize(
    ("cause", "writer", "written"),
    [
        (
            "body-compact-ascii",
            'json.dumps with separators=(",", ":")',
            rewritten(separators=COMPACT),
        ),
        ("body-python-default", "json.dumps without further arguments", rewritten()),
        (
            "body-python-utf8",
            "json.dumps with ensure_ascii=False",
            rewritten(ensure_ascii=False),
        ),
        ("body-sorted-keys", "a serialiser that sorts keys", rewritten(sort_keys=True)),
        (
            "body-pretty-printed",
            "a pretty-printer with 4 blanks of indentation",
            rewritten(indent=4),
        ),
    ],
)
def test_who_wrote_the_json_again(cause: str, writer: str, written: bytes) -> None:
    """The explanation names the writer, the hint says to take the raw bytes and how."""
    found = diagnose(BODY, sign(SECRET, written), [SECRET])
    assert found == Diagnosis(
        False,
        cause,
        "The JSON was parsed and written again: "
        f"the signature fits the body as {writer} writes it.",
        "Compute the HMAC over the raw request bytes, before any JSON parser: express.raw(), "
        f"request.get_data(), await request.body(). The other spelling is that of {writer}.",
        0,
    )


def test_compact_utf8_has_a_writer_too() -> None:
    """A pretty-printed body whose genuine form was compact UTF-8 names the arguments that fit."""
    found = diagnose(rewritten(indent=2), sign(SECRET, BODY), [SECRET])
    assert found.cause == "body-compact-utf8"
    assert 'separators=(",", ":") and ensure_ascii=False writes it' in found.explanation


@pytest.mark.parametrize(("cause", "written"), SPELLINGS)
def test_a_mistaken_secret_and_a_mistaken_body(cause: str, written: bytes) -> None:
    """One mistake of each kind is found together: both causes, both explanations, both hints."""
    found = diagnose(BODY, with_key(bytes.fromhex(SECRET), written), [OTHER, SECRET])
    alone = diagnose(BODY, sign(SECRET, written), [SECRET])
    assert found == Diagnosis(
        False,
        f"secret-hex-decoded-and-{cause}",
        f"{mistakes.SECRET_HEX.explanation} {alone.explanation}",
        f"{mistakes.SECRET_HEX.hint} {alone.hint}",
        secret_index=1,
    )


def test_a_reserialiser_of_the_callers_own() -> None:
    """Another language's spelling is a matter of one more entry, and the first entry names it."""
    javascript = ("body-javascript", "JSON.stringify in JavaScript", lambda _: b"[100]")
    found = diagnose(
        b"[100.0]", sign(SECRET, b"[100]"), [SECRET], reserialisers=(javascript, *PYTHON_SPELLINGS)
    )
    assert found.cause == "body-javascript"
    assert "as JSON.stringify in JavaScript writes it" in found.explanation
    twin = ("body-other", "somebody else", lambda _: b"[100]")
    pair = (javascript, twin)
    again = diagnose(b"[100.0]", sign(SECRET, b"[100]"), [SECRET], reserialisers=pair)
    assert again.cause == "body-javascript"


@pytest.mark.parametrize(
    "error", [Malformed("not-json", "not JSON"), ValueError("no"), RecursionError("deep")]
)
def test_a_reserialiser_that_does_not_apply_is_skipped(error: Exception) -> None:
    """A spelling that cannot be computed for this body is no candidate, and no obstacle."""

    def fail(_: bytes) -> bytes:
        raise error

    entries = (("body-broken", "nobody", fail), *PYTHON_SPELLINGS)
    found = diagnose(BODY, sign(SECRET, rewritten()), [SECRET], reserialisers=entries)
    assert found.cause == "body-python-default"


def test_a_defect_in_a_reserialiser_is_not_hidden() -> None:
    """Errors that mean a bug, not an unsuitable body, come through."""

    def fail(_: bytes) -> bytes:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        diagnose(BODY, "0" * 64, [SECRET], reserialisers=[("body-broken", "nobody", fail)])
