"""``hookline delivery …``."""

from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from hookline.cli.client import JsonFlag, UrlFlag, connect
from hookline.cli.terminal import (
    BAD,
    DIM,
    GOOD,
    TITLE,
    WARN,
    cell,
    fields,
    harmless,
    make_table,
    moment,
    note,
    out,
    print_json,
)
from hookline.core.resources import event_name

__all__ = ["list_all", "replay", "show", "state_cell", "why"]

_STYLES: Final = {"delivered": GOOD, "parked": BAD, "waiting": WARN, "leased": WARN}

Id = Annotated[str, Parameter(name="ID", help="The delivery: the Request-ID its receiver saw.")]


def list_all(
    *,
    integration: Annotated[str | None, Parameter(help="Only those for this slug.")] = None,
    organization: Annotated[str | None, Parameter(help="Only those of this organization.")] = None,
    state: Annotated[
        Literal["waiting", "leased", "delivered", "parked"] | None,
        Parameter(help="Only those in this state."),
    ] = None,
    park_reason: Annotated[
        Literal["exhausted", "blocked", "gone", "unsubscribed", "deleted"] | None,
        Parameter(help="Only those that are parked for this."),
    ] = None,
    before: Annotated[str | None, Parameter(help="Go on with those older than this id.")] = None,
    limit: Annotated[int, Parameter(help="How many, 1 to 200.")] = 50,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """List deliveries, newest first.

    ```
    hookline delivery list --state parked --integration pager-bridge --limit 20
    ```
    """
    with connect(url) as api:
        page = api.get(
            "deliveries",
            integration=integration,
            organization=organization,
            state=state,
            park_reason=park_reason,
            before=before,
            limit=limit,
        )
    if as_json:
        print_json(page)
        return
    if not page["deliveries"]:
        note("There are none.")
        return
    out().print(_table(page["deliveries"]))
    if page["next"]:
        note(f"There are more: --before {page['next']}")


def _table(deliveries: list[dict[str, Any]]) -> Any:
    table = make_table(
        "id", "event", "state", "tries", "for", "accepted", unbroken=("id", "state", "accepted")
    )
    for each in deliveries:
        table.add_row(
            cell(each["id"]),
            cell(event_name(each["resource"], each["action"])),
            state_cell(each),
            cell(each["attempts_made"]),
            cell(f"{each['integration']} in {each['organization']}"),
            cell(moment(each["accepted_at"])),
        )
    return table


def state_cell(delivery: dict[str, Any]) -> Text:
    """A delivery's state in its colour, with the reason where it is parked."""
    reason = f" ({delivery['park_reason']})" if delivery["park_reason"] else ""
    return cell(delivery["state"] + reason, _STYLES.get(delivery["state"], ""))


def show(delivery: Id, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """Show a delivery with each attempt: the exact request, the answer, address and timings.

    ```
    hookline delivery show 0198c1f0a6b27c3d8e4f5a6b7c8d9e0f
    ```
    """
    with connect(url) as api:
        found = api.get("deliveries", delivery)
    if as_json:
        print_json(found)
        return
    console = out()
    console.print(
        fields(
            [
                ("delivery", found["id"]),
                ("state", state_cell(found)),
                ("event", f"{event_name(found['resource'], found['action'])}  {found['event']}"),
                ("integration", f"{found['integration']} in {found['organization']}"),
                ("installation", found["installation"]),
                ("webhook URL", found["webhook_url"]),
                ("accepted", found["accepted_at"]),
                ("next attempt", found["due_at"]),
                ("settled", found["settled_at"]),
            ]
        )
    )
    for attempt in found["attempts"]:
        _show_attempt(console, attempt)
    if not found["attempts"]:
        note("No attempt was made yet.")


def _show_attempt(console: Console, attempt: dict[str, Any]) -> None:
    style = GOOD if attempt["outcome"] == "success" else BAD
    head = Text(f"\nAttempt {attempt['number']}", TITLE) + Text(f"  {attempt['outcome']}", style)
    console.print(head + Text(f"  {attempt['started_at']}", DIM))
    request, response = attempt["request"], attempt["response"]
    timings = [
        f"{phase.replace('_', ' ')} {micro / 1000:.2f} ms"
        for phase, micro in attempt["timings_us"].items()
        if micro
    ]
    rows = [
        ("address", attempt["address"]),
        ("timings", ", ".join(timings)),
        ("detail", attempt["detail"]),
    ]
    console.print(fields(rows))
    console.print("> POST " + harmless(request["url"], lines=False), style=DIM, soft_wrap=True)
    for name, value in request["headers"]:
        console.print(cell(f"> {name}: {value}"), soft_wrap=True)
    _show_text(console, request["body"])
    for line in response["head"].splitlines():
        if line:
            console.print(cell(f"< {line}"), soft_wrap=True)
    _show_text(console, response["body"])
    if response["cut"]:
        console.print("… more came than the log keeps", style=DIM)


def _show_text(console: Console, text: str) -> None:
    if text:
        console.print(Text(harmless(text)), soft_wrap=True)


def why(delivery: Id, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """Say why a delivery stands where it stands: each outcome, and what comes next.

    ```
    hookline delivery why 0198c1f0a6b27c3d8e4f5a6b7c8d9e0f
    ```
    """
    with connect(url) as api:
        told = api.get("deliveries", delivery, "explain")
    if as_json:
        print_json(told)
        return
    for sentence in told["sentences"]:
        out().print(cell(sentence), soft_wrap=True)


def replay(delivery: Id, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """Send a delivery again: the same bytes and Request-ID, with the whole retry schedule.

    ```
    hookline delivery replay 0198c1f0a6b27c3d8e4f5a6b7c8d9e0f
    ```
    """
    with connect(url) as api:
        again = api.post("deliveries", delivery, "replay")
    if as_json:
        print_json(again)
        return
    out().print(cell(f"{again['id']} is ") + state_cell(again), soft_wrap=True)
    note("`hookline delivery why` tells what came of it.")
