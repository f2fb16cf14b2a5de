"""Integrations that fail: unsubscribe, resubscribe, recover, look how they stand; and the notices."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter

from hookline.core.instants import parse_instant
from hookline.core.lifecycle import State
from hookline.send.subscriptions import Span
from hookline.server.api.injected import Call, TheEngine
from hookline.server.api.shapes import IntegrationOut
from hookline.server.api.subscription_shapes import (
    HealthOut,
    NoticeOut,
    NoticePage,
    RecoverIn,
    RecoveryOut,
    ResubscribedOut,
    ResubscribeIn,
    UnsubscribeIn,
    WouldRecover,
)
from hookline.server.body import may_take, read, read_if_any, takes
from hookline.server.query import asks

__all__ = ["Notices", "Subscriptions"]


class Subscriptions(Controller):
    """What is done about one integration, under ``/api/v1/integrations/{slug}``."""

    path = "/api/v1/integrations/{slug:str}"
    tags = ("integrations",)

    @post(
        "/unsubscribe",
        summary="Unsubscribe an integration",
        status_code=200,
        opt=may_take(UnsubscribeIn),
    )
    async def unsubscribe(
        self, slug: FromPath[str], request: Call, engine: TheEngine
    ) -> IntegrationOut:
        """Let it receive no more events: what waits is parked, and what comes is kept for it."""
        data = await read_if_any(request, UnsubscribeIn)
        return IntegrationOut.of(await engine.subscriptions.unsubscribe(slug, data.detail))

    @post(
        "/resubscribe",
        summary="Resubscribe an integration",
        status_code=200,
        opt=may_take(ResubscribeIn),
    )
    async def resubscribe(
        self, slug: FromPath[str], request: Call, engine: TheEngine
    ) -> ResubscribedOut | WouldRecover:
        """Let it receive events again, its counters begun anew.

        ``recover`` sends all that it missed, too. ``dry_run`` counts what that would be.
        """
        data = await read_if_any(request, ResubscribeIn)
        if data.dry_run:
            return WouldRecover.of(await engine.subscriptions.missed(slug))
        integration, begun = await engine.subscriptions.resubscribe(slug, recover=data.recover)
        recovery = None if begun is None else RecoveryOut.of(begun)
        return ResubscribedOut(IntegrationOut.of(integration), recovery)

    @post(
        "/recover",
        summary="Recover deliveries",
        status_code=202,
        responses={
            200: ResponseSpec(
                WouldRecover, generate_examples=False, description="Counted, as a dry run"
            )
        },
        opt=takes(RecoverIn),
    )
    async def recover(
        self, slug: FromPath[str], request: Call, engine: TheEngine
    ) -> Response[RecoveryOut | WouldRecover]:
        """Send again what was accepted in a span of time and is parked, or delivered, too.

        It goes out paced by the integration's own limits, each delivery with its Request-ID and with
        the whole retry schedule.
        """
        data = await read(request, RecoverIn)
        span = Span(
            parse_instant(data.since, where="/since"),
            None if data.until is None else parse_instant(data.until, where="/until"),
            frozenset(State(each) for each in data.states),
        )
        if data.dry_run:
            counts = await engine.subscriptions.count(slug, span)
            return Response(WouldRecover.of(counts), status_code=200)
        recovery = await engine.subscriptions.recover(slug, span)
        return Response(RecoveryOut.of(recovery), status_code=202)

    @get("/recoveries", summary="List recoveries")
    async def recoveries(self, slug: FromPath[str], engine: TheEngine) -> list[RecoveryOut]:
        """The integration's last twenty recoveries and how far they got, newest first."""
        return [RecoveryOut.of(each) for each in await engine.subscriptions.recoveries(slug)]

    @get("/health", summary="Look how an integration stands")
    async def health(self, slug: FromPath[str], engine: TheEngine) -> HealthOut:
        """Timeouts of how many, what is in flight, waits and is parked, since when it fails."""
        return HealthOut.of(await engine.subscriptions.standing(slug))


class Notices(Controller):
    """``/api/v1/notices``."""

    path = "/api/v1/notices"
    tags = ("notices",)

    @get(summary="List notices", opt=asks("integration", "before", "limit"))
    async def list_all(
        self,
        engine: TheEngine,
        integration: FromQuery[str | None] = None,
        before: Annotated[
            int | None,
            QueryParameter(description="the cursor of a page", ge=1, le=2**63 - 1),
        ] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    ) -> NoticePage:
        """What operators were told, newest first, a page at a time."""
        integration_id = None
        if integration is not None:
            integration_id = (await engine.registry.integration(integration)).id
        found = await engine.store.notices(
            before=before, integration_id=integration_id, limit=limit + 1
        )
        page = [NoticeOut.of(each) for each in found[:limit]]
        return NoticePage(page, page[-1].id if len(found) > limit else None)
