"""Events, as they were accepted, and where they went; ``server.publish`` takes them in."""

from urllib.parse import unquote

import msgspec
from litestar import Controller, get
from litestar.params import FromPath, FromQuery

from hookline.core import model
from hookline.core.envelope import split
from hookline.core.errors import Conflict, NotFound
from hookline.core.instants import isoformat
from hookline.core.quoting import excerpt
from hookline.server.api.injected import Call, TheEngine
from hookline.server.api.log_shapes import ConsideredOut, DeliveryOut, EventOut, ForwardedOut
from hookline.server.query import asks
from hookline.store.values import DeliveryFilter

__all__ = ["Events"]

MAX_DELIVERIES = 1_000


class Events(Controller):
    """``/api/v1/events``."""

    path = "/api/v1/events"
    tags = ("events",)

    @get("/{id:path}", summary="Look at an event", opt=asks("organization"))
    async def show(
        self,
        id: FromPath[str],  # noqa: A002  for the route and its description; see _id
        request: Call,
        engine: TheEngine,
        organization: FromQuery[str | None] = None,
    ) -> EventOut:
        """The event, each installation considered, and why it was or was not chosen."""
        public_id = _id(request)
        event = _only(await engine.store.events(public_id, organization), public_id)
        deliveries = await engine.store.deliveries(
            DeliveryFilter(event_id=event.key, limit=MAX_DELIVERIES)
        )
        return _event(event, deliveries)


def _id(request: Call) -> str:
    # A publisher's id may hold any visible character, slashes too, and the framework's idea of a
    # path would lose some of them.
    raw: bytes = request.scope["raw_path"]
    return unquote(raw.decode("ascii").partition("/api/v1/events/")[2])


def _only(found: list[model.Event], public_id: str) -> model.Event:
    if not found:
        raise NotFound(
            "unknown-event",
            f"there is no event {excerpt(public_id)}",
            "the id is the one that publishing it answered",
        )
    if len(found) > 1:
        organizations = ", ".join(event.organization for event in found[:5])
        raise Conflict(
            "ambiguous-event",
            f"{len(found)} organizations have an event {excerpt(public_id)}: {organizations}",
            "say which: ?organization=…",
        )
    return found[0]


def _event(event: model.Event, deliveries: list[model.Delivery]) -> EventOut:
    if event.forwarded is None:
        (data, actor), forwarded = split(event.tail), None
    else:
        data, actor = _json_or_null(event.tail), b"null"
        forwarded = ForwardedOut.of(event.forwarded, event.tail)
    return EventOut(
        id=event.id,
        organization=event.organization,
        resource=event.resource,
        action=event.action,
        data=msgspec.Raw(data),
        actor=msgspec.Raw(actor),
        forwarded=forwarded,
        targets=None if event.targets is None else list(event.targets),
        accepted_at=isoformat(event.accepted_at),
        considered=[
            ConsideredOut(each.installation, each.integration, each.chosen, each.reason)
            for each in event.considered
        ],
        deliveries=[DeliveryOut.of(each) for each in deliveries],
    )


def _json_or_null(body: bytes) -> bytes:
    # Strictly: what some parsers take (NaN, half a surrogate pair) would make our answer no JSON.
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return b"null"
    return body
