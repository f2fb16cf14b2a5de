"""Integrations: register, look, change, delete."""

from typing import Annotated

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, QueryParameter

from hookline.server.api.injected import Call, TheEngine
from hookline.server.api.shapes import (
    IntegrationChanges,
    IntegrationCreated,
    IntegrationIn,
    IntegrationOut,
    IntegrationPage,
    given,
)
from hookline.server.body import read, takes
from hookline.server.query import asks

__all__ = ["Integrations"]


class Integrations(Controller):
    """``/api/v1/integrations``."""

    path = "/api/v1/integrations"
    tags = ("integrations",)

    @post(summary="Register an integration", status_code=201, opt=takes(IntegrationIn))
    async def create(self, request: Call, engine: TheEngine) -> IntegrationCreated:
        """Register an integration; the client secret is in this answer and nowhere else."""
        data = await read(request, IntegrationIn)
        return IntegrationCreated.made(await engine.registry.create_integration(given(data)))

    @get(summary="List integrations", opt=asks("after", "limit"))
    async def list_all(
        self,
        engine: TheEngine,
        after: Annotated[
            str, QueryParameter(description="the cursor of a page", max_length=200)
        ] = "",
        limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    ) -> IntegrationPage:
        """Integrations by slug, a page at a time."""
        found = await engine.store.integrations(after, limit + 1)
        page = [IntegrationOut.of(each) for each in found[:limit]]
        return IntegrationPage(page, page[-1].slug if len(found) > limit else None)

    @get("/{slug:str}", summary="Look at an integration")
    async def show(self, slug: FromPath[str], engine: TheEngine) -> IntegrationOut:
        """One integration."""
        return IntegrationOut.of(await engine.registry.integration(slug))

    @patch("/{slug:str}", summary="Change an integration", opt=takes(IntegrationChanges))
    async def change(self, slug: FromPath[str], request: Call, engine: TheEngine) -> IntegrationOut:
        """Change the fields that are given; the next attempt of a waiting delivery follows them."""
        data = await read(request, IntegrationChanges)
        return IntegrationOut.of(await engine.registry.update_integration(slug, given(data)))

    @delete("/{slug:str}", summary="Delete an integration")
    async def remove(self, slug: FromPath[str], engine: TheEngine) -> None:
        """Delete it and its installations; what waits for it is parked, and the log stays."""
        await engine.registry.delete_integration(slug)
