"""Why a signature does not match: guesses at the mistake, each checked by computing it.

Theory. Bytes, secret and signature do not fit. Nearly always somebody made one of a small number of
mistakes: the JSON was parsed and written again, a newline came along, the secret was decoded. Each
mistake is a *guess*: what the signed bytes, or the key, would have been (``core.guesses``). If the HMAC
of a guess is the given signature, the guess is proved, not likely. A guess at the body and one at the
secret are also tried together; so are the ways of spelling a signature, which cost nothing. The number
of guesses is bounded, and so is what a compressed body may unfold to.

The mistakes and their texts stand in ``core.mistakes``; where several are needed, their causes are
joined: ``secret-hex-decoded-and-body-sorted-keys``.

Rule: neither a secret nor a right signature ever stands in a result; results are shown and logged.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hookline.core import mistakes
from hookline.core.guesses import (
    HEX,
    MAX_INFLATED,
    Guess,
    decoded,
    guess_bodies,
    guess_keys,
    key_of,
)
from hookline.core.headers import SIGNATURE
from hookline.core.mistakes import Mistake
from hookline.core.spellings import PYTHON_SPELLINGS, SPELLINGS, Reserialiser

__all__ = [
    "DOCUMENTED",
    "MAX_INFLATED",
    "PYTHON_SPELLINGS",
    "SPELLINGS",
    "Diagnosis",
    "Reserialiser",
    "Signing",
    "diagnose",
]

MAX_SECRETS: Final = 8
"""Guesses are made with so many secrets; more than two are valid at a time only by mistake."""

_PREFIX = re.compile(r"(?:hmac-)?(?:sha[0-9]{1,3}|v[0-9]{1,2}a?)[=,]", re.IGNORECASE)
_ALGORITHMS: Final = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a signature, or that nothing is.

    Args:
        matches: the signature is the right one; every cause but ``match`` means False.
        cause: stable name of the mistake, kebab-case.
        explanation: what was found, in a sentence.
        hint: what the receiver has to change.
        secret_index: which of the secrets was meant, if that is known; old ones count on.
    """

    matches: bool
    cause: str
    explanation: str
    hint: str
    secret_index: int | None


@dataclass(frozen=True, slots=True)
class Signing:
    """How a sender signs, as far as guesses need it.

    Args:
        header: the header that carries the signature.
        algorithm: sha1, sha256, sha384 or sha512.
        encoding: how the digest is spelt.
        prefix: what stands before the digest.
        before: what is signed in front of the body, such as a time.
        encoded_key: the key is what the secret spells in base64, not its characters.
    """

    header: str = SIGNATURE
    algorithm: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    before: bytes = b""
    encoded_key: bool = False

    @property
    def digest_bytes(self) -> int:
        """The length of a digest."""
        return _ALGORITHMS[self.algorithm]

    def digest(self, key: bytes, body: bytes) -> bytes:
        """The right digest."""
        return hmac.digest(key, self.before + body, self.algorithm)

    def spelt(self, digest: bytes) -> str:
        """A digest as it stands in the header."""
        text = digest.hex() if self.encoding == "hex" else b64encode(digest).decode()
        return self.prefix + text

    def key(self, secret: str) -> bytes | None:
        """The right key; None where the secret spells none."""
        return decoded(secret) if self.encoded_key else key_of(secret)


DOCUMENTED: Final = Signing()


