"""Installations: an integration in an organization."""

from litestar import Controller, delete, get, post
from litestar.params import FromPath

from hookline.core.actor import SYSTEM, Actor, check_actor
from hookline.core.registration import check_organization
from hookline.server.api.injected import Call, TheEngine
from hookline.server.api.shapes import ActorIn, InstallationIn, InstallationOut, InstalledOut
from hookline.server.body import read, takes

__all__ = ["Installations"]


class Installations(Controller):
    """``/api/v1/organizations/{organization}/installations`` and ``/api/v1/installations``."""

    path = "/api/v1"
    tags = ("installations",)

    @post(
        "/organizations/{organization:str}/installations",
        summary="Install",
        status_code=201,
        opt=takes(InstallationIn),
    )
    async def create(
        self, organization: FromPath[str], request: Call, engine: TheEngine
    ) -> InstalledOut:
        """Install a public integration, which gets ``installation.created``.

        The grant code is in this answer and in that webhook, and nowhere else.
        """
        data = await read(request, InstallationIn)
        installation, code = await engine.registry.install(
            check_organization(organization, where=None),
            data.integration,
            _actor(data.actor),
        )
        return InstalledOut.made(installation, code)

    @get("/organizations/{organization:str}/installations", summary="List installations")
    async def list_all(
        self, organization: FromPath[str], engine: TheEngine
    ) -> list[InstallationOut]:
        """The installations of an organization that are in force."""
        check_organization(organization, where=None)
        found = await engine.store.installations(organization=organization)
        return [InstallationOut.of(each) for each in found]

    @delete("/installations/{uuid:str}", summary="Uninstall", status_code=200)
    async def remove(self, uuid: FromPath[str], engine: TheEngine) -> InstallationOut:
        """Uninstall; a public integration gets ``installation.deleted``."""
        return InstallationOut.of(await engine.registry.uninstall(uuid))


def _actor(given: ActorIn | None) -> Actor:
    if given is None:
        return SYSTEM
    return check_actor({"type": given.type, "id": given.id, "name": given.name})
