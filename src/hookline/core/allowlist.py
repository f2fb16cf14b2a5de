"""The addresses and hosts that an operator opens beyond what is globally reachable.

An entry is an address, a range or a host name, each with an optional port::

    127.0.0.1:9000   10.0.0.0/8   10.0.0.0/8:443   ::1   [::1]:9000   [fd00::]/8:443
    receiver.internal   receiver.internal:8443   *.internal

``*.internal`` is every name below ``internal``, at any depth, and not ``internal`` itself. A bare
``::1:9000`` is an address (``::1:9000`` is valid IPv6): a port after IPv6 takes brackets.
What an entry opens is decided in ``core.address``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from hookline.core.errors import UsageError

__all__ = ["AllowList"]


@dataclass(frozen=True, slots=True)
class _NetworkEntry:
    text: str
    network: IPv4Network | IPv6Network
    port: int | None


@dataclass(frozen=True, slots=True)
class _HostEntry:
    """A name without its final dot; ``*.internal`` is kept as ``.internal`` and ends the host."""

    text: str
    name: str
    port: int | None

    def matches(self, host: str) -> bool:
        if self.name.startswith("."):
            return host.endswith(self.name) and host != self.name
        return host == self.name


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the operator opened beyond the globally reachable; immutable and hashable."""

    networks: tuple[_NetworkEntry, ...] = ()
    hosts: tuple[_HostEntry, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "AllowList":
        """Read entries apart by commas or white space.

        Raises:
            UsageError: ``invalid-allow-list``; names the entry, and an example that would work.

        >>> str(AllowList.parse("10.0.0.0/8, [::1]:9000 *.internal"))
        '10.0.0.0/8, [::1]:9000, *.internal'
        """
        entries = [_entry(part) for part in re.split(r"[\s,]+", text) if part]
        return cls(
            tuple(entry for entry in entries if isinstance(entry, _NetworkEntry)),
            tuple(entry for entry in entries if isinstance(entry, _HostEntry)),
        )

    def entry_for_host(self, host: str, port: int) -> str | None:
        """Return the first host entry that opens ``host`` at ``port``."""
        if not self.hosts:
            return None
        name = host.lower().removesuffix(".")
        for entry in self.hosts:
            if entry.port in (None, port) and entry.matches(name):
                return entry.text
        return None

    def entry_for_address(self, ip: IPv4Address | IPv6Address, port: int) -> str | None:
        """Return the first network entry that holds ``ip`` itself, nothing unwrapped."""
        for entry in self.networks:
            if entry.port in (None, port) and ip in entry.network:
                return entry.text
        return None

    def __iter__(self) -> Iterator[str]:
        yield from (entry.text for entry in self.networks)
        yield from (entry.text for entry in self.hosts)

    def __str__(self) -> str:
        return ", ".join(self)


_EXAMPLES = "10.0.0.0/8, 127.0.0.1:9000, [::1]:9000, receiver.internal:8443 or *.internal"
_BRACKETED = re.compile(r"\[(?P<body>[^\[\]]*:[^\[\]]*)\](?P<length>/[0-9]+)?(?::(?P<port>.*))?")
_NETWORK = re.compile(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(\*\.)?({_LABEL}\.)*{_LABEL}")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


def _entry(text: str) -> _NetworkEntry | _HostEntry:
    body, port_text = _without_port(text)
    port = None if port_text is None else _port(text, port_text)
    # As URLs do: what ends in a number is an address, however odd, and never a name.
    last = body.lower().removesuffix(".").rpartition(".")[2]
    if "/" in body or ":" in body or _NUMERIC_LABEL.fullmatch(last):
        return _NetworkEntry(text, _network(text, body), port)
    return _HostEntry(text, _host(text, body), port)


def _without_port(text: str) -> tuple[str, str | None]:
    if "://" in text:
        bare = text.partition("://")[2].partition("/")[0]
        raise _refused(text, f"leave out the scheme and the path: {bare}")
    if bracketed := _BRACKETED.fullmatch(text):
        return bracketed["body"] + (bracketed["length"] or ""), bracketed["port"]
    head, slash, tail = text.partition("/")
    if not slash and head.count(":") > 1:  # a bare IPv6 address; a port would need brackets
        return text, None
    last = tail if slash else head
    cut, colon, port = last.partition(":")
    return (f"{head}/{cut}" if slash else cut), (port if colon else None)


def _port(text: str, port: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535:
        return int(port)
    raise _refused(text, "a port is a number from 1 to 65535, as in 127.0.0.1:9000")


def _network(text: str, body: str) -> IPv4Network | IPv6Network:
    if not _NETWORK.fullmatch(body):
        raise _refused(text, f"write it as one of {_EXAMPLES}")
    try:
        network = ip_network(body)
    except ValueError:
        raise _refused(text, _network_hint(body)) from None
    return _plain(network)


def _network_hint(body: str) -> str:
    try:
        return f"its host bits are set; for the whole range write {ip_network(body, strict=False)}"
    except ValueError:
        return f"write it as one of {_EXAMPLES}"


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Turn ``::ffff:10.0.0.0/104`` into the ``10.0.0.0/8`` that it means."""
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((int(mapped), network.prefixlen - 96))


def _host(text: str, body: str) -> str:
    name = body.lower().removesuffix(".")
    if name == "*":
        raise _refused(
            text, "for every address there is, dangerous as it is, write 0.0.0.0/0, ::/0"
        )
    if len(name) > 253 or not _HOST.fullmatch(name):
        hint = f"write it as one of {_EXAMPLES}; a name beyond ASCII goes in its xn-- form"
        raise _refused(text, hint)
    return name.removeprefix("*")


def _refused(text: str, hint: str) -> UsageError:
    message = f"{text[:80]!a} is no address, range or host name that can be allowed"
    return UsageError("invalid-allow-list", message, hint)
