"""What publishing refuses: each thing by its code and its place, and nothing of it is stored."""

import json
from typing import Any

import pytest

PUBLISH = "/api/v1/organizations/acme/events"
BATCH = f"{PUBLISH}/batch"
GOOD = {"resource": "issue", "action": "created", "data": {"n": 1}}


def _event(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def _without(field: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != field}).encode()


def _nested(depth: int) -> bytes:
    """An event whose data nests that deep, itself included."""
    inner = b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)
    return b'{"resource":"issue","action":"created","data":%b}' % inner


USER = {"type": "user", "id": 1, "name": "Ada"}

# body, status, code, where
REFUSED = [
    # not JSON
    (b"", 400, "not-json", None),
    (b" \n", 400, "not-json", None),
    (b"{", 400, "not-json", None),
    (_event()[:-1], 400, "not-json", None),
    (_event() + b"x", 400, "not-json", None),
    (_event() + _event(), 400, "not-json", None),
    (b"resource=issue&action=created", 400, "not-json", None),
    (b"{'resource':'issue'}", 400, "not-json", None),
    (_event(data={"x": 0}).replace(b"0", b"NaN"), 400, "not-json", None),
    (_event(data={"x": 0}).replace(b"0", b"Infinity"), 400, "not-json", None),
    (_event(data={"x": 0}).replace(b"0", b"-Infinity"), 400, "not-json", None),
    (_event(data={"x": 0}).replace(b"0", b"01"), 400, "not-json", None),
    (_event(data={"x": 0}).replace(b"0", b"+1"), 400, "not-json", None),
    (_event(data={"x": 0}).replace(b"0", b"0x1"), 400, "not-json", None),
    (_event(data={"x": 0}).replace(b"0", b"1,"), 400, "not-json", None),
    (_event(data={"x": "y"}).replace(b"y", b"\n"), 400, "not-json", None),
    (_event(data={"x": "y"}).replace(b"y", b"\x00"), 400, "not-json", None),
    (_event(data={"x": "y"}).replace(b"y", b"\xff"), 400, "not-utf-8", None),
    (_event(data={"x": "y"}).replace(b"y", b"\xed\xa0\x80"), 400, "not-utf-8", None),
    (_event(data={"x": "y"}).replace(b"y", b"\xc0\xaf"), 400, "not-utf-8", None),
    (b"\xff\xfe" + _event().decode().encode("utf-16-le"), 400, "not-utf-8", None),
    (b"\xef\xbb\xbf" + _event(), 400, "byte-order-mark", None),
    (b"\x1f\x8b\x08\x00" + b"\x00" * 20, 400, "not-utf-8", None),
    # not an event
    (b"[]", 422, "wrong-type", ""),
    (b"[" + _event() + b"]", 422, "wrong-type", ""),
    (b"null", 422, "wrong-type", ""),
    (b"1", 422, "wrong-type", ""),
    (b'"issue"', 422, "wrong-type", ""),
    (b"{}", 422, "missing-field", ""),
    (_without("resource"), 422, "missing-field", ""),
    (_without("action"), 422, "missing-field", ""),
    (_without("data"), 422, "missing-field", ""),
    (_event(dta={}), 422, "unknown-field", "/dta"),
    (_event(organization="acme"), 422, "unknown-field", "/organization"),
    (_event(**{"a/b~c": 1}), 422, "unknown-field", "/a~1b~0c"),
    (_event(**{"x" * 10_000: 1}), 422, "unknown-field", ""),
    (_event(**{"": 1}), 422, "unknown-field", "/"),
    (_event(**{"\ud800": 1}), 422, "unknown-field", "/\\ud800"),
    (_event(**{"a\r\nX-Evil: 1": 1}), 422, "unknown-field", "/a\r\nX-Evil: 1"),
    # resource and action
    (_event(resource=None), 422, "wrong-type", "/resource"),
    (_event(resource=1), 422, "wrong-type", "/resource"),
    (_event(resource=["issue"]), 422, "wrong-type", "/resource"),
    (_event(resource=""), 422, "bad-resource", "/resource"),
    (_event(resource="Issue"), 422, "bad-resource", "/resource"),
    (_event(resource="issue\r\nX-Evil: 1"), 422, "bad-resource", "/resource"),
    (_event(resource="issue\n"), 422, "bad-resource", "/resource"),
    (_event(resource="issue\x00"), 422, "bad-resource", "/resource"),
    (_event(resource="é"), 422, "bad-resource", "/resource"),
    (_event(resource="\ud800"), 422, "bad-resource", "/resource"),
    (_event(resource="a" * 65), 422, "bad-resource", "/resource"),
    (_event(resource="a" * 100_000), 422, "bad-resource", "/resource"),
    (_event(resource="a" * 64), 422, "unknown-resource", "/resource"),
    (_event(resource="isue"), 422, "unknown-resource", "/resource"),
    (_event(action=True), 422, "wrong-type", "/action"),
    (_event(action="created\r\n"), 422, "bad-action", "/action"),
    (_event(action='created","x":"'), 422, "bad-action", "/action"),
    (_event(action="a" * 65), 422, "bad-action", "/action"),
    (_event(action="create"), 422, "unknown-action", "/action"),
    # data
    (_event(data=None), 422, "wrong-type", "/data"),
    (_event(data=[]), 422, "wrong-type", "/data"),
    (_event(data="x"), 422, "wrong-type", "/data"),
    (_event(data=1.5), 422, "wrong-type", "/data"),
    (_nested(101), 422, "too-deep", "/data" + "/a" * 100),
    (_nested(5_000), 422, "too-deep", "/data" + "/a" * 100),
    (b"[" * 50_000, 422, "too-deep", "/0" * 101),
    # id
    (_event(id=7), 422, "wrong-type", "/id"),
    (_event(id=""), 422, "bad-id", "/id"),
    (_event(id="a b"), 422, "bad-id", "/id"),
    (_event(id="a\r\nX-Evil: 1"), 422, "bad-id", "/id"),
    (_event(id="é"), 422, "bad-id", "/id"),
    (_event(id="a" * 129), 422, "bad-id", "/id"),
    # actor
    (_event(actor="Ada"), 422, "bad-actor", "/actor"),
    (_event(actor={}), 422, "missing-field", "/actor"),
    (_event(actor={"type": "user", "id": 1}), 422, "missing-field", "/actor"),
    (_event(actor=USER | {"email": "x"}), 422, "unknown-field", "/actor/email"),
    (_event(actor=USER | {"type": "robot"}), 422, "bad-actor", "/actor/type"),
    (_event(actor=USER | {"id": 1.5}), 422, "bad-actor", "/actor/id"),
    (_event(actor=USER | {"id": True}), 422, "bad-actor", "/actor/id"),
    (_event(actor=USER | {"id": 2**53 + 1}), 422, "bad-actor", "/actor/id"),
    (_event(actor=USER | {"id": 10**4000}), 422, "bad-actor", "/actor/id"),
    (_event(actor=USER | {"name": 1}), 422, "bad-actor", "/actor/name"),
    (_event(actor=USER | {"name": "a" * 201}), 422, "bad-actor", "/actor/name"),
    # targets
    (_event(targets="app"), 422, "wrong-type", "/targets"),
    (_event(targets={"app": 1}), 422, "wrong-type", "/targets"),
    (_event(targets=[]), 422, "targets-not-allowed", "/targets"),
    (_event(targets=["app"]), 422, "targets-not-allowed", "/targets"),
    (_event(targets=[1]), 422, "wrong-type", "/targets/0"),
    (_event(targets=["ok", "No"]), 422, "bad-target", "/targets/1"),
    (_event(targets=["a\r\nb"]), 422, "bad-target", "/targets/0"),
    (_event(targets=["a", "a"]), 422, "bad-target", "/targets/1"),
    (_event(targets=[f"a{n}" for n in range(101)]), 422, "too-many-targets", "/targets"),
    (
        _event(resource="event_alert", action="triggered", targets=["nobody"]),
        422, "unknown-integration", "/targets/0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "code", "where"), REFUSED)
def test_an_event_that_is_refused(
    live: Any, body: bytes, status: int, code: str, where: str | None
) -> None:
    """Alone, with its place in the document."""
    before = live.stored()
    response = live.post(PUBLISH, body)
    live.refused(response, status, code, where)
    assert "x-evil" not in response.headers
    assert live.stored() == before


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [row for row in REFUSED if row[1] == 422 and row[3] and row[0][:1] == b"{"],
)
@pytest.mark.parametrize("ndjson", [False, True])
def test_one_bad_event_refuses_its_batch(
    live: Any, ndjson: bool, body: bytes, status: int, code: str, where: str
) -> None:
    """All or nothing; the place begins with the index, in a list as in lines."""
    before = live.stored()
    parts = [_event(), body, _event()]
    if ndjson:
        response = live.post(BATCH, b"\n".join(parts), "application/x-ndjson")
    else:
        response = live.post(BATCH, b"[" + b",".join(parts) + b"]")
    live.refused(response, status, code, f"/1{where}")
    assert live.stored() == before


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "where"),
    [
        (b"", "application/json", 400, "not-json", None),
        (b"[]", "application/json", 422, "empty-batch", ""),
        (b"", "application/x-ndjson", 422, "empty-batch", ""),
        (b"\n \n\r\n", "application/x-ndjson", 422, "empty-batch", ""),
        (_event(), "application/json", 422, "wrong-type", ""),
        (b"null", "application/json", 422, "wrong-type", ""),
        (b"[null]", "application/json", 422, "wrong-type", "/0"),
        (b"[[]]", "application/json", 422, "wrong-type", "/0"),
        (b"[" + _event() + b",]", "application/json", 400, "not-json", None),
        (b"[" + _event(), "application/json", 400, "not-json", None),
        (
            b"[" + b",".join([_event()] * 1001) + b"]",
            "application/json",
            413,
            "too-many-events",
            "",
        ),
        (b"\n".join([_event()] * 1001), "application/x-ndjson", 413, "too-many-events", ""),
        (b"[" + _event() + b"]", "application/x-ndjson", 422, "wrong-type", "/0"),
        (_event() + b"\n{", "application/x-ndjson", 400, "not-json", "/1"),
        (_event() + b"\n\n\n\xff", "application/x-ndjson", 400, "not-utf-8", "/1"),
        (b"\xef\xbb\xbf" + _event(), "application/x-ndjson", 400, "byte-order-mark", "/0"),
        (b"[" * 50_000, "application/json", 422, "too-deep", "/0" * 102),
    ],
)
def test_a_batch_that_is_refused(
    live: Any, body: bytes, content_type: str, status: int, code: str, where: str | None
) -> None:
    """As a whole."""
    before = live.stored()
    live.refused(live.post(BATCH, body, content_type), status, code, where)
    assert live.stored() == before