def diagnose(
    body: bytes,
    signature: str,
    secrets: Sequence[str],
    *,
    reserialisers: Sequence[Reserialiser] = PYTHON_SPELLINGS,
    old_secrets: Sequence[str] = (),
    signing: Signing = DOCUMENTED,
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
        old_secrets: secrets that were valid before.
        signing: how the sender signs.

    >>> from hookline.core.signing import sign
    >>> genuine = sign("northwind-secret", b'{"action":"created"}')
    >>> diagnose(b'{"action": "created"}', genuine, ["northwind-secret"]).cause
    'body-compact-ascii'
    """
    for index, secret in enumerate(secrets):
        if _matches(signing, secret, body, signature):
            return Diagnosis(True, "match", "The signature is right for these bytes.", "", index)
    misspelt, digest = _read_signature(signature, signing)
    if not secrets and not old_secrets:
        return _result([mistakes.NO_SECRET], None)
    if len(digest) != signing.digest_bytes:
        return _wrong_size(misspelt, digest, body, secrets, signing)
    keys = _keys(secrets, old_secrets, signing)
    return _search(misspelt, digest, guess_bodies(body, reserialisers), keys, signing)


def _matches(signing: Signing, secret: str, body: bytes, signature: str) -> bool:
    key = signing.key(secret)
    if key is None:
        return False
    right = signing.spelt(signing.digest(key, body))
    return hmac.compare_digest(right.encode(), signature.encode("utf-8", "surrogatepass"))


def _keys(
    secrets: Sequence[str], old_secrets: Sequence[str], signing: Signing
) -> list[tuple[int, Guess]]:
    keys = [
        (index, guess)
        for index, secret in enumerate(secrets[:MAX_SECRETS])
        for guess in guess_keys(secret, encoded=signing.encoded_key)
    ]
    for index, secret in enumerate(old_secrets[:MAX_SECRETS], start=len(secrets)):
        key = signing.key(secret)
        if key is not None:
            keys.append((index, Guess(mistakes.SECRET_OLD, key)))
    return keys


def _search(
    misspelt: list[Mistake],
    digest: bytes,
    bodies: list[Guess],
    keys: list[tuple[int, Guess]],
    signing: Signing,
) -> Diagnosis:
    """Try every guess, those with fewer mistakes first."""
    for count in (0, 1, 2):
        for index, key in keys:
            for guess in bodies:
                made = [m for m in (key.mistake, guess.mistake) if m]
                if len(made) != count:
                    continue
                if hmac.compare_digest(signing.digest(key.value, guess.value), digest):
                    return _result([*misspelt, *made], index)
    if signing.before:
        for index, key in keys:
            alone = hmac.digest(key.value, bodies[0].value, signing.algorithm)
            if hmac.compare_digest(alone, digest):
                made = [m for m in (key.mistake, mistakes.BODY_ALONE) if m]
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


def _read_signature(signature: str, signing: Signing) -> tuple[list[Mistake], bytes]:
    """Read a digest from any spelling; it is empty if there is none to read."""
    misspelt = []
    text = signature.strip()
    if not text:
        return [mistakes.missing(signing.header)], b""
    if text != signature:
        misspelt.append(mistakes.BLANKS)
    if signing.prefix and text.startswith(signing.prefix):
        text = text.removeprefix(signing.prefix)
    elif prefix := _PREFIX.match(text):
        misspelt.append(mistakes.with_prefix(signing.prefix))
        text = text[prefix.end() :]
    elif signing.prefix:
        misspelt.append(mistakes.prefix_lost(signing.prefix))
    if signing.encoding == "base64":
        return _read_base64(text, misspelt)
    return _read_hex(text, misspelt, signing)


def _read_base64(text: str, misspelt: list[Mistake]) -> tuple[list[Mistake], bytes]:
    # A digest's base64 has 44 characters or more, and its hex is no base64 of a digest's length.
    if HEX.fullmatch(text) and len(text) // 2 in _ALGORITHMS.values() and len(text) % 2 == 0:
        return [*misspelt, mistakes.NOT_BASE64], bytes.fromhex(text)
    try:
        return misspelt, b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        return [mistakes.NOT_BASE64], b""


def _read_hex(text: str, misspelt: list[Mistake], signing: Signing) -> tuple[list[Mistake], bytes]:
    if not HEX.fullmatch(text):
        return [mistakes.NOT_HEX], b""
    if text != text.lower():
        misspelt.append(mistakes.UPPER_CASE)
    if len(text) % 2:
        return [mistakes.wrong_length(len(text), signing.header, signing.digest_bytes * 2)], b""
    return misspelt, bytes.fromhex(text)


def _wrong_size(
    misspelt: list[Mistake], digest: bytes, body: bytes, secrets: Sequence[str], signing: Signing
) -> Diagnosis:
    if not digest:
        return _result(misspelt, None)
    other = next((name for name, size in _ALGORITHMS.items() if size == len(digest)), None)
    if other is None:
        length = mistakes.wrong_length(len(digest) * 2, signing.header, signing.digest_bytes * 2)
        return _result([length], None)
    wanted = signing.algorithm
    for index, secret in enumerate(secrets[:MAX_SECRETS]):
        key = signing.key(secret)
        if key is not None and hmac.compare_digest(
            hmac.digest(key, signing.before + body, other), digest
        ):
            made = mistakes.other_algorithm(other, wanted, proved=True)
            return _result([*misspelt, made], index)
    return _result([*misspelt, mistakes.other_algorithm(other, wanted, proved=False)], None)
