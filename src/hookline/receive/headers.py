"""Reading headers as frameworks give them: any case, text or bytes, a mapping or pairs."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from hookline.receive.errors import WebhookError

__all__ = ["GivenHeaders", "Headers", "read_headers"]

GivenHeaders: TypeAlias = "Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]"
"""What ``verify`` takes. Also what has ``items()`` without being a Mapping: http.server, werkzeug."""

_BLANKS: Final = " \t"


class Headers:
    """The headers of one request, by lower-case name.

    >>> read_headers([(b"Request-ID", b"4f"), ("X", "1"), ("x", "2")]).joined()
    {'request-id': '4f', 'x': '1, 2'}
    """

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, list[str]]):
        self._values = values

    def get(self, name: str) -> str:
        """The value of a header; ``""`` where there is none.

        Raises:
            WebhookError: ``header-duplicate``. Two values are no value: which one somebody on the
                way looked at, nobody knows.
        """
        values = self._values.get(name.lower(), ())
        if len(values) > 1:
            raise WebhookError("header-duplicate", f"there are {len(values)} headers {name}")
        return values[0] if values else ""

    def signature(self, name: str) -> str:
        """The value of the header that carries the signature.

        Raises:
            WebhookError: ``signature-missing`` or ``signature-duplicate``.
        """
        values = self._values.get(name.lower(), ())
        if len(values) > 1:
            raise WebhookError("signature-duplicate", f"there are {len(values)} headers {name}")
        if not values or not values[0]:
            raise WebhookError("signature-missing", f"there is no header {name}")
        return values[0]

    def has(self, name: str) -> bool:
        """Whether there is such a header."""
        return name.lower() in self._values

    def joined(self) -> dict[str, str]:
        """Each header once, several values joined by ``", "`` (RFC 9110, 5.2)."""
        return {name: ", ".join(values) for name, values in self._values.items()}

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Each value by itself, under its name."""
        return tuple((name, value) for name, values in self._values.items() for value in values)


def read_headers(given: GivenHeaders) -> Headers:
    """Read headers. A value may also be a list, where a framework keeps duplicates so.

    Raises:
        WebhookError: ``headers-unreadable``.
    """
    try:
        items: Any = getattr(given, "items", None)
        pairs = list(items()) if callable(items) else list(given)
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            several = value if isinstance(value, list | tuple) else (value,)
            into = values.setdefault(_text(name).strip(_BLANKS).lower(), [])
            into.extend(_text(each).strip(_BLANKS) for each in several)
    except WebhookError:
        raise
    except Exception:  # whatever an object does that only looks like headers
        raise _unreadable(f"the headers are a {type(given).__name__} that is not pairs") from None
    return Headers(values)


def _text(given: object) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, bytes):
        return given.decode("latin-1")  # RFC 9110, 5.5: what is not ASCII is opaque
    raise _unreadable(f"a header holds a {type(given).__name__}")


def _unreadable(message: str) -> WebhookError:
    return WebhookError("headers-unreadable", message)
