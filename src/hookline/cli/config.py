"""``hookline config`` and ``hookline version``."""

import os
import platform
from dataclasses import asdict

from hookline import __version__
from hookline.cli.client import JsonFlag
from hookline.cli.terminal import DIM, cell, make_table, out, print_json
from hookline.settings import Settings

__all__ = ["config", "version"]


def config(*, as_json: JsonFlag = False) -> None:
    """Show every setting, its value here and now, and where that comes from.

    ```
    HOOKLINE_PORT=9000 hookline config
    ```
    """
    rows = Settings.from_environ(os.environ).describe()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = make_table("setting", "value", "from", "help", unbroken=("setting", "from"))
    for row in rows:
        unset = row.origin == "default"
        origin = "default" if unset else "environment"
        table.add_row(
            cell(row.name),
            cell(row.value, DIM if unset else ""),
            cell(origin, DIM if unset else ""),
            cell(row.help, DIM),
        )
    out().print(table)


def version(*, as_json: JsonFlag = False) -> None:
    """Show which version this is.

    ```
    hookline version
    ```
    """
    python = platform.python_version()
    if as_json:
        print_json({"hookline": __version__, "python": python})
        return
    out().print(f"hookline {__version__} (Python {python})")
