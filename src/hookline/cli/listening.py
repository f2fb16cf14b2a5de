"""The process of ``hookline listen``: a server with one source and one route, and what it tells."""

import asyncio
import signal
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import uvloop

from hookline.cli.serving import configure_log, watch_stdin
from hookline.cli.terminal import (
    BAD,
    DIM,
    GOOD,
    TITLE,
    WARN,
    cell,
    err,
    fields,
    out,
    print_json,
)
from hookline.core.errors import NotFound, UsageError
from hookline.core.masking import Mask
from hookline.core.registration import slug_from
from hookline.core.role import Role
from hookline.core.secret import Secret
from hookline.receive import Scheme
from hookline.send.engine import Engine
from hookline.send.gateway import Seen
from hookline.send.lines import LineWriter
from hookline.server.schemes import check_secrets
from hookline.server.serve import Served, serving
from hookline.settings import Settings
from hookline.settings.engine import engine_config

__all__ = ["Wanted", "listen_until_stopped"]

ORGANIZATION = "listen"
# An application under development is away often and briefly.
SCHEDULE = [0.0, 1.0, 2.0, 5.0, 10.0, 30.0, *[60.0] * 10, 600.0, 3_600.0]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to listen for, and where it goes."""

    to: str
    scheme: Scheme
    secrets: tuple[str, ...]
    deduplicate: str

    @property
    def slug(self) -> str:
        """Of the source and of its route; a scheme has one of its own, for a source's is for ever."""
        return slug_from(f"listen-{self.scheme.name}")


def listen_until_stopped(
    settings: Settings, wanted: Wanted, *, as_json: bool, until_stdin_closes: bool
) -> None:
    """Listen until SIGINT, SIGTERM or, if asked for, the end of standard input.

    Raises:
        UsageError: the port is taken, or the database cannot be used.
        Invalid: a secret is not spelt as its scheme wants it, or the expression for duplicates is none.
    """
    check_secrets(wanted.scheme, wanted.secrets, "/secrets")
    mask = Mask([*settings.secrets(), *map(Secret, wanted.secrets)])
    lines = configure_log(settings.log, mask)
    uvloop.run(
        _listen(settings, wanted, lines, as_json=as_json, until_stdin_closes=until_stdin_closes)
    )


async def _listen(
    settings: Settings,
    wanted: Wanted,
    lines: LineWriter,
    *,
    as_json: bool,
    until_stdin_closes: bool,
) -> None:
    stop = asyncio.Event()
    if until_stdin_closes:
        loop = asyncio.get_running_loop()
        threading.Thread(target=watch_stdin, args=(loop, stop), daemon=True).start()
    token = await _ready(settings, wanted)
    async with serving(settings, signals=(signal.SIGINT, signal.SIGTERM), lines=lines) as served:
        served.engine.gateway.watch(partial(_tell, as_json=as_json))
        _announce(served, wanted, f"{served.url}/in/{token.reveal()}", as_json=as_json)
        told = asyncio.create_task(stop.wait())
        await asyncio.wait({served.done, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()


async def _ready(settings: Settings, wanted: Wanted) -> Secret:
    """Make the source and its route, or bring those of the last time up to date; the source's token.

    By an engine that sends nothing: what waits from the last time is not to go where it went then.
    """
    engine = await Engine.open(replace(engine_config(settings), role=Role.API))
    try:
        token = await _ready_source(engine, wanted, settings.max_data_bytes)
        await _ready_route(engine, wanted)
    finally:
        await engine.close()
    return token


async def _ready_source(engine: Engine, wanted: Wanted, most_bytes: int) -> Secret:
    sources = engine.gateway.sources
    token = sources.token_of(wanted.slug)
    try:
        await sources.find(wanted.slug)
    except NotFound:
        given = {
            "name": wanted.slug,
            "slug": wanted.slug,
            "organization": ORGANIZATION,
            "scheme": wanted.scheme.name,
            "secrets": list(wanted.secrets),
            "deduplicate": wanted.deduplicate,
        }
        await sources.create(given, most_bytes=most_bytes, token=token)
    else:
        changes = {"deduplicate": wanted.deduplicate}
        await sources.change(wanted.slug, changes, most_bytes=most_bytes)
        await sources.set_secrets(wanted.slug, wanted.secrets)
    return token


async def _ready_route(engine: Engine, wanted: Wanted) -> None:
    given: dict[str, Any] = {"webhook_url": wanted.to, "retry_schedule": SCHEDULE}
    try:
        found = await engine.registry.update_integration(wanted.slug, given)
    except NotFound:
        given |= {"name": wanted.slug, "slug": wanted.slug, "source": wanted.slug}
        await engine.registry.create_integration(given)
        return
    if found.source != wanted.slug:
        raise UsageError(
            "slug-taken",
            f"there is an integration {wanted.slug!r} in this database that is no route of ours",
            "give another --database, or delete that one",
        )
    if found.unsubscribed is not None:
        await engine.subscriptions.resubscribe(wanted.slug, recover=True)


def _announce(served: Served, wanted: Wanted, url: str, *, as_json: bool) -> None:
    key = None if served.first_key is None else served.first_key.reveal()
    if as_json:
        document = {"url": url, "to": wanted.to, "server": served.url, "api_key": key}
        print_json(document, one_line=True)
        return
    console = err()
    console.print("hookline listens", style=TITLE)
    rows = [
        ("URL", cell(url, GOOD)),
        ("scheme", wanted.scheme.name),
        ("passes on to", wanted.to),
        ("log", f"{served.url}/api/v1/deliveries"),
    ]
    console.print(fields(rows))
    if key is not None:
        console.print(cell(f"  export HOOKLINE_API_KEY={key} HOOKLINE_URL={served.url}"), style=DIM)
    console.print("Ctrl-C stops it.", style=DIM)


def _tell(seen: Seen, *, as_json: bool) -> None:
    if as_json:
        print_json(seen._asdict(), one_line=True)
        return
    style = BAD if seen.status >= 400 else WARN if seen.code == "duplicate" else GOOD
    parts = [str(seen.status), seen.code, seen.name, f"{seen.body_bytes:,} bytes"]
    if seen.event:
        parts.append(f"event {seen.event}")
    if seen.message:
        parts.append(f"({seen.message})")
    out().print(cell("  ".join(part for part in parts if part), style), soft_wrap=True)
