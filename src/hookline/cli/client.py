"""A running server's API, as the client commands use it."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import httpx
from cyclopts import Parameter

from hookline.core.errors import HooklineError, UsageError
from hookline.settings import Settings

__all__ = ["Api", "JsonFlag", "ServerTrouble", "Slug", "UrlFlag", "connect"]

JsonFlag = Annotated[
    bool,
    Parameter(
        name="--json", negative="", show_default=False, help="Print one JSON document on stdout."
    ),
]
UrlFlag = Annotated[
    str | None,
    Parameter(
        name="--url",
        help="The server. The key is read from HOOKLINE_API_KEY. "
        "[env var: HOOKLINE_URL] [default: http://127.0.0.1:8800]",
    ),
]
Slug = Annotated[str, Parameter(name="SLUG", help="The integration.")]

TIMEOUT_S: Final = 30.0


class ServerTrouble(HooklineError):
    """The server refused, or is not there: exit code 1, since the command line itself is right."""


class Api:
    """Calls; each returns the parsed answer.

    Args:
        url: the server's, without a path.
        key: an API key.
    """

    def __init__(self, url: str, key: str):
        self.url = url
        # Without the environment's proxies: a webhook server is often on this very machine.
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, *path: str, **query: str | int | None) -> Any:
        """GET ``/api/v1/{path}``; queries that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", path, params=given)

    def post(self, *path: str, json: Any = None, body: bytes | None = None) -> Any:
        """POST a document, or a body of JSON as it is."""
        if body is None:
            return self._call("POST", path, json={} if json is None else json)
        return self._call("POST", path, content=body, headers={"Content-Type": "application/json"})

    def patch(self, *path: str, json: Mapping[str, Any]) -> Any:
        """PATCH."""
        return self._call("PATCH", path, json=json)

    def delete(self, *path: str) -> Any:
        """DELETE."""
        return self._call("DELETE", path)

    def _call(self, method: str, path: tuple[str, ...], **arguments: Any) -> Any:
        where = "/api/v1/" + "/".join(quote(part, safe="") for part in path)
        try:
            response = self._http.request(method, where, **arguments)
        except httpx.ConnectError as trouble:
            raise ServerTrouble(
                "server-unreachable",
                f"cannot reach {self.url} ({trouble})",
                "is it running? start it with `hookline serve`, or say where it is: HOOKLINE_URL",
            ) from None
        except httpx.HTTPError as trouble:
            raise ServerTrouble(
                "server-failed",
                f"{self.url} gave no answer ({trouble or type(trouble).__name__})",
                "look at the server's log",
            ) from None
        return _read(response, self.url)


def _read(response: httpx.Response, url: str) -> Any:
    if response.is_success and not response.content:
        return None
    try:
        document = response.json()
    except ValueError:
        raise _stranger(response, url) from None
    if response.is_success:
        return document
    detail = document.get("error") if isinstance(document, dict) else None
    if not isinstance(detail, dict) or "message" not in detail:
        raise _stranger(response, url)
    raise ServerTrouble(
        str(detail.get("code", "")),
        str(detail["message"]),
        str(detail.get("hint", "")),
        where=detail.get("where"),
    )


def _stranger(response: httpx.Response, url: str) -> ServerTrouble:
    return ServerTrouble(
        "not-hookline",
        f"{url} answered {response.status_code}, but not as hookline does",
        "check HOOKLINE_URL: the server's address, without a path",
    )


def connect(url: str | None) -> Api:
    """The server that the settings name.

    Raises:
        UsageError: the settings are wrong, or there is no key.
    """
    settings = Settings.from_environ(os.environ, {"url": url})
    if settings.api_key is None:
        raise UsageError(
            "missing-key",
            "HOOKLINE_API_KEY is not set, and every call needs a key",
            "the server printed one at its first start; then: export HOOKLINE_API_KEY=hkl_…",
        )
    return Api(settings.url, settings.api_key.reveal())
