"""Cheap scans that prove a document harmless: the guards of the fast way in ``send.intake``.

Each answers "certainly" or "perhaps not". They may find too much, such as a key inside a string,
for then the slow way decides; they must never find too little. All of them run in C: a loop over
the document in Python would cost more than reading and writing it.
"""

import re

__all__ = ["settled", "shallow"]

_ANY_DIGIT_AS_0 = bytes(0x30 if chr(byte) in "0123456789" else byte for byte in range(256))
_SIXTEEN = b"0" * 16
_INDEX_KEY = re.compile(rb'"[0-9]{1,10}":')
# Integers of 16 digits below 9·10¹⁵ are below 2**53, and ids of that size are everyday.
_LARGE_INTEGER = re.compile(rb"[:,\[]-?(?:9[0-9]{15}|[0-9]{17})")

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
# Documents of more levels than this are so rare that the slow way may count them.
_DEEPEST_QUICKLY = 40


def settled(data: bytes) -> bool:
    """Whether JavaScript certainly leaves ``data``, compact JSON of msgspec's, as it is.

    What could still change are keys that look like array indices and integers that a double cannot
    hold. Fixed bytes are found several times faster than patterns, hence those come second.
    """
    zeros = data.translate(_ANY_DIGIT_AS_0)
    if b'0":' in zeros and _INDEX_KEY.search(data):
        return False
    if _SIXTEEN not in zeros:
        return True
    # Sixteen digits in a row are mostly in a string: an id inside a URL.
    in_a_number = (
        b":" + _SIXTEEN in zeros
        or b"," + _SIXTEEN in zeros
        or b"[" + _SIXTEEN in zeros
        or b"-" + _SIXTEEN in zeros
    )
    return not (in_a_number and _LARGE_INTEGER.search(data))


def shallow(body: bytes, depth: int) -> bool:
    """Whether ``body``, an event in JSON, certainly has ``data`` no deeper than ``depth``.

    The text is asked and not the parsed event: a key written twice hides what stood there first.

    As many brackets as the event's own two, and two for each level, cannot nest deeper. If there
    are more, what stands between quotation marks is left out (code in a stack trace is full of
    single brackets), and the rest is taken away in pairs from the inside out: each level takes a
    step of its own.
    """
    if len(body.translate(None, _NOT_BRACKETS)) <= 2 * depth + 2:
        return True
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotation marks side by side go first: what is inside and what outside stays so, and few
    # pieces are left to join.
    structure = unescaped.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    nest = b"".join(structure.split(b'"')[::2])
    for _ in range(min(depth, _DEEPEST_QUICKLY) // 2):
        nest = nest.replace(b"{}", b"").replace(b"[]", b"")
        if not nest:
            return True
    return False
