"""Events, as they were accepted, and where they went; ``server.publish`` takes them in."""

import msgspec
from litestar import Controller, get

from hookline.core import model
from hookline.core.envelope import body
from hookline.core.errors import Conflict, NotFound
from hookline.core.instants import isoformat
from hookline.send.engine import Engine
from hookline.server.api.shapes import ConsideredOut, DeliveryOut, EventOut
from hookline.store.contract import DeliveryFilter

__all__ = ["Events"]

MAX_DELIVERIES = 1_000


class _Envelope(msgspec.Struct):
    data: msgspec.Raw
    actor: msgspec.Raw


class Events(Controller):
    """``/api/v1/events``."""

    path = "/api/v1/events"
    tags = ("events",)

    @get("/{id:str}", summary="Look at an event")
    async def show(self, id: str, engine: Engine, organization: str | None = None) -> EventOut:  # noqa: A002
        """The event, each installation considered, and why it was or was not chosen."""
        event = _only(await engine.store.events(id, organization), id)
        deliveries = await engine.store.deliveries(
            DeliveryFilter(event_id=event.key, limit=MAX_DELIVERIES)
        )
        return _event(event, deliveries)


def _only(found: list[model.Event], public_id: str) -> model.Event:
    if not found:
        raise NotFound(
            "unknown-event",
            f"there is no event {public_id!r}",
            "the id is the one that publishing it answered",
        )
    if len(found) > 1:
        organizations = ", ".join(event.organization for event in found[:5])
        raise Conflict(
            "ambiguous-event",
            f"{len(found)} organizations have an event {public_id!r}: {organizations}",
            "say which: ?organization=…",
        )
    return found[0]


def _event(event: model.Event, deliveries: list[model.Delivery]) -> EventOut:
    envelope = msgspec.json.decode(body(event.action, "", event.tail), type=_Envelope)
    return EventOut(
        id=event.id,
        organization=event.organization,
        resource=event.resource,
        action=event.action,
        data=envelope.data,
        actor=envelope.actor,
        targets=None if event.targets is None else list(event.targets),
        accepted_at=isoformat(event.accepted_at),
        considered=[
            ConsideredOut(each.installation, each.integration, each.chosen, each.reason)
            for each in event.considered
        ],
        deliveries=[DeliveryOut.of(each) for each in deliveries],
    )
