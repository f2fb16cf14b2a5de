"""What the demo shows: a row for each delivery, the summary, and what to try next."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from hookline.cli.deliveries import state_cell
from hookline.cli.terminal import BAD, GOOD, TITLE, WARN, cell, fields, make_table, out
from hookline.core.resources import event_name

__all__ = ["Row", "show_ending", "show_invitation", "table_of"]


@dataclass(slots=True)
class Row:
    """One delivery, as the server and the receiver tell of it.

    Attributes:
        delivery: as the API lists it.
        attempt: the last one, once it has ended.
        report: what the receiver found.
    """

    delivery: dict[str, Any]
    attempt: dict[str, Any] | None = None
    report: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Nothing more will happen to it by itself."""
        state = self.delivery["state"]
        return state == "parked" or (state == "delivered" and self.report is not None)

    @property
    def verified(self) -> bool:
        """It was delivered, and both checks accept it."""
        report = self.report or {}
        return (
            self.delivery["state"] == "delivered"
            and report.get("raw") is True
            and report.get("js") is True
        )

    @property
    def name(self) -> str:
        """``resource.action``."""
        return event_name(self.delivery["resource"], self.delivery["action"])

    def document(self) -> dict[str, Any]:
        """The row as JSON."""
        attempt, report = self.attempt or {}, self.report or {}
        return {
            "id": self.delivery["id"],
            "resource": self.delivery["resource"],
            "action": self.delivery["action"],
            "integration": self.delivery["integration"],
            "state": self.delivery["state"],
            "attempts": self.delivery["attempts_made"],
            "status": attempt.get("response", {}).get("status"),
            "milliseconds": self._milliseconds(),
            "raw": report.get("raw"),
            "js": report.get("js"),
        }

    def sentence(self) -> str:
        """The row on a line of its own."""
        parts = [self.name, self.delivery["state"], self._status(), self._latency()]
        report = self.report or {}
        checks = f"raw {_mark(report.get('raw'))}  JavaScript {_mark(report.get('js'))}"
        return "  ".join([*(part for part in parts if part), checks])

    def cells(self) -> list[Text]:
        """The row of the table."""
        report = self.report or {}
        return [
            cell(self.name),
            state_cell(self.delivery),
            cell(self.delivery["attempts_made"]),
            cell(self._status()),
            cell(self._latency()),
            _checked(report.get("raw"), seen=bool(report)),
            _checked(report.get("js"), seen=bool(report)),
        ]

    def _status(self) -> str:
        if self.attempt is None:
            return ""
        return str(self.attempt["response"]["status"] or self.attempt["outcome"])

    def _milliseconds(self) -> float | None:
        return None if self.attempt is None else self.attempt["timings_us"]["total"] / 1000

    def _latency(self) -> str:
        taken = self._milliseconds()
        return "" if taken is None else f"{taken:.1f} ms"


def _mark(result: bool | None) -> str:
    return {True: "✓", False: "✗", None: "n/a"}[result]


def _checked(result: bool | None, *, seen: bool) -> Text:
    if not seen:
        return cell("")
    return cell(_mark(result), {True: GOOD, False: BAD, None: WARN}[result])


def table_of(rows: Iterable[Row]) -> Table:
    """All rows, in the order of acceptance."""
    table = make_table(
        "event", "state", "attempts", "status", "latency", "raw", "JavaScript",
        unbroken=("state", "latency", "JavaScript"),
    )  # fmt: skip
    for column in (2, 3, 4):
        table.columns[column].justify = "right"
    for row in rows:
        table.add_row(*row.cells())
    return table


def show_ending(rows: Sequence[Row], expected: int) -> None:
    """Say how many came, and what the checks found."""
    delivered = sum(row.delivery["state"] == "delivered" for row in rows)
    raw = sum((row.report or {}).get("raw") is True for row in rows)
    js = sum((row.report or {}).get("js") is True for row in rows)
    good = len(rows) >= expected and all(row.verified for row in rows)
    total = max(expected, len(rows))
    text = (
        f"\n{delivered} of {total} delivered. The signature is right\n"
        f"  over the raw body: {raw} of {total}\n"
        f"  over JSON.stringify(JSON.parse(body)): {js} of {total}"
    )
    out().print(Text(text), soft_wrap=True, style=GOOD if good else BAD)
    out().print("all verified" if good else "NOT all verified", style=GOOD if good else BAD)


def show_invitation(url: str, receiver: str, key: str, organization: str) -> None:
    """Say where things are, and give a line to paste."""
    console = out()
    event = {
        "resource": "issue",
        "action": "created",
        "data": {"issue": {"title": "Crème brûlée 🍮", "price": 100.0}},
    }
    console.print("\nIt goes on serving; Ctrl-C ends everything.", style=TITLE)
    rows = [
        ("API", f"{url}/api/v1"),
        ("OpenAPI", f"{url}/openapi.json"),
        ("receiver", f"{receiver}/webhooks"),
        ("key", key),
    ]
    console.print(fields(rows))
    console.print("\nPaste this into another terminal, and watch it arrive here:\n")
    line = (
        f"curl {url}/api/v1/organizations/{organization}/events "
        f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' "
        f"-d '{json.dumps(event, ensure_ascii=False)}'\n"
    )
    console.print(line, soft_wrap=True)