def test_the_hint_names_what_was_probably_meant(live: Any) -> None:
    """For fields, resources and actions."""
    hints = [
        live.refused(live.post(PUBLISH, body), 422, code, where)["hint"]
        for body, code, where in [
            (_event(actoor=1), "unknown-field", "/actoor"),
            (_event(resource="isue"), "unknown-resource", "/resource"),
            (_event(action="create"), "unknown-action", "/action"),
        ]
    ]
    assert [hint.split("?")[0].lower() for hint in hints] == [
        'did you mean "actor"', "did you mean issue", "did you mean created",
    ]  # fmt: skip


@pytest.mark.parametrize("path", [PUBLISH, BATCH, "/api/v1/keys"])
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/json", "application/jsonp", "application/json, text/plain",
     "application/json; charset=latin-1", "application/json; charset=utf-16", "application/xml",
     "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/octet-stream",
     "application/problem+json", "*/*", "json", ";", "x" * 5_000],
)  # fmt: skip
def test_a_content_type_that_is_not_taken(live: Any, path: str, content_type: str | None) -> None:
    """415 names what is taken; guessing would let a form on a web page publish."""
    before = live.stored()
    body = b'{"name":"x"}' if path.endswith("keys") else _event()
    error = live.refused(live.post(path, body, content_type), 415, "unsupported-media-type")
    assert "application/json" in error["hint"]
    assert live.stored() == before


