"""A body is the contract's four keys in the contract's order."""

import json

from hookline.core import envelope

UUID = "24b397fc-a86e-43ef-9297-949e21b82480"


def test_the_tail_is_what_all_installations_share() -> None:
    """Data and actor, and the brace that ends the body."""
    expected = b'"data":{"a":1},"actor":{"id":"x"}}'
    assert envelope.tail(b'{"a":1}', b'{"id":"x"}') == expected


def test_the_body_in_full() -> None:
    """Byte for byte, because these are the bytes that are signed."""
    tail = envelope.tail('{"é":"%s %b"}'.encode(), b'{"id":"x"}')
    expected = (
        '{"action":"created","installation":{"uuid":"24b397fc-a86e-43ef-9297-949e21b82480"},'
        '"data":{"é":"%s %b"},"actor":{"id":"x"}}'
    ).encode()
    assert envelope.body("created", UUID, tail) == expected


def test_the_keys_stand_in_the_documented_order() -> None:
    """Action, installation, data, actor; nothing else."""
    body = json.loads(envelope.body("triggered", UUID, envelope.tail(b"{}", b"{}")))
    assert list(body) == ["action", "installation", "data", "actor"]
    assert body["installation"] == {"uuid": UUID}


def test_a_tail_comes_apart_again() -> None:
    """Also where the data or a name spells the seam, or holds half of a surrogate pair."""
    data = b'{"actor":{},"x":",\\"actor\\":","y":"\\ud800"}'
    actor = b'{"type":"user","id":1,"name":",\\"actor\\":{}}"}'
    assert envelope.split(envelope.tail(data, actor)) == (data, actor)
