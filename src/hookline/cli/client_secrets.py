"""``hookline integration rotate``, ``… secrets`` and ``… sign-with``."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.text import Text

from hookline.cli.client import JsonFlag, Slug, UrlFlag, connect
from hookline.cli.terminal import GOOD, WARN, cell, fields, make_table, note, out, print_json

__all__ = ["list_secrets", "rotate", "sign_with"]

NewOrOld = Literal["new", "old"]


def rotate(
    slug: Slug,
    *,
    overlap: Annotated[
        float | None,
        Parameter(help="Seconds for which the old secret stays valid, 0 to 604800; else a day."),
    ] = None,
    sign_with: Annotated[
        NewOrOld | None,
        Parameter(help="Which one signs meanwhile; old, until the receiver knows the new one."),
    ] = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a new client secret. It is shown once; the old one stays valid for a while.

    ```
    hookline integration rotate pager-bridge --overlap 3600 --sign-with old
    ```
    """
    wanted = {"overlap": overlap, "sign_with": sign_with}
    given = {name: value for name, value in wanted.items() if value is not None}
    with connect(url) as api:
        made = api.post("integrations", slug, "secrets", "rotate", json=given)
    if as_json:
        print_json(made)
        return
    out().print(
        fields(
            [
                ("client secret", Text(made["client_secret"], GOOD)),
                ("old one valid until", made["previous_expires_at"]),
                ("signs meanwhile", f"the {made['sign_with']} one"),
            ]
        )
    )
    note("The client secret is shown this once: the receiver needs it to check signatures.", WARN)


def list_secrets(slug: Slug, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """List the valid client secrets, without their text: one, or two after a rotation.

    ```
    hookline integration secrets pager-bridge
    ```
    """
    with connect(url) as api:
        found = api.get("integrations", slug, "secrets")
    print_json(found) if as_json else _show(found)


def sign_with(
    slug: Slug,
    which: Annotated[NewOrOld, Parameter(name="WHICH", help="Which secret signs: new or old.")],
    *,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Choose which of two valid secrets signs, until the old one's time is over.

    ```
    hookline integration sign-with pager-bridge new
    ```
    """
    with connect(url) as api:
        found = api.patch("integrations", slug, "secrets", json={"sign_with": which})
    print_json(found) if as_json else _show(found)


def _show(secrets: list[dict[str, Any]]) -> None:
    table = make_table("id", "secret", "signs", "made", "valid until")
    for each in secrets:
        table.add_row(
            cell(each["id"]),
            cell(each["hint"] or "unreadable", "" if each["hint"] else WARN),
            cell("yes" if each["signs"] else "", GOOD),
            cell(each["created_at"]),
            cell(each["expires_at"] or "rotated"),
        )
    out().print(table)
