"""Resources and keys."""

from litestar import Controller, delete, get, post

from hookline.core.resources import DOCUMENTED
from hookline.send.engine import Engine
from hookline.server.api.shapes import KeyCreated, KeyIn, KeyOut, ResourceIn, ResourceOut
from hookline.server.keys import KeyRing

__all__ = ["Keys", "Resources"]


class Resources(Controller):
    """``/api/v1/resources``."""

    path = "/api/v1/resources"
    tags = ("resources",)

    @post(summary="Register a resource", status_code=201)
    async def create(self, data: ResourceIn, engine: Engine) -> ResourceOut:
        """Register a resource of your own; integrations can subscribe to it at once."""
        return ResourceOut.of(await engine.registry.define_resource(data.name, data.actions))

    @get(summary="List resources")
    async def list_all(self, engine: Engine) -> list[ResourceOut]:
        """The documented resources, then the registered ones."""
        known = [*DOCUMENTED.values(), *engine.directory.resources.values()]
        return [ResourceOut.of(each) for each in known]


class Keys(Controller):
    """``/api/v1/keys``."""

    path = "/api/v1/keys"
    tags = ("keys",)

    @post(summary="Make a key", status_code=201)
    async def create(self, data: KeyIn, engine: Engine, keys: KeyRing) -> KeyCreated:
        """Make a key of this API; it is in this answer and nowhere else."""
        made, key = await engine.registry.create_key(data.name)
        keys.load(await engine.store.api_keys())
        return KeyCreated.made(made, key.reveal())

    @get(summary="List keys")
    async def list_all(self, engine: Engine) -> list[KeyOut]:
        """All keys, revoked ones included."""
        return [KeyOut.of(each) for each in await engine.store.api_keys()]

    @delete("/{id:int}", summary="Revoke a key")
    async def revoke(self, id: int, engine: Engine, keys: KeyRing) -> None:  # noqa: A002
        """Revoke a key; requests with it are refused from now on."""
        await engine.registry.revoke_key(id)
        keys.load(await engine.store.api_keys())
