"""Every setting, declared once: field, type, default, help, environment variable.

The fields of ``Settings`` are the table. What reads the environment, names the problems, explains
where a value came from (``describe``) and writes docs/reference/settings.md goes by it::

    python -m hookline.settings > docs/reference/settings.md

An empty variable counts as unset: that is how compose files and CI systems write "no value".
Engines never see this module; the server hands them the few values that they need.
"""

# ruff: noqa: RUF009 (the calls in the dataclass make its fields; that is the table)

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from ipaddress import IPv6Address
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from hookline.core.allowlist import AllowList
from hookline.core.errors import UsageError
from hookline.core.secret import STARS, Secret, decode_key

__all__ = [
    "Database",
    "PostgresDatabase",
    "SettingRow",
    "Settings",
    "SqliteDatabase",
    "reference_page",
]

_T = TypeVar("_T")
_PREFIX = "HOOKLINE_"
_NOT_SET = "not set"


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """One file, relative to the working directory or absolute."""

    path: Path

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A connection URL; a Secret, for it may hold a password."""

    url: Secret

    def __str__(self) -> str:
        return _masked(self.url.reveal())


Database: TypeAlias = SqliteDatabase | PostgresDatabase


class _Bad(Exception):
    """What is wrong with a value, without showing the value."""


def _database(text: str) -> Database:
    if text.startswith(("postgresql://", "postgres://")):
        return PostgresDatabase(Secret(text))
    path = text.removeprefix("sqlite:///")
    if path == text:
        raise _Bad("is no database URL: sqlite:/// and a path, or postgresql://")
    if path == ":memory:":
        raise _Bad("would lose every accepted event at exit; give it a file, also for a trial")
    if not path or path.endswith("/") or "\0" in path:
        raise _Bad("names no file")
    if "?" in path:
        raise _Bad("takes no options after ?")
    return SqliteDatabase(Path(path))


def _api_key(text: str) -> Secret:
    if not re.fullmatch(r"[!-~]+", text):
        raise _Bad("must be visible ASCII without blanks, to fit into a header")
    return Secret(text)


def _secret_key(text: str) -> Secret:
    try:
        decode_key(Secret(text))
    except UsageError as error:
        raise _Bad(f"is not right: {error.message}") from None
    return Secret(text)


def _allow_addresses(text: str) -> AllowList:
    try:
        return AllowList.parse(text)
    except UsageError as error:
        raise _Bad(f"is not right: {error.message}; {error.hint}") from None


def _host(text: str) -> str:
    if re.fullmatch(r"[0-9A-Za-z_.-]+", text):
        return text
    try:
        return str(IPv6Address(text))
    except ValueError:
        complaint = "is no address or host name to listen on; the port is a setting of its own"
        raise _Bad(complaint) from None


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # The length first: int() of thousands of digits raises, and \d would take other scripts'.
        if re.fullmatch(r"[0-9]{1,12}", text) and least <= int(text) <= most:
            return int(text)
        raise _Bad(f"is no whole number from {least} to {most}")

    return parse


def _log_format(text: str) -> str:
    if text not in {"text", "json"}:
        raise _Bad("is neither text nor json")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        raise _Bad("is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_right:
        raise _Bad("is no http:// or https:// URL of a server")
    if parts.username is not None or parts.query or parts.fragment:
        raise _Bad("takes no user, query or fragment; the key is HOOKLINE_API_KEY")
    return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the table says of a field."""

    parse: Callable[[str], object]
    default: str | None
    example: str
    help: str
    secret: bool


