"""The composed application: the routes that are busy in front, the framework behind them."""

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

from litestar import Litestar, Router
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.routes import BaseRoute
from litestar.types import ControllerRouterHandler, Method

from hookline import __version__
from hookline.core.masking import Mask
from hookline.send.engine import Engine
from hookline.send.intake import Limits
from hookline.server.api.admin import Keys, Resources
from hookline.server.api.deliveries import Deliveries
from hookline.server.api.events import Events
from hookline.server.api.health import healthz, readyz
from hookline.server.api.installations import Installations
from hookline.server.api.integrations import Integrations
from hookline.server.api.metrics import metrics
from hookline.server.api.secrets import Secrets
from hookline.server.api.sources import Sources
from hookline.server.api.subscriptions import Notices, Subscriptions
from hookline.server.errors import HANDLERS
from hookline.server.ingress import Ingress
from hookline.server.keys import KeyRing, admit
from hookline.server.openapi import openapi_route
from hookline.server.publish import PublishRoutes
from hookline.server.query import asked_by, check_query

__all__ = ["Application", "make_app"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ShortRoute(Protocol):
    """A route below the framework."""

    def matches(self, scope: Scope) -> bool:
        """Whether a request is for it."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        ...


# HEAD is GET without the body, which the server itself leaves out. OPTIONS is refused as any method
# is that a path does not take: the framework would answer it with a part of what the path takes.
_METHODS = {"HEAD": "GET", "OPTIONS": "TRACE"}

MAX_ADMIN_BODY = 1_048_576


class Application:
    """ASGI: what comes by the thousand goes a short way, everything else through the framework.

    Args:
        short: the routes below the framework, where this process takes any; the busiest first.
    """

    def __init__(self, short: Sequence[ShortRoute], framework: Litestar):
        self._short = short
        self.framework = framework

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection event."""
        for route in self._short:
            if route.matches(scope):
                await route(scope, receive, send)
                return
        if scope["type"] == "http":
            scope = {**scope, "method": _METHODS.get(scope["method"], scope["method"])}
            await self.framework(scope, receive, send)  # type: ignore[arg-type]


class _NoPages(Router):
    """In place of the framework's pages about the API: ``openapi_route`` serves the document."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:
        """Take nothing in."""
        del value
        return []


def _operation_id(handler: HTTPRouteHandler, _method: Method, _path: object) -> str:
    """The summary in one word: clients that are generated name their methods after it."""
    return "".join(word.capitalize() for word in re.findall(r"\w+", handler.summary or ""))


def make_app(
    engine: Engine, keys: KeyRing, limits: Limits, mask: Mask | None = None
) -> Application:
    """The application over a running engine; ``mask`` knows the operator's own secrets."""
    mask = Mask() if mask is None else mask

    def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if not handler.opt.get("open"):
            admit(connection)
        check_query(connection.query_params.keys(), asked_by(handler.opt))

    calls: list[ControllerRouterHandler] = [
        Integrations,
        Secrets,
        Subscriptions,
        Notices,
        Installations,
        Events,
        Deliveries,
        Sources,
        Resources,
        Keys,
        openapi_route(limits),
    ]
    framework = Litestar(
        route_handlers=[healthz, readyz, metrics, *(calls if engine.role.answers else [])],
        dependencies={
            "engine": Provide(lambda: engine, sync_to_thread=False),
            "keys": Provide(lambda: keys, sync_to_thread=False),
            "limits": Provide(lambda: limits, sync_to_thread=False),
        },
        guards=[guard],
        exception_handlers=HANDLERS,
        openapi_config=OpenAPIConfig(
            title="Hookline",
            version=__version__,
            openapi_router=_NoPages("/", route_handlers=[]),
            operation_id_creator=_operation_id,
        ),
        request_max_body_size=MAX_ADMIN_BODY,
        logging_config=None,
        state=State({"key_ring": keys, "mask": mask}),
        # Else LITESTAR_DEBUG and LITESTAR_PDB of the environment would decide.
        debug=False,
        pdb_on_exception=False,
    )
    short: list[ShortRoute] = []
    if engine.role.answers:
        short = [
            PublishRoutes(engine.publisher, keys, limits, mask),
            Ingress(engine.gateway, mask, most_bytes=limits.data_bytes),
        ]
    return Application(short, framework)
