"""The scans may doubt what is harmless, but never pass what is not."""

import json

import pytest

from hookline.core.canonical import encode, parse
from hookline.send.scans import settled, shallow

EDGES = [10**15, 8999999999999999, 2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 10**16 - 1, 10**16]
EDGES += [10**16 + 1, 10**17 + 1, 2**60, 2**63, 2**64 + 1, 10**20, 10**21, 10**21 + 1, 10**400]
PLACES = [
    "[%s]",
    "[0,%s]",
    '{"a":%s}',
    '{"a":[[%s]]}',
    '["x",%s]',
    '["x",[%s]]',
    '[{"a":0,"b":%s}]',
]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("place", PLACES)
def test_no_integer_that_changes_is_settled(place: str, sign: int) -> None:
    """Wherever an integer can stand in compact JSON, with either sign."""
    texts = [(place % str(edge * sign)).encode() for edge in EDGES]
    changing = [text for text in texts if encode(parse(text)).text != text]
    assert changing
    assert [settled(text) for text in changing] == [False] * len(changing)


@pytest.mark.parametrize("key", ["0", "7", "10", "999999999", "1000000000", "4294967294"])
@pytest.mark.parametrize("place", ['{"%s":1}', '{"a":1,"%s":2}', '[{"a":{"%s":{}}}]'])
def test_no_key_that_moves_is_settled(place: str, key: str) -> None:
    """Every length that an array index may have."""
    assert not settled((place % key).encode())


@pytest.mark.parametrize(
    "data",
    [
        {"id": 4509877862268928, "url": "/?project=4509877862268928", "trace": "9" * 32},
        {"list": [1, -999999999999999, 0.25], "h1": 1, "sha256": "x", "v2": {"x9": None}},
        {"key in a string": '"10":', "date": "2026-01-01 10:00"},
    ],
)
def test_everyday_data_is_settled(data: object) -> None:
    """Ids of sixteen digits, hashes, keys and times that end in digits."""
    assert settled(json.dumps(data, separators=(",", ":")).encode())


def nested(depth: int, filler: str) -> bytes:
    """An event whose data is ``depth`` deep and has something beside each container."""
    inner = f'{{"k":[{filler}],"a":' * (depth - 2) + '{"k":[]}' + "}" * (depth - 2)
    return f'{{"data":{{"a":{inner}}}}}'.encode()


FILLERS = ["", '"}"', '"]]]]"', r'"\"}\""', r'"\\","}"', r'"\\\"}"', '"{[","x"', "{},[]", '"",""']


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("depth", [10, 38, 39, 40, 41, 100])
def test_what_is_too_deep_is_never_shallow(depth: int, filler: str) -> None:
    """Whatever brackets stand in strings, one level over the limit is noticed."""
    text = nested(depth + 1, filler)
    json.loads(text)
    assert not shallow(text, depth)


@pytest.mark.parametrize("filler", FILLERS)
def test_what_is_wide_is_shallow(filler: str) -> None:
    """Hundreds of containers, and code in strings, are no depth."""
    frames = ",".join([f'{{"vars":[{filler}]}}'] * 300)
    assert shallow(f'{{"data":{{"frames":[{frames}]}}}}'.encode(), 100)


@pytest.mark.parametrize("depth", [8, 38, 39, 40, 41, 60])
def test_objects_and_arrays_in_turn_are_counted_each(depth: int) -> None:
    """One sweep takes away both; a sweep that counted as one level would let twice as many pass."""
    levels = (depth + 1) // 2 + 1
    text = b'{"data":' + b'{"a":[' * levels + b"[],[]," * 99 + b"[]" + b"]}" * levels + b"}"
    json.loads(text)
    assert not shallow(text, depth)
