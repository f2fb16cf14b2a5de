"""Every documented payload, published over HTTP and received: the table for people.

    python -m tests.flow.payloads

Each document with ``action`` and ``data`` is published through the API of a real server process. A
receiver process checks the signature over the raw bytes and over ``JSON.stringify(JSON.parse(body))``
in V8. Then the log is asked for the body that was sent, and its data is compared with the document's.
"""

import base64
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hookline.cli.children import Receiver, started_receiver, started_server
from hookline.cli.client import Api
from hookline.core.resources import DOCUMENTED, Routing

CONTRACT = Path(__file__).parents[3] / "shared" / "contract" / "payloads"
FOLDERS = ("", "derived", "older-docs")
ORGANIZATION = "contract"


@dataclass(frozen=True)
class Document:
    """An event to publish."""

    name: str
    resource: str
    action: str
    data: Any
    actor: Any = None


@dataclass(frozen=True)
class Arrived:
    """What came of a document."""

    document: Document
    state: str
    report: dict[str, Any]
    sent: Any
    warnings: list[Any]

    @property
    def same(self) -> bool:
        """The body has the published data, and its actor where it had one."""
        actor = self.document.actor
        return equal(self.sent["data"], self.document.data) and actor in (None, self.sent["actor"])

    @property
    def good(self) -> bool:
        """Delivered, verified both ways, and the same document."""
        verified = self.report["raw"] is True and self.report["js"] is True
        return self.state == "delivered" and verified and self.same


def equal(sent: Any, published: Any) -> bool:
    """Whether two documents are the same to JavaScript: 100.0 is 100, and key order is free."""
    if isinstance(published, dict):
        same_keys = isinstance(sent, dict) and sent.keys() == published.keys()
        return same_keys and all(equal(sent[key], published[key]) for key in published)
    if isinstance(published, list):
        same_size = isinstance(sent, list) and len(sent) == len(published)
        return same_size and all(map(equal, sent, published))
    if type(published) is int and isinstance(sent, str):
        # What a double cannot hold is sent as a string, with all its digits.
        return sent == str(published) and abs(published) > 2**53
    return sent == published and isinstance(sent, bool) == isinstance(published, bool)


def contract_documents() -> Iterator[Document]:
    """The documents of the contract, if it is there."""
    for folder in FOLDERS:
        for path in sorted((CONTRACT / folder).glob("*.json")):
            if path.name.endswith(".headers.json"):
                continue
            document = json.loads(path.read_bytes())
            if isinstance(document, dict) and "action" in document and "data" in document:
                headers = json.loads(path.with_suffix(".headers.json").read_bytes())
                yield Document(
                    str(path.relative_to(CONTRACT)),
                    headers["Sentry-Hook-Resource"],
                    document["action"],
                    document["data"],
                    document.get("actor"),
                )


def hostile_documents() -> Iterator[Document]:
    """What re-serialising receivers trip over, as data of our own."""
    user = {"type": "user", "id": 7, "name": "Zoë 🦊 Ōkami"}
    hostile: dict[str, Any] = {
        "emoji": {"title": "💥 crème brûlée \U0001f468\u200d\U0001f469\u200d\U0001f467"},
        "floats": {"a": 100.0, "b": 1e-05, "c": 1e21, "d": -0.0, "e": 0.1, "f": 5e-324},
        "integer-like keys": {"b": 1, "10": 2, "9": 3, "01": 4, "-1": 5},
        "large integers": {"id": 9007199254740993, "ok": 9007199254740992, "big": 2**64},
        "line separators": {"text": "a\u2028b\u2029c\u007fd\u0085e\ufeff"},
        "controls": {"text": '\x00\x01\b\t\n\f\r\x1f"\\/'},
        "lone surrogate": {"text": "\ud83d and \udc00"},
        "__proto__": {"__proto__": {"x": 1}, "constructor": 2, "toString": None},
        "empty": {"": "", "list": [], "object": {}, "nested": [[[{}]]]},
    }
    for name, data in hostile.items():
        yield Document(name, "issue", "created", data, user)


