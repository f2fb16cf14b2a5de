"""Why a signature does not match: guesses at the mistake, each checked by computing it.

Theory. Bytes, secret and signature do not fit. Nearly always somebody made one of a small number of
mistakes: the JSON was parsed and written again, a newline came along, the secret was decoded. Each
mistake is a *guess*: what the signed bytes, or the key, would have been. If the HMAC of a guess is
the given signature, the guess is proved, not likely. A guess at the body and one at the secret are
also tried together; so are the ways of spelling a signature, which cost nothing. The number of
guesses is bounded, and so is what a compressed body may unfold to.

The mistakes and their texts stand in ``core.mistakes``; where several are needed, their causes are
joined: ``secret-hex-decoded-and-body-sorted-keys``.

Rule: neither a secret nor a right signature ever stands in a result; results are shown and logged.
"""

import base64
import hmac
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hookline.core import mistakes
from hookline.core.errors import HooklineError
from hookline.core.mistakes import Mistake
from hookline.core.signing import matches

__all__ = ["PYTHON_SPELLINGS", "Diagnosis", "Reserialiser", "diagnose"]

Reserialiser = tuple[str, str, Callable[[bytes], bytes]]
"""A cause, who writes like that (continuing "as ... writes it"), and how the body then looks."""

MAX_INFLATED: Final = 8 * 1024 * 1024
MAX_SECRETS: Final = 8
"""Guesses are made with so many secrets; more than two are valid at a time only by mistake."""

