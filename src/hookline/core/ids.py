"""Identifiers: UUIDs of version 7 (RFC 9562 §5.7), which sort in the order of their making.

Rows that are made together then lie together in an index, which random identifiers would scatter
over all of it. ::

    48 bits  milliseconds since the epoch
     4 bits  version, 7
    12 bits  the rest of the millisecond, in 4096ths (§6.2, method 3)
     2 bits  variant, binary 10
    62 bits  chance

Two made in the same microsecond are ordered by chance: nothing may read more into the order.
"""

from hookline.core.instants import Instant

__all__ = ["instant_of", "uuid7"]

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_CHANCE = (1 << 62) - 1


def uuid7(now_us: Instant, random_bytes: bytes) -> bytes:
    """Make the 16 bytes of an identifier.

    Args:
        now_us: the time, from 1970 to the year 10889.
        random_bytes: 8 of them; two bits are not used.

    >>> uuid7(1_795_428_000_000_500, bytes(8)).hex()
    '01a207d9210078008000000000000000'
    """
    millisecond, rest_us = divmod(now_us, 1000)
    if not 0 <= millisecond < 1 << 48:
        raise ValueError(f"{now_us} does not fit into a UUID")
    if len(random_bytes) != 8:
        raise ValueError(f"8 random bytes, not {len(random_bytes)}")
    # 1000 steps spread over 4096: a later microsecond is always a greater number.
    number = millisecond << 80 | _VERSION | (rest_us * 4096 // 1000) << 64
    number |= _VARIANT | int.from_bytes(random_bytes) & _CHANCE
    return number.to_bytes(16)


def instant_of(identifier: bytes) -> Instant:
    """The microsecond in which an identifier of ours was made.

    >>> instant_of(uuid7(1_795_428_000_000_500, bytes(8)))
    1795428000000500
    """
    if len(identifier) != 16:
        raise ValueError(f"an identifier of 16 bytes, not {len(identifier)}")
    number = int.from_bytes(identifier)
    rest_4096ths = number >> 64 & 0xFFF
    # Each microsecond has four or five 4096ths, and was given the first: so rounding up finds it.
    return (number >> 80) * 1000 + -(-rest_4096ths * 1000 // 4096)
