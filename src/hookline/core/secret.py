"""Secrets that do not show themselves.

A secret that is a plain ``str`` ends up in a log line, a traceback with locals, an f-string, a JSON
document or a pickle sooner or later. This one has to be asked: ``reveal()`` is the only way out,
and a search for that word finds every place where a secret is used.
"""

import hmac
import re
from base64 import b64decode
from typing import Never

from hookline.core.errors import UsageError

__all__ = ["STARS", "Secret", "decode_key", "hint"]

STARS = "********"  # always eight: not even the length is told

KEY_BYTES = 32
LEAST_FOR_A_HINT = 32


class Secret:
    """Text that prints as stars; equal to a secret of the same text, compared in constant time.

    >>> print(Secret("hunter2"), [Secret("hunter2")])
    ******** [Secret('********')]
    >>> Secret("hunter2").reveal()
    'hunter2'
    """

    __slots__ = ("__text",)

    def __init__(self, text: str):
        if not isinstance(text, str):
            raise TypeError(f"a Secret is made of text, not of {type(text).__name__}")
        self.__text = text

    def reveal(self) -> str:
        """Return the text; keep it out of variables that outlive the use."""
        return self.__text

    def __str__(self) -> str:
        return STARS

    def __repr__(self) -> str:
        return f"Secret({STARS!r})"

    def __format__(self, spec: str) -> str:
        return format(STARS, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self.__text), _bytes(other.__text))

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> Never:
        # A pickle is the text in clear, on a disk or in another process.
        raise TypeError("a Secret cannot be pickled; pass reveal() on purpose")


def hint(secret: Secret) -> str:
    """Enough of a secret to tell which one it is beside another: stars and its last four characters.

    Of a client secret, 64 hex digits, that leaves 240 bits to guess; of a short text it tells nothing.

    >>> hint(Secret("0123456789abcdef" * 4)), hint(Secret("hunter2"))
    ('********cdef', '********')
    """
    text = secret.reveal()
    return STARS + (text[-4:] if len(text) >= LEAST_FOR_A_HINT else "")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decode_key(text: Secret) -> bytes:
    """Return the 32 bytes of a key that is written as 64 hex digits or as 44 base64 characters.

    Raises:
        UsageError: ``invalid-secret-key``; never shows the key.
    """
    written = text.reveal()
    if re.fullmatch(r"[0-9A-Fa-f]{64}", written):
        return bytes.fromhex(written)
    if re.fullmatch(r"[0-9A-Za-z+/_-]{43}=", written):
        return b64decode(written.translate(str.maketrans("-_", "+/")))
    raise UsageError(
        "invalid-secret-key",
        f"the secret key is neither 64 hex digits nor 44 base64 characters, but {len(written)} "
        "characters",
        "make one with: openssl rand -hex 32",
    )
