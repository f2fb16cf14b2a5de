"""What is refused is refused with a code, a place and a hint; a batch is all or nothing."""

import json
from typing import Any

import pytest

from hookline.core.errors import HooklineError, Invalid, Malformed, TooLarge
from hookline.send.intake import Limits, read_batch, read_event

LIMITS = Limits()
SMALL = Limits(data_bytes=60, depth=4, batch_events=3)

EVENT: dict[str, Any] = {"resource": "issue", "action": "created", "data": {"id": "1"}}


def event(**fields: Any) -> bytes:
    """An event's body with some fields changed."""
    return json.dumps(EVENT | fields).encode()


def refusal(text: bytes, limits: Limits = LIMITS) -> HooklineError:
    """The error that the body is refused with."""
    with pytest.raises(HooklineError) as caught:
        read_event(text, limits)
    return caught.value


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "code", "where"),
    [
        (b"", Malformed, "not-json", None),
        (b"[]", Invalid, "wrong-type", ""),
        (b"7", Invalid, "wrong-type", ""),
        (b"{}", Invalid, "missing-field", ""),
        (event(datum={}), Invalid, "unknown-field", "/datum"),
        (event(resource=7), Invalid, "wrong-type", "/resource"),
        (event(resource=None), Invalid, "wrong-type", "/resource"),
        (event(resource="Issue"), Invalid, "bad-resource", "/resource"),
        (event(resource="issue\r\nX: y"), Invalid, "bad-resource", "/resource"),
        (event(resource="issue\n"), Invalid, "bad-resource", "/resource"),
        (event(resource="a" * 65), Invalid, "bad-resource", "/resource"),
        (event(resource="7up"), Invalid, "bad-resource", "/resource"),
        (event(action=""), Invalid, "bad-action", "/action"),
        (event(action="é"), Invalid, "bad-action", "/action"),
        (event(data=[]), Invalid, "wrong-type", "/data"),
        (event(data=None), Invalid, "wrong-type", "/data"),
        (event(data=1.5), Invalid, "wrong-type", "/data"),
        (event(id=""), Invalid, "bad-id", "/id"),
        (event(id="a b"), Invalid, "bad-id", "/id"),
        (event(id="a\n"), Invalid, "bad-id", "/id"),
        (event(id="x" * 129), Invalid, "bad-id", "/id"),
        (event(id=17), Invalid, "wrong-type", "/id"),
        (event(targets="shop"), Invalid, "wrong-type", "/targets"),
        (event(targets=["a", 7]), Invalid, "wrong-type", "/targets/1"),
        (event(targets=["a", "b", "a"]), Invalid, "bad-target", "/targets/2"),
        (event(targets=["a_b"]), Invalid, "bad-target", "/targets/0"),
        (event(targets=["a" * 58]), Invalid, "bad-target", "/targets/0"),
        (event(targets=[""]), Invalid, "bad-target", "/targets/0"),
        (event(targets=[str(n) for n in range(101)]), Invalid, "too-many-targets", "/targets"),
        (event(actor=[]), Invalid, "bad-actor", "/actor"),
        (event(actor={"type": "user", "id": 1.5, "name": ""}), Invalid, "bad-actor", "/actor/id"),
    ],
)
def test_each_rule_refuses_with_its_place(
    text: bytes, kind: type[HooklineError], code: str, where: str | None
) -> None:
    """Never without a hint."""
    error = refusal(text)
    assert (type(error), error.code, error.where) == (kind, code, where)
    assert error.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (event(actoor={}), 'an event has no field "actoor"', 'did you mean "actor"?'),
        (event(zzz=1), 'an event has no field "zzz"', "known here: resource, action, data, actor"),
        (b'{"data":{}}', "the event has no resource and no action", '"resource": …'),
        (event(id="a b"), '"a b" cannot be an event\'s id', "1 to 128 visible ASCII characters"),
        (event(resource="X" * 999), f'"{"X" * 59}…" is no resource', "a small letter, then"),
    ],
)
def test_refusals_say_what_happened_and_what_to_do(text: bytes, message: str, hint: str) -> None:
    """The texts that publishers meet most."""
    error = refusal(text)
    assert error.message == message
    assert hint in error.hint


