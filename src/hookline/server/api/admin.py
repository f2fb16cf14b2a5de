"""Resources and keys."""

from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.params import PathParameter

from hookline.core.resources import DOCUMENTED, NOTICES
from hookline.server.api.injected import Call, TheEngine, TheKeys
from hookline.server.api.secret_shapes import KeyCreated, KeyIn, KeyOut
from hookline.server.api.shapes import ResourceIn, ResourceOut
from hookline.server.body import read, takes

__all__ = ["Keys", "Resources"]

# Beyond it SQLite has no integer, and there is no such key.
KeyId = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]


class Resources(Controller):
    """``/api/v1/resources``."""

    path = "/api/v1/resources"
    tags = ("resources",)

    @post(summary="Register a resource", status_code=201, opt=takes(ResourceIn))
    async def create(self, request: Call, engine: TheEngine) -> ResourceOut:
        """Register a resource of your own; integrations can subscribe to it at once."""
        data = await read(request, ResourceIn)
        return ResourceOut.of(await engine.registry.define_resource(data.name, data.actions))

    @get(summary="List resources")
    async def list_all(self, engine: TheEngine) -> list[ResourceOut]:
        """The documented resources, that of Hookline's own notices, then the registered ones."""
        known = [*DOCUMENTED.values(), NOTICES, *engine.directory.resources.values()]
        return [ResourceOut.of(each) for each in known]


class Keys(Controller):
    """``/api/v1/keys``."""

    path = "/api/v1/keys"
    tags = ("keys",)

    @post(summary="Make a key", status_code=201, opt=takes(KeyIn))
    async def create(self, request: Call, engine: TheEngine, keys: TheKeys) -> KeyCreated:
        """Make a key of this API; it is in this answer and nowhere else.

        Its scopes say what it opens: ``publish`` the two calls that hand in events, ``read`` every GET,
        ``admin`` everything.
        """
        data = await read(request, KeyIn)
        made, key = await engine.registry.create_key(data.name, data.scopes)
        keys.add(made)
        return KeyCreated.made(made, key.reveal())

    @get(summary="List keys")
    async def list_all(self, engine: TheEngine) -> list[KeyOut]:
        """All keys, revoked ones included."""
        return [KeyOut.of(each) for each in await engine.store.api_keys()]

    @delete("/{id:int}", summary="Revoke a key")
    async def revoke(self, id: KeyId, engine: TheEngine, keys: TheKeys) -> None:  # noqa: A002
        """Revoke a key; requests with it are refused from now on.

        The last one with the scope admin stays, unless the server has a HOOKLINE_API_KEY.
        """
        await engine.registry.revoke_key(id, keep_admin=not keys.has_fixed)
        keys.revoke(id)