def test_lines_are_for_batches(live: Any) -> None:
    """One event is a JSON document."""
    response = live.post(PUBLISH, _event(), "application/x-ndjson")
    live.refused(response, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=UTF-8", 'application/json; charset="utf-8"',
     "APPLICATION/JSON", "application/json;", "application/json ; charset=utf-8"],
)  # fmt: skip
def test_a_content_type_that_is_taken(live: Any, content_type: str) -> None:
    """However clients spell JSON in UTF-8."""
    assert live.post(PUBLISH, _event(), content_type).status_code == 202
    assert live.post("/api/v1/integrations", b"{}", content_type).status_code == 422


def test_a_hundred_levels_are_taken(live: Any) -> None:
    """The limit itself is within it, alone and in a batch."""
    assert live.post(PUBLISH, _nested(100)).status_code == 202
    assert live.post(BATCH, b"[" + _nested(100) + b"]").status_code == 202


def test_data_at_the_limit_and_one_byte_over(live: Any) -> None:
    """One mebibyte of data as it is sent; what is handed in may be longer, by blanks and escapes."""
    before = live.stored()
    room = 1_048_576 - len('{"x":""}')
    assert live.post(PUBLISH, _event(data={"x": "a" * room})).status_code == 202
    response = live.post(PUBLISH, _event(data={"x": "a" * (room + 1)}))
    live.refused(response, 413, "data-too-large", "/data")
    response = live.post(
        BATCH, b"[" + _event() + b"," + _event(data={"x": "a" * (room + 1)}) + b"]"
    )
    live.refused(response, 413, "data-too-large", "/1/data")
    assert live.stored() == before | {"events": before["events"] + 1}


