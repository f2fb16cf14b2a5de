"""An integration's client secrets: rotate, see which are valid, choose which one signs."""

from litestar import Controller, get, patch, post
from litestar.params import FromPath

from hookline.core.rotation import SignWith
from hookline.server.api.injected import Call, TheEngine
from hookline.server.api.secret_shapes import RotatedOut, RotationIn, SecretOut, SigningIn
from hookline.server.body import read, takes

__all__ = ["Secrets"]


class Secrets(Controller):
    """``/api/v1/integrations/{slug}/secrets``."""

    path = "/api/v1/integrations/{slug:str}/secrets"
    tags = ("integrations",)

    @get(summary="List client secrets")
    async def list_all(self, slug: FromPath[str], engine: TheEngine) -> list[SecretOut]:
        """The valid secrets, the oldest first, without their text: one, or two during an overlap."""
        return [SecretOut.of(each) for each in await engine.client_secrets.known(slug)]

    @post("/rotate", summary="Rotate the client secret", status_code=200, opt=takes(RotationIn))
    async def rotate(self, slug: FromPath[str], request: Call, engine: TheEngine) -> RotatedOut:
        """Make a new client secret; it is in this answer and nowhere else.

        The one before stays valid for the overlap. During it, webhooks are signed with the new one, or
        with the old one if ``sign_with`` says so; after it with the new one. Of two that were valid
        before, the older one stops at once.
        """
        data = await read(request, RotationIn)
        rotated = await engine.client_secrets.rotate(
            slug, overlap=data.overlap, sign_with=SignWith(data.sign_with)
        )
        return RotatedOut.of(rotated)

    @patch(summary="Choose the secret that signs", opt=takes(SigningIn))
    async def choose(
        self, slug: FromPath[str], request: Call, engine: TheEngine
    ) -> list[SecretOut]:
        """Sign with the new or the old secret until the overlap ends."""
        data = await read(request, SigningIn)
        await engine.client_secrets.choose(slug, SignWith(data.sign_with))
        return [SecretOut.of(each) for each in await engine.client_secrets.known(slug)]
