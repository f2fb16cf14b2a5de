"""``hookline integration …``."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.text import Text

from hookline.cli.client import JsonFlag, Slug, UrlFlag, connect
from hookline.cli.terminal import (
    GOOD,
    WARN,
    cell,
    fields,
    make_table,
    note,
    out,
    print_json,
)
from hookline.core.errors import UsageError

__all__ = ["create", "delete", "install", "list_all", "show", "uninstall", "update"]

Resources = Annotated[
    list[str] | None,
    Parameter(
        name="--resource",
        alias="--resources",
        negative="",
        help="A resource to subscribe to, such as issue; repeat it, or part several by commas.",
    ),
]
Timeout = Annotated[float | None, Parameter(help="Seconds for the whole answer, 0.1 to 30.")]
InFlight = Annotated[int | None, Parameter(help="Attempts under way at once.")]
Schedule = Annotated[
    str | None, Parameter(help="Seconds before each attempt, by commas: 0,5,30,120")
]
RateLimit = Annotated[
    str | None, Parameter(help="Attempts a second or a minute, such as 10/second; none: no limit.")
]
Ordered = Annotated[
    bool | None,
    Parameter(help="One at a time in each organization, in the order of acceptance."),
]
Source = Annotated[
    str | None,
    Parameter(help="The source that it is an application of; then it gets what that brings."),
]
FilterText = Annotated[
    str | None, Parameter(name="--filter", help="JMESPath that is true of the bodies it takes.")
]
FilterResources = Annotated[
    list[str] | None,
    Parameter(negative="", help="Of its source, only these resources; repeat it, or use commas."),
]
FilterActions = Annotated[
    list[str] | None,
    Parameter(negative="", help="Of its source, only these actions; repeat it, or use commas."),
]
Encoding = Annotated[Literal["javascript", "ascii"] | None, Parameter(help="How bodies are spelt.")]


def create(
    name: Annotated[str, Parameter(name="NAME", help="For people.")],
    *,
    webhook_url: Annotated[str, Parameter(help="Where its webhooks go.")],
    kind: Annotated[
        Literal["internal", "public"], Parameter(help="For one organization, or installable.")
    ] = "internal",
    organization: Annotated[
        str | None, Parameter(help="The one organization of an internal integration.")
    ] = None,
    slug: Annotated[str | None, Parameter(help="Its name in URLs; else made of NAME.")] = None,
    resource: Resources = None,
    alertable: Annotated[
        bool, Parameter(negative="", show_default=False, help="Whether alerts go to it.")
    ] = False,
    timeout: Timeout = None,
    max_in_flight: InFlight = None,
    retry_schedule: Schedule = None,
    body_encoding: Encoding = None,
    rate_limit: RateLimit = None,
    ordered: Ordered = None,
    source: Source = None,
    filter_: FilterText = None,
    filter_resource: FilterResources = None,
    filter_action: FilterActions = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Register an integration. Its client secret is shown once.

    ```
    hookline integration create Pager --organization acme --webhook-url https://pager.example.com
    ```
    """
    wanted = {
        "name": name,
        "webhook_url": webhook_url,
        "kind": kind,
        "organization": organization,
        "slug": slug,
        "resources": _split(resource),
        "alertable": alertable,
        "timeout": timeout,
        "max_in_flight": max_in_flight,
        "retry_schedule": _schedule(retry_schedule),
        "body_encoding": body_encoding,
        "ordered": ordered,
        "source": source,
        "filter": _filter(filter_, filter_resource, filter_action),
    }
    with connect(url) as api:
        made = api.post("integrations", json=_given(wanted) | _rate_limit(rate_limit))
    if as_json:
        print_json(made)
        return
    _show(made)
    out().print(fields([("client secret", Text(made["client_secret"], GOOD))]))
    note("The client secret is shown this once: the receiver needs it to check signatures.", WARN)