@pytest.mark.parametrize("letter", ["x", "é"], ids=["fast", "slow"])
def test_data_is_measured_as_it_is_sent(letter: str) -> None:
    """Whitespace and escapes of the request do not count; one byte over the limit does."""
    size = len(f'{{"1":"{letter * 10}"}}'.encode())
    text = json.dumps(EVENT | {"data": {"1": letter * 10}}, indent=9).encode()
    assert read_event(text, Limits(data_bytes=size)).tail
    error = refusal(text, Limits(data_bytes=size - 1))
    assert (type(error), error.code, error.where) == (TooLarge, "data-too-large", "/data")
    assert error.message == f"data has {size} bytes"


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_data_may_nest_a_hundred_deep(brackets: str) -> None:
    """Itself counted; the pointer of a refusal leads from the event to the place."""
    opener, closer = ("[", "]") if brackets == "[]" else ('{"a":', "}")

    def nested(depth: int) -> bytes:
        inner = opener * (depth - 1) + "1" + closer * (depth - 1)
        return f'{{"resource":"issue","action":"created","data":{{"a":{inner}}}}}'.encode()

    assert read_event(nested(100), LIMITS).tail.count(opener.encode()) >= 99
    error = refusal(nested(101))
    step = "/0" if opener == "[" else "/a"
    assert (error.code, error.where) == ("too-deep", "/data/a" + step * 99)


def test_depth_hidden_behind_a_key_written_twice_is_seen() -> None:
    """The text is judged and not what remains of it; else the two ways would differ."""
    deep = "[" * 150 + "]" * 150
    text = f'{{"resource":"issue","action":"created","data":{{"a":{deep},"a":1}}}}'.encode()
    assert refusal(text).code == "too-deep"


def test_limits_that_the_stack_does_not_bear_cannot_be_set() -> None:
    """The event and the batch around it are two levels more."""
    assert Limits(depth=198).depth == 198
    with pytest.raises(ValueError, match="1 to 198 is safe"):
        Limits(depth=199)


# --- batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["é", "\ud800"], ids=["splittable", "not splittable"])
@pytest.mark.parametrize("ndjson", [False, True], ids=["list", "lines"])
def test_a_batch_is_its_events_in_order(ndjson: bool, last: str) -> None:
    """Each as if it had come alone, fast or slow; warnings with their index."""
    texts = [event(data={"n": 1.0}), event(data={"1": 2**60, "0": 1}), event(data={"n": last})]
    batch = b"\r\n\n".join(texts) + b"\n" if ndjson else b"[%b]" % b", ".join(texts)
    read = read_batch(batch, ndjson=ndjson, limits=LIMITS)
    alone = [read_event(text, LIMITS) for text in texts]
    assert [one.tail for one in read] == [one.tail for one in alone]
    assert [one.ascii_tail() for one in read] == [one.ascii_tail() for one in alone]
    assert [[w.where for w in one.warnings] for one in read] == [[], ["/1/data/1"], []]


@pytest.mark.parametrize("ndjson", [False, True], ids=["list", "lines"])
@pytest.mark.parametrize(
    ("texts", "kind", "code", "where"),
    [
        ([], Invalid, "empty-batch", ""),
        ([event()] * 4, TooLarge, "too-many-events", ""),
        ([event(), event(id=7)], Invalid, "wrong-type", "/1/id"),
        ([event(), b"7"], Invalid, "wrong-type", "/1"),
        ([event(), b"{}"], Invalid, "missing-field", "/1"),
        ([event(), event(x=1)], Invalid, "unknown-field", "/1/x"),
        ([event(data={"a": "x" * 60}), event()], TooLarge, "data-too-large", "/0/data"),
        ([event(), event(data={"a": [[[[]]]]})], Invalid, "too-deep", "/1/data/a/0/0/0"),
    ],
)
def test_a_batch_is_refused_whole_with_the_index(
    ndjson: bool, texts: list[bytes], kind: type[HooklineError], code: str, where: str
) -> None:
    """The place begins with the index of the event, in both formats."""
    batch = b"\n".join(texts) if ndjson else b"[%b]" % b",".join(texts)
    with pytest.raises(HooklineError) as caught:
        read_batch(batch, ndjson=ndjson, limits=SMALL)
    assert (type(caught.value), caught.value.code, caught.value.where) == (kind, code, where)


def test_a_list_that_is_none_is_refused_with_the_way_to_do_it() -> None:
    """The likeliest mistake is to send lines as application/json."""
    with pytest.raises(Invalid) as caught:
        read_batch(event(), ndjson=False, limits=LIMITS)
    assert (caught.value.code, caught.value.where) == ("wrong-type", "")
    assert "application/x-ndjson" in caught.value.hint


@pytest.mark.parametrize(
    ("batch", "ndjson", "place"),
    [
        (b"[%b,\n\n{]" % event(), False, "line 3, column 2"),
        (b"%b\n\n{,\n" % event(), True, "line 3, column 2"),
        (b'%b\n"\xff"' % event(), True, "byte 1 (line 2)"),
    ],
)
def test_the_place_of_a_mistake_counts_lines_of_the_whole_batch(
    batch: bytes, ndjson: bool, place: str
) -> None:
    """Whoever looks for it has the file, not the event."""
    with pytest.raises(Malformed) as caught:
        read_batch(batch, ndjson=ndjson, limits=LIMITS)
    assert place in caught.value.message
