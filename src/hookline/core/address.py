"""Whether a socket may connect to an address.

Why it is needed: whoever registers a webhook URL decides where this process sends its requests,
and this process stands inside a network that the registrant cannot reach. Unguarded, the sender is
a tunnel to the database's port, to the neighbour's admin page, and to the credentials that clouds
hand out at 169.254.169.254.

What is judged is the address that the socket is about to connect to, for each new connection, and
never the URL: a name can resolve to something else a second later (DNS rebinding), and an address
has many spellings.

The rules, in this order:

1. What does not parse as an IPv4 or IPv6 address is refused. ``127.1`` and ``0x7f000001`` do not
   parse: a socket is handed canonical addresses, so another spelling is a bug or an attack.
2. A host entry of the allow list opens whatever its name resolves to, cloud metadata included. It
   is the operator's explicit wish, and it trusts the DNS of that name.
3. A zone (``fe80::1%eth0``) changes nothing. It says which wire, not which kind of address.
4. An IPv6 address may carry an IPv4 address (``_FORMS``). Then what is inside decides, and the
   wrapper must pass too. The two have to be looked at apart, because both directions are attacks:
   ``::ffff:127.0.0.1`` is loopback, and a Teredo address with a harmless IPv4 address inside is
   still a tunnel that nobody here asked for.
5. An address passes if an entry names it, or if it is globally reachable: in no range of
   ``RANGES``, for IPv6 inside 2000::/3 (all that IANA gives to global unicast), and global to
   Python as well. Python's ``is_global`` alone will not do: it says yes to multicast, to
   ``::127.0.0.1``, to ``fec0::/10``, and its answers changed within 3.11, 3.12 and 3.13. It is the
   last net below a table that we can read.

An IPv4 entry counts for an IPv4 address inside IPv6 only where the host of that address is the one
that answers: in the mapped form (the kernel sends plain IPv4) and behind NAT64. A 6to4 or Teredo
address ends at some host *behind* the embedded one, so ``10.0.0.0/8`` does not open it; it takes an
entry for the IPv6 range besides. In the other direction, ``::/0`` opens no IPv4 address.

Not visible here: a NAT64 with a prefix of its own (RFC 6052 §2.2 lets a network use any /96), and
a proxy, which connects on its own behalf. Both are for the operator to close.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from hookline.core.allowlist import AllowList

__all__ = ["RANGES", "AllowList", "Allowed", "Blocked", "Decision", "decide"]

_Address: TypeAlias = IPv4Address | IPv6Address

_METADATA = "cloud metadata"

# (network, rule, source). Every row of the two IANA special-purpose registries is covered, also
# those marked "globally reachable" inside 192.0.0.0/24 and 2001::/23: no receiver lives there. The
# order is for reading; the most specific row that matches names the rule.
RANGES: tuple[tuple[str, str, str], ...] = (
    ("0.0.0.0/32", "unspecified", "RFC 1122 §3.2.1.3"),
    ("0.0.0.0/8", "this network", "RFC 791 §3.2"),
    ("10.0.0.0/8", "private", "RFC 1918"),
    ("100.64.0.0/10", "shared address space", "RFC 6598"),
    ("100.100.100.200/32", _METADATA, "Alibaba Cloud"),
    ("127.0.0.0/8", "loopback", "RFC 1122 §3.2.1.3"),
    # Global on paper; from inside an Azure machine it is the host's agent.
    ("168.63.129.16/32", _METADATA, "Azure"),
    ("169.254.0.0/16", "link-local", "RFC 3927"),
    ("169.254.169.254/32", _METADATA, "AWS, Azure, Google Cloud and others"),
    ("169.254.170.2/32", _METADATA, "AWS ECS"),
    ("169.254.170.23/32", _METADATA, "AWS EKS"),
    ("172.16.0.0/12", "private", "RFC 1918"),
    ("192.0.0.0/24", "protocol assignments", "RFC 6890"),
    ("192.0.0.192/32", _METADATA, "Oracle Cloud"),
    ("192.0.2.0/24", "documentation", "RFC 5737"),
    ("192.88.99.0/24", "6to4 relay", "RFC 7526"),
    ("192.168.0.0/16", "private", "RFC 1918"),
    ("198.18.0.0/15", "benchmarking", "RFC 2544"),
    ("198.51.100.0/24", "documentation", "RFC 5737"),
    ("203.0.113.0/24", "documentation", "RFC 5737"),
    ("224.0.0.0/4", "multicast", "RFC 5771"),
    ("240.0.0.0/4", "reserved", "RFC 1112 §4"),
    ("255.255.255.255/32", "broadcast", "RFC 919 §7"),
    ("::/128", "unspecified", "RFC 4291 §2.5.2"),
    ("::1/128", "loopback", "RFC 4291 §2.5.3"),
    ("::/96", "IPv4-compatible", "RFC 4291 §2.5.5.1"),
    ("64:ff9b:1::/48", "local translation", "RFC 8215"),
    ("100::/64", "discard-only", "RFC 6666"),
    ("100:0:0:1::/64", "dummy prefix", "RFC 9780"),
    ("2001::/23", "protocol assignments", "RFC 2928"),
    ("2001::/32", "Teredo", "RFC 4380"),
    ("2001:2::/48", "benchmarking", "RFC 5180"),
    ("2001:10::/28", "ORCHID", "RFC 4843"),
    ("2001:20::/28", "ORCHID", "RFC 7343"),
    ("2001:30::/28", "drone remote id", "RFC 9374"),
    ("2001:db8::/32", "documentation", "RFC 3849"),
    ("3ffe::/16", "reserved", "RFC 3701"),
    ("3fff::/20", "documentation", "RFC 9637"),
    ("5f00::/16", "segment routing", "RFC 9602"),
    ("fc00::/7", "unique local", "RFC 4193"),
    ("fd00:42::42/128", _METADATA, "Scaleway"),
    ("fd00:ec2::23/128", _METADATA, "AWS EKS"),
    ("fd00:ec2::254/128", _METADATA, "AWS"),
    ("fd20:ce::254/128", _METADATA, "Google Cloud"),
    ("fe80::/10", "link-local", "RFC 4291 §2.5.6"),
    ("fec0::/10", "site-local", "RFC 3879"),
    ("ff00::/8", "multicast", "RFC 4291 §2.7"),
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The socket may connect: ``entry`` of the allow list says so or, if None, it is global."""

    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """The socket must not connect; ``rule`` is the kind of address, ``reason`` a sentence."""

    rule: str
    reason: str


