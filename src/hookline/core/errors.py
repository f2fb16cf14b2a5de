"""Every error that Hookline raises on purpose, in one tree.

::

    HooklineError
    ├── Malformed         400  not JSON, not UTF-8, not HTTP as documented
    ├── Unauthorized      401  no key, or a key that we do not know
    ├── Forbidden         403  a key of ours, but not for this
    ├── NotFound          404
    ├── Conflict          409  the slug is taken, the state forbids it
    ├── TooLarge          413
    ├── UnsupportedMedia  415
    ├── Invalid           422  well-formed, but against a rule
    ├── Unavailable       503  the store cannot take it now; trying again is right
    ├── SecretUnreadable  500  a stored secret does not open with the key at hand
    └── UsageError             the command line or a setting is wrong (exit code 2)

Each carries a stable ``code`` (kebab-case), a ``message`` that says what happened, a ``hint`` that
says what to do, and, for a document, ``where``: a JSON Pointer (RFC 6901) to the place.
Trouble at a receiver is no error: it is an outcome, a value (``core.outcome``).
"""

__all__ = [
    "Conflict",
    "Forbidden",
    "HooklineError",
    "Invalid",
    "Malformed",
    "NotFound",
    "SecretUnreadable",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMedia",
    "UsageError",
]


class HooklineError(Exception):
    """An expected refusal.

    Args:
        code: stable name of the reason, kebab-case.
        message: what happened, with the value that caused it.
        hint: what to do about it.
        where: JSON Pointer into the document that was refused; ``""`` is the whole of it.
    """

    status: int = 500

    def __init__(self, code: str, message: str, hint: str = "", *, where: str | None = None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        at = f" (at {self.where})" if self.where else ""
        return f"{self.message}{at}"


class Malformed(HooklineError):
    """The bytes are not what the content type says."""

    status = 400


class Unauthorized(HooklineError):
    """No key, or one that we do not know."""

    status = 401


class Forbidden(HooklineError):
    """The key is known, but its scopes do not open this call."""

    status = 403


class NotFound(HooklineError):
    """There is nothing by that name."""

    status = 404


class Conflict(HooklineError):
    """It exists already, or its state forbids the call."""

    status = 409


class TooLarge(HooklineError):
    """Over a limit of size."""

    status = 413


class UnsupportedMedia(HooklineError):
    """A content type that the call does not take."""

    status = 415


class Invalid(HooklineError):
    """Well-formed, but against a rule."""

    status = 422


class Unavailable(HooklineError):
    """The store cannot take it now; nothing was stored, and trying again is right."""

    status = 503


class SecretUnreadable(HooklineError):
    """A stored secret does not open with the key at hand: another key, or other bytes."""


class UsageError(HooklineError):
    """The command line or a setting is wrong."""
