"""Files that a command reads, byte for byte; ``-`` is standard input."""

import sys
from pathlib import Path

from hookline.core.errors import UsageError

__all__ = ["read_bytes"]


def read_bytes(path: str) -> bytes:
    """The bytes of a file. Raises ``UsageError`` where it cannot be read."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as trouble:
        raise UsageError(
            "unreadable-file",
            f"cannot read {path}: {trouble.strerror or trouble}",
            "check the path and who may read it",
        ) from None
