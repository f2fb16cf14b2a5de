"""The diagnosis: each mistake is found by its name, and nothing makes it stumble."""

import base64
import doctest
import gzip
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookline.core import diagnosis, mistakes
from hookline.core.diagnosis import PYTHON_SPELLINGS, Diagnosis, diagnose
from hookline.core.errors import Malformed
from hookline.core.mistakes import RAW_BYTES
from hookline.core.signing import sign

SECRET = "5f0c" * 16
OTHER = "another-secret-of-north"
# é, a blank in a text, keys out of order, a float, an empty list: every spelling below differs.
BODY = '{"b":"é x","a":[1,{"c":100.5,"d":[]}],"e":null}'.encode()
ANY_TEXT = st.text(st.characters(exclude_categories=()))


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


def other_hmac(algorithm: str, secret: str = SECRET, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


def with_key(key: bytes, body: bytes = BODY) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def test_the_examples_in_the_docstrings_are_true() -> None:
    """What the docstring shows is what happens."""
    assert doctest.testmod(diagnosis) == (0, 3)


def test_a_right_signature() -> None:
    """A match says so, tells which secret it was, and advises nothing."""
    assert diagnose(BODY, sign(SECRET, BODY), [OTHER, SECRET]) == Diagnosis(
        matches=True,
        cause="match",
        explanation="The signature is right for these bytes.",
        hint="",
        secret_index=1,
    )


# Each row: cause, body at hand, signature at hand, explanation, hint.
ONE_MISTAKE = [
    (
        "signature-upper-case",
        BODY,
        sign(SECRET, BODY).upper(),
        "The signature is written with upper-case digits.",
        "Write the digest in lower case before comparing.",
    ),
    (
        "signature-prefix",
        BODY,
        "sha256=" + sign(SECRET, BODY),
        "The signature carries a prefix such as sha256=, as other senders write it.",
        "Compare the bare hex digits; the documented signature has no prefix.",
    ),
    (
        "signature-blanks",
        BODY,
        f" {sign(SECRET, BODY)}\r\n",
        "Blanks or line breaks surround the signature.",
        "Strip the header value before comparing.",
    ),
    *(
        (
            "body-newline-added",
            BODY + newline,
            sign(SECRET, BODY),
            "The signature fits the body without the newline at its end.",
            "Keep the bytes as they arrived; an editor, echo or a log added a newline "
            "(use printf %s or curl --data-binary).",
        )
        for newline in (b"\n", b"\r\n")
    ),
    *(
        (
            "body-newline-removed",
            BODY,
            sign(SECRET, BODY + newline),
            "The signature fits the body with a newline after it.",
            f"Neither strip the body nor add a newline before the HMAC. {RAW_BYTES}.",
        )
        for newline in (b"\n", b"\r\n")
    ),
    (
        "body-bom-added",
        b"\xef\xbb\xbf" + BODY,
        sign(SECRET, BODY),
        "The signature fits the body without the byte order mark in front.",
        "Write the body without a byte order mark (utf-8, not utf-8-sig).",
    ),
    (
        "body-bom-removed",
        BODY,
        sign(SECRET, b"\xef\xbb\xbf" + BODY),
        "The signature fits the body with a byte order mark in front.",
        f"Do not decode the body before the HMAC; decoding drops the mark. {RAW_BYTES}.",
    ),
    *(
        (
            "body-empty",
            at_hand,
            sign(SECRET, signed),
            "An empty body and {} were taken for each other.",
            "Body parsers turn an empty body into {} (express.json() does); sign what arrived. "
            f"{RAW_BYTES}.",
        )
        for at_hand, signed in [(b"", b"{}"), (b"{}", b"")]
    ),
    *(
        (
            "body-unread",
            BODY,
            sign(SECRET, signed),
            "The signature fits an empty body or {}, not the bytes that are here.",
            "Read the body once and keep it: a parser that ran before emptied the stream, or did "
            f"not run and left {{}}. {RAW_BYTES}.",
        )
        for signed in (b"", b"{}")
    ),
    *(
        (
            "body-compressed",
            packed,
            sign(SECRET, BODY),
            "The signature fits the body when it is decompressed.",
            "Compute the HMAC over the decompressed body; something on the way compressed it.",
        )
        for packed in (gzip.compress(BODY, mtime=0), zlib.compress(BODY))
    ),
    *(
        (
            "signature-other-algorithm",
            BODY,
            other_hmac(algorithm),
            f"The signature is the HMAC-{algorithm.upper()} of these bytes.",
            "Use HMAC-SHA256: hmac.new(secret, body, hashlib.sha256) or "
            'createHmac("sha256", secret).',
        )
        for algorithm in ("sha1", "sha384", "sha512")
    ),
]


@pytest.mark.parametrize(("cause", "body", "signature", "explanation", "hint"), ONE_MISTAKE)
def test_one_mistake_is_found(
    cause: str, body: bytes, signature: str, explanation: str, hint: str
) -> None:
    """Each mistake has a name, an explanation, and advice of its own; the secret is pointed at."""
    assert diagnose(body, signature, [OTHER, SECRET]) == Diagnosis(
        False, cause, explanation, hint, secret_index=1
    )


UNREADABLE = [
    *(
        (
            "signature-missing",
            signature,
            "There is no signature.",
            "Read the Sentry-Hook-Signature header; a proxy may drop headers, and some frameworks "
            "rename them (HTTP_SENTRY_HOOK_SIGNATURE).",
        )
        for signature in ("", "  \n")
    ),
    *(
        (
            "signature-wrong-length",
            sign(SECRET, BODY)[:digits],
            f"The signature has {digits} hex digits instead of 64.",
            "Take the whole value of the Sentry-Hook-Signature header; a column, variable or copy "
            "may have cut it.",
        )
        for digits in (1, 2, 32, 63)
    ),
    *(
        (
            "signature-not-hex",
            signature,
            "The signature is no hexadecimal number.",
            "Compare the hex digest, not base64 or raw bytes: hexdigest() or digest('hex').",
        )
        for signature in (
            base64.b64encode(bytes.fromhex(sign(SECRET, BODY))).decode(),
            "undefined",
            "é" * 64,
            "٣" * 64,
            "\ud800",
            "g" * 64,
            "sha256=",
        )
    ),
    *(
        (
            "signature-other-algorithm",
            "0" * digits,
            f"The signature has the length of an HMAC-{algorithm}.",
            "Use HMAC-SHA256: hmac.new(secret, body, hashlib.sha256) or "
            'createHmac("sha256", secret).',
        )
        for digits, algorithm in [(40, "SHA1"), (96, "SHA384"), (128, "SHA512")]
    ),
    (
        "wrong-secret-or-altered-body",
        "0" * 64,
        "No known mistake explains the signature: it was made with another secret or over other "
        "bytes.",
        "Compare the client secret with the one of this integration (was it rotated?), and see "
        f"that nothing changes the body on the way. {RAW_BYTES}.",
    ),
]


@pytest.mark.parametrize(("cause", "signature", "explanation", "hint"), UNREADABLE)
def test_a_signature_that_proves_nothing(
    cause: str, signature: str, explanation: str, hint: str
) -> None:
    """What cannot be the signature of anything is said to be so, without naming a secret."""
    assert diagnose(BODY, signature, [SECRET]) == Diagnosis(False, cause, explanation, hint, None)


def test_no_secret() -> None:
    """Without a secret there is nothing to guess with."""
    assert diagnose(BODY, sign(SECRET, BODY), []) == Diagnosis(
        False,
        "no-secret",
        "There is no secret to check the signature with.",
        "Give the client secret of the integration.",
        None,
    )


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


HEX_SECRET = "00ff" * 16
TEXT_OF_BASE64 = "bm9ydGh3aW5kLXNlY3JldC0_-zE"  # URL-safe, without its padding


@pytest.mark.parametrize(
    ("cause", "secret", "key", "explanation", "hint"),
    [
        *(
            (
                "secret-blanks",
                secret,
                b"plain-secret!",
                "The signature fits the secret without the blanks, line breaks or quotes around "
                "it.",
                "Strip the secret where it is read: a file ends with a newline, and some loaders "
                "keep quotes.",
            )
            for secret in (" plain-secret!", "plain-secret!\n", '"plain-secret!"\r\n')
        ),
        *(
            (
                "secret-newline",
                "plain-secret!",
                key,
                "The signature fits the secret with a newline after it.",
                "Strip the secret where the signature is computed: it was read from a file "
                "together with the newline (echo -n writes none).",
            )
            for key in (b"plain-secret!\n", b"plain-secret!\r\n")
        ),
        (
            "secret-hex-decoded",
            HEX_SECRET,
            bytes.fromhex(HEX_SECRET),
            "The signature fits the secret decoded from hexadecimal.",
            "Use the secret as text, all its characters as they are, not bytes.fromhex(secret).",
        ),
        *(
            (
                "secret-base64-decoded",
                secret,
                base64.urlsafe_b64decode(TEXT_OF_BASE64 + "="),
                "The signature fits the secret decoded from base64.",
                "Use the secret as text, all its characters as they are, not base64-decoded.",
            )
            for secret in (
                TEXT_OF_BASE64,
                TEXT_OF_BASE64 + "=",
                TEXT_OF_BASE64.translate({ord("_"): "/", ord("-"): "+"}),
            )
        ),
    ],
)
def test_a_mistaken_secret(
    cause: str, secret: str, key: bytes, explanation: str, hint: str
) -> None:
    """What was done to the secret is found, and the hint says to leave it as it is."""
    expected = Diagnosis(False, cause, explanation, hint, secret_index=1)
    assert diagnose(BODY, with_key(key), [OTHER, secret]) == expected


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


def test_a_misspelt_signature_does_not_hide_another_mistake() -> None:
    """Blanks, a prefix and upper case are read over, told, and the search goes on."""
    signature = f" sha256={sign(SECRET, BODY).upper()} "
    assert (
        diagnose(BODY + b"\n", signature, [SECRET]).cause
        == "signature-blanks-and-signature-prefix-and-signature-upper-case-and-body-newline-added"
    )
    assert diagnose(BODY, f"SHA1={other_hmac('sha1')}", [SECRET]).cause == (
        "signature-prefix-and-signature-other-algorithm"
    )


def test_the_simplest_explanation_wins() -> None:
    """Where a body mistake alone explains it, no second secret with two mistakes is blamed."""
    newline = diagnose(BODY, sign("s", BODY + b"\n"), [OTHER, "s\n", "s"])
    assert (newline.cause, newline.secret_index) == ("body-newline-removed", 2)
    # ASCII without blanks: three of the spellings coincide with the body itself.
    assert diagnose(b'{"a":1}', sign(SECRET, b'{"a": 1}'), [SECRET]).cause == "body-python-default"


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
    spoil_body=st.sampled_from([written for _, written in SPELLINGS] + [BODY, BODY + b"\n"]),
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
