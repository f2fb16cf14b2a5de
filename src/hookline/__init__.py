"""Hookline: signed, retried, logged and replayable webhooks in one process."""

__all__ = ["__version__"]

__version__ = "0.1.0"