@pytest.mark.parametrize(
    ("path", "size"),
    [(PUBLISH, 2 * 1_048_576 + 65_537), (BATCH, 16 * 1_048_576 + 1), ("/api/v1/keys", 1_048_577)],
)
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit(live: Any, path: str, size: int, declared: bool) -> None:
    """413, whether its length is announced or it comes in chunks."""
    before = live.stored()
    chunk = b" " * 65_536
    whole, rest = divmod(size, len(chunk))
    content: Any = b" " * size if declared else (c for c in [*[chunk] * whole, b" " * rest])
    headers = {"Content-Type": "application/json"}
    response = live.client.post(path, content=content, headers=headers)
    live.refused(response, 413, "body-too-large")
    assert live.stored() == before


@pytest.mark.parametrize("path", [PUBLISH, BATCH, "/api/v1/keys"])
def test_an_announced_length_is_refused_before_the_body_comes(live: Any, path: str) -> None:
    """Nobody sends gigabytes to be told no."""
    answer = live.raw(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {live.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 9000000000\r\n\r\n{".encode()
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"body-too-large"' in answer


def test_a_message_never_writes_headers(live: Any) -> None:
    """An actor's name goes into the body alone, where a line break is escaped."""
    live.register(slug="plain", resources=["issue"])
    name = "Ada\r\nX-Evil: 1\x00 \u2028"
    live.publish(actor=USER | {"name": name})
    (request,) = live.receiver.wait("/plain")
    assert json.loads(request.body)["actor"]["name"] == name
    assert b"Ada\\r\\nX-Evil: 1\\u0000" in request.body
    assert "x-evil" not in {key.lower() for key, _ in request.headers}


def test_without_a_key_the_body_is_not_read(live: Any) -> None:
    """Strangers cost nothing: the key comes first."""
    response = live.client.post(PUBLISH, content=b"{", headers={"Authorization": "Bearer x"})
    live.refused(response, 401, "wrong-key")
