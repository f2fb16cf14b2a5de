"""Which URLs a webhook may be sent to, judged by their spelling.

Facts. The check reads the text here, at the door; libcurl reads it again when it sends. Where two
readers of one text differ, somebody chooses which of them to fool: with a backslash before an "@"
the host is the part before it to one and the part after it to the other, ``http:/x`` and
``http:///x`` are host ``x`` to a lenient reader, ``http://0177.1`` is 127.0.0.1, and a tab in the
middle vanishes on the way. Hence the rule: a URL is taken only if it can be read in one way, and
nothing is mended silently.

Whether the *address* behind the name may be talked to is judged elsewhere, when a socket is about
to connect: a name can answer anything by then, so nothing is looked up here.

No message repeats the user part, path or query: passwords and tokens live there.
"""

import ipaddress
import re
from typing import Final

from hookline.core.errors import Invalid

__all__ = ["MAX_LENGTH", "check_webhook_url", "receiver_of"]

MAX_LENGTH: Final = 512
"""The documented limit, in characters."""

EXAMPLE: Final = "https://hooks.example.com/webhooks"

_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<slashes>/*)(?P<authority>[^/?#]*)"
    r"(?P<path>[^?#]*)(?P<query>(?:\?[^#]*)?)(?P<fragment>(?:#.*)?)"
)
_HOST_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?P<port>(?::.*)?)")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3986 has no place for these; readers differ in whether they encode, keep or turn them around.
_UNWISE: Final = frozenset('"<>\\^`{|}')


def check_webhook_url(text: str) -> str:
    """Return the URL as it was given if webhooks can be sent to it.

    Raises:
        Invalid: ``invalid-url`` at ``/webhook_url``; the message says which rule it breaks, the
            hint shows a URL that would do.

    >>> check_webhook_url("https://hooks.example.com/webhooks?team=4")
    'https://hooks.example.com/webhooks?team=4'
    """
    _check_text(text)
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise _invalid("has no scheme", "Begin it with https://")
    _check_scheme(parts["scheme"], parts["slashes"])
    if parts["fragment"]:
        raise _invalid("has a fragment (#...), which is never sent", "Leave out # and what follows")
    _check_authority(parts["authority"])
    _check_path(parts["path"], parts["query"])
    return text


def receiver_of(url: str) -> str:
    """Host and port of a URL, for a log: no user, no path, no query.

    >>> receiver_of("https://hooks.example.com/webhooks?token=4")
    'hooks.example.com:443'
    """
    parts = _PARTS.fullmatch(url)
    if parts is None:
        return ""
    host = parts["authority"].rpartition("@")[2]
    if re.search(r":[0-9]+$", host):
        return host
    return f"{host}:{80 if parts['scheme'].lower() == 'http' else 443}"


def _invalid(what: str, advice: str = "Give the whole URL") -> Invalid:
    return Invalid(
        "invalid-url",
        f"The webhook URL {what}.",
        f"{advice}, as in {EXAMPLE}",
        where="/webhook_url",
    )


def _check_text(text: str) -> None:
    """Refuse by length and by characters, before anything is taken apart."""
    if not text:
        raise _invalid("is empty")
    if len(text) > MAX_LENGTH:
        raise _invalid(
            f"has {len(text)} characters; {MAX_LENGTH} are allowed",
            "Keep it short and look details up by a key",
        )
    for at, char in enumerate(text):
        if "!" <= char <= "~" and char not in _UNWISE:
            continue
        where = f"{_describe(char)} at position {at}"
        raise _invalid(f"has {where}", _advice_on(char))


def _describe(char: str) -> str:
    if char == " ":
        return "a space"
    if char < " " or char == "\x7f":
        return f"a control character (U+{ord(char):04X})"
    if char > "\x7f":
        return f"a character outside ASCII (U+{ord(char):04X})"
    return "a backslash" if char == "\\" else f"the character {char}"


def _advice_on(char: str) -> str:
    if char > "\x7f":
        return (
            "Write a host in its ASCII form (https://xn--bcher-kva.example) and percent-encode "
            "the rest (é is %C3%A9)"
        )
    if char == "\\":
        return "Use forward slashes"
    if char == " " or char in _UNWISE:
        return f"Leave it out or write it as %{ord(char):02X}"
    return "Leave it out"


def _check_scheme(scheme: str, slashes: str) -> None:
    if scheme.lower() not in {"http", "https"}:
        shown = scheme if len(scheme) <= 20 else f"{scheme[:20]}..."
        # "localhost:8000/x" has the scheme "localhost" to a strict reader, and its owner wonders.
        raise _invalid(f"begins with {shown}:, not with http:// or https://", "Begin with https://")
    if slashes != "//":
        raise _invalid(f"does not have two slashes after {scheme}:", f"Write {scheme.lower()}://")


def _check_authority(authority: str) -> None:
    if "@" in authority:
        raise _invalid(
            "has a user name or password before an @",
            "Put no credentials into the URL; verify the signature instead",
        )
    if not authority:
        raise _invalid("has no host")
    parts = _HOST_PORT.fullmatch(authority)
    if parts is None:
        raise _invalid("has brackets in its host that hold no IPv6 address", "Name the host")
    host, port = parts["host"], parts["port"]
    if port.count(":") > 1:
        raise _invalid(
            "has more than one colon in its host", "Put an IPv6 address in brackets, or name a host"
        )
    if not host:
        raise _invalid("has a port but no host")
    if host.startswith("["):
        _check_ipv6(host[1:-1])
    else:
        _check_name(host)
    if port:
        _check_port(port[1:])


def _check_port(port: str) -> None:
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise _invalid(
            "has a port that is not a number from 1 to 65535",
            "Leave out the colon and the port, or write a port such as :8443",
        )


def _check_ipv6(literal: str) -> None:
    try:
        # A zone ([fe80::1%25eth0]) names a network card of the sender; receivers have no say there.
        zone = ipaddress.IPv6Address(literal).scope_id
    except ValueError:
        zone = literal
    if zone is not None:
        raise _invalid(
            "has brackets in its host that hold no IPv6 address",
            "Write an address such as [2001:db8::1] without a zone, or name the host",
        )


def _check_name(host: str) -> None:
    if "%" in host:
        raise _invalid("has a percent-encoded host", "Write the host in plain characters")
    name = host.removesuffix(".")
    labels = name.split(".")
    # A last label that is a number makes the whole an IPv4 address to libcurl, in any of the old
    # spellings: octal, hexadecimal, fewer than four parts. Only the plain one is taken.
    if _NUMBER.fullmatch(labels[-1]):
        _check_ipv4(host)
        return
    if len(name) > 253:
        raise _invalid(f"has a host of {len(name)} characters; 253 are possible", "Name a host")
    for label in labels:
        if not label:
            raise _invalid("has an empty part between two dots in its host", "Name a host")
        if not _LABEL.fullmatch(label):
            raise _invalid(
                f"has a host with the impossible part {label[:64]}",
                "Use letters, digits and inner hyphens, at most 63 between two dots",
            )


def _check_ipv4(host: str) -> None:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise _invalid(
            "has a number as its host that is no plain IPv4 address",
            "Write four decimal numbers without leading zeros (192.0.2.10), or name the host",
        ) from None


def _check_path(path: str, query: str) -> None:
    if _BAD_PERCENT.search(path + query):
        raise _invalid(
            "has a % that two hexadecimal digits do not follow", "Write a plain % as %25"
        )
    # libcurl takes dot segments out before it sends, so the log would show another path.
    decoded = path.replace("%2e", ".").replace("%2E", ".")
    if any(segment in {".", ".."} for segment in decoded.split("/")):
        raise _invalid("has a . or .. segment in its path", "Write the path that is meant")
