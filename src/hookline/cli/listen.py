"""``hookline listen``: a gateway in one command."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookline.cli.client import JsonFlag
from hookline.cli.secrets_given import SecretFileFlag, SecretFlag, gather_secrets
from hookline.cli.sources import DeduplicateFlag, SchemeFlag
from hookline.core.errors import Invalid, UsageError
from hookline.core.urls import check_webhook_url, receiver_of
from hookline.receive.schemes import scheme_named
from hookline.settings import Settings

__all__ = ["listen"]


def listen(
    *,
    to: Annotated[str, Parameter(help="Your application, such as http://localhost:3000/hooks.")],
    scheme: SchemeFlag = "sentry",
    secret: SecretFlag = None,
    secret_file: SecretFileFlag = None,
    deduplicate: DeduplicateFlag = None,
    port: Annotated[str | None, Parameter(help="Where to listen; 0 takes any free port.")] = None,
    database: Annotated[
        str | None,
        Parameter(
            help="Where what came in is kept, and what the URL is remembered by. Without it nothing "
            "outlives this command."
        ),
    ] = None,
    until_stdin_closes: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Stop also when standard input ends: for programs.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Take webhooks, answer at once, and pass them on to your application as they came: retried, logged.

    Each request is told with its verdict; with --json as one document a line, the first with the URL.

    ```
    hookline listen --scheme github --secret-file secret.txt --to http://localhost:3000/hooks
    ```
    """
    secrets = gather_secrets(secret, secret_file)
    target = _target(to)
    try:
        known = scheme_named(scheme)
    except Invalid as unknown:
        raise UsageError(unknown.code, unknown.message, unknown.hint) from unknown
    with contextlib.ExitStack() as stack:
        if database is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-listen-"))
            database = f"sqlite:///{Path(folder) / 'hookline.db'}"
        allowed = [os.environ.get("HOOKLINE_ALLOW_ADDRESSES", ""), receiver_of(target)]
        settings = Settings.from_environ(
            os.environ,
            {
                "database": database,
                "port": port,
                "allow_addresses": ", ".join(each for each in allowed if each),
            },
        )
        # Here and not above: the web framework takes longer to import than all the rest of us.
        from hookline.cli.listening import Wanted, listen_until_stopped  # noqa: PLC0415

        wanted = Wanted(target, known, tuple(secrets), deduplicate or "none")
        listen_until_stopped(
            settings, wanted, as_json=as_json, until_stdin_closes=until_stdin_closes
        )
    return 0


def _target(given: str) -> str:
    try:
        return check_webhook_url(given)
    except Invalid as wrong:
        raise UsageError(wrong.code, f"--to: {wrong.message}", wrong.hint) from wrong
