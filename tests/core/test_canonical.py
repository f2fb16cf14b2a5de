r"""The bytes are a fixed point of JavaScript: held against V8, not against our idea of it.

Documents are generated as *text*, because the trouble is in spellings: what a value looked like
(``1E+05``, ``\u0041``, a key written twice) is gone once it is a Python value.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from itertools import compress
from operator import not_

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from hookline.core.canonical import (
    DEEPEST,
    MOST_WARNINGS,
    Document,
    Number,
    Respelled,
    ascii_form,
    encode,
    encode_ascii,
    parse,
)
from hookline.core.errors import HooklineError, Invalid, Malformed

Reprint = Callable[[list[bytes]], list[bytes]]

# The answer is escaped to ASCII on its way out of the engine, so that nothing else can respell it.
SCRIPT = r"""
JSON.stringify(%s.map(text => JSON.stringify(JSON.parse(text))))
  .replace(/[\u007f-\uffff]/g, c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"))
"""


@pytest.fixture(scope="module")
def v8() -> Iterator[Reprint]:
    """What JSON.stringify(JSON.parse(text)) makes of each text."""
    with MiniRacer() as context:

        def reprint(texts: list[bytes]) -> list[bytes]:
            literals = json.dumps([text.decode() for text in texts])
            return [text.encode() for text in json.loads(context.eval(SCRIPT % literals))]

        yield reprint


# --- hostile documents, as text ---------------------------------------------------------------

NUMBERS = [
    "0", "-0", "-0.0", "0e0", "-0E-0", "1E+05", "100.0", "1e-5", "1e-6", "1e-7", "1e16", "1e20",
    "1e21", "123456789012345680000", "9007199254740991", "9007199254740992", "9007199254740993",
    "9007199254740994", "-9007199254740993", "18446744073709551615", "18446744073709551616",
    "-9223372036854775808", "9999999999999999", "999999999999999999999", "1000000000000000000000",
    "5e-324", "2.2250738585072011e-308", "1e-400", "1e400", "-1E400", "1.7976931348623157e308",
    "0.1000000000000000055511151231257827", "1566248317.0", "4509877862268928", "1" * 400,
]  # fmt: skip
KEYS = [
    "0", "00", "01", "1", "2", "9", "10", "-1", "1.0", "1e3", "4294967293", "4294967294",
    "4294967295", "4294967296", "9999999999", "99999999999", "", "__proto__", "constructor",
    "toString", "length", "\\u0031", "\\u0061", "a", "\\u0663", "a/b", "m~n", "h1",
]  # fmt: skip
ESCAPES = [
    '\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041", "\\u0000", "\\u001F",
    "\\u007f", "\\u2028", "\\u00E9", "\\ud83d", "\\ude00", "\\uD83D\\uDE00", "\\udfff", "\\uD800",
    "\u007f", "\u2028", "\u2029", "\ufeff", "\ufffe", "é", "😀", "[", "]", "{", "}", ",", ":", "0",
    ':9007199254740993,\\"', "NaN", "1234567890123456",
]  # fmt: skip

raw = st.characters(exclude_categories=["Cs"], exclude_characters='"\\').filter(lambda c: c >= " ")
any_escape = st.integers(0, 0xFFFF).map(lambda code: f"\\u{code:04x}")
strings = st.lists(st.sampled_from(ESCAPES) | raw | any_escape, max_size=6).map(
    lambda pieces: f'"{"".join(pieces)}"'
)
numbers = st.sampled_from(NUMBERS) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?",
    fullmatch=True,
    alphabet=st.characters(codec="ascii"),
)
leaves = st.sampled_from(["null", "true", "false", "{}", "[]"]) | numbers | strings
keys = st.sampled_from(KEYS).map(lambda key: f'"{key}"') | strings
space = st.sampled_from(["", "", "", " ", "\n", "\t\r\n "])


def containers(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays and objects with whitespace anywhere and, often, keys written twice."""
    item = st.tuples(space, children, space).map("".join)
    member = st.tuples(space, keys, space, st.just(":"), item).map("".join)
    array = st.lists(item, max_size=5).map(lambda items: f"[{','.join(items)}]")
    return array | st.lists(member, max_size=8).map(lambda items: f"{{{','.join(items)}}}")


documents = st.recursive(leaves, containers, max_leaves=25).map(str.encode)
batches = st.lists(documents, min_size=1, max_size=5)


# --- against the engine -----------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(texts=batches)
def test_our_bytes_are_a_fixed_point_of_the_engine(v8: Reprint, texts: list[bytes]) -> None:
    """JSON.stringify(JSON.parse(B)) === B for every body B that we make.

    And B is what the engine makes of the publisher's own text, unless a warning says otherwise.
    """
    encoded = [encode(parse(text)) for text in texts]
    ours = [one.text for one in encoded]
    assert ours == v8(ours)
    changed = [bool(one.warnings) for one in encoded]
    assert list(compress(ours, map(not_, changed))) == list(compress(v8(texts), map(not_, changed)))


def test_every_character_agrees_with_the_engine(v8: Reprint) -> None:
    """All 65,536 code units as escapes, and every seventh character beyond them."""
    escapes = "".join(f"\\u{unit:04x} " for unit in range(0x10000))
    astral = "".join(chr(code) for code in range(0x10000, 0x110000, 7))
    texts = [f'"{escapes}"'.encode(), f'"{astral}"'.encode()]
    assert [encode(parse(text)).text for text in texts] == v8(texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"\u0041\/\u00e9\u007f\u2028"', '"A/é\x7f\u2028"'),
        (r'"\b\f\n\r\t\u0000\u001F\"\\"', r'"\b\f\n\r\t\u0000\u001f\"\\"'),
        (r'"\uD800 \uDC00\uD83D\uDE00"', '"\\ud800 \\udc00😀"'),
        ('{"b":1,"10":2,"2":3,"01":4,"a":5}', '{"2":3,"10":2,"b":1,"01":4,"a":5}'),
        (
            '{"x":0,"4294967295":1,"4294967294":2,"-1":3}',
            '{"4294967294":2,"x":0,"4294967295":1,"-1":3}',
        ),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('{"__proto__":{"x":1},"constructor":2}', '{"__proto__":{"x":1},"constructor":2}'),
        ('{"٣":1,"2":2}', '{"2":2,"٣":1}'),
        (" [ 1E+05 , 100.0 , -0.0 , 1e-7 ] ", "[100000,100,0,1e-7]"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("null", "null"),
    ],
)
def test_what_javascript_does_to_a_document(v8: Reprint, text: str, expected: str) -> None:
    """The rules one by one, ours and the engine's."""
    assert encode(parse(text.encode())).text == expected.encode()
    assert v8([text.encode()]) == [expected.encode()]


def test_halves_that_stand_side_by_side_are_joined() -> None:
    """A document built by hand may hold a pair as two characters; JavaScript sees one."""
    assert encode(["\ud83d\ude00", "\ude00\ud83d"]).text == '["😀","\\ude00\\ud83d"]'.encode()


# --- warnings ---------------------------------------------------------------------------------


def test_each_number_that_became_a_string_is_listed() -> None:
    """In the order of the bytes, with a pointer below the base that the caller named."""
    text = b'{"a/b":[1,9007199254740993],"7":{"m~n":1e400},"big":1}'
    encoded = encode(parse(text), where="/data")
    expected = b'{"7":{"m~n":"1e400"},"a/b":[1,"9007199254740993"],"big":1}'
    assert encoded.text == expected
    assert [warning.where for warning in encoded.warnings] == ["/data/7/m~0n", "/data/a~1b/1"]
    assert encoded.warnings[1] == Respelled(
        "/data/a~1b/1",
        'a double cannot hold "9007199254740993": it is sent as a string with all its digits',
    )


def test_a_number_that_a_later_key_replaced_is_no_warning() -> None:
    """Only what is sent counts."""
    assert encode(parse(b'{"a":9007199254740993,"a":1}')).warnings == ()


def test_the_list_of_warnings_ends_and_says_so() -> None:
    """A hundred places are named, the others are counted."""
    warnings = encode(
        parse(b"[" + b",".join([b"9007199254740993"] * 250) + b"]"), where="/x"
    ).warnings
    assert len(warnings) == MOST_WARNINGS + 1
    assert warnings[-2].where == "/x/99"
    assert warnings[-1] == Respelled("/x", "and 150 more numbers are sent as strings")


def test_warnings_are_short_and_printable() -> None:
    """Neither a long key, nor half of a pair in it, nor ten thousand digits make them unusable."""
    key, digits = "k" * 10_000, "9" * 10_000
    text = f'{{"\\ud800":{{"{key}":{digits}}},"ok":1}}'.encode()
    (warning,) = encode(parse(text)).warnings
    assert warning.where == "/\\ud800"  # the last ancestor that fits
    assert len(warning.message) < 200
    assert warning.where.encode()
    assert encode([10**10_000]).warnings[0].where == "/0"


# --- the ASCII form ---------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(text=documents)
def test_the_ascii_form_is_json_dumps(text: bytes) -> None:
    """Byte for byte what the original system sends, apart from its Infinity."""
    document = json.loads(text, parse_float=_finite_or_text)
    assert ascii_form(text) == json.dumps(document, separators=(",", ":")).encode()


def _finite_or_text(literal: str) -> float | str:
    return literal if math.isinf(float(literal)) else float(literal)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"é":100.0,"7":1e-5,"10":1e16}', rb'{"\u00e9":100.0,"7":1e-05,"10":1e+16}'),
        (r'"\u007f\u2028/😀\ud800"', rb'"\u007f\u2028/\ud83d\ude00\ud800"'),
        ("[-0,-0.0,9007199254740993]", b"[0,-0.0,9007199254740993]"),
        ("[1e400,-1e400]", b'["1e400","-1e400"]'),
        ("9" * 5000, b"9" * 5000),
    ],
)
def test_the_ascii_form_by_example(text: str, expected: bytes) -> None:
    """Escapes, Python's floats, exact integers also where Python refuses them."""
    assert ascii_form(text.encode()) == expected


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b"", "not-json", "line 1, column 1 (byte 0)"),
        (b"[NaN]", "not-json", "line 1, column 2 (byte 1)"),
        (b'["NaN",\n -Infinity]', "not-json", "line 2, column 2 (byte 9)"),
        ('{"é":1,\n\n  "b":nul}'.encode(), "not-json", "line 3, column 7 (byte 16)"),
        (b"[1,]", "not-json", "line 1, column"),
        (b"[1] 2", "not-json", "line 1, column 5 (byte 4)"),
        (b"[01]", "not-json", "line 1, column 3 (byte 2)"),
        (b"[1.]", "not-json", "line 1, column 3 (byte 2)"),
        (b'["a\tb"]', "not-json", "line 1, column 4 (byte 3)"),
        (b"['a']", "not-json", "line 1, column 2 (byte 1)"),
        (b'"\\x"', "not-json", "line 1, column 2 (byte 1)"),
        (b'"\\u12g4"', "not-json", "line 1, column"),
        (b'"abc\\', "not-json", "line 1, column 1 (byte 0)"),
        ("[\u00a01]".encode(), "not-json", "line 1, column 2 (byte 1)"),
        (b"[1]\x00", "not-json", "line 1, column 4 (byte 3)"),
        (b'[1,\n"\xff"]', "not-utf-8", "byte 5 (line 2)"),
        (b'"\xed\xa0\x80"', "not-utf-8", "byte 1 (line 1)"),
        (b'"\xc0\xaf"', "not-utf-8", "byte 1 (line 1)"),
        (b"\xef\xbb\xbf{}", "byte-order-mark", "line 1"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: bytes, code: str, place: str) -> None:
    """Line, column and byte, or the byte where UTF-8 ends; and a hint."""
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert caught.value.code == code
    assert place in caught.value.message
    assert caught.value.hint


