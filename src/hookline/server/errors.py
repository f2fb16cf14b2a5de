"""The one shape of every error: ``{"error": {"code", "message", "hint", "where"}}``."""

from traceback import format_exception
from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.types import ExceptionHandlersMap

from hookline.core.errors import (
    HooklineError,
    Invalid,
    Malformed,
    NotFound,
    TooLarge,
    Unavailable,
)
from hookline.core.masking import Mask
from hookline.core.quoting import excerpt

__all__ = [
    "HANDLERS",
    "ErrorBody",
    "ErrorDetail",
    "MethodNotAllowed",
    "error_bytes",
    "error_headers",
    "internal_error",
    "log_bug",
    "unknown_path",
]

_log = structlog.get_logger("hookline.server")


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong, and what to do about it."""

    code: str
    message: str
    hint: str
    where: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorDetail


def log_bug(path: str, error: Exception) -> None:
    """Write down a bug of ours.

    The traceback is made here, as text: a renderer of log lines may show local variables with it,
    and those hold keys and secrets.
    """
    _log.error("request.failed", path=path, traceback="".join(format_exception(error)))


def error_bytes(error: HooklineError, mask: Mask) -> bytes:
    """The JSON body that says this error.

    Much of what an error says was sent by the caller, and a key may be among it: in a path, in the
    name of a field. The answer may end up in somebody's log, so it passes the mask.
    """

    def said(text: str) -> str:
        # Text of a stranger's can hold lone surrogates, which JSON in UTF-8 cannot.
        return mask(text).encode("utf-8", "backslashreplace").decode("utf-8")

    where = None if error.where is None else said(error.where)
    detail = ErrorDetail(error.code, said(error.message), said(error.hint), where)
    return msgspec.json.encode(ErrorBody(detail))


def internal_error() -> HooklineError:
    """What a caller is told of a bug of ours: that it is one, and nothing else."""
    return HooklineError(
        "internal-error",
        "hookline failed to do this; it is not your fault",
        "the server's log has the details; please report them",
    )


class MethodNotAllowed(HooklineError):
    """There is something at this path, but it does not take this method."""

    status = 405

    def __init__(self, path: str, allowed: str):
        super().__init__(
            "method-not-allowed",
            f"{excerpt(path)} does not take this method",
            f"it takes {allowed}",
        )
        self.allowed = allowed


def unknown_path(path: str) -> NotFound:
    """What is said of every path where there is nothing."""
    return NotFound(
        "unknown-path", f"there is nothing at {excerpt(path)}", "see /openapi.json for the paths"
    )


def error_headers(error: HooklineError) -> dict[str, str]:
    """The headers that belong to the status of this error."""
    if isinstance(error, MethodNotAllowed):
        return {"Allow": error.allowed}
    if isinstance(error, Unavailable):
        return {"Retry-After": "1"}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}


def _respond(request: Request[Any, Any, Any], error: HooklineError) -> Response[bytes]:
    return Response(
        error_bytes(error, request.app.state["mask"]),
        status_code=error.status,
        media_type=MediaType.JSON,
        headers=error_headers(error),
    )


def _known(request: Request[Any, Any, Any], error: HooklineError) -> Response[bytes]:
    return _respond(request, error)


# "state" is a word of the framework's, so the route's argument has another name.
_PARAMETERS = {"in_state": "state"}


def _parameter(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    # Bodies are read elsewhere (``server.body``): what the framework validates are parameters.
    details = error.extra if isinstance(error.extra, list) else []
    first = details[0] if details and isinstance(details[0], dict) else {}
    name = str(first.get("key", "a parameter"))
    name = _PARAMETERS.get(name, name)
    message = str(first.get("message", "it is wrong")).replace("`", "")
    return _respond(
        request,
        Invalid(
            "invalid-parameter",
            f"{name}: {message[:1].lower()}{message[1:]}",
            "see /openapi.json for what the call takes",
        ),
    )


def _not_found(request: Request[Any, Any, Any], _error: HTTPException) -> Response[bytes]:
    return _respond(request, unknown_path(request.scope["path"]))


def _method(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    methods = set((error.headers or {}).get("allow", "").split(", ")) - {"OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return _respond(request, MethodNotAllowed(request.scope["path"], ", ".join(sorted(methods))))


def _client(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if error.status_code == 413:
        return _respond(
            request, TooLarge("body-too-large", "the body is over the limit", "send less at once")
        )
    if error.status_code >= 500:
        if "disconnected" not in error.detail:  # a caller that hung up is no bug, and hears nothing
            log_bug(request.scope["path"], error)
        return _respond(request, internal_error())
    return _respond(request, Malformed("bad-request", str(error.detail), "see /openapi.json"))


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log_bug(request.scope["path"], error)
    return _respond(request, internal_error())


HANDLERS: ExceptionHandlersMap = {
    HooklineError: _known,
    ValidationException: _parameter,
    NotFoundException: _not_found,
    MethodNotAllowedException: _method,
    ClientException: _client,
    HTTPException: _client,
    Exception: _bug,
}
