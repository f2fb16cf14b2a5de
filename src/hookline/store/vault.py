"""Secrets at rest: AES-256-GCM under a key that is not in the database.

What is sealed: ``version (1 byte) | nonce (12) | ciphertext and tag``. The nonce is random; NIST SP
800-38D §8.3 lets one key seal 2^32 messages that way, and secrets are made by the thousand.
Each secret is bound to its owner (as GCM's additional data), so that a row copied onto another
integration does not open there.

The key comes from the settings, or from a file beside the database, made at the first start. A copy
of the database alone is then worthless to a thief, and so is a backup without the key to its
owner: ``fingerprint`` lets the store notice a changed or lost key before anything is sent.
"""

import hashlib
import hmac
import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hookline.core.errors import SecretUnreadable, UsageError
from hookline.core.secret import KEY_BYTES, Secret, decode_key

__all__ = ["Vault", "key_path", "load_key"]

_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_DERIVING_LABEL = b"hookline vault derived secrets"
_FINGERPRINT_LABEL = b"hookline vault fingerprint"
_LONGEST_FILE = 1024


class Vault:
    """Seals and opens secrets under one key; a tampered or foreign one is never opened."""

    __slots__ = ("_cipher", "_deriving", "_fingerprint")

    def __init__(self, key: bytes):
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)
        # Of a derived value: what is stored must not help to test guesses of what AES is given.
        derived = hmac.digest(key, _FINGERPRINT_LABEL, "sha256")
        self._deriving = hmac.digest(key, _DERIVING_LABEL, "sha256")
        self._fingerprint = hashlib.sha256(derived).hexdigest()[:16]

    def seal(self, plain: str, *, bound_to: bytes) -> bytes:
        """Return ``plain`` sealed; it opens only with the same key and the same ``bound_to``."""
        nonce = os.urandom(_NONCE_BYTES)
        text = plain.encode("utf-8", "surrogatepass")
        return _VERSION + nonce + self._cipher.encrypt(nonce, text, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> Secret:
        """Return the secret that was sealed.

        Raises:
            SecretUnreadable: another key, another owner, tampered with, cut off, or not sealed by
                a version that we know. Which of them cannot be told, and must not be.
        """
        nonce, box = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION or len(box) < _TAG_BYTES:
            raise _unreadable()
        try:
            text = self._cipher.decrypt(nonce, box, bound_to)
        except InvalidTag:
            raise _unreadable() from None
        return Secret(text.decode("utf-8", "surrogatepass"))

    def derive(self, label: bytes) -> bytes:
        """32 bytes that are the same for the same key and label, and that nobody else can know."""
        return hmac.digest(self._deriving, label, "sha256")

    def fingerprint(self) -> str:
        """Return 16 hex digits that tell one key from another and nothing else about it."""
        return self._fingerprint


def _unreadable() -> SecretUnreadable:
    return SecretUnreadable(
        "secret-unreadable",
        "a stored secret cannot be decrypted: it was sealed with another key, or was changed",
        "start with the HOOKLINE_SECRET_KEY, or the .key file beside the database, of the time "
        "when the secret was stored",
    )


def key_path(database_path: Path) -> Path:
    """Return where the key of a database is kept: ``hookline.db.key`` for ``hookline.db``."""
    return database_path.with_name(database_path.name + ".key")


def load_key(setting: Secret | None, database_path: Path) -> bytes:
    """Return the 32 bytes of the key: the setting's, or the key file's, which is made if missing.

    Processes that start at the same time on a new database all get the same key.

    Raises:
        UsageError: the setting is no key (``invalid-secret-key``), or the key file is open to
            others, corrupt, unreadable or cannot be made (``key-file-…``).
    """
    if setting is not None:
        return decode_key(setting)
    path = key_path(database_path)
    try:
        with suppress(FileNotFoundError):
            return _read(path)
        _make(path)
        return _read(path)
    except OSError as error:
        raise UsageError(
            "key-file-unusable",
            f"the key file {path} can be neither read nor made: {error.strerror or error}",
            "make its directory writable to this user, or set HOOKLINE_SECRET_KEY",
        ) from error


def _read(path: Path) -> bytes:
    # Without O_NONBLOCK the open would wait for ever on a pipe of that name.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123 (of a descriptor, which Path cannot open)
        _check_mode(path, os.fstat(descriptor).st_mode)
        content = file.read(_LONGEST_FILE)
    try:
        return decode_key(Secret(content.decode("ascii").strip()))
    except (UnicodeDecodeError, UsageError):
        raise UsageError(
            "key-file-corrupt",
            f"the key file {path} does not hold a key",
            "restore it from a backup, or set HOOKLINE_SECRET_KEY; a new key cannot open the "
            "secrets that the database holds",
        ) from None


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise UsageError(
            "key-file-corrupt",
            f"the key file {path} is not a regular file",
            "move it away and restore the key, or set HOOKLINE_SECRET_KEY",
        )
    if os.name == "posix" and mode & 0o077:
        raise UsageError(
            "key-file-readable-by-others",
            f"the key file {path} has mode {stat.S_IMODE(mode):o}: others than its owner have "
            "access to the key of all secrets",
            f"chmod 600 {path}",
        )


def _make(path: Path) -> None:
    """Make the key file if there is none; whole from the first moment that its name exists.

    Written under another name and then linked: O_EXCL on the name itself would let a second
    process read it half written. A link, unlike a rename, never replaces the key of the winner.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(os.urandom(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):  # another process was first: its key is the key
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Make the new name durable before anything is sealed with the key behind it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
