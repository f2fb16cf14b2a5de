"""Guesses at what was signed: the bodies and the keys that each known mistake would have made."""

import base64
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hookline.core import mistakes
from hookline.core.errors import HooklineError
from hookline.core.mistakes import Mistake
from hookline.core.spellings import Reserialiser

__all__ = ["HEX", "MAX_INFLATED", "Guess", "decoded", "guess_bodies", "guess_keys", "key_of"]

MAX_INFLATED: Final = 8 * 1024 * 1024

HEX: Final = re.compile(r"[0-9a-fA-F]+")
_BOM: Final = b"\xef\xbb\xbf"
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105  (what is before the secret)


@dataclass(frozen=True, slots=True)
class Guess:
    """Bytes that may have been signed, or a key that may have been used."""

    mistake: Mistake | None
    value: bytes


def key_of(secret: str) -> bytes:
    """A secret as text."""
    return secret.encode("utf-8", "surrogatepass")


def decoded(secret: str) -> bytes | None:
    """What a secret spells in base64, behind ``whsec_``; None if it spells nothing.

    >>> decoded("whsec_bm9ydGh3aW5k")
    b'northwind'
    """
    bare = secret.removeprefix(_SECRET_PREFIX).rstrip("=")
    padded = bare.replace("-", "+").replace("_", "/") + "=" * (-len(bare) % 4)
    try:
        return base64.b64decode(padded, validate=True) or None
    except ValueError:
        return None


def guess_keys(secret: str, *, encoded: bool) -> Iterator[Guess]:
    """Guess at what was made of a secret; the right key comes first, if the secret spells one.

    Args:
        secret: as it was given out.
        encoded: the key is what the secret spells in base64, not its characters.
    """
    bare = secret.strip().strip("\"'")
    if encoded:
        yield from _encoded_keys(secret, bare)
        return
    yield Guess(None, key_of(secret))
    if bare != secret:
        yield Guess(mistakes.SECRET_BLANKS, key_of(bare))
    yield Guess(mistakes.SECRET_NEWLINE, key_of(bare + "\n"))
    yield Guess(mistakes.SECRET_NEWLINE, key_of(bare + "\r\n"))
    if HEX.fullmatch(bare) and len(bare) % 2 == 0:
        yield Guess(mistakes.SECRET_HEX, bytes.fromhex(bare))
    if (key := decoded(bare)) is not None:
        yield Guess(mistakes.SECRET_BASE64, key)
    if bare.startswith(_SECRET_PREFIX):
        yield Guess(mistakes.SECRET_PREFIX_LOST, key_of(bare.removeprefix(_SECRET_PREFIX)))


def _encoded_keys(secret: str, bare: str) -> Iterator[Guess]:
    key, stripped = decoded(secret), decoded(bare)
    if key is not None:
        yield Guess(None, key)
    if bare != secret and stripped is not None:
        yield Guess(mistakes.SECRET_BLANKS, stripped)
    yield Guess(mistakes.SECRET_UNDECODED, key_of(bare))
    rest = bare.removeprefix(_SECRET_PREFIX)
    if rest != bare:
        yield Guess(mistakes.SECRET_UNDECODED, key_of(rest))
    else:
        yield Guess(mistakes.SECRET_UNDECODED, key_of(_SECRET_PREFIX + bare))
    if HEX.fullmatch(rest) and len(rest) % 2 == 0:
        yield Guess(mistakes.SECRET_HEX, bytes.fromhex(rest))


def guess_bodies(body: bytes, reserialisers: Sequence[Reserialiser]) -> list[Guess]:
    """Guess at what was signed; the body itself comes first."""
    # Characters before spellings: Python reads UTF-16 by itself, and would name only itself.
    guesses = [Guess(None, body), *_framings(body), *_charsets(body)]
    for cause, writer, write in reserialisers:
        try:
            guesses.append(Guess(mistakes.reserialised(cause, writer), write(body)))
        except (HooklineError, ValueError, RecursionError):
            continue
    # Two guesses at the same bytes: the first one names the mistake, the second would cost an HMAC.
    distinct: dict[bytes, Guess] = {}
    for guess in guesses:
        distinct.setdefault(guess.value, guess)
    return list(distinct.values())


def _framings(body: bytes) -> Iterator[Guess]:
    """Guess at what happens to bytes whose JSON nobody touched."""
    if body.endswith(b"\n"):
        yield Guess(mistakes.NEWLINE_ADDED, body.removesuffix(b"\n"))
        yield Guess(mistakes.NEWLINE_ADDED, body.removesuffix(b"\n").removesuffix(b"\r"))
    yield Guess(mistakes.NEWLINE_REMOVED, body + b"\n")
    yield Guess(mistakes.NEWLINE_REMOVED, body + b"\r\n")
    if body.startswith(_BOM):
        yield Guess(mistakes.BOM_ADDED, body.removeprefix(_BOM))
    yield Guess(mistakes.BOM_REMOVED, _BOM + body)
    unread = mistakes.EMPTY if body.strip() in {b"", b"{}"} else mistakes.UNREAD
    yield Guess(unread, b"")
    yield Guess(unread, b"{}")
    if body.startswith((b"\x1f\x8b", b"\x78")):
        inflated = _inflate(body)
        if inflated is not None:
            yield Guess(mistakes.COMPRESSED, inflated)


def _charsets(body: bytes) -> Iterator[Guess]:
    """Guess at what conversions of the character set do. Where all is ASCII, most change nothing."""
    ways: list[tuple[str, Callable[[], bytes]]] = []
    for charset, name in (("latin-1", "ISO-8859-1"), ("cp1252", "Windows-1252")):
        ways += [
            (
                f"as it was before its UTF-8 was taken for {name} and written as UTF-8 again",
                lambda charset=charset: body.decode().encode(charset),  # type: ignore[misc]
            ),
            (
                f"taken for {name} and written as UTF-8",
                lambda charset=charset: body.decode(charset).encode(),  # type: ignore[misc]
            ),
            (
                f"written as {name}, with ? for what that cannot say",
                lambda charset=charset: body.decode().encode(charset, "replace"),  # type: ignore[misc]
            ),
        ]
    ways += [
        ("with ? for all that is not ASCII", lambda: body.decode().encode("ascii", "replace")),
        ("without all that is not ASCII", lambda: body.decode().encode("ascii", "ignore")),
        ("with U+FFFD for all that is not ASCII", lambda: body.decode("ascii", "replace").encode()),
        ("read as UTF-16 and written as UTF-8", lambda: _from_utf16(body)),
        *(
            (f"written as {charset}", lambda charset=charset: body.decode().encode(charset))
            for charset in ("UTF-16-LE", "UTF-16-BE", "UTF-16")
        ),
    ]
    for words, convert in ways:
        try:
            yield Guess(mistakes.other_charset(words), convert())
        except UnicodeError:
            continue


def _from_utf16(body: bytes) -> bytes:
    marked = body.startswith((b"\xff\xfe", b"\xfe\xff"))
    little = body[1:2] == b"\0"
    return body.decode("utf-16" if marked else "utf-16-le" if little else "utf-16-be").encode()


def _inflate(body: bytes) -> bytes | None:
    # 32 + 15: gzip or zlib, told apart by their first bytes, with the largest window.
    stream = zlib.decompressobj(wbits=47)
    try:
        plain = stream.decompress(body, MAX_INFLATED)
    except zlib.error:
        return None
    return plain if stream.eof else None