def list_all(
    *,
    after: Annotated[str | None, Parameter(help="Go on after this slug.")] = None,
    limit: Annotated[int, Parameter(help="How many, 1 to 200.")] = 50,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """List integrations.

    ```
    hookline integration list
    ```
    """
    with connect(url) as api:
        page = api.get("integrations", after=after, limit=limit)
    if as_json:
        print_json(page)
        return
    if not page["integrations"]:
        note("There are none yet; `hookline integration create --help` tells how to make one.")
        return
    table = make_table(
        "slug", "kind", "organization", "status", "subscribes to", "webhook URL", unbroken=("slug",)
    )
    for each in page["integrations"]:
        table.add_row(
            cell(each["slug"]),
            cell(each["kind"]),
            cell(each["organization"] or "any"),
            _status(each),
            cell(_wants(each)),
            cell(each["webhook_url"]),
        )
    out().print(table)
    if page["next"]:
        note(f"There are more: --after {page['next']}")


def show(
    slug: Slug,
    *,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Show an integration.

    ```
    hookline integration show pager-bridge
    ```
    """
    with connect(url) as api:
        found = api.get("integrations", slug)
    print_json(found) if as_json else _show(found)


def update(
    slug: Slug,
    *,
    name: Annotated[str | None, Parameter(help="For people.")] = None,
    webhook_url: Annotated[str | None, Parameter(help="Where its webhooks go.")] = None,
    resource: Resources = None,
    no_resources: Annotated[
        bool, Parameter(negative="", show_default=False, help="Subscribe to nothing.")
    ] = False,
    alertable: Annotated[bool | None, Parameter(help="Whether alerts go to it.")] = None,
    timeout: Timeout = None,
    max_in_flight: InFlight = None,
    retry_schedule: Schedule = None,
    body_encoding: Encoding = None,
    rate_limit: RateLimit = None,
    ordered: Ordered = None,
    filter_: FilterText = None,
    filter_resource: FilterResources = None,
    filter_action: FilterActions = None,
    no_filter: Annotated[
        bool, Parameter(negative="", show_default=False, help="Take all that its source brings.")
    ] = False,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Change an integration; what is not given stays as it is.

    ```
    hookline integration update pager-bridge --timeout 3 --resource issue,comment
    ```
    """
    wanted = _given(
        {
            "name": name,
            "webhook_url": webhook_url,
            "resources": [] if no_resources else _split(resource),
            "alertable": alertable,
            "timeout": timeout,
            "max_in_flight": max_in_flight,
            "retry_schedule": _schedule(retry_schedule),
            "body_encoding": body_encoding,
            "ordered": ordered,
            "filter": _filter(filter_, filter_resource, filter_action),
        }
    ) | _rate_limit(rate_limit)
    if no_filter:
        wanted["filter"] = None
    if not wanted:
        raise UsageError(
            "nothing-to-change", "nothing to change is given", "give a flag, such as --timeout 3"
        )
    with connect(url) as api:
        changed = api.patch("integrations", slug, json=wanted)
    print_json(changed) if as_json else _show(changed)


def delete(
    slug: Slug,
    *,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Delete an integration: what waits for it is parked, and the log stays.

    ```
    hookline integration delete pager-bridge
    ```
    """
    with connect(url) as api:
        api.delete("integrations", slug)
    print_json({"deleted": slug}) if as_json else out().print(cell(f"deleted {slug}"))


def install(
    slug: Annotated[str, Parameter(name="SLUG", help="A public integration.")],
    *,
    organization: Annotated[str, Parameter(help="Where to install it.")],
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Install a public integration in an organization; it is sent installation.created.

    ```
    hookline integration install pager-bridge --organization acme
    ```
    """
    with connect(url) as api:
        made = api.post("organizations", organization, "installations", json={"integration": slug})
    if as_json:
        print_json(made)
        return
    out().print(fields((name, made[name]) for name in ("uuid", "organization", "status", "code")))
    note("The grant code is shown this once; the integration got it with the webhook.", WARN)


def uninstall(
    uuid: Annotated[str, Parameter(name="UUID", help="The installation.")],
    *,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Uninstall; a public integration is sent installation.deleted.

    ```
    hookline integration uninstall 24b397fc-a86e-43ef-9297-949e21b82480
    ```
    """
    with connect(url) as api:
        gone = api.delete("installations", uuid)
    if as_json:
        print_json(gone)
        return
    out().print(cell(f"uninstalled {gone['integration']} from {gone['organization']}"))


def _given(fields_: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields_.items() if value is not None}


def _split(texts: list[str] | None) -> list[str] | None:
    if texts is None:
        return None
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _filter(
    expression: str | None, resources: list[str] | None, actions: list[str] | None
) -> dict[str, Any] | None:
    parts = {"resources": _split(resources), "actions": _split(actions), "expression": expression}
    return _given(parts) or None


def _schedule(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            "invalid-schedule",
            f"--retry-schedule {text!r} is no list of seconds",
            "for example 0,5,30,120",
        ) from None


def _rate_limit(text: str | None) -> dict[str, Any]:
    """What the flag says of the field, which null is a value of."""
    if text is None:
        return {}
    if text == "none":
        return {"rate_limit": None}
    number, slash, per = text.partition("/")
    if not (slash and number.isascii() and number.isdigit() and len(number) < 9):
        raise UsageError(
            "invalid-rate-limit",
            f"--rate-limit {text!r} is no rate",
            "for example 10/second, 100/minute or none",
        )
    return {"rate_limit": {"number": int(number), "per": per}}


def _status(integration: dict[str, Any], *, long: bool = False) -> Text:
    off = integration["unsubscribed"]
    if off is None:
        return cell(integration["status"], GOOD)
    said = f" since {off['at']}: {off['detail']}" if long else f" ({off['reason']})"
    return cell(integration["status"] + said, WARN)


def _wants(integration: dict[str, Any]) -> str:
    wanted = [*integration["resources"], *(["alerts"] if integration["alertable"] else [])]
    return ", ".join(wanted) or "nothing"


def _takes(integration: dict[str, Any]) -> str | None:
    if integration["source"] is None:
        return None
    wanted = integration["filter"] or {}
    parts = [
        f"{name} {', '.join(wanted[name])}" for name in ("resources", "actions") if name in wanted
    ]
    return "; ".join([*parts, *filter(None, [wanted.get("expression")])]) or "all of it"


def _rate(limit: dict[str, Any] | None) -> str | None:
    return None if limit is None else f"at most {limit['number']} a {limit['per']}"


def _show(integration: dict[str, Any]) -> None:
    rows: list[tuple[str, object]] = [
        ("slug", integration["slug"]),
        ("name", integration["name"]),
        ("kind", integration["kind"]),
        ("organization", integration["organization"] or "any"),
        ("status", _status(integration, long=True)),
        ("webhook URL", integration["webhook_url"]),
        ("subscribes to", None if integration["source"] else _wants(integration)),
        ("source", integration["source"]),
        ("takes", _takes(integration)),
        ("timeout", f"{integration['timeout']:g} s"),
        ("in flight", f"at most {integration['max_in_flight']}"),
        ("rate", _rate(integration["rate_limit"])),
        ("order", "as accepted, one at a time" if integration["ordered"] else None),
        ("tries after", ", ".join(f"{wait:g}" for wait in integration["retry_schedule"]) + " s"),
        ("body", integration["body_encoding"]),
        ("client id", integration["client_id"]),
        ("uuid", integration["uuid"]),
        ("registered", integration["created_at"]),
        ("changed", integration["updated_at"]),
    ]
    rows += [
        ("installation", f"{each['uuid']} in {each['organization']}")
        for each in integration.get("installations", ())
    ]
    out().print(fields(rows))