def _declare(
    parse: Callable[[str], _T],
    default: str | None,
    help: str,  # noqa: A002 (the word of the table)
    *,
    example: str,
    secret: bool = False,
) -> Any:  # a field, which a type checker must take for the value
    declared = _Declared(parse, default, example, help, secret)
    value = None if default is None else parse(default)
    return field(default=value, metadata={"setting": declared})


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of ``describe``: ``value`` may be shown, ``origin`` is where it came from."""

    name: str
    value: str
    origin: str
    help: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What this process was told; built whole and right, or not at all."""

    database: Database = _declare(
        _database,
        "sqlite:///hookline.db",
        "Where everything is kept: `sqlite:///relative.db` or `sqlite:////absolute/path.db`. "
        "`postgresql://…` is understood, but this version refuses to start with it.",
        example="sqlite:////var/lib/hookline/hookline.db",
    )
    api_key: Secret | None = _declare(
        _api_key,
        None,
        "The key that API calls must carry. Unset: one is made at the first start and shown once.",
        example="$(openssl rand -hex 32)",
        secret=True,
    )
    allow_addresses: AllowList = _declare(
        _allow_addresses,
        "",
        "Addresses, ranges and hosts beyond the public internet that webhooks may go to, each "
        "with an optional port. Dangerous: integrations can then reach them.",
        example="10.0.0.0/8, 127.0.0.1:9000, [::1]:9000, *.internal:8443",
    )
    host: str = _declare(
        _host, "127.0.0.1", "The address that the server listens on.", example="127.0.0.1"
    )
    port: int = _declare(
        _whole(0, 65535),
        "8800",
        "The port that the server listens on; 0 takes any free one.",
        example="8800",
    )
    secret_key: Secret | None = _declare(
        _secret_key,
        None,
        "Encrypts the secrets in the database: 32 bytes as 64 hex digits or 44 base64 "
        "characters. Unset: a key file beside the SQLite database, made at the first start.",
        example="$(openssl rand -hex 32)",
        secret=True,
    )
    max_data_bytes: int = _declare(
        _whole(1, 64 * 1024 * 1024),
        "1048576",
        "The most bytes that the data of one event may have.",
        example="1048576",
    )
    max_in_flight: int = _declare(
        _whole(1, 10_000),
        "1000",
        "The most attempts that this process has under way at a time, for all integrations.",
        example="1000",
    )
    log: str = _declare(
        _log_format, "text", "The form of log lines: `text` or `json`.", example="json"
    )
    url: str = _declare(
        _url,
        "http://127.0.0.1:8800",
        "The server that the client commands talk to.",
        example="https://hooks.example.com",
    )
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False, hash=False)

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], overrides: Mapping[str, object] | None = None
    ) -> "Settings":
        """Read the settings; an override (by field name, from an option) wins unless it is None.

        Raises:
            UsageError: ``invalid-settings``; all problems at once, one a line, each with the name,
                the value (masked) and an example that would work.
        """
        given = _given(environ, overrides or {})
        problems = [_unknown(name, environ[name]) for name in _strangers(environ)]
        values: dict[str, object] = {}
        for name, (text, _) in given.items():
            try:
                values[name] = _TABLE[name].parse(text)
            except _Bad as complaint:
                problems.append(_problem(name, *given[name], str(complaint)))
        if problems:
            raise UsageError("invalid-settings", "\n".join(problems), _HINT)
        origins = MappingProxyType({name: origin for name, (_, origin) in given.items()})
        return cls(**values, origins=origins)  # type: ignore[arg-type]

    def describe(self) -> tuple[SettingRow, ...]:
        """Return each setting with its value, secrets as stars, and where it came from."""
        return tuple(
            SettingRow(
                _variable(name),
                _shown(getattr(self, name)),
                self.origins.get(name, "default"),
                declared.help,
            )
            for name, declared in _TABLE.items()
        )

    def secrets(self) -> tuple[Secret, ...]:
        """Return the values that must be shown nowhere, for who searches what is said."""
        values = [getattr(self, name) for name in _TABLE]
        values += [getattr(v, part.name) for v in values if is_dataclass(v) for part in fields(v)]
        return tuple(value for value in values if isinstance(value, Secret))

    def sqlite_path(self) -> Path:
        """Return the file of the database.

        Raises:
            UsageError: ``postgresql-not-yet``: this version has no PostgreSQL.
        """
        if isinstance(self.database, SqliteDatabase):
            return self.database.path
        raise UsageError(
            "postgresql-not-yet",
            f"HOOKLINE_DATABASE is {self.database}, but PostgreSQL is not there yet",
            "this version keeps everything in one SQLite file: "
            "HOOKLINE_DATABASE=sqlite:///hookline.db",
        )


