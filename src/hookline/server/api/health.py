"""Is it alive, and can it take events?  The only routes that need no key."""

import msgspec
from litestar import get

from hookline import __version__
from hookline.server.api.injected import TheEngine

__all__ = ["Health", "healthz", "readyz"]


class Health(msgspec.Struct):
    """The process answers."""

    status: str
    version: str


@get("/healthz", summary="Is the process alive?", tags=["health"], opt={"open": True})
async def healthz() -> Health:
    """The process answers, whatever the database does."""
    return Health("ok", __version__)


@get("/readyz", summary="Can it take events?", tags=["health"], opt={"open": True})
async def readyz(engine: TheEngine) -> Health:
    """The database takes writes and the dispatcher turns; 503 says which of them does not."""
    await engine.check_ready()
    return Health("ready", __version__)
