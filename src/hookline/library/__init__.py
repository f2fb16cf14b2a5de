"""Hookline as a library: publishing in the caller's transaction, and running in his process."""

from hookline.library.events import Event, EventFields, Published
from hookline.library.hooks import Hookline

__all__ = ["Event", "EventFields", "Hookline", "Published"]
