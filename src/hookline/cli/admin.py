"""``hookline resource …`` and ``hookline key …``."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.text import Text

from hookline.cli.client import JsonFlag, UrlFlag, connect
from hookline.cli.terminal import DIM, GOOD, WARN, cell, fields, make_table, note, out, print_json

__all__ = ["create_key", "create_resource", "list_keys", "list_resources", "revoke_key"]

ScopeName = Literal["publish", "read", "admin"]


def list_resources(*, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """List the resources: the documented ones, then your own.

    ```
    hookline resource list
    ```
    """
    with connect(url) as api:
        found = api.get("resources")
    if as_json:
        print_json(found)
        return
    table = make_table("resource", "actions", "goes to", unbroken=("resource",))
    goes_to = {
        "subscribed": "those who subscribe",
        "alert": "alertable ones, or targets",
        "lifecycle": "the installation",
    }
    for each in found:
        table.add_row(
            cell(each["name"]),
            cell(", ".join(each["actions"])),
            cell(goes_to.get(each["routing"], each["routing"]), DIM),
        )
    out().print(table)


def create_resource(
    name: Annotated[str, Parameter(name="NAME", help="Such as order.")],
    *actions: Annotated[str, Parameter(name="ACTIONS", help="Such as placed shipped.")],
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Register a resource of your own; integrations can subscribe to it at once.

    ```
    hookline resource create order placed shipped
    ```
    """
    with connect(url) as api:
        made = api.post("resources", json={"name": name, "actions": list(actions)})
    if as_json:
        print_json(made)
        return
    out().print(cell(f"{made['name']}: {', '.join(made['actions'])}"))


def create_key(
    name: Annotated[str, Parameter(name="NAME", help="Who uses it.")],
    *,
    scope: Annotated[
        list[ScopeName] | None,
        Parameter(
            negative="",
            help="What it opens: publish (hand in events), read (look), admin (everything, and "
            "the default); repeat it for several.",
        ),
    ] = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key of the API. It is shown once.

    ```
    hookline key create "checkout service" --scope publish
    ```
    """
    wanted = {"name": name} if scope is None else {"name": name, "scopes": scope}
    with connect(url) as api:
        made = api.post("keys", json=wanted)
    if as_json:
        print_json(made)
        return
    out().print(
        fields(
            [
                ("id", made["id"]),
                ("name", made["name"]),
                ("scopes", _scopes(made)),
                ("key", Text(made["key"], GOOD)),
            ]
        )
    )
    note("The key is shown this once.", WARN)


def list_keys(*, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """List the keys, revoked ones included.

    ```
    hookline key list
    ```
    """
    with connect(url) as api:
        found = api.get("keys")
    if as_json:
        print_json(found)
        return
    table = make_table("id", "name", "scopes", "made", "revoked")
    for each in found:
        table.add_row(
            cell(each["id"]),
            cell(each["name"]),
            cell(_scopes(each)),
            cell(each["created_at"]),
            cell(each["revoked_at"]),
        )
    out().print(table)


def _scopes(key: dict[str, Any]) -> str:
    return ", ".join(key["scopes"])


def revoke_key(
    key: Annotated[int, Parameter(name="ID", help="From `hookline key list`.")],
    *,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Revoke a key: requests with it are refused from now on.

    ```
    hookline key revoke 2
    ```
    """
    with connect(url) as api:
        api.delete("keys", str(key))
    print_json({"revoked": key}) if as_json else out().print(cell(f"revoked key {key}"))