def publish_all(documents: Sequence[Document], folder: Path) -> list[Arrived]:
    """Publish documents through a server process, and see them arrive at a receiver process."""
    with (
        started_receiver() as receiver,
        started_server(folder, allow=receiver.address) as server,
        Api(server.url, server.key) as api,
    ):
        if receiver.javascript is None:
            raise RuntimeError("no JavaScript engine: install mini-racer")
        _register(api, receiver)
        answers = [_publish(api, each) for each in documents]
        reports = {each["request_id"]: each for each in receiver.wait_for(len(documents))}
        ids = _settled(api)
        return [
            _arrived(api, document, answer, reports[ids[answer["id"]]])
            for document, answer in zip(documents, answers, strict=True)
        ]


def _register(api: Api, receiver: Receiver) -> None:
    """One integration for everything, and a public one for what concerns installing."""
    url = f"{receiver.url}/webhooks"
    subscribable = [r.name for r in DOCUMENTED.values() if r.routing is Routing.SUBSCRIBED]
    internal = {"organization": ORGANIZATION, "resources": subscribable, "alertable": True}
    for name, more in (("Everything", internal), ("Installable", {"kind": "public"})):
        # Time enough that no attempt is repeated on a busy machine: reports are counted.
        integration = {"name": name, "webhook_url": url, "timeout": 20, **more}
        made = api.post("integrations", json=integration)
        receiver.learn(made["client_secret"])
    api.post("organizations", ORGANIZATION, "installations", json={"integration": "installable"})
    receiver.wait_for(1)
    receiver.reports.clear()  # that was the installation itself


def _publish(api: Api, document: Document) -> Any:
    event = {"resource": document.resource, "action": document.action, "data": document.data}
    if document.actor is not None:
        event["actor"] = document.actor
    return api.post("organizations", ORGANIZATION, "events", body=json.dumps(event).encode())


def _settled(api: Api) -> dict[str, str]:
    """The delivery of each event, once none is under way: they are settled after they arrive."""
    deadline = time.monotonic() + 30
    while True:
        listed = api.get("deliveries", organization=ORGANIZATION, limit=200)["deliveries"]
        if all(each["state"] == "delivered" for each in listed) or time.monotonic() > deadline:
            return {each["event"]: each["id"] for each in listed}
        time.sleep(0.02)


def _arrived(api: Api, document: Document, answer: Any, report: dict[str, Any]) -> Arrived:
    delivery = api.get("deliveries", report["request_id"])
    body = base64.b64decode(delivery["attempts"][-1]["request"]["body_base64"])
    assert report["bytes"] == len(body)
    assert (report["resource"], report["action"]) == (document.resource, document.action)
    return Arrived(document, delivery["state"], report, json.loads(body), answer["warnings"])


def main() -> int:
    """Print the table; 0 if everything arrived and was accepted both ways."""
    documents = [*contract_documents(), *hostile_documents()]
    with tempfile.TemporaryDirectory() as folder:
        arrived = publish_all(documents, Path(folder))
    table = Table("document", "event", "bytes", "state", "raw", "V8", "same data", box=None)
    mark = {True: "yes", False: "NO"}
    for each in arrived:
        table.add_row(
            each.document.name,
            f"{each.document.resource}.{each.document.action}",
            str(each.report["bytes"]),
            each.state,
            mark[each.report["raw"]],
            mark[each.report["js"]],
            mark[each.same],
        )
    good = sum(each.good for each in arrived)
    console = Console(width=160, markup=False, highlight=False)
    console.print(table)
    console.print(f"{good} of {len(arrived)} delivered and accepted both ways, with the same data")
    return 0 if good == len(arrived) else 1


if __name__ == "__main__":
    sys.exit(main())
