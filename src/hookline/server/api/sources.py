"""Sources: make, look, change, delete; their secrets, their URL, and what they refused."""

from typing import Annotated

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, QueryParameter

from hookline.send.refusals import MOST_KEPT
from hookline.server.api.injected import Call, TheEngine, TheLimits
from hookline.server.api.shapes import given
from hookline.server.api.source_shapes import (
    RefusedOut,
    RefusedPage,
    SourceChanges,
    SourceCreated,
    SourceIn,
    SourceList,
    SourceOut,
    SourceSecretIn,
    SourceSecretOut,
)
from hookline.server.body import read, takes
from hookline.server.query import asks
from hookline.server.schemes import check_scheme, check_secrets, scheme_given

__all__ = ["Sources"]


class Sources(Controller):
    """``/api/v1/sources``."""

    path = "/api/v1/sources"
    tags = ("sources",)

    @post(summary="Create a source", status_code=201, opt=takes(SourceIn))
    async def create(self, request: Call, engine: TheEngine, limits: TheLimits) -> SourceCreated:
        """Make a source; its URL is in this answer and nowhere else."""
        data = await read(request, SourceIn)
        scheme = scheme_given(data.scheme, data.plain_hmac)
        check_secrets(scheme, data.secrets, "/secrets")
        fields = given(data) | {"scheme": scheme.name}
        made = await engine.gateway.sources.create(fields, most_bytes=limits.data_bytes)
        return SourceCreated.made(made, str(request.base_url))

    @get(summary="List sources")
    async def list_all(self, engine: TheEngine) -> SourceList:
        """All sources, by slug."""
        return SourceList([SourceOut.of(each.source) for each in await engine.store.sources.all()])

    @get("/{slug:str}", summary="Look at a source")
    async def show(self, slug: FromPath[str], engine: TheEngine) -> SourceOut:
        """One source."""
        return SourceOut.of((await engine.gateway.sources.find(slug)).source)

    @patch("/{slug:str}", summary="Change a source", opt=takes(SourceChanges))
    async def change(
        self, slug: FromPath[str], request: Call, engine: TheEngine, limits: TheLimits
    ) -> SourceOut:
        """Change the fields that are given; the next request follows them."""
        data = await read(request, SourceChanges)
        changed = await engine.gateway.sources.change(
            slug, given(data), most_bytes=limits.data_bytes
        )
        return SourceOut.of(changed)

    @delete("/{slug:str}", summary="Delete a source")
    async def remove(self, slug: FromPath[str], engine: TheEngine) -> None:
        """Delete it: its URL is unknown from now on. Its routes stay; what waits for them is sent."""
        await engine.gateway.sources.delete(slug)

    @post("/{slug:str}/url", summary="Replace a source's URL", status_code=200)
    async def replace_url(
        self, slug: FromPath[str], request: Call, engine: TheEngine
    ) -> SourceCreated:
        """Give it another URL, which is only in this answer; the one before is unknown from now on."""
        made = await engine.gateway.sources.replace_token(slug)
        return SourceCreated.made(made, str(request.base_url))

    @get("/{slug:str}/secrets", summary="List a source's secrets")
    async def list_secrets(self, slug: FromPath[str], engine: TheEngine) -> list[SourceSecretOut]:
        """What its sender may sign with, the oldest first, without their text."""
        return [SourceSecretOut.of(each) for each in await engine.gateway.sources.secrets(slug)]

    @post(
        "/{slug:str}/secrets",
        summary="Add a secret to a source",
        status_code=201,
        opt=takes(SourceSecretIn),
    )
    async def add_secret(
        self, slug: FromPath[str], request: Call, engine: TheEngine
    ) -> list[SourceSecretOut]:
        """Take what is signed with another secret, too: the first half of a rotation."""
        data = await read(request, SourceSecretIn)
        sources = engine.gateway.sources
        scheme = check_scheme((await sources.find(slug)).source.scheme)
        check_secrets(scheme, [data.secret], "/secret")
        await sources.add_secret(slug, data.secret)
        return [SourceSecretOut.of(each) for each in await sources.secrets(slug)]

    @delete("/{slug:str}/secrets/{id:int}", summary="Drop a secret of a source")
    async def drop_secret(
        self,
        slug: FromPath[str],
        id: FromPath[int],  # noqa: A002
        engine: TheEngine,
    ) -> None:
        """Erase a secret: the other half. What is signed with it is refused from now on."""
        await engine.gateway.sources.drop_secret(slug, id)

    @get("/{slug:str}/refused", summary="List what a source refused", opt=asks("limit"))
    async def refused(
        self,
        slug: FromPath[str],
        engine: TheEngine,
        limit: Annotated[int, QueryParameter(ge=1, le=MOST_KEPT)] = 50,
    ) -> RefusedPage:
        """The last requests that were refused, newest first, where the source keeps them."""
        source = (await engine.gateway.sources.find(slug)).source
        found = await engine.gateway.refusals.of(source.id, limit)
        return RefusedPage([RefusedOut.of(each) for each in found], source.keep_refused)
