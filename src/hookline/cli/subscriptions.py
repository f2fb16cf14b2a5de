"""``hookline integration …`` for those that fail: unsubscribe, resubscribe, recover, health."""

import re
from typing import Annotated, Any, Final

from cyclopts import Parameter

from hookline.cli.client import JsonFlag, Slug, UrlFlag, connect
from hookline.cli.terminal import (
    BAD,
    GOOD,
    WARN,
    cell,
    fields,
    make_table,
    moment,
    note,
    out,
    print_json,
)
from hookline.core.instants import DAY, HOUR, MINUTE, SECOND, isoformat
from hookline.core.unsubscribing import span_words
from hookline.send.clock import wall_us

__all__ = ["health", "recover", "recoveries", "resubscribe", "unsubscribe"]

DryRun = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="Only count, and change nothing."),
]

_AGO = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[smhd])")
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def unsubscribe(
    slug: Slug,
    *,
    detail: Annotated[str | None, Parameter(help="Why, for those who look at it later.")] = None,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Let an integration receive no more events; they are kept for it.

    ```
    hookline integration unsubscribe pager-bridge --detail "moves to another host"
    ```
    """
    with connect(url) as api:
        given = {} if detail is None else {"detail": detail}
        found = api.post("integrations", slug, "unsubscribe", json=given)
    if as_json:
        print_json(found)
        return
    out().print(cell(f"{found['slug']} is unsubscribed", WARN))
    note(
        "What waits for it is parked, and events that come are kept for it. When it is ready: "
        f"hookline integration resubscribe {slug} --recover"
    )


def resubscribe(
    slug: Slug,
    *,
    recover: Annotated[
        bool, Parameter(negative="", show_default=False, help="Send all that it missed, too.")
    ] = False,
    dry_run: DryRun = False,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Let an integration receive events again, its counters begun anew.

    ```
    hookline integration resubscribe pager-bridge --recover --dry-run
    hookline integration resubscribe pager-bridge --recover
    ```
    """
    with connect(url) as api:
        wanted = {"recover": recover, "dry_run": dry_run}
        answer = api.post("integrations", slug, "resubscribe", json=wanted)
    if as_json:
        print_json(answer)
        return
    if dry_run:
        _show_counts(answer, f"hookline integration resubscribe {slug} --recover")
        return
    out().print(cell(f"{slug} receives events again", GOOD))
    if answer["recovery"] is not None:
        _follow(slug)
    else:
        note(
            "What it missed stays parked. To send it: "
            f"hookline integration recover {slug} --since 24h"
        )


def recover(
    slug: Slug,
    *,
    since: Annotated[
        str,
        Parameter(help="So long ago, such as 90s, 30m, 2h or 7d; or 2026-11-23T10:00:00Z."),
    ],
    until: Annotated[str | None, Parameter(help="Where the span ends, likewise; else now.")] = None,
    states: Annotated[
        list[str] | None,
        Parameter(
            negative="", help="parked, delivered, or both by a comma; else what is parked alone."
        ),
    ] = None,
    dry_run: DryRun = False,
    url: UrlFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Send again what an integration missed in a span of time, paced by its own limits.

    ```
    hookline integration recover pager-bridge --since 2h --dry-run
    hookline integration recover pager-bridge --since 2h
    ```
    """
    now = wall_us()
    wanted: dict[str, Any] = {"since": _instant(since, now), "dry_run": dry_run}
    if until is not None:
        wanted["until"] = _instant(until, now)
    if states is not None:
        wanted["states"] = [part.strip() for text in states for part in text.split(",") if part]
    with connect(url) as api:
        answer = api.post("integrations", slug, "recover", json=wanted)
    if as_json:
        print_json(answer)
    elif dry_run:
        _show_counts(answer, "the same without --dry-run")
    else:
        out().print(cell(f"recovery {answer['id']} of {slug} has begun", GOOD))
        _follow(slug)


def recoveries(slug: Slug, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """List an integration's recoveries and how far they got, newest first.

    ```
    hookline integration recoveries pager-bridge
    ```
    """
    with connect(url) as api:
        found = api.get("integrations", slug, "recoveries")
    if as_json:
        print_json(found)
        return
    if not found:
        note(f"There are none; `hookline integration recover {slug} --since 2h` begins one.")
        return
    table = make_table("id", "of", "made to wait", "begun", "done", unbroken=("begun", "done"))
    for each in found:
        table.add_row(
            cell(each["id"]),
            cell(", ".join(each["states"])),
            cell(each["recovered"]),
            cell(moment(each["begun_at"])),
            cell(moment(each["done_at"])) if each["done"] else cell("goes on", WARN),
        )
    out().print(table)


def health(slug: Slug, *, url: UrlFlag = None, as_json: JsonFlag = False) -> None:
    """Show how an integration stands: its timeouts, what waits, and since when it fails.

    ```
    hookline integration health pager-bridge
    ```
    """
    with connect(url) as api:
        found = api.get("integrations", slug, "health")
    if as_json:
        print_json(found)
        return
    off = found["unsubscribed"]
    rows: list[tuple[str, object]] = [
        ("integration", found["integration"]),
        ("status", cell(found["status"], GOOD if off is None else BAD)),
        ("because", off and off["detail"]),
        ("since", off and off["at"]),
        ("timeouts", _timeouts(found)),
        ("in flight", f"{found['in_flight']} of {found['window']}{_window(found)}"),
        ("waiting", found["waiting"]),
        ("parked", found["parked"]),
        ("last success", found["last_success_at"] or "none yet"),
        ("failing since", found["failing_since"]),
        ("held until", found["held_until"]),
    ]
    out().print(fields(rows))
    if off is not None:
        note(f"\nWhen it is mended: hookline integration resubscribe {slug} --recover --dry-run")
    elif found["parked"]:
        note(f"\nWhy they are parked: hookline delivery list --integration {slug} --state parked")


def _timeouts(found: dict[str, Any]) -> str:
    span = span_words(int(found["timeouts_within"] * SECOND))
    if found["timeouts_allowed"] is None:
        return f"{found['timeouts']:,} within {span}; they unsubscribe nobody"
    return (
        f"{found['timeouts']:,} within {span}; at {found['timeouts_allowed']:,} it is unsubscribed"
    )


def _window(found: dict[str, Any]) -> str:
    if found["slow"]:
        return ", for its receiver only timed out lately"
    if found["window"] < found["max_in_flight"]:
        return f", and {found['max_in_flight']} when its receiver copes"
    return ""


def _show_counts(answer: dict[str, Any], command: str) -> None:
    rows: list[tuple[str, object]] = [("would be sent", answer["deliveries"])]
    rows += [(f"  {reason}", count) for reason, count in sorted(answer["by"].items())]
    out().print(fields(rows))
    note(f"Nothing was changed. To do it: {command}")


def _follow(slug: str) -> None:
    note(f"How far it is: hookline integration recoveries {slug}")


def _instant(text: str, now: int) -> str:
    """An instant for the server: so long ago, or what was given, which the server checks."""
    found = _AGO.fullmatch(text.strip().removesuffix(" ago"))
    if found is None:
        return text
    return isoformat(now - int(found["count"]) * _UNITS[found["unit"]])
