"""``hookline serve``."""

import os
from typing import Annotated, Final

from cyclopts import Parameter

from hookline.cli.client import JsonFlag
from hookline.settings import Settings

__all__ = ["serve"]

_ROWS: Final = {row.name: row for row in Settings().describe()}


def _flag(name: str) -> Parameter:
    row = _ROWS[f"HOOKLINE_{name.upper()}"]
    told = f"{row.help} [env var: {row.name}] [default: {row.value}]"
    return Parameter(name=f"--{name.replace('_', '-')}", help=told)


# All text: the settings read and check it, so that a flag and a variable get the same answer. What
# is secret has no flag, since every user of the machine can list the arguments of a process.
def serve(
    *,
    host: Annotated[str | None, _flag("host")] = None,
    port: Annotated[str | None, _flag("port")] = None,
    database: Annotated[str | None, _flag("database")] = None,
    allow_addresses: Annotated[str | None, _flag("allow_addresses")] = None,
    role: Annotated[str | None, _flag("role")] = None,
    max_data_bytes: Annotated[str | None, _flag("max_data_bytes")] = None,
    max_in_flight: Annotated[str | None, _flag("max_in_flight")] = None,
    log: Annotated[str | None, _flag("log")] = None,
    log_attempts: Annotated[str | None, _flag("log_attempts")] = None,
    keep_events_days: Annotated[str | None, _flag("keep_events_days")] = None,
    keep_attempts_days: Annotated[str | None, _flag("keep_attempts_days")] = None,
    until_stdin_closes: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Stop also when standard input ends: for programs that start hookline, and must "
            "not leave it behind when they die.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Serve until told to stop: the HTTP API, and the sending of webhooks.

    The first start makes an API key and shows it once. Ctrl-C or SIGTERM stops it gracefully.

    ```
    hookline serve --port 8800 --database sqlite:///hookline.db
    ```
    """
    settings = Settings.from_environ(
        os.environ,
        {
            "host": host,
            "port": port,
            "database": database,
            "allow_addresses": allow_addresses,
            "role": role,
            "max_data_bytes": max_data_bytes,
            "max_in_flight": max_in_flight,
            "log": log,
            "log_attempts": log_attempts,
            "keep_events_days": keep_events_days,
            "keep_attempts_days": keep_attempts_days,
        },
    )
    # Here and not above: the web framework takes longer to import than all the rest of us, and
    # `hookline verify` should not wait for it.
    from hookline.cli.serving import serve_until_stopped  # noqa: PLC0415

    serve_until_stopped(settings, as_json=as_json, until_stdin_closes=until_stdin_closes)
    return 0
