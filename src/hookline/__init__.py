"""Hookline: signed, retried, logged and replayable webhooks in one process."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookline.library import Event, Hookline, Published

__all__ = ["Event", "Hookline", "Published", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Only when they are asked for: `hookline.core` and receivers need none of what these import.
    if name in {"Event", "Hookline", "Published"}:
        from hookline import library  # noqa: PLC0415

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
