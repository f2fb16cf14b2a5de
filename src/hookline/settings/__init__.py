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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from hookline.core.allowlist import AllowList
from hookline.core.errors import UsageError
from hookline.core.instants import HOUR
from hookline.core.mail import Mailing, SmtpServer
from hookline.core.role import Role
from hookline.core.secret import STARS, Secret
from hookline.core.unsubscribing import Rules
from hookline.settings import values
from hookline.settings.values import Database, PostgresDatabase, SqliteDatabase

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
        values.database,
        "sqlite:///hookline.db",
        "Where everything is kept: `sqlite:///relative.db` or `sqlite:////absolute/path.db`. "
        "Or `postgresql://user:password@host:5432/name`, which any number of processes share; several "
        "hosts by commas, a Unix socket as `?host=/folder`. Then `HOOKLINE_SECRET_KEY` is needed.",
        example="sqlite:////var/lib/hookline/hookline.db",
    )
    api_key: Secret | None = _declare(
        values.api_key,
        None,
        "The key that API calls must carry. Unset: one is made at the first start and shown once.",
        example="$(openssl rand -hex 32)",
        secret=True,
    )
    allow_addresses: AllowList = _declare(
        values.allow_addresses,
        "",
        "Addresses, ranges and hosts beyond the public internet that webhooks may go to, each "
        "with an optional port. Dangerous: integrations can then reach them.",
        example="10.0.0.0/8, 127.0.0.1:9000, [::1]:9000, *.internal:8443",
    )
    host: str = _declare(
        values.host, "127.0.0.1", "The address that the server listens on.", example="127.0.0.1"
    )
    port: int = _declare(
        values.whole(0, 65535),
        "8800",
        "The port that the server listens on; 0 takes any free one.",
        example="8800",
    )
    secret_key: Secret | None = _declare(
        values.secret_key,
        None,
        "Encrypts the secrets in the database: 32 bytes as 64 hex digits or 44 base64 "
        "characters. Unset: a key file beside the SQLite database, made at the first start; with "
        "PostgreSQL it must be set, to the same on every node.",
        example="$(openssl rand -hex 32)",
        secret=True,
    )
    role: Role = _declare(
        values.role,
        "all",
        "What this process does, where several share a PostgreSQL database: `api` takes events and "
        "answers calls, `worker` sends webhooks and answers only /healthz, /readyz and /metrics.",
        example="worker",
    )
    max_data_bytes: int = _declare(
        values.whole(1, 64 * 1024 * 1024),
        "1048576",
        "The most bytes that the data of one event may have.",
        example="1048576",
    )
    max_in_flight: int = _declare(
        values.whole(1, 10_000),
        "1000",
        "The most attempts that this process has under way at a time, for all integrations.",
        example="1000",
    )
    log: str = _declare(
        values.one_of("text", "json"),
        "text",
        "The form of log lines: `text` or `json`.",
        example="json",
    )
    log_attempts: str = _declare(
        values.one_of("all", "failures", "none"),
        "all",
        "Which attempts get a line in the log: `all`, `failures` (whatever was not delivered), or "
        "`none`. The database keeps each attempt either way.",
        example="failures",
    )
    keep_events_days: int = _declare(
        values.whole(0, 36_500),
        "90",
        "Days after which events and their deliveries are deleted, with all attempts at them; 0 "
        "keeps them for ever. What still waits stays. The publisher's id of a deleted event may "
        "be used again: it then names a new event.",
        example="90",
    )
    keep_attempts_days: int = _declare(
        values.whole(0, 36_500),
        "30",
        "Days after which attempts are deleted from the log, where their delivery waits no more; "
        "0 keeps them as long as their event.",
        example="30",
    )
    unsubscribe_timeouts: int = _declare(
        values.whole(0, 1_000_000),
        "1000",
        "So many timeouts within `HOOKLINE_UNSUBSCRIBE_HOURS` unsubscribe an integration; warnings "
        "go out at 50 % and 90 % of it. 0: never.",
        example="1000",
    )
    unsubscribe_hours: int = _declare(
        values.whole(1, 24 * 31),
        "24",
        "The hours, rolling, within which timeouts are counted.",
        example="24",
    )
    unsubscribe_days: int = _declare(
        values.whole(0, 365),
        "5",
        "An integration of which every attempt failed for so many days running is unsubscribed. "
        "0: never.",
        example="5",
    )
    smtp_url: SmtpServer | None = _declare(
        values.smtp_url,
        None,
        "The mail server for notices to operators: `smtps://user:password@host` or "
        "`smtp://host:25`. Unset: no e-mail.",
        example="smtps://hookline:secret@mail.example.com",
        secret=True,
    )
    mail_from: str | None = _declare(
        values.mail_address,
        None,
        "From whom e-mail comes; needed with `HOOKLINE_SMTP_URL`.",
        example="hookline@example.com",
    )
    mail_to: tuple[str, ...] | None = _declare(
        values.mail_addresses,
        None,
        "To whom notices go, by commas; needed with `HOOKLINE_SMTP_URL`.",
        example="ops@example.com",
    )
    url: str = _declare(
        values.url,
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
        found: dict[str, object] = {}
        for name, (text, _) in given.items():
            try:
                found[name] = _TABLE[name].parse(text)
            except values.Bad as complaint:
                problems.append(_problem(name, *given[name], str(complaint)))
        if problems:
            raise UsageError("invalid-settings", "\n".join(problems), _HINT)
        origins = MappingProxyType({name: origin for name, (_, origin) in given.items()})
        return cls(**found, origins=origins)  # type: ignore[arg-type]

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

    def mailing(self) -> Mailing | None:
        """Return where operators' e-mail goes; None: nowhere.

        Raises:
            UsageError: ``incomplete-mail-settings``: one of the three is missing.
        """
        server, sender, to = self.smtp_url, self.mail_from, self.mail_to
        if server is None and sender is None and to is None:
            return None
        if server is None or sender is None or to is None:
            raise UsageError(
                "incomplete-mail-settings",
                "e-mail needs HOOKLINE_SMTP_URL, HOOKLINE_MAIL_FROM and HOOKLINE_MAIL_TO",
                "set all three, or none of them",
            )
        return Mailing(server, sender, to)

    def rules(self) -> Rules:
        """Return when integrations are unsubscribed."""
        return Rules(
            self.unsubscribe_timeouts, self.unsubscribe_hours * HOUR, self.unsubscribe_days
        )

    def secrets(self) -> tuple[Secret, ...]:
        """Return the values that must be shown nowhere, for who searches what is said."""
        values = [getattr(self, name) for name in _TABLE]
        values += [getattr(v, part.name) for v in values if is_dataclass(v) for part in fields(v)]
        return tuple(value for value in values if isinstance(value, Secret))

    def checked_role(self) -> Role:
        """Return what this process does.

        Raises:
            UsageError: ``one-process-only``: nobody else could do the rest.
        """
        if self.role is Role.ALL or isinstance(self.database, PostgresDatabase):
            return self.role
        raise UsageError(
            "one-process-only",
            f"HOOKLINE_ROLE is {self.role}, but a SQLite file has one process, which must do everything",
            "unset it, or share a database between processes: HOOKLINE_DATABASE=postgresql://…",
        )

    def database_at(self) -> Path | Secret:
        """Return where the database is: SQLite's file, or PostgreSQL's URL."""
        database = self.database
        return database.path if isinstance(database, SqliteDatabase) else database.url


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
    shown = STARS if _TABLE[name].secret else values.masked(text)
    gap = " " if origin.startswith("--") else "="
    return f"{origin}{gap}{shown} {complaint}; for example {origin}{gap}{_quoted(name)}"


def _quoted(name: str) -> str:
    example = _TABLE[name].example
    return f'"{example}"' if re.search(r"[\s*$]", example) else example


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
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
