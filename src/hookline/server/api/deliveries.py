"""Deliveries and their attempts: list, look, explain, replay."""

import re
from typing import Annotated, Literal

from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from hookline.core import model
from hookline.core.envelope import body
from hookline.core.errors import Invalid, NotFound
from hookline.core.explain import Surroundings, explain
from hookline.core.forwarding import Forwarded, shown
from hookline.core.headers import webhook_headers
from hookline.core.instants import isoformat
from hookline.core.lifecycle import State
from hookline.core.quoting import excerpt
from hookline.server.api.injected import TheEngine
from hookline.server.api.log_shapes import (
    AttemptOut,
    DeliveryDetail,
    DeliveryOut,
    DeliveryPage,
    Explanation,
    RequestOut,
    ResponseOut,
    TimingsOut,
    base64_text,
    delivery_detail,
    printable,
)
from hookline.server.query import asks
from hookline.store.values import AttemptBody, DeliveryFilter

__all__ = ["Deliveries"]

_ID = re.compile(r"[0-9a-f]{32}")

StateName = Literal["waiting", "leased", "delivered", "parked"]
ParkReasonName = Literal["exhausted", "blocked", "gone", "unsubscribed", "deleted"]


class Deliveries(Controller):
    """``/api/v1/deliveries``."""

    path = "/api/v1/deliveries"
    tags = ("deliveries",)

    @get(
        summary="List deliveries",
        opt=asks("organization", "integration", "state", "park_reason", "before", "limit"),
    )
    async def list_all(
        self,
        engine: TheEngine,
        organization: FromQuery[str | None] = None,
        integration: FromQuery[str | None] = None,
        in_state: Annotated[StateName | None, QueryParameter(name="state")] = None,
        park_reason: FromQuery[ParkReasonName | None] = None,
        before: Annotated[str | None, QueryParameter(description="the cursor of a page")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    ) -> DeliveryPage:
        """Deliveries, newest first, a page at a time."""
        found = await engine.store.deliveries(
            DeliveryFilter(
                organization=organization,
                integration=integration,
                state=None if in_state is None else State(in_state),
                park_reason=park_reason,
                before=None if before is None else _cursor(before),
                limit=limit + 1,
            )
        )
        page = [DeliveryOut.of(each) for each in found[:limit]]
        return DeliveryPage(page, page[-1].id if len(found) > limit else None)

    @get("/{id:str}", summary="Look at a delivery")
    async def show(self, id: FromPath[str], engine: TheEngine) -> DeliveryDetail:  # noqa: A002
        """A delivery with each of its attempts: the exact bytes both ways, address, timings."""
        delivery = await _find(engine, id)
        key = bytes.fromhex(delivery.id)
        parts = await engine.store.attempt_body(key)
        attempts = await engine.store.attempts(key)
        return delivery_detail(delivery, [_attempt(delivery, parts, each) for each in attempts])

    @get("/{id:str}/explain", summary="Explain a delivery")
    async def why(self, id: FromPath[str], engine: TheEngine) -> Explanation:  # noqa: A002
        """Why it stands where it stands: each outcome, the rule that applied, what comes next."""
        delivery = await _find(engine, id)
        attempts = await engine.store.attempts(bytes.fromhex(delivery.id))
        integration = await engine.store.integration(delivery.integration)
        policy = around = None
        # One that was registered later has only the slug in common.
        if integration is not None and integration.created_at <= delivery.accepted_at:
            policy = integration.policy
            gate = await engine.store.gate(integration.id)
            ahead = await engine.store.ahead_of(bytes.fromhex(delivery.id))
            around = Surroundings(integration, gate, None if ahead is None else ahead.hex())
        sentences = explain(delivery, attempts, policy, engine.clock(), around)
        return Explanation(delivery.id, delivery.state.value, list(sentences))

    @post("/{id:str}/replay", summary="Replay a delivery", status_code=202)
    async def replay(self, id: FromPath[str], engine: TheEngine) -> DeliveryOut:  # noqa: A002
        """Send a delivery again: the same bytes and Request-ID, with the whole retry schedule."""
        found = await _find(engine, id)
        replayed = await engine.store.replay(bytes.fromhex(found.id), engine.clock())
        engine.wake()
        return DeliveryOut.of(replayed or found)


async def _find(engine: TheEngine, public_id: str) -> model.Delivery:
    key = _uuid(public_id)
    delivery = None if key is None else await engine.store.delivery(key)
    if delivery is None:
        raise NotFound(
            "unknown-delivery",
            f"there is no delivery {excerpt(public_id)}",
            "the id is the Request-ID that the receiver saw: 32 hex digits",
        )
    return delivery


def _uuid(text: str) -> bytes | None:
    # Not by bytes.fromhex alone: it takes blanks between the digits.
    return bytes.fromhex(text) if _ID.fullmatch(text) else None


def _cursor(text: str) -> bytes:
    key = _uuid(text)
    if key is None:
        raise Invalid(
            "invalid-parameter", "before: not a cursor", 'take it from "next" of the page before'
        )
    return key


def _sent(
    delivery: model.Delivery, parts: AttemptBody | None, attempt: model.Attempt
) -> tuple[list[tuple[str, str]], bytes]:
    """The headers and the body of an attempt, as far as they may be shown."""
    if parts is not None and parts.forwarded is not None:
        return shown(Forwarded.decode(parts.forwarded).headers), parts.tail
    headers = webhook_headers(
        request_id=delivery.id,
        resource=delivery.resource,
        timestamp=attempt.started_at // 1_000_000,
        signature=attempt.signature,
    )
    return list(headers), (
        b"" if parts is None else body(parts.action, parts.installation, parts.tail)
    )


def _attempt(
    delivery: model.Delivery, parts: AttemptBody | None, attempt: model.Attempt
) -> AttemptOut:
    headers, sent = _sent(delivery, parts, attempt)
    return AttemptOut(
        number=attempt.number,
        started_at=isoformat(attempt.started_at),
        outcome=attempt.outcome.value,
        detail=attempt.detail,
        address=attempt.address,
        http_version=attempt.http_version,
        timings_us=TimingsOut(*attempt.timings),
        request=RequestOut(attempt.url, headers, printable(sent), base64_text(sent)),
        response=ResponseOut(
            attempt.status,
            printable(attempt.response_head),
            printable(attempt.response_body),
            base64_text(attempt.response_body),
            attempt.response_cut,
        ),
    )
