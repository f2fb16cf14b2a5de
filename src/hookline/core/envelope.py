"""The body of a delivery: ``{"action":…,"installation":{"uuid":…},"data":…,"actor":…}``.

The four keys and their order are the contract (CONTRACT §4). Only the head differs from one
installation to the next, so the rest is made once per event and stored; a body is a concatenation.

Nothing is escaped here because nothing can need it: an action is ``[a-z0-9_]+`` and an
installation's name is a dashed UUID, both checked where they come in; data and actor are JSON
already (``core.canonical``).
"""

__all__ = ["body", "split", "tail"]


def tail(data: bytes, actor: bytes) -> bytes:
    """Return the part that is the same for every installation.

    >>> tail(b"{}", b'{"type":"user"}')
    b'"data":{},"actor":{"type":"user"}}'
    """
    return b'"data":%b,"actor":%b}' % (data, actor)


def split(tail: bytes) -> tuple[bytes, bytes]:
    """Return the data and the actor that ``tail`` was made of.

    The last ``,"actor":`` is the envelope's own: inside the actor, a quotation mark in text is
    escaped. Nothing is parsed, for a strict parser refuses the halves of surrogate pairs that we carry.

    >>> split(b'"data":{},"actor":{"type":"user"}}')
    (b'{}', b'{"type":"user"}')
    """
    data, _, actor = tail.rpartition(b',"actor":')
    return data.removeprefix(b'"data":'), actor[:-1]


def body(action: str, installation_uuid: str, tail: bytes) -> bytes:
    """Return the bytes to sign and send.

    >>> body("created", "24b397fc-a86e-43ef-9297-949e21b82480", b'"data":{},"actor":{}}')[:22]
    b'{"action":"created","i'
    """
    head = f'{{"action":"{action}","installation":{{"uuid":"{installation_uuid}"}},'
    return head.encode() + tail
