"""``hookline source …``."""

from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from hookline.cli.client import JsonFlag, UrlFlag, connect
from hookline.cli.secrets_given import SecretFileFlag, SecretFlag, gather_secrets
from hookline.cli.terminal import (
    DIM,
    GOOD,
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
from hookline.core.errors import UsageError
from hookline.receive.schemes import names

__all__ = [
    "SCHEMES",
    "DeduplicateFlag",
    "SchemeFlag",
    "add_secret",
    "create",
    "delete",
    "drop_secret",
    "list_all",
    "list_secrets",
    "new_url",
    "refused",
    "show",
    "update",
]

SCHEMES = f"{', '.join(names())}, or plain-hmac/sha256/hex/json/HEADER/PREFIX"

Slug = Annotated[str, Parameter(name="SLUG", help="The source.")]
SchemeFlag = Annotated[str, Parameter(help=f"How the sender signs: {SCHEMES}.")]
DeduplicateFlag = Annotated[
    str | None,
    Parameter(help="Drop what comes twice, by: request-id, body, or JMESPath for a field; none."),
]
LimitFlag = Annotated[int | None, Parameter(help="The most bytes that a body may have.")]
KeepFlag = Annotated[bool | None, Parameter(help="Keep the last 100 requests that were refused.")]
SecretId = Annotated[int, Parameter(name="ID", help="The secret, as `source secrets` lists it.")]


def create(
    name: Annotated[str, Parameter(name="NAME", help="For people.")],
    *,
    organization: Annotated[str, Parameter(help="Whose events they become.")],
    scheme: SchemeFlag = "sentry",
    secret: SecretFlag = None,
    secret_file: SecretFileFlag = None,
    slug: Annotated[str | None, Parameter(help="Its name in URLs; else made of NAME.")] = None,
    deduplicate: DeduplicateFlag = None,
    max_body_bytes: LimitFlag = None,
    keep_refused: KeepFlag = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a URL that takes webhooks of others. It is shown once.

    Then give it an application: `hookline integration create App --source SLUG --webhook-url …`.

    ```
    hookline source create GitHub --organization acme --scheme github --secret-file secret.txt
    ```
    """
    wanted = {
        "name": name,
        "organization": organization,
        "scheme": scheme,
        "secrets": gather_secrets(secret, secret_file),
        "slug": slug,
        "deduplicate": deduplicate,
        "max_body_bytes": max_body_bytes,
        "keep_refused": keep_refused,
    }
    with connect(url) as api:
        made = api.post("sources", json=_given(wanted))
    _show_url(made, as_json=as_json)


def list_all(*, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """List sources.

    ```
    hookline source list
    ```
    """
    with connect(url) as api:
        found = api.get("sources")
    if as_json:
        print_json(found)
        return
    if not found["sources"]:
        note("There are none yet; `hookline source create --help` tells how to make one.")
        return
    table = make_table("slug", "organization", "scheme", "duplicates", "made", unbroken=("slug",))
    for each in found["sources"]:
        table.add_row(
            cell(each["slug"]),
            cell(each["organization"]),
            cell(each["scheme"]),
            cell(each["deduplicate"]),
            cell(moment(each["created_at"])),
        )
    out().print(table)


def show(slug: Slug, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """Show a source; its URL was shown when it was made.

    ```
    hookline source show github
    ```
    """
    with connect(url) as api:
        found = api.get("sources", slug)
    print_json(found) if as_json else _show(found)


def update(
    slug: Slug,
    *,
    name: Annotated[str | None, Parameter(help="For people.")] = None,
    deduplicate: DeduplicateFlag = None,
    max_body_bytes: LimitFlag = None,
    keep_refused: KeepFlag = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Change a source; what is not given stays as it is.

    ```
    hookline source update github --deduplicate request-id --keep-refused
    ```
    """
    wanted = _given(
        {
            "name": name,
            "deduplicate": deduplicate,
            "max_body_bytes": max_body_bytes,
            "keep_refused": keep_refused,
        }
    )
    if not wanted:
        raise UsageError(
            "nothing-to-change", "nothing to change is given", "give a flag, such as --keep-refused"
        )
    with connect(url) as api:
        changed = api.patch("sources", slug, json=wanted)
    print_json(changed) if as_json else _show(changed)


def delete(slug: Slug, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """Delete a source: its URL is unknown at once. Its applications and its log stay.

    ```
    hookline source delete github
    ```
    """
    with connect(url) as api:
        api.delete("sources", slug)
    print_json({"deleted": slug}) if as_json else out().print(cell(f"deleted {slug}"))


def new_url(slug: Slug, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """Give a source another URL. It is shown once; the old one is unknown at once.

    ```
    hookline source new-url github
    ```
    """
    with connect(url) as api:
        made = api.post("sources", slug, "url")
    _show_url(made, as_json=as_json)


def list_secrets(slug: Slug, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """List what its sender may sign with, without the text: one, or two during a rotation.

    ```
    hookline source secrets github
    ```
    """
    with connect(url) as api:
        found = api.get("sources", slug, "secrets")
    print_json(found) if as_json else _show_secrets(found)


def add_secret(
    slug: Slug,
    *,
    secret: SecretFlag = None,
    secret_file: SecretFileFlag = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Take what is signed with another secret, too: the first half of a rotation.

    ```
    hookline source add-secret github --secret-file new-secret.txt
    ```
    """
    secrets = gather_secrets(secret, secret_file)
    if len(secrets) > 1:
        raise UsageError("too-many-secrets", "several secrets are given", "add one at a time")
    with connect(url) as api:
        found = api.post("sources", slug, "secrets", json={"secret": secrets[0]})
    print_json(found) if as_json else _show_secrets(found)


def drop_secret(
    slug: Slug, secret: SecretId, *, url: UrlFlag = None, as_json: JsonFlag = False
) -> None:
    """Erase a secret: the other half. What is signed with it is refused from now on.

    ```
    hookline source drop-secret github 1
    ```
    """
    with connect(url) as api:
        api.delete("sources", slug, "secrets", str(secret))
    if as_json:
        print_json({"dropped": secret})
    else:
        out().print(cell(f"dropped secret {secret} of {slug}"))


def refused(
    slug: Slug,
    *,
    limit: Annotated[int, Parameter(help="How many, 1 to 100.")] = 10,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the last requests that a source refused, where it keeps them.

    ```
    hookline source refused github --limit 3
    ```
    """
    with connect(url) as api:
        page = api.get("sources", slug, "refused", limit=limit)
    if as_json:
        print_json(page)
        return
    if not page["kept"]:
        note(f"It keeps none; `hookline source update {slug} --keep-refused` lets it.", WARN)
    for each in page["refused"]:
        _show_refused(each)
    if page["kept"] and not page["refused"]:
        note("There are none.")


def _show_refused(request: dict[str, Any]) -> None:
    console = out()
    console.print(Text(f"{request['at']}  {request['code']}", WARN))
    console.print(cell(request["message"]), soft_wrap=True)
    for name, value in request["headers"]:
        console.print(cell(f"> {name}: {value}", DIM), soft_wrap=True)
    if request["body"]:
        console.print(Text(harmless(request["body"])), soft_wrap=True)
    if request["body_bytes"] > len(request["body"].encode()):
        console.print(f"… {request['body_bytes']:,} bytes in all", style=DIM)
    console.print()


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _show_url(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    _show(made)
    out().print(fields([("URL", Text(made["url"], GOOD))]))
    note("The URL is shown this once: give it to the sender.", WARN)


def _show(source: dict[str, Any]) -> None:
    rows = [
        ("slug", source["slug"]),
        ("name", source["name"]),
        ("organization", source["organization"]),
        ("scheme", source["scheme"]),
        ("duplicates", source["deduplicate"]),
        ("bodies", f"up to {source['max_body_bytes']:,} bytes"),
        ("refused ones", "the last 100 are kept" if source["keep_refused"] else "counted only"),
        ("made", source["created_at"]),
        ("changed", source["updated_at"]),
    ]
    out().print(fields(rows))


def _show_secrets(secrets: list[dict[str, Any]]) -> None:
    table = make_table("id", "secret", "made")
    for each in secrets:
        shown = cell(each["hint"] or "unreadable", "" if each["hint"] else WARN)
        table.add_row(cell(each["id"]), shown, cell(each["created_at"]))
    out().print(table)
