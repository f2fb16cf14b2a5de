"""What the text of a setting may be: each function reads one kind of value, or says what is wrong."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

from hookline.core.allowlist import AllowList
from hookline.core.errors import UsageError
from hookline.core.mail import SmtpServer, parse_addresses, parse_smtp_url
from hookline.core.role import Role
from hookline.core.secret import STARS, Secret, decode_key

__all__ = [
    "Bad",
    "Database",
    "PostgresDatabase",
    "SqliteDatabase",
    "allow_addresses",
    "api_key",
    "database",
    "host",
    "mail_address",
    "mail_addresses",
    "masked",
    "one_of",
    "role",
    "secret_key",
    "smtp_url",
    "url",
    "whole",
]


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """One file, relative to the working directory or absolute."""

    path: Path

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A connection URL; a Secret, for it may hold a password.

    Attributes:
        password: one that stands after the ``?``; that before the ``@`` is found in the URL.
    """

    url: Secret
    password: Secret | None = None

    def __str__(self) -> str:
        return masked(self.url.reveal())


Database: TypeAlias = SqliteDatabase | PostgresDatabase


class Bad(Exception):
    """What is wrong with a value, without showing the value."""


def database(text: str) -> Database:
    """A database URL."""
    if text.startswith(("postgresql://", "postgres://")):
        given = parse_qs(_query(text)).get("password")
        return PostgresDatabase(Secret(text), Secret(given[-1]) if given else None)
    path = text.removeprefix("sqlite:///")
    if path == text:
        raise Bad("is no database URL: sqlite:/// and a path, or postgresql://")
    if path == ":memory:":
        raise Bad("would lose every accepted event at exit; give it a file, also for a trial")
    if not path or path.endswith("/") or "\0" in path:
        raise Bad("names no file")
    if "?" in path:
        raise Bad("takes no options after ?")
    return SqliteDatabase(Path(path))


def _query(text: str) -> str:
    try:
        return urlsplit(text).query
    except ValueError:
        raise Bad("is no URL: an address of IPv6 stands in brackets, and only that does") from None


def api_key(text: str) -> Secret:
    """A key that fits into a header."""
    if not re.fullmatch(r"[!-~]+", text):
        raise Bad("must be visible ASCII without blanks, to fit into a header")
    return Secret(text)


def secret_key(text: str) -> Secret:
    """32 bytes, as hex digits or base64."""
    try:
        decode_key(Secret(text))
    except UsageError as error:
        raise Bad(f"is not right: {error.message}") from None
    return Secret(text)


def allow_addresses(text: str) -> AllowList:
    """Addresses, ranges and hosts."""
    try:
        return AllowList.parse(text)
    except UsageError as error:
        raise Bad(f"is not right: {error.message}; {error.hint}") from None


def host(text: str) -> str:
    """An address or a name to listen on."""
    if re.fullmatch(r"[0-9A-Za-z_.-]+", text):
        return text
    try:
        return str(IPv6Address(text))
    except ValueError:
        complaint = "is no address or host name to listen on; the port is a setting of its own"
        raise Bad(complaint) from None


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number from ``least`` to ``most``."""

    def parse(text: str) -> int:
        # The length first: int() of thousands of digits raises, and \d would take other scripts'.
        if re.fullmatch(r"[0-9]{1,12}", text) and least <= int(text) <= most:
            return int(text)
        raise Bad(f"is no whole number from {least} to {most}")

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(text: str) -> str:
        if text in words:
            return text
        if len(words) == 2:
            raise Bad(f"is neither {words[0]} nor {words[1]}")
        raise Bad(f"is none of {', '.join(words)}")

    return parse


def role(text: str) -> Role:
    """What a process does."""
    return Role(one_of(*Role)(text))


def url(text: str) -> str:
    """An http:// or https:// URL of a server."""
    try:
        parts = urlsplit(text)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        raise Bad("is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_right:
        raise Bad("is no http:// or https:// URL of a server")
    if parts.username is not None or parts.query or parts.fragment:
        raise Bad("takes no user, query or fragment; the key is HOOKLINE_API_KEY")
    return text.rstrip("/")


def smtp_url(text: str) -> SmtpServer:
    """A mail server."""
    try:
        return parse_smtp_url(text)
    except UsageError as error:
        raise Bad(f"is not right: {error.message}") from None


def mail_address(text: str) -> str:
    """One e-mail address."""
    found = mail_addresses(text)
    if len(found) != 1:
        raise Bad("is more than one e-mail address")
    return found[0]


def mail_addresses(text: str) -> tuple[str, ...]:
    """E-mail addresses."""
    try:
        return parse_addresses(text)
    except UsageError as error:
        raise Bad(f"is not right: {error.message}") from None


def masked(text: str) -> str:
    """Hide what may be a password in a URL, right or mistyped: before the last @, and after ?."""
    head, at, tail = text.rpartition("@")
    if at:
        scheme = re.match(r"[a-z+]*://", head)
        tail = f"{scheme[0] if scheme else ''}{STARS}@{tail}"
    plain, question, _ = tail.partition("?")
    return ascii(plain + (f"?{STARS}" if question else ""))[1:-1][:200]
