"""``/openapi.json``: made from the same types that validate, once, at the first request.

The framework describes its own routes. What it does not see is added here: the bodies that routes
declare (``server.body``), the two publish routes, which are below it, and the one error shape, which
every operation can answer.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from hookline.core.scopes import Scope
from hookline.send.intake import Limits
from hookline.server.body import is_optional, taken_by
from hookline.server.errors import ErrorBody
from hookline.server.ingress import SHOWN_PATH, Received
from hookline.server.keys import needed_for
from hookline.server.publish import Accepted, AcceptedBatch, Warned

__all__ = ["openapi_route"]

_OPEN: Final = {"/healthz", "/readyz", "/openapi.json", SHOWN_PATH}
_PATTERNS: Final = {
    "organization": "^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$",
    "slug": "^[a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?$",
    "uuid": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
}


class ActorDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Who did it; without one, the system did."""

    type: Annotated[str, Meta(pattern="^(user|application)$")]
    id: int | str
    name: Annotated[str, Meta(max_length=200)]


class EventDocument(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An event to publish."""

    resource: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    action: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    data: dict[str, Any]
    actor: ActorDocument | None = None
    id: Annotated[str, Meta(pattern="^[!-~]{1,128}$")] | None = None
    targets: list[Annotated[str, Meta(pattern="^[a-z0-9-]{1,57}$")]] | None = None


def openapi_route(limits: Limits) -> HTTPRouteHandler:
    """The route that serves the document."""
    cache: list[bytes] = []

    @get("/openapi.json", include_in_schema=False, opt={"open": True}, sync_to_thread=False)
    def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not cache:
            cache.append(msgspec.json.encode(_document(request.app, limits)))
        return Response(cache[0], media_type=MediaType.JSON)

    return openapi


def _document(app: Litestar, limits: Limits) -> dict[str, Any]:
    document = app.openapi_schema.to_schema()
    taken = list(_bodies(app))
    kinds = {kind for _, _, kind, _ in taken}
    _, schemas = msgspec.json.schema_components(
        (EventDocument, Accepted, AcceptedBatch, Warned, Received, ErrorBody, *kinds),
        ref_template="#/components/schemas/{name}",
    )
    # To the type it may also be JSON that is there already; to a reader it is this.
    warnings = {"type": "array", "items": {"$ref": "#/components/schemas/Warned"}}
    schemas["Accepted"]["properties"]["warnings"] = warnings
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    paths = document["paths"]
    for path, method, kind, required in taken:
        schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
        content = {"application/json": {"schema": schema}}
        paths[path][method]["requestBody"] = {"required": required, "content": content}
    publishing = _publish_paths(limits)
    paths.update(publishing)
    paths[SHOWN_PATH] = {"post": _receiving()}
    for path, item in paths.items():
        for method, operation in item.items():
            if isinstance(operation, dict):
                scope = Scope.PUBLISH if path in publishing else needed_for(method.upper())
                _finish(path, operation, scope)
    return document


def _bodies(app: Litestar) -> Iterator[tuple[str, str, type[msgspec.Struct], bool]]:
    """Each operation that takes a body: its path, its method, the body's type, whether it must be."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            kind = taken_by(handler.opt)
            if kind is not None:
                for method in handler.http_methods:
                    yield route.path_format, method.lower(), kind, not is_optional(handler.opt)


def _finish(path: str, operation: dict[str, Any], scope: Scope) -> None:
    # The framework documents its own 400; ours has one shape for every refusal.
    responses = operation.setdefault("responses", {})
    for status in [status for status in responses if status.startswith(("4", "5"))]:
        del responses[status]
    responses["default"] = {
        "description": "A refusal, in the one error shape",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in _PATTERNS:
            parameter["schema"]["pattern"] = _PATTERNS[parameter["name"]]
    if path not in _OPEN:
        # OpenAPI 3.1 lets any scheme name the roles that an operation needs; admin opens each.
        operation["security"] = [{"key": [scope.value]}]


def _publish_paths(limits: Limits) -> dict[str, Any]:
    event = {"$ref": "#/components/schemas/EventDocument"}
    batch = {"type": "array", "items": event, "minItems": 1, "maxItems": limits.batch_events}
    one = _operation(
        "PublishEvent",
        "Publish an event",
        f"202 means that it is on disk. Data may have {limits.data_bytes:,} bytes.",
        {"application/json": {"schema": event}},
        "Accepted",
    )
    many = _operation(
        "PublishBatch",
        "Publish events, all or none",
        "A JSON list, or one JSON document a line.",
        {
            "application/json": {"schema": batch},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
        "AcceptedBatch",
    )
    base = "/api/v1/organizations/{organization}/events"
    return {base: {"post": one}, f"{base}/batch": {"post": many}}


def _receiving() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Received"}}}
    return {
        "operationId": "Receive",
        "summary": "Take a webhook of a source's sender",
        "description": "Its signature lets it in, and no key. 200 means that it is on disk.",
        "tags": ["sources"],
        "parameters": [
            {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "requestBody": {"required": True, "content": {"*/*": {"schema": {"type": "string"}}}},
        "responses": {"200": {"description": "Accepted and durable", "content": content}},
    }


def _operation(
    name: str, summary: str, description: str, content: dict[str, Any], answer: str
) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{answer}"}
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["events"],
        "parameters": [
            {
                "name": "organization",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "202": {
                "description": "Accepted and durable",
                "content": {"application/json": {"schema": schema}},
            }
        },
    }
