"""``hookline notice …``."""

from typing import Annotated, Final

from cyclopts import Parameter

from hookline.cli.client import JsonFlag, UrlFlag, connect
from hookline.cli.terminal import BAD, GOOD, WARN, cell, make_table, moment, note, out, print_json

__all__ = ["list_all"]

_STYLES: Final = {"warned": WARN, "unsubscribed": BAD, "resubscribed": GOOD}


def list_all(
    *,
    integration: Annotated[str | None, Parameter(help="Only those about this slug.")] = None,
    before: Annotated[int | None, Parameter(help="Go on with those older than this id.")] = None,
    limit: Annotated[int, Parameter(help="How many, 1 to 200.")] = 50,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """List what operators were told, newest first: warned, unsubscribed, resubscribed.

    ```
    hookline notice list --integration pager-bridge
    ```
    """
    with connect(url) as api:
        page = api.get("notices", integration=integration, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    if not page["notices"]:
        note("There are none.")
        return
    table = make_table("id", "when", "integration", "what", "because", unbroken=("when", "what"))
    for each in page["notices"]:
        table.add_row(
            cell(each["id"]),
            cell(moment(each["at"])),
            cell(each["integration"]),
            cell(each["kind"], _STYLES.get(each["kind"], "")),
            cell(each["message"]),
        )
    out().print(table)
    if page["next"]:
        note(f"There are more: --before {page['next']}")
