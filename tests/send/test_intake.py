"""Both ways of reading a submission give the same answer, and the right one.

The right bytes are what V8 leaves as they are; the right refusal is what the slow way says.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from hookline.core import envelope
from hookline.core.actor import SYSTEM
from hookline.core.canonical import ascii_form
from hookline.core.errors import HooklineError
from hookline.send import intake
from hookline.send.intake import Limits, Submission, read_batch, read_event

LIMITS = Limits()
SMALL = Limits(data_bytes=60, depth=4, batch_events=3)

EVENT: dict[str, Any] = {"resource": "issue", "action": "created", "data": {"id": "1"}}

ISSUE = {
    "issue": {
        "id": "1234567890",
        "project_url": "https://example.com/issues/?project=4509877862268928",
        "shortId": "SHOP-7",
        "title": "Überlauf in «Kasse» 😀",
        "project": {"id": 4509877862268928, "slug": "shop"},
        "metadata": {"severity": 1.0, "ratio": 0.25, "tiny": 1e-05},
        "tags": [["level", "error"], ["browser", "Firefox [128]"]],
        "statusDetails": {},
        "assignedTo": None,
        "isPublic": False,
    }
}
ERROR = {
    "error": {
        "timestamp": 1566248317.0,
        "received": 1566248317.391,
        "extra": {"10": "b", "2": "a", "big": 2**63, "large": 1e16},
        "exception": {
            "values": [
                {"frames": [{"lineno": n, "vars": {"x": {}}, "pre": ["if (a[0]) {", "\\"]}]}
                for n in range(60)
            ]
        },
    }
}
SHARED = Path(__file__).parents[2].parent / "shared" / "contract" / "payloads"
SAMPLES = {"issue": ISSUE, "error": ERROR, "empty": {}} | {
    path.stem: payload.get("data", payload)
    for path in sorted(SHARED.rglob("*.json"))
    if isinstance(payload := json.loads(path.read_text("utf-8")), dict)
}

SCRIPT = r"""
JSON.stringify(%s.map(text => JSON.stringify(JSON.parse(text))))
  .replace(/[\u007f-\uffff]/g, c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"))
"""

Reprint = Callable[[list[bytes]], list[bytes]]


@pytest.fixture(scope="module")
def v8() -> Iterator[Reprint]:
    """What JSON.stringify(JSON.parse(text)) makes of each text."""
    with MiniRacer() as context:

        def reprint(texts: list[bytes]) -> list[bytes]:
            literals = json.dumps([text.decode() for text in texts])
            return [text.encode() for text in json.loads(context.eval(SCRIPT % literals))]

        yield reprint


def event(**fields: Any) -> bytes:
    """An event's body with some fields changed."""
    return json.dumps(EVENT | fields).encode()


def body(submission: Submission) -> bytes:
    """The bytes that an installation would be sent."""
    return envelope.body(submission.action, "24b397fc-a86e-43ef-9297-949e21b82480", submission.tail)


NOBODY = SYSTEM.encode() + b"}"
USER = {"type": "user", "id": 1, "name": "é"}

# --- what is accepted -------------------------------------------------------------------------


@pytest.mark.parametrize("spaces", [None, 1], ids=["compact", "pretty"])
@pytest.mark.parametrize("name", SAMPLES)
def test_genuine_data_is_a_fixed_point_and_has_its_ascii_form(
    v8: Reprint, name: str, spaces: int | None
) -> None:
    """Our samples and, where it is present, the whole collection of documented payloads."""
    data = json.dumps(SAMPLES[name], indent=spaces, ensure_ascii=False).encode()
    text = b'{"resource":"issue","action":"created","data":%b}' % data
    read = read_event(text, LIMITS)
    assert read == intake._slow(text, LIMITS)
    assert [body(read)] == v8([body(read)])
    ascii_tail = envelope.tail(ascii_form(data), SYSTEM.encode())
    assert read.ascii_tail() == (None if ascii_tail == read.tail else ascii_tail)


@pytest.mark.parametrize("name", ["issue", "empty"])
def test_everyday_data_takes_the_fast_way(name: str) -> None:
    """Floats, long ids below 2**53, long digits in strings and brackets in strings are everyday."""
    assert intake._fast(event(data=SAMPLES[name]), LIMITS) is not None


def test_a_hundred_containers_side_by_side_take_the_fast_way() -> None:
    """Stack traces have hundreds of containers, with code in strings, and are not deep."""
    data = {"error": ERROR["error"] | {"extra": {}}}
    assert intake._fast(event(data=data), LIMITS) is not None


def test_all_fields_are_read() -> None:
    """Optional fields as given; the actor in the documented order."""
    read = read_event(
        event(
            id="order-17",
            targets=["shop-bot", "pager"],
            actor={"name": "Zoë", "id": 7, "type": "user"},
        ),
        LIMITS,
    )
    expected = '"data":{"id":"1"},"actor":{"type":"user","id":7,"name":"Zoë"}}'.encode()
    assert read == Submission("issue", "created", "order-17", ("shop-bot", "pager"), expected)


@pytest.mark.parametrize("fields", [{}, {"id": None, "targets": None, "actor": None}])
def test_null_is_as_good_as_absent(fields: dict[str, None]) -> None:
    """Nobody in particular acted, all subscribers are meant, and there is no id."""
    tail = envelope.tail(b'{"id":"1"}', SYSTEM.encode())
    assert read_event(event(**fields), LIMITS) == Submission("issue", "created", None, None, tail)


def test_an_empty_list_of_targets_is_kept() -> None:
    """A list that was computed and came out empty means nobody, not everybody."""
    assert read_event(event(targets=[]), LIMITS).targets == ()


def test_numbers_that_became_strings_are_reported() -> None:
    """Each with a pointer into what was posted."""
    read = read_event(event(data={"a/b": [2**60], "x": 1}), LIMITS)
    assert read.tail.startswith(b'"data":{"a/b":["1152921504606846976"],"x":1}')
    assert [warning.where for warning in read.warnings] == ["/data/a~1b/0"]


def test_a_key_written_twice_counts_once() -> None:
    """As in JavaScript: the last value; the first leaves no trace, not even a warning."""
    text = b'{"resource":"x","data":{"a":1e400},"resource":"issue","action":"created","data":{}}'
    assert read_event(text, LIMITS) == read_event(event(data={}), LIMITS)


@pytest.mark.parametrize(
    ("data", "actor", "expected"),
    [
        ({"a": 1, "b": [0.5, "x", None]}, None, None),
        ({"a": "é"}, None, b'"data":{"a":"\\u00e9"},"actor":' + NOBODY),
        ({"a": 100.0}, None, b'"data":{"a":100.0},"actor":' + NOBODY),
        ({"b": 1, "1": 2**60}, None, b'"data":{"b":1,"1":1152921504606846976},"actor":' + NOBODY),
        ({}, USER, b'"data":{},"actor":{"type":"user","id":1,"name":"\\u00e9"}}'),
    ],
)  # fmt: skip
def test_the_ascii_tail_is_there_if_it_differs(
    data: Any, actor: Any, expected: bytes | None
) -> None:
    """From either way of reading, also from a batch that was read slowly as a whole."""
    text = event(data=data, actor=actor)
    (listed,) = intake._slow_list(b"[%b]" % text, LIMITS)
    reads = [read_event(text, LIMITS), intake._slow(text, LIMITS), listed]
    assert [read.ascii_tail() for read in reads] == [expected] * 3


# --- both ways agree --------------------------------------------------------------------------

NUMBERS = [
    "0", "-0", "-0.0", "1E+05", "100.0", "1e-5", "1e-7", "1e16", "1e20", "1e21", "1e400", "-1e400",
    "123456789012345680000", "9007199254740991", "9007199254740992", "9007199254740993",
    "9007199254740994", "-9007199254740993", "8999999999999999", "9999999999999999",
    "12345678901234567",
    "18446744073709551616", "-9223372036854775809", "5e-324", "1e-400", "0.1000000000000000055511",
    "1.7976931348623159e308", "4509877862268928", "1" * 400, "7" * 5000, "01", "1.", "NaN",
    "Infinity",
]  # fmt: skip
STRINGS = [
    '""', '"0"', '"1"', '"01"', '"10"', '"4294967294"', '"4294967295"', '"9999999999"', '"-1"',
    '"__proto__"', '"constructor"', '"\\u0031"', '"h1"', '"a"', '"\\u0061"', '"\\ud800"',
    '"\\udc00x"',
    '"\\ud83d\\ude00"', '"\u2028\x7f\\b\\f\\u001F\\/"', '"é😀"', '"[{"', '"}]"', '"\\"[\\\\"',
    '"\\\\"',
    '",9007199254740993"', '"\\"1\\":"', '"x:1234567890123456789"', '"\\x"', '"\t"',
]  # fmt: skip

leaves = st.sampled_from(["null", "true", "{}", "[]", *NUMBERS, *STRINGS])
space = st.sampled_from(["", "", "", " ", "\r\n\t"])


def containers(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays, objects with keys that are often the same, and now and then a deep nest."""
    item = st.tuples(space, children, space).map("".join)
    key = st.sampled_from(STRINGS)
    member = st.tuples(space, key, space, st.just(":"), item).map("".join)
    nest = st.tuples(st.integers(1, 130), children).map(lambda n: "[" * n[0] + n[1] + "]" * n[0])
    wide = st.tuples(st.integers(1, 150), children).map(lambda n: f"[{','.join([n[1]] * n[0])}]")
    objects = st.lists(member, max_size=6).map(lambda members: f"{{{','.join(members)}}}")
    arrays = st.lists(item, max_size=4).map(lambda items: f"[{','.join(items)}]")
    return objects | objects | arrays | nest | wide


values = st.recursive(leaves, containers, max_leaves=8)
objects = st.tuples(st.sampled_from(STRINGS), values).map(lambda kv: f"{{{kv[0]}:{kv[1]}}}")
actors = st.sampled_from([
    "null", '{"type":"user","id":7,"name":"é"}', '{"id":"\\u0061","name":"\\ud800","type":"user"}',
    '{"type":"user","id":9007199254740992,"name":""}',
    '{"type":"user","id":9007199254740993,"name":""}',
    '{"type":"user","id":-0,"name":"a"}', '{"type":"user","id":1.0,"name":"a"}', '{"type":"user"}',
    '{"type":"application","id":"ci","name":"\u2028\x7f\\u001F\\/"}',
    '{"type":"application","id":7,"name":""}',
    '{"type":"user","id":1,"name":"a","x":1}', '{"type":"user","id":1,"name":"a","name":"b"}',
    "7", "[]",
])  # fmt: skip
members = st.one_of(
    st.sampled_from([
        '"resource":"issue"', '"resource":"Issue"', '"resource":7', '"resource":"issue\\n"',
        '"action":""',
        '"id":"a b"', '"id":"é"', '"id":7', '"id":7.5', '"id":null', '"id":"\\ud800"',
        '"extra":1', '"dat":{}',
        '"targets":["a","a"]', '"targets":["a","b"]', '"targets":["A"]', '"targets":[7]',
        '"targets":7',
        '"targets":null', '"data":7', '"data":[]', '"data":null', '"data":{"a":1}',
        '"\\u0064ata":{}',
        '"\\ud800":1', "7", '"id"',
    ]),
    actors.map('"actor":{}'.format),
    objects.map('"data":{}'.format),
)  # fmt: skip
BASE = '"resource":"issue","action":"created"'
plain = objects.map(lambda data: f'{{{BASE},"data":{data}}}')
posted = st.tuples(objects, actors).map(lambda e: f'{{{BASE},"data":{e[0]},"actor":{e[1]}}}')
odd = st.tuples(objects, st.lists(members, max_size=3)).map(
    lambda e: f'{{{",".join([BASE, f""""data":{e[0]}""", *e[1]])}}}'
)
events = (plain | posted | odd).map(str.encode)

AWKWARD = [
    b'"', b"\\", b"\\u", b"[", b"]", b"{", b"}", b":", b",", b"-", b"1e", b"0", b"\x00", b"\xff",
    b"\n",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN", b"[" * 3000, b'"1":', b"9" * 17, b"\r", b"\x0b",
]  # fmt: skip


def mutations(text: bytes) -> st.SearchStrategy[bytes]:
    """The text with a piece replaced by awkward or arbitrary bytes."""
    piece = st.sampled_from(AWKWARD) | st.binary(max_size=4)
    cut = st.tuples(st.integers(0, len(text)), st.integers(0, 4), piece)
    return cut.map(lambda c: text[: c[0]] + c[2] + text[c[0] + c[1] :])


GENUINE = [json.dumps(EVENT | {"data": data}).encode() for data in (ISSUE, {"a": [{}] * 70})]
hostile = events | events.flatmap(mutations) | st.sampled_from(GENUINE).flatmap(mutations)


def outcome(read: Callable[[], Any]) -> Any:
    """What was read, with its ASCII form, or all that a refusal says."""
    try:
        result = read()
    except HooklineError as error:
        said = (type(error), error.code, error.message, error.hint, error.where)
        str(said).encode()
        return said
    many = result if isinstance(result, list) else [result]
    return [(one, one.ascii_tail()) for one in many]


@settings(max_examples=300, deadline=None)
@given(text=hostile, limits=st.sampled_from([LIMITS, LIMITS, SMALL]))
def test_the_fast_way_says_what_the_slow_way_says(text: bytes, limits: Limits) -> None:
    """Byte for byte and error for error; and nothing but a HooklineError is ever raised."""
    slow = outcome(lambda: intake._slow(text, limits))
    assert outcome(lambda: read_event(text, limits)) == slow


@settings(max_examples=80, deadline=None)
@given(texts=st.lists(plain | posted, min_size=1, max_size=8))
def test_what_is_accepted_is_a_fixed_point_of_the_engine(v8: Reprint, texts: list[str]) -> None:
    """Whichever way it was read."""
    bodies = []
    for text in texts:
        try:
            bodies.append(body(read_event(text.encode(), LIMITS)))
        except HooklineError:
            continue
    assert bodies == v8(bodies)


@settings(max_examples=80, deadline=None)
@given(parts=st.lists(hostile, max_size=4), limits=st.sampled_from([LIMITS, SMALL]))
def test_a_list_is_read_as_if_slowly_and_whole(parts: list[bytes], limits: Limits) -> None:
    """Also where one part's brackets close another's."""
    text = b"[" + b" ,".join(parts) + b"]"
    assert outcome(lambda: read_batch(text, ndjson=False, limits=limits)) == outcome(
        lambda: intake._slow_list(text, limits)
    )


@settings(max_examples=80, deadline=None)
@given(parts=st.lists(hostile, max_size=4), limits=st.sampled_from([LIMITS, SMALL]))
def test_lines_are_read_or_refused(parts: list[bytes], limits: Limits) -> None:
    """Nothing but a HooklineError, and its place begins with the index of an event."""
    text = b"\n".join(parts)
    result = outcome(lambda: read_batch(text, ndjson=True, limits=limits))
    if isinstance(result, tuple) and result[1] not in {"empty-batch", "too-many-events"}:
        assert result[4].split("/")[1].isdecimal()


@settings(max_examples=80, deadline=None)
@given(text=st.binary(max_size=60), ndjson=st.booleans())
def test_any_bytes_are_refused_or_read(text: bytes, ndjson: bool) -> None:
    """Noise is refused like a mistake, whatever it is posted as."""
    outcome(lambda: read_event(text, LIMITS))
    outcome(lambda: read_batch(text, ndjson=ndjson, limits=LIMITS))
