"""Headers out of the head of an answer, as it was received from a stranger."""

import re

__all__ = ["header_values"]

_INTERIM = re.compile(rb"HTTP/[0-9.]+ +1[0-9][0-9](?![0-9])", re.IGNORECASE)
_LONGEST_JOINED = 8_192  # bytes: without an end, joining a hundred thousand lines takes seconds


def header_values(head: bytes, name: bytes) -> list[bytes]:
    r"""The values of a header, in order, without white space around them; nothing is raised.

    Args:
        head: status line and header lines as received, with the blocks of interim (1xx) answers
            before the final one and trailers after it; only the final answer's block is read.
        name: in lower case.

    >>> header_values(b"HTTP/1.1 302 Found\r\nLocation: /new\r\n\r\n", b"location")
    [b'/new']
    """
    values = []
    for line in _final_block(head):
        found, colon, value = line.partition(b":")
        if colon and found.strip(b" \t").lower() == name:
            values.append(value.strip(b" \t"))
    return values


def _final_block(head: bytes) -> list[bytes]:
    """The header lines of the answer itself, continued lines joined."""
    block: list[bytes] = []
    begun = interim = False
    for raw in head.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if not begun:
            begun, interim = True, _INTERIM.match(line) is not None
        elif not line and not interim:
            break
        elif not line:
            begun = False
        elif interim:
            continue
        elif block and line[:1] in (b" ", b"\t"):
            if len(block[-1]) < _LONGEST_JOINED:
                block[-1] += b" " + line.strip(b" \t")
        else:
            block.append(line)
    return block
