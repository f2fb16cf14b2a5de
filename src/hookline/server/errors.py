"""The one shape of every error: ``{"error": {"code", "message", "hint", "where"}}``."""

from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
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

__all__ = ["HANDLERS", "ErrorBody", "ErrorDetail", "error_bytes", "internal_error"]

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


def error_bytes(error: HooklineError) -> bytes:
    """The JSON body that says this error."""
    # Text of a stranger's can hold lone surrogates, which JSON in UTF-8 cannot.
    where = None if error.where is None else _printable(error.where)
    detail = ErrorDetail(error.code, _printable(error.message), _printable(error.hint), where)
    return msgspec.json.encode(ErrorBody(detail))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def internal_error() -> HooklineError:
    """What a caller is told of a bug of ours: that it is one, and nothing else."""
    return HooklineError(
        "internal-error",
        "hookline failed to do this; it is not your fault",
        "the server's log has the details; please report them",
    )


def _respond(error: HooklineError, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        error_bytes(error),
        status_code=error.status,
        media_type=MediaType.JSON,
        headers=headers or _headers(error),
    )


def _headers(error: HooklineError) -> dict[str, str]:
    if isinstance(error, Unavailable):
        return {"Retry-After": "1"}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}


def _known(_: Request[Any, Any, Any], error: HooklineError) -> Response[bytes]:
    return _respond(error)


def _validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    details = error.extra if isinstance(error.extra, list) else []
    first = details[0] if details and isinstance(details[0], dict) else {}
    key = str(first.get("key", ""))
    # The framework writes a path as "a.b[0]"; ours is a JSON Pointer, and only for the body.
    in_body = first.get("source", "body") == "body"
    where = "/" + key.replace("[", ".").replace("]", "").replace(".", "/") if key else ""
    message = str(first.get("message") or error.detail)
    subject = "" if in_body or not key else f"{key}: "
    return _respond(
        Invalid(
            "invalid-field" if in_body else "invalid-parameter",
            subject + message,
            "see /openapi.json for what the call takes",
            where=where if in_body else None,
        )
    )


def _malformed(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    cause = error.__cause__ or error
    return _respond(
        Malformed("malformed-json", f"the body is not JSON: {cause}", "send one JSON document")
    )


def _too_deep(_: Request[Any, Any, Any], _error: RecursionError) -> Response[bytes]:
    return _respond(Malformed("too-deep", "the body is nested too deeply", "flatten it"))


def _not_found(request: Request[Any, Any, Any], _error: HTTPException) -> Response[bytes]:
    return _respond(
        NotFound(
            "unknown-path",
            f"there is nothing at {request.url.path}",
            "see /openapi.json for the paths",
        )
    )


class _MethodNotAllowed(HooklineError):
    status = 405


def _method(request: Request[Any, Any, Any], error: MethodNotAllowedException) -> Response[bytes]:
    allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow") or ""
    return _respond(
        _MethodNotAllowed(
            "method-not-allowed",
            f"{request.url.path} does not take {request.method}",
            f"it takes {allowed}" if allowed else "see /openapi.json",
        ),
        {"Allow": allowed} if allowed else None,
    )


def _client(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if error.status_code == 413:
        return _respond(
            TooLarge("body-too-large", "the body is over the limit", "send less at once")
        )
    if error.status_code >= 500:
        return _respond(internal_error())
    return _respond(Malformed("bad-request", str(error.detail), "see /openapi.json"))


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _log.error("request.failed", path=request.url.path, exc_info=error)
    return _respond(internal_error())


HANDLERS: ExceptionHandlersMap = {
    HooklineError: _known,
    ValidationException: _validation,
    SerializationException: _malformed,
    msgspec.DecodeError: _malformed,
    RecursionError: _too_deep,
    NotFoundException: _not_found,
    MethodNotAllowedException: _method,
    ClientException: _client,
    HTTPException: _client,
    Exception: _bug,
}
