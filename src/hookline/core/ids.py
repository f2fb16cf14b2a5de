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

__all__ = ["uuid7", "uuid7_floor", "uuid7_instant"]

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
    if len(random_bytes) != 8:
        raise ValueError(f"8 random bytes, not {len(random_bytes)}")
    chance = int.from_bytes(random_bytes) & _CHANCE
    return (_without_chance(now_us) | chance).to_bytes(16)


def uuid7_floor(instant: Instant) -> bytes:
    """The least identifier that can be made at an instant: all that are below it are older.

    >>> uuid7_floor(1_795_428_000_000_500).hex()
    '01a207d9210078008000000000000000'
    """
    return _without_chance(instant).to_bytes(16)


def uuid7_instant(identifier: bytes) -> Instant:
    """When an identifier was made, to the microsecond.

    >>> uuid7_instant(uuid7(1_795_428_000_000_999, bytes(8)))
    1795428000000999
    """
    number = int.from_bytes(identifier)
    # Rounded up, since making it rounded down: a microsecond is four of the 4096 steps wide.
    return (number >> 80) * 1000 + -(-((number >> 64 & 0xFFF) * 1000) // 4096)


def _without_chance(instant: Instant) -> int:
    millisecond, rest_us = divmod(instant, 1000)
    if not 0 <= millisecond < 1 << 48:
        raise ValueError(f"{instant} does not fit into a UUID")
    # 1000 steps spread over 4096: a later microsecond is always a greater number.
    return millisecond << 80 | _VERSION | (rest_us * 4096 // 1000) << 64 | _VARIANT