Decision: TypeAlias = Allowed | Blocked


@dataclass(frozen=True, slots=True)
class _Range:
    """A row of ``RANGES`` as two integers: comparing those is what makes a scan cheap."""

    first: int
    last: int
    network: str
    rule: str
    source: str


def _ranges(version: int) -> tuple[_Range, ...]:
    rows = [(ip_network(text), text, rule, source) for text, rule, source in RANGES]
    rows = [row for row in rows if row[0].version == version]
    rows.sort(key=lambda row: -row[0].prefixlen)
    return tuple(
        _Range(int(network[0]), int(network[-1]), text, rule, source)
        for network, text, rule, source in rows
    )


_RANGES_4 = _ranges(4)
_RANGES_6 = _ranges(6)
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to write IPv4 inside IPv6; ``same_host``: it is the embedded address that answers."""

    network: IPv6Network
    name: str
    same_host: bool
    embedded: Callable[[int], tuple[int, ...]]


def _low(number: int) -> tuple[int, ...]:
    return (number & 0xFFFF_FFFF,)


def _after_16_bits(number: int) -> tuple[int, ...]:
    return (number >> 80 & 0xFFFF_FFFF,)


def _server_and_client(number: int) -> tuple[int, ...]:
    """Teredo names its server in clear and its client inverted (RFC 4380 §4)."""
    return (number >> 64 & 0xFFFF_FFFF, ~number & 0xFFFF_FFFF)


_FORMS = (
    _Form(IPv6Network("::ffff:0:0/96"), "IPv4-mapped", True, _low),
    _Form(IPv6Network("64:ff9b::/96"), "NAT64", True, _low),
    # RFC 8215 leaves the place of the IPv4 address to the network; /96 is what translators default
    # to. With another layout the check fails closed: allow such receivers by host name.
    _Form(IPv6Network("64:ff9b:1::/48"), "NAT64", True, _low),
    _Form(IPv6Network("2002::/16"), "6to4", False, _after_16_bits),
    _Form(IPv6Network("2001::/32"), "Teredo", False, _server_and_client),
    _Form(IPv6Network("::/96"), "IPv4-compatible", False, _low),
)


def decide(address: str, port: int, host: str, allow: AllowList) -> Decision:
    """Say whether a socket may connect to ``address``, for whatever text; nothing is raised.

    Args:
        address: what the socket is about to connect to, as text.
        port: the port of that connection.
        host: the host of the URL, as it was asked of the resolver.
        allow: what the operator opened.

    >>> decide("127.0.0.1", 9000, "localhost", AllowList.parse("127.0.0.1:9000"))
    Allowed(entry='127.0.0.1:9000')
    >>> decide("::ffff:10.0.0.1", 80, "a.example", AllowList()).rule
    'private'
    """
    ip = _parsed(address)
    if ip is None:
        return Blocked("not an address", f"{str(address)[:80]!a} is not an IP address")
    if entry := allow.entry_for_host(host, port):
        return Allowed(entry)
    own = allow.entry_for_address(ip, port)
    form = _form_of(ip)
    if form is None:
        return Allowed(own) if own else _judged(ip)
    return _judged_in_layers(ip, form, own, port, allow)


def _judged_in_layers(
    ip: _Address, form: _Form, own: str | None, port: int, allow: AllowList
) -> Decision:
    opened_by = own
    for number in form.embedded(int(ip)):
        inner = IPv4Address(number)
        entry = allow.entry_for_address(inner, port) if form.same_host or own else None
        if entry is None and isinstance(refusal := _judged(inner), Blocked):
            reason = f"{ip} is the {form.name} form of {inner}; {refusal.reason}"
            return Blocked(refusal.rule, reason)
        opened_by = opened_by or entry
    # The wrapper: only the table, for Python's opinion of 6to4 differs from version to version.
    if own is None and (found := _range_of(ip)):
        return _blocked_by(ip, found)
    return Allowed(opened_by)


def _judged(ip: _Address) -> Decision:
    """Judge an address without regard to the allow list."""
    if found := _range_of(ip):
        return _blocked_by(ip, found)
    if ip.version == 6 and ip not in _GLOBAL_UNICAST_6:
        return Blocked("reserved", f"{ip} is outside 2000::/3 (global unicast, RFC 4291 §2.4)")
    if not ip.is_global or ip.is_multicast:
        return Blocked("not global", f"{ip} is not globally reachable")
    return Allowed()


def _blocked_by(ip: _Address, found: _Range) -> Blocked:
    return Blocked(found.rule, f"{ip} is in {found.network} ({found.rule}, {found.source})")


def _range_of(ip: _Address) -> _Range | None:
    number = int(ip)
    for candidate in _RANGES_4 if ip.version == 4 else _RANGES_6:
        if candidate.first <= number <= candidate.last:
            return candidate
    return None


def _form_of(ip: _Address) -> _Form | None:
    # :: and ::1 lie in ::/96 but carry nothing.
    if ip.version == 4 or int(ip) <= 1:
        return None
    return next((form for form in _FORMS if ip in form.network), None)


def _parsed(address: str) -> _Address | None:
    # ip_address() would read an int or four bytes as an address; only text is meant.
    if not isinstance(address, str):
        return None
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    return IPv6Address(int(ip)) if isinstance(ip, IPv6Address) else ip  # without the zone
