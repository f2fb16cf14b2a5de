"""``hookline event …``."""

import json
from typing import Annotated, Any
from uuid import uuid4

from cyclopts import Parameter

from hookline import samples
from hookline.cli.client import JsonFlag, UrlFlag, connect
from hookline.cli.deliveries import state_cell
from hookline.cli.files import read_bytes
from hookline.cli.sample_names import resource_and_action
from hookline.cli.terminal import DIM, GOOD, WARN, cell, fields, make_table, note, out, print_json
from hookline.core.errors import UsageError
from hookline.core.resources import event_name
from hookline.send.clock import wall_us

__all__ = ["publish", "sample_event", "show"]


def publish(
    file: Annotated[
        str | None,
        Parameter(
            name="FILE",
            help='JSON: {"resource", "action", "data", "actor"?, "id"?, "targets"?}; - is stdin.',
            allow_leading_hyphen=True,
        ),
    ] = None,
    *,
    organization: Annotated[str, Parameter(help="Whose event it is.")],
    sample: Annotated[
        str | None, Parameter(help="A sample instead, such as issue.created.")
    ] = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish an event. When this returns, the event and its deliveries are on disk.

    ```
    hookline event publish event.json --organization acme
    hookline event publish --sample issue.created --organization acme
    ```
    """
    if (file is None) == (sample is None):
        raise UsageError(
            "which-event", "give either a FILE or --sample", "- reads the event from standard input"
        )
    if sample is not None:
        body = json.dumps(sample_event(sample, organization)).encode()
    else:
        body = read_bytes(
            str(file)
        )  # its bytes as they are: the server says what is wrong with them
    with connect(url) as api:
        accepted = api.post("organizations", organization, "events", body=body)
    if as_json:
        print_json(accepted)
        return
    count = accepted["deliveries"]
    rows: list[tuple[str, object]] = [
        ("event", accepted["id"]),
        ("deliveries", cell(count, GOOD if count else WARN)),
    ]
    rows += [("warning", f"{each['where']}: {each['message']}") for each in accepted["warnings"]]
    out().print(fields(rows))
    if accepted.get("duplicate"):
        note("It had been published before: this is the first answer, and nothing is sent again.")
    elif not count:
        note("It goes to nobody; `hookline event show` tells why.", WARN)


def sample_event(name: str, organization: str) -> dict[str, Any]:
    """A sample as a publisher would hand it in.

    Raises:
        UsageError: there is no sample of that name.
    """
    resource, action = resource_and_action(name)
    made = samples.sample(
        resource,
        action,
        now=wall_us(),
        installation_uuid=str(uuid4()),
        organization=organization,
    )
    event: dict[str, Any] = {"resource": resource, "action": action, "data": made.data}
    return event if made.actor is None else {**event, "actor": made.actor}


def show(
    event: Annotated[str, Parameter(name="ID", help="The id that publishing answered.")],
    *,
    organization: Annotated[
        str | None, Parameter(help="Whose, where several have an event of that id.")
    ] = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Show an event, each installation considered, and why it was or was not chosen.

    ```
    hookline event show order-17-paid --organization acme
    ```
    """
    with connect(url) as api:
        found = api.get("events", event, organization=organization)
    if as_json:
        print_json(found)
        return
    console = out()
    console.print(
        fields(
            [
                ("event", found["id"]),
                ("what", event_name(found["resource"], found["action"])),
                ("organization", found["organization"]),
                ("accepted", found["accepted_at"]),
                ("from", _came_from(found)),
                ("targets", None if found["targets"] is None else ", ".join(found["targets"])),
            ]
        )
    )
    _show_considered(found)
    note("\nIts data: --json.", DIM)


def _came_from(found: dict[str, Any]) -> str:
    if found["forwarded"] is not None:
        return f"source {found['forwarded']['source']}"
    return f"{found['actor']['type']} {found['actor']['name']}"


def _show_considered(found: dict[str, Any]) -> None:
    if not found["considered"]:
        note("\nNothing was installed in this organization when it came.", WARN)
        return
    states = {each["installation"]: each for each in found["deliveries"]}
    table = make_table(
        "integration", "chosen", "because", "delivery", "state", unbroken=("delivery",)
    )
    for each in found["considered"]:
        delivery = states.get(each["installation"])
        table.add_row(
            cell(each["integration"]),
            cell("yes", GOOD) if each["chosen"] else cell("no", DIM),
            cell(each["reason"]),
            cell(delivery["id"] if delivery else ""),
            state_cell(delivery) if delivery else cell(""),
        )
    out().print()
    out().print(table)