def test_lines_are_counted_from_where_the_caller_says() -> None:
    """A document may be one line of many."""
    with pytest.raises(Malformed, match=r"line 8, column 2 \(byte 2\)"):
        parse(b"\n ?", first_line=7)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"[" * 4 + b"]" * 4, "/0/0/0"),
        (b'[0,{"a":[],"b/c":[[1]]}]', "/1/b~1c/0"),
        (b'{"{":"[[[\\"","a":[{},{"k":{}}]}', "/a/1/k"),
        (b'{"\\ud800":{"\\x":{"z":{}}}}', "/\\ud800/\\x/z"),
        (b"[[[[" * 100_000, "/0/0/0"),
    ],
)
def test_too_deep_is_refused_with_a_pointer(text: bytes, where: str) -> None:
    """Also where it could not be JSON any more, and never by exhausting the stack."""
    with pytest.raises(Invalid) as caught:
        parse(text, max_depth=3)
    assert (caught.value.code, caught.value.where) == ("too-deep", where)
    assert caught.value.message == "containers nest more than 3 deep"


@pytest.mark.parametrize("opener", ["[", '{"a":'])
def test_the_depth_that_is_allowed_is_allowed(v8: Reprint, opener: str) -> None:
    """A hundred levels by default; the deepest setting works on this stack, both forms."""
    closer = {"[": "]"}.get(opener, "}")
    for depth in (100, DEEPEST):
        text = (opener * depth + "1" + closer * depth).encode()
        document = parse(text, max_depth=depth)
        assert [encode(document).text, encode_ascii(document)] == [text, text]
        assert v8([text]) == [text]
        with pytest.raises(Invalid):
            parse(text, max_depth=depth - 1)


