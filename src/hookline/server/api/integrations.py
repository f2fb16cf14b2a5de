"""Integrations: register, look, change, delete."""

from typing import Annotated, Any

from litestar import Controller, Request, delete, get, patch, post
from litestar.params import Parameter

from hookline.send.engine import Engine
from hookline.server.api.shapes import (
    IntegrationChanges,
    IntegrationCreated,
    IntegrationIn,
    IntegrationOut,
    IntegrationPage,
    given,
)
from hookline.server.body import read, takes

__all__ = ["Integrations"]


class Integrations(Controller):
    """``/api/v1/integrations``."""

    path = "/api/v1/integrations"
    tags = ("integrations",)

    @post(summary="Register an integration", status_code=201, opt=takes(IntegrationIn))
    async def create(self, request: Request[Any, Any, Any], engine: Engine) -> IntegrationCreated:
        """Register an integration; the client secret is in this answer and nowhere else."""
        data = await read(request, IntegrationIn)
        return IntegrationCreated.made(await engine.registry.create_integration(given(data)))

    @get(summary="List integrations")
    async def list_all(
        self,
        engine: Engine,
        after: Annotated[str, Parameter(description="the cursor of a page", max_length=200)] = "",
        limit: Annotated[int, Parameter(ge=1, le=200)] = 50,
    ) -> IntegrationPage:
        """Integrations by slug, a page at a time."""
        found = await engine.store.integrations(after, limit + 1)
        page = [IntegrationOut.of(each) for each in found[:limit]]
        return IntegrationPage(page, page[-1].slug if len(found) > limit else None)

    @get("/{slug:str}", summary="Look at an integration")
    async def show(self, slug: str, engine: Engine) -> IntegrationOut:
        """One integration."""
        return IntegrationOut.of(await engine.registry.integration(slug))

    @patch("/{slug:str}", summary="Change an integration", opt=takes(IntegrationChanges))
    async def change(
        self, slug: str, request: Request[Any, Any, Any], engine: Engine
    ) -> IntegrationOut:
        """Change the fields that are given; the next attempt of a waiting delivery follows them."""
        data = await read(request, IntegrationChanges)
        return IntegrationOut.of(await engine.registry.update_integration(slug, given(data)))

    @delete("/{slug:str}", summary="Delete an integration")
    async def remove(self, slug: str, engine: Engine) -> None:
        """Delete it and its installations; what waits for it is parked, and the log stays."""
        await engine.registry.delete_integration(slug)