_TABLE: dict[str, _Declared] = {
    each.name: each.metadata["setting"] for each in fields(Settings) if each.metadata
}
_HINT = "`hookline config` shows every setting and where it comes from"


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _given(
    environ: Mapping[str, str], overrides: Mapping[str, object]
) -> dict[str, tuple[str, str]]:
    """Return for each setting that somebody gave: the text, and where it came from."""
    if foreign := overrides.keys() - _TABLE.keys():
        raise ValueError(f"no such settings: {sorted(foreign)}")
    found = {}
    for name in _TABLE:
        option, text = overrides.get(name), environ.get(_variable(name), "").strip()
        if option is not None:
            plain = option.reveal() if isinstance(option, Secret) else str(option)
            found[name] = (plain.strip(), f"--{name.replace('_', '-')}")
        elif text:
            found[name] = (text, _variable(name))
    return found


def _strangers(environ: Mapping[str, str]) -> list[str]:
    known = {_variable(name) for name in _TABLE}
    return sorted(name for name in environ if name.startswith(_PREFIX) and name not in known)


def _unknown(name: str, value: str) -> str:
    # The value stays out: a mistyped HOOKLINE_API_KEY is still a key.
    if re.search(r"_SERVICE_(HOST|PORT)|_PORT_[0-9]+_", name) or _is_service_link(value):
        return f"{name} comes from a Kubernetes service named hookline; {_NO_LINKS}"
    near = difflib.get_close_matches(name, [_variable(each) for each in _TABLE], n=1)
    advice = f"did you mean {near[0]}?" if near else "unset it"
    return f"{name} is no setting; {advice}"


_NO_LINKS = "set enableServiceLinks: false in the pod, or rename the service"


def _is_service_link(value: str) -> bool:
    return value.startswith(("tcp://", "udp://"))


def _problem(name: str, text: str, origin: str, complaint: str) -> str:
    if name == "port" and _is_service_link(text):
        complaint = f"comes from a Kubernetes service named hookline; {_NO_LINKS}"
    shown = STARS if _TABLE[name].secret else _masked(text)
    gap = " " if origin.startswith("--") else "="
    return f"{origin}{gap}{shown} {complaint}; for example {origin}{gap}{_quoted(name)}"


def _quoted(name: str) -> str:
    example = _TABLE[name].example
    return f'"{example}"' if re.search(r"[\s*$]", example) else example


def _masked(text: str) -> str:
    """Hide what may be a password in a URL, right or mistyped: before the last @, and after ?."""
    head, at, tail = text.rpartition("@")
    if at:
        scheme = re.match(r"[a-z+]*://", head)
        tail = f"{scheme[0] if scheme else ''}{STARS}@{tail}"
    plain, question, _ = tail.partition("?")
    return ascii(plain + (f"?{STARS}" if question else ""))[1:-1][:200]


def _shown(value: object) -> str:
    return _NOT_SET if value is None else str(value) or _NOT_SET


def reference_page() -> str:
    """Return docs/reference/settings.md; generated, so that it cannot differ from the table."""
    lines = [
        "# Settings",
        "",
        "<!-- Generated: python -m hookline.settings > docs/reference/settings.md -->",
        "",
        "Every setting is an environment variable; an option of the command line wins over it.",
        "An empty variable counts as unset.",
        "A `HOOKLINE_` variable that is not in this list is an error.",
        "",
    ]
    for name, declared in _TABLE.items():
        default = f"`{declared.default}`" if declared.default else _NOT_SET
        lines += [f"## `{_variable(name)}`", "", declared.help, "", f"- Default: {default}"]
        lines += [f"- Example: `{_variable(name)}={_quoted(name)}`"]
        lines += ["- Secret: never shown."] if declared.secret else []
        lines += [""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(reference_page())