def test_brackets_in_strings_and_side_by_side_are_no_depth() -> None:
    """Only nesting counts."""
    text = b'["' + b"[{" * 500 + b'",' + b"[]," * 500 + b'"\\"[["]'
    assert encode(parse(text)).text == text


def test_a_depth_that_is_not_safe_cannot_be_asked_for() -> None:
    """The stack is shared with what calls us."""
    with pytest.raises(ValueError, match="at most 200 is safe"):
        parse(b"[]", max_depth=DEEPEST + 1)


AWKWARD = [
    b'"', b"\\", b"\\u", b"[", b"{", b"}", b"]", b":", b",", b"-", b"1e", b"0", b"\x00", b"\x0b",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff", b"NaN", b"-Infinity", b"[" * 300, b'{"a":' * 300,
]  # fmt: skip


def mutations(text: bytes) -> st.SearchStrategy[bytes]:
    """The text with a piece replaced by awkward or arbitrary bytes."""
    piece = st.sampled_from(AWKWARD) | st.binary(max_size=4)
    cut = st.tuples(st.integers(0, len(text)), st.integers(0, 4), piece)
    return cut.map(lambda c: text[: c[0]] + c[2] + text[c[0] + c[1] :])


@settings(max_examples=120, deadline=None)
@given(text=documents.flatmap(mutations) | st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    """No other exception; what is refused is no JSON; what we say about it is printable."""
    code = _refusal(text)
    assert code in {None, "not-json", "not-utf-8", "byte-order-mark", "too-deep"}
    if code != "too-deep":
        assert (code is None) == _is_json(text)


def _refusal(text: bytes) -> str | None:
    try:
        document = parse(text)
    except (Malformed, Invalid) as error:
        f"{error} {error.hint} {error.where}".encode()
        return error.code
    encode(document)
    return None


def _is_json(text: bytes) -> bool:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        # UTF-8 by hand: json.loads() would guess other encodings, and let surrogates through.
        json.loads(text.decode(), parse_constant=refuse, parse_int=str)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 150 + b'"' + b'\\"' * 500_000,
        b'{"a":' * 150 + b'"' * 999_999,
        b"[" + b"1" * 1_000_000 + b"]",
        b"[0." + b"1" * 1_000_000 + b"]",
        b"[" + b"9007199254740993," * 60_000 + b"0]",
        b"[" + b"[]," * 300_000 + b"0]",
    ],
    ids=["open string", "quotes", "long integer", "long float", "warnings", "brackets"],
)
def test_no_megabyte_takes_long(text: bytes) -> None:
    """Work grows with the length and not with its square."""
    began = time.perf_counter()
    with contextlib.suppress(HooklineError):
        encode(parse(text))
    # The slowest takes a quarter of a second; quadratic work would take minutes.
    assert time.perf_counter() - began < 5


# --- what documents are made of ---------------------------------------------------------------


def test_numbers_are_kept_as_they_were_written() -> None:
    """Reading loses nothing, whatever the form that is made later."""
    document = parse(b"[1E5, 12345678901234567890, -0]")
    assert document == ["1E5", "12345678901234567890", "-0"]
    assert isinstance(document, list)
    assert [type(item) for item in document] == [Number] * 3
    assert [Number(n).is_integer for n in ("1E5", "1.0", "-0", "12")] == [False, False, True, True]


@pytest.mark.parametrize("value", [1.5, {1, 2}, b"bytes", object()])
def test_what_is_no_document_is_a_mistake_of_the_caller_s(value: Document) -> None:
    """Floats too: their spelling would be gone already."""
    with pytest.raises(TypeError, match="a document holds no"):
        encode([value])
