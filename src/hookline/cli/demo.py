"""``hookline demo``: a server, a receiver, and one of everything between them.

Nothing here is staged: the server and the receiver are processes of their own, the events go in by
the HTTP API, and what the table says of a signature is what the receiver found.
"""

import contextlib
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.live import Live

from hookline import samples
from hookline.cli.children import Receiver, Server, started_receiver, started_server
from hookline.cli.client import Api, JsonFlag
from hookline.cli.demo_view import Row, show_ending, show_invitation, table_of
from hookline.cli.events import sample_event
from hookline.cli.javascript import HOW_TO_GET_IT
from hookline.cli.terminal import BAD, DIM, err, note, out, print_json
from hookline.core.errors import UsageError
from hookline.core.resources import DOCUMENTED, Routing

__all__ = ["demo"]

ORGANIZATION: Final = "northwind"
PATIENCE_S: Final = 60.0
POLL_S: Final = 0.15


def demo(
    *,
    once: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="End by itself: with 0 if all was delivered and verified both ways, else with 1.",
        ),
    ] = False,
    port: Annotated[int, Parameter(help="The server's port; 0 takes any free one.")] = 0,
    as_json: JsonFlag = False,
) -> int:
    """Serve, register, publish one of everything, and show the deliveries.

    It works in a temporary folder and leaves nothing behind. Without --once it goes on serving until
    Ctrl-C, for you to try.

    ```
    hookline demo --once
    ```
    """
    if not 0 <= port <= 65535:
        raise UsageError("out-of-range", f"--port {port} is no port", "0 to 65535")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-demo-")))
        receiver = stack.enter_context(started_receiver())
        server = stack.enter_context(
            started_server(
                folder, allow=receiver.address, port=port, key=f"hkl_{secrets.token_hex(32)}"
            )
        )
        api = stack.enter_context(Api(server.url, server.key))
        return _run(_Scene(server, receiver, api), once=once, as_json=as_json)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end us as Ctrl-C does: through the code that ends our children."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class _Scene:
    server: Server
    receiver: Receiver
    api: Api
    expected: int = 0
    rows: dict[str, Row] = field(default_factory=dict)

    # -- what happens ---------------------------------------------------------------------------

    def steps(self) -> Iterator[Callable[[], None]]:
        """Register, publish, install, uninstall: one call of the API a step."""
        subscribable = [r.name for r in DOCUMENTED.values() if r.routing is Routing.SUBSCRIBED]
        yield lambda: self._register(
            "Issue Mirror",
            organization=ORGANIZATION,
            resources=subscribable,
            alertable=True,
        )
        yield lambda: self._register("Pager Bridge", kind="public")
        uuids: list[str] = []

        def install() -> None:
            made = self.api.post(
                "organizations", ORGANIZATION, "installations", json={"integration": "pager-bridge"}
            )
            uuids.append(made["uuid"])

        yield install
        for name in samples.names():
            # These two really happen, before and after; the others are samples.
            if not name.startswith("installation."):
                yield lambda name=name: self._publish(name)  # type: ignore[misc]
        yield lambda: self.api.delete("installations", uuids[0])

    def _register(self, name: str, **more: Any) -> None:
        url = f"{self.receiver.url}/webhooks"
        made = self.api.post("integrations", json={"name": name, "webhook_url": url, **more})
        self.receiver.learn(made["client_secret"])

    def _publish(self, name: str) -> None:
        event = sample_event(name, ORGANIZATION)
        self.api.post("organizations", ORGANIZATION, "events", json=event)

    # -- what came of it ------------------------------------------------------------------------

    def look(self) -> None:
        """Bring the rows up to date."""
        page = self.api.get("deliveries", organization=ORGANIZATION, limit=200)
        reports = {each["request_id"]: each for each in tuple(self.receiver.reports)}
        for delivery in reversed(page["deliveries"]):
            row = self.rows.setdefault(delivery["id"], Row(delivery))
            row.delivery = delivery
            row.report = reports.get(delivery["id"])
            if row.attempt is None and delivery["state"] in {"delivered", "parked"}:
                row.attempt = self.api.get("deliveries", delivery["id"])["attempts"][-1]

    def complete(self) -> bool:
        """Whether every delivery has ended and was seen by the receiver."""
        return len(self.rows) >= self.expected and all(row.ended for row in self.rows.values())

    def verified(self) -> bool:
        """Whether all came, and both checks accept each."""
        rows = self.rows.values()
        return len(rows) >= self.expected and all(row.verified for row in rows)


def _run(scene: _Scene, *, once: bool, as_json: bool) -> int:
    scene.expected = len(samples.names())
    _tell_beginning(scene)
    _play(scene)
    code = 0 if scene.verified() else 1
    if as_json:
        print_json(_document(scene))
    else:
        out().print(table_of(scene.rows.values()))
        show_ending(list(scene.rows.values()), scene.expected)
    if scene.receiver.javascript is None:
        note(f"JavaScript could not be checked: {HOW_TO_GET_IT}", BAD)
    if not once:
        _go_on(scene, as_json=as_json)
    return code


def _tell_beginning(scene: _Scene) -> None:
    engine = scene.receiver.javascript or "none"
    note(f"server    {scene.server.url}")
    note(f"receiver  {scene.receiver.url}  JavaScript: {engine}")
    note("publishing one of every documented resource and action", DIM)


def _play(scene: _Scene) -> None:
    """Do all steps, and follow the deliveries until they have ended."""
    deadline = time.monotonic() + PATIENCE_S
    steps = scene.steps()
    console = err()
    # Without a terminal there is nothing to update: the table is printed once, at the end.
    live = (
        Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
    )
    with live or contextlib.nullcontext():
        while time.monotonic() < deadline:
            step = next(steps, None)
            if step is not None:
                step()
            if step is None or live is not None:
                scene.look()
            if live is not None:
                live.update(table_of(scene.rows.values()), refresh=True)
            if step is None:
                if scene.complete():
                    return
                time.sleep(POLL_S)


def _go_on(scene: _Scene, *, as_json: bool) -> None:
    """Serve until Ctrl-C, telling of each further delivery."""
    if not as_json:
        show_invitation(scene.server.url, scene.receiver.url, scene.server.key, ORGANIZATION)
    told = set(scene.rows)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(POLL_S * 2)
            scene.look()
            new = [row for key, row in scene.rows.items() if key not in told and row.ended]
            for row in new:
                told.add(row.delivery["id"])
                note(row.sentence())


def _document(scene: _Scene) -> dict[str, Any]:
    return {
        "url": scene.server.url,
        "receiver": scene.receiver.url,
        "key": scene.server.key,
        "javascript": scene.receiver.javascript,
        "expected": scene.expected,
        "verified": scene.verified(),
        "deliveries": [row.document() for row in scene.rows.values()],
    }