_BOM = b"\xef\xbb\xbf"
_HEX = re.compile(r"[0-9a-fA-F]+")
_PREFIX = re.compile(r"(?:hmac-)?sha[0-9]{1,3}=", re.IGNORECASE)
_ALGORITHMS: Final = {40: "sha1", 96: "sha384", 128: "sha512"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a signature, or that nothing is.

    Args:
        matches: the signature is the documented one; every cause but ``match`` means False.
        cause: stable name of the mistake, kebab-case.
        explanation: what was found, in a sentence.
        hint: what the receiver has to change.
        secret_index: which of the secrets was meant, if that is known.
    """

    matches: bool
    cause: str
    explanation: str
    hint: str
    secret_index: int | None


@dataclass(frozen=True, slots=True)
class _Guess:
    """Bytes that may have been signed, or a key that may have been used."""

    mistake: Mistake | None
    value: bytes


def _respell(body: bytes, **spelling: Any) -> bytes:
    return json.dumps(json.loads(body), **spelling).encode()


def _spelling(cause: str, writer: str, **spelling: Any) -> Reserialiser:
    return cause, writer, partial(_respell, **spelling)


_COMPACT = (",", ":")

PYTHON_SPELLINGS: Final[tuple[Reserialiser, ...]] = (
    _spelling("body-compact-ascii", 'json.dumps with separators=(",", ":")', separators=_COMPACT),
    _spelling(
        "body-compact-utf8",
        'json.dumps with separators=(",", ":") and ensure_ascii=False',
        separators=_COMPACT,
        ensure_ascii=False,
    ),
    _spelling("body-python-default", "json.dumps without further arguments"),
    _spelling("body-python-utf8", "json.dumps with ensure_ascii=False", ensure_ascii=False),
    *(
        _spelling(
            "body-sorted-keys",
            "a serialiser that sorts keys",
            sort_keys=True,
            separators=separators,
            ensure_ascii=ensure_ascii,
        )
        for separators in (_COMPACT, None)
        for ensure_ascii in (True, False)
    ),
    *(
        _spelling(
            "body-pretty-printed",
            f"a pretty-printer with {indent} blanks of indentation",
            indent=indent,
            ensure_ascii=ensure_ascii,
        )
        for indent in (2, 4)
        for ensure_ascii in (False, True)
    ),
)
"""What Python's json makes of a body that was parsed and written again."""


def diagnose(
    body: bytes,
    signature: str,
    secrets: Sequence[str],
    *,
    reserialisers: Sequence[Reserialiser] = PYTHON_SPELLINGS,
) -> Diagnosis:
    """Say whether a signature is right, and if not, which mistake explains it.

    It works both ways: the body may be the genuine one and the signature a receiver's own, or the
    signature is genuine and the body is what a framework left of it.

    Args:
        body: the bytes at hand.
        signature: the text at hand, as it stood in the header.
        secrets: the secrets that may have been used, the likeliest first.
        reserialisers: ways of writing the JSON again; one that raises HooklineError, ValueError
            or RecursionError does not apply.

    >>> from hookline.core.signing import sign
    >>> genuine = sign("northwind-secret", b'{"action":"created"}')
    >>> diagnose(b'{"action": "created"}', genuine, ["northwind-secret"]).cause
    'body-compact-ascii'
    """
    for index, secret in enumerate(secrets):
        if matches(secret, body, signature):
            return Diagnosis(True, "match", "The signature is right for these bytes.", "", index)
    misspelt, digest = _read_signature(signature)
    if not secrets:
        return _result([mistakes.NO_SECRET], None)
    if len(digest) != 32:
        return _wrong_size(misspelt, digest, body, secrets)
    return _search(misspelt, digest, _body_guesses(body, reserialisers), secrets)


def _search(
    misspelt: list[Mistake], digest: bytes, bodies: list[_Guess], secrets: Sequence[str]
) -> Diagnosis:
    """Try every guess, those with fewer mistakes first."""
    keys = [(i, k) for i, secret in enumerate(secrets[:MAX_SECRETS]) for k in _key_guesses(secret)]
    for count in (0, 1, 2):
        for index, key in keys:
            for guess in bodies:
                made = [m for m in (key.mistake, guess.mistake) if m]
                if len(made) != count:
                    continue
                if hmac.compare_digest(hmac.digest(key.value, guess.value, "sha256"), digest):
                    return _result([*misspelt, *made], index)
    return _result([mistakes.UNEXPLAINED], None)


def _result(made: Sequence[Mistake], index: int | None) -> Diagnosis:
    return Diagnosis(
        matches=False,
        cause="-and-".join(mistake.cause for mistake in made),
        explanation=" ".join(mistake.explanation for mistake in made),
        hint=" ".join(mistake.hint for mistake in made),
        secret_index=index,
    )


def _read_signature(signature: str) -> tuple[list[Mistake], bytes]:
    """Read a digest from any spelling; it is empty if there is none to read."""
    misspelt = []
    text = signature.strip()
    if not text:
        return [mistakes.MISSING], b""
    if text != signature:
        misspelt.append(mistakes.BLANKS)
    if prefix := _PREFIX.match(text):
        misspelt.append(mistakes.WITH_PREFIX)
        text = text[prefix.end() :]
    if not _HEX.fullmatch(text):
        return [mistakes.NOT_HEX], b""
    if text != text.lower():
        misspelt.append(mistakes.UPPER_CASE)
    if len(text) % 2:
        return [mistakes.wrong_length(len(text))], b""
    return misspelt, bytes.fromhex(text)


def _wrong_size(
    misspelt: list[Mistake], digest: bytes, body: bytes, secrets: Sequence[str]
) -> Diagnosis:
    if not digest:
        return _result(misspelt, None)
    digits = len(digest) * 2
    algorithm = _ALGORITHMS.get(digits)
    if algorithm is None:
        return _result([mistakes.wrong_length(digits)], None)
    for index, secret in enumerate(secrets[:MAX_SECRETS]):
        if hmac.compare_digest(hmac.digest(_key(secret), body, algorithm), digest):
            return _result([*misspelt, mistakes.other_algorithm(algorithm, proved=True)], index)
    return _result([*misspelt, mistakes.other_algorithm(algorithm, proved=False)], None)


def _key(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")


def _key_guesses(secret: str) -> Iterator[_Guess]:
    yield _Guess(None, _key(secret))
    bare = secret.strip().strip("\"'")
    if bare != secret:
        yield _Guess(mistakes.SECRET_BLANKS, _key(bare))
    yield _Guess(mistakes.SECRET_NEWLINE, _key(bare + "\n"))
    yield _Guess(mistakes.SECRET_NEWLINE, _key(bare + "\r\n"))
    if _HEX.fullmatch(bare) and len(bare) % 2 == 0:
        yield _Guess(mistakes.SECRET_HEX, bytes.fromhex(bare))
    try:
        padded = bare.replace("-", "+").replace("_", "/") + "=" * (-len(bare) % 4)
        yield _Guess(mistakes.SECRET_BASE64, base64.b64decode(padded, validate=True))
    except ValueError:
        return


def _body_guesses(body: bytes, reserialisers: Sequence[Reserialiser]) -> list[_Guess]:
    guesses = [_Guess(None, body), *_framing_guesses(body)]
    for cause, writer, write in reserialisers:
        try:
            guesses.append(_Guess(mistakes.reserialised(cause, writer), write(body)))
        except (HooklineError, ValueError, RecursionError):
            continue
    # Two guesses at the same bytes: the first one names the mistake, the second would cost an HMAC.
    distinct: dict[bytes, _Guess] = {}
    for guess in guesses:
        distinct.setdefault(guess.value, guess)
    return list(distinct.values())


def _framing_guesses(body: bytes) -> Iterator[_Guess]:
    """Guess at what happens to bytes whose JSON nobody touched."""
    if body.endswith(b"\n"):
        yield _Guess(mistakes.NEWLINE_ADDED, body.removesuffix(b"\n"))
        yield _Guess(mistakes.NEWLINE_ADDED, body.removesuffix(b"\n").removesuffix(b"\r"))
    yield _Guess(mistakes.NEWLINE_REMOVED, body + b"\n")
    yield _Guess(mistakes.NEWLINE_REMOVED, body + b"\r\n")
    if body.startswith(_BOM):
        yield _Guess(mistakes.BOM_ADDED, body.removeprefix(_BOM))
    yield _Guess(mistakes.BOM_REMOVED, _BOM + body)
    unread = mistakes.EMPTY if body.strip() in {b"", b"{}"} else mistakes.UNREAD
    yield _Guess(unread, b"")
    yield _Guess(unread, b"{}")
    if body.startswith((b"\x1f\x8b", b"\x78")):
        inflated = _inflate(body)
        if inflated is not None:
            yield _Guess(mistakes.COMPRESSED, inflated)


def _inflate(body: bytes) -> bytes | None:
    # 32 + 15: gzip or zlib, told apart by their first bytes, with the largest window.
    stream = zlib.decompressobj(wbits=47)
    try:
        plain = stream.decompress(body, MAX_INFLATED)
    except zlib.error:
        return None
    return plain if stream.eof else None
