"""Client secrets as a command is given them.

Every user of a machine can list the arguments of its processes, so ``--secret`` is for trials; for
real secrets there are ``--secret-file`` and the variable ``WEBHOOK_SECRET``. That one has no
``HOOKLINE_`` in front: it is the receiver's secret, not a setting of ours.
"""

import os
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from hookline.core.errors import UsageError

__all__ = ["SecretFileFlag", "SecretFlag", "gather_secrets", "read_secrets"]

VARIABLE: Final = "WEBHOOK_SECRET"

SecretFlag = Annotated[
    list[str] | None,
    Parameter(
        name="--secret",
        negative="",
        help="The client secret. Other users can see arguments: for real secrets use "
        f"--secret-file or the variable. [env var: {VARIABLE}]",
    ),
]
SecretFileFlag = Annotated[
    list[Path] | None,
    Parameter(name="--secret-file", negative="", help="A file that holds the client secret."),
]


def gather_secrets(texts: list[str] | None, files: list[Path] | None) -> list[str]:
    """The secrets, in the order flag, file; the variable counts only where there is neither.

    Raises:
        UsageError: there is none, or a file cannot be read.
    """
    secrets = read_secrets(texts, files)
    if not secrets and os.environ.get(VARIABLE):
        secrets = [os.environ[VARIABLE]]
    if not secrets:
        raise UsageError(
            "missing-secret",
            "there is no client secret",
            f"give --secret, or better --secret-file, or the variable {VARIABLE}",
        )
    return secrets


def read_secrets(texts: list[str] | None, files: list[Path] | None) -> list[str]:
    """The secrets of a pair of flags, which may be none.

    Raises:
        UsageError: one is empty, or a file cannot be read.
    """
    secrets = [*(texts or ()), *(_read(path) for path in files or ())]
    if not all(secrets):
        raise UsageError(
            "empty-secret", "a secret is empty", "give the integration's client secret"
        )
    return secrets


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as trouble:
        reason = getattr(trouble, "strerror", None) or "it is no text"
        raise UsageError(
            "unreadable-file", f"cannot read {path}: {reason}", "check the path and who may read it"
        ) from None
