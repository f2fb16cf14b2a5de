"""Which addresses a socket may connect to, range by range, form by form."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.address import RANGES, Allowed, AllowList, Blocked, decide

NOTHING = AllowList()
V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
# Uniform integers nearly never hit a small range, so half of all cases stand at an edge of one.
EDGES = sorted(
    {
        min(max(int(ip_network(text)[end]) + step, 0), 2**32 - 1)
        for text, _, _ in RANGES
        if ":" not in text
        for end in (0, -1)
        for step in (-1, 0, 1)
    }
)
EDGY_V4 = V4 | st.sampled_from(EDGES).map(IPv4Address)


def verdict(address: object, allow: AllowList = NOTHING, port: int = 443) -> Allowed | Blocked:
    return decide(str(address), port, "receiver.example", allow)


def rule(address: object, allow: AllowList = NOTHING, port: int = 443) -> str | None:
    """The rule that blocks, or None."""
    match verdict(address, allow, port):
        case Blocked(rule=name):
            return name
        case Allowed():
            return None


def mapped(ip: IPv4Address) -> IPv6Address:
    return IPv6Address(0xFFFF << 32 | int(ip))


def nat64(ip: IPv4Address) -> IPv6Address:
    return IPv6Address(int(IPv6Address("64:ff9b::")) | int(ip))


def local_nat64(ip: IPv4Address) -> IPv6Address:
    return IPv6Address(int(IPv6Address("64:ff9b:1::")) | int(ip))


def six_to_four(ip: IPv4Address, rest: int = 1) -> IPv6Address:
    return IPv6Address(0x2002 << 112 | int(ip) << 80 | rest)


def teredo(server: IPv4Address, client: IPv4Address) -> IPv6Address:
    head = 0x2001_0000 << 96 | int(server) << 64
    return IPv6Address(head | 0x8000_F227 << 32 | (int(client) ^ 0xFFFF_FFFF))


def compatible(ip: IPv4Address) -> IPv6Address:
    return IPv6Address(int(ip))


WRAPPERS = {
    "mapped": mapped,
    "nat64": nat64,
    "local nat64": local_nat64,
    "6to4": six_to_four,
    "teredo client": lambda ip: teredo(IPv4Address("8.8.8.8"), ip),
    "teredo server": lambda ip: teredo(ip, IPv4Address("8.8.8.8")),
}

# Written out by hand, independently of RANGES: (first, last, rule, just before, just after), where
# the last two name the rule of the neighbour, or None where the neighbour is reachable.
TABLE = [
    ("0.0.0.0", "0.0.0.0", "unspecified", None, "this network"),
    ("0.0.0.1", "0.255.255.255", "this network", "unspecified", None),
    ("10.0.0.0", "10.255.255.255", "private", None, None),
    ("100.64.0.0", "100.127.255.255", "shared address space", None, None),
    ("127.0.0.0", "127.255.255.255", "loopback", None, None),
    ("168.63.129.16", "168.63.129.16", "cloud metadata", None, None),
    ("169.254.0.0", "169.254.255.255", "link-local", None, None),
    ("169.254.169.254", "169.254.169.254", "cloud metadata", "link-local", "link-local"),
    ("172.16.0.0", "172.31.255.255", "private", None, None),
    ("192.0.0.0", "192.0.0.255", "protocol assignments", None, None),
    ("192.0.2.0", "192.0.2.255", "documentation", None, None),
    ("192.88.99.0", "192.88.99.255", "6to4 relay", None, None),
    ("192.168.0.0", "192.168.255.255", "private", None, None),
    ("198.18.0.0", "198.19.255.255", "benchmarking", None, None),
    ("198.51.100.0", "198.51.100.255", "documentation", None, None),
    ("203.0.113.0", "203.0.113.255", "documentation", None, None),
    ("224.0.0.0", "239.255.255.255", "multicast", None, "reserved"),
    ("240.0.0.0", "255.255.255.254", "reserved", "multicast", "broadcast"),
    ("255.255.255.255", "255.255.255.255", "broadcast", "reserved", None),
    ("::", "::", "unspecified", None, "loopback"),
    ("::1", "::1", "loopback", "unspecified", "this network"),
    ("::808:0", "::808:ffff", "IPv4-compatible", "IPv4-compatible", "IPv4-compatible"),
    ("::1:0:0:0", "::fffe:ffff:ffff:ffff", "reserved", "broadcast", "reserved"),
    ("64:ff9b:1:1::808:808", "64:ff9b:1:1::808:808", *["local translation"] * 3),
    ("100::", "100::ffff:ffff:ffff:ffff", "discard-only", "reserved", "dummy prefix"),
    ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "dummy prefix", "discard-only", "reserved"),
    ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarking",
     *["protocol assignments"] * 2),
    ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHID",
     "protocol assignments", "ORCHID"),
    ("2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "drone remote id", "ORCHID",
     "protocol assignments"),
    ("2001:40::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignments",
     "drone remote id", None),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", None, None),
    ("3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", None, "documentation"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", "reserved", None),
    ("4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", None, "segment routing"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing", *["reserved"] * 2),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local", "reserved", "reserved"),
    ("fd00:ec2::254", "fd00:ec2::254", "cloud metadata", "unique local", "unique local"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local", "reserved", "site-local"),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local", "link-local", "multicast"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast", "site-local", None),
]  # fmt: skip


@pytest.mark.parametrize(("first", "last", "name", "before", "after"), TABLE)
def test_a_range_is_blocked_from_its_first_to_its_last_address(first, last, name, before, after):
    """Both ends carry the range's rule, and the addresses just outside carry their own."""
    low, high = ip_address(first), ip_address(last)
    assert rule(low) == name
    assert rule(high) == name
    if int(low) > 0:
        assert rule(low - 1) == before
    if int(high) < 2**low.max_prefixlen - 1:
        assert rule(high + 1) == after


@pytest.mark.parametrize(("text", "name", "source"), RANGES)
def test_every_row_of_the_table_is_enforced(text, name, source):
    """First and last address of each row are blocked, by it or by a more specific row."""
    network = ip_network(text)
    for ip in (network[0], network[-1]):
        found = verdict(ip)
        assert isinstance(found, Blocked)
        if network.prefixlen == network.max_prefixlen:
            assert found.rule == name
    assert source


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "223.255.255.255", "126.255.255.255", "2000::", "2606:4700::1111",
     "2a00:1450:4001:82a::200e", "3ffd::1", "2001:200::1"],
)  # fmt: skip
def test_ordinary_addresses_pass(address):
    """A globally reachable address needs no entry, and the answer names none."""
    assert verdict(address) == Allowed(None)


@given(EDGY_V4)
def test_transparent_forms_answer_as_the_ipv4_address_does(ip):
    """Mapped, NAT64 and 6to4 spellings are blocked when the IPv4 address is, by its rule."""
    expected = rule(ip)
    assert [rule(mapped(ip)), rule(nat64(ip)), rule(six_to_four(ip))] == [expected] * 3


@given(EDGY_V4, EDGY_V4)
def test_tunnels_that_nobody_asked_for_never_pass(ip, other):
    """Compatible, local NAT64 and Teredo forms are blocked, however harmless what they carry."""
    for address in (compatible(ip), local_nat64(ip), teredo(ip, other)):
        assert isinstance(verdict(address), Blocked)


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize(
    ("inner", "name"),
    [("127.0.0.1", "loopback"), ("169.254.169.254", "cloud metadata"), ("10.1.2.3", "private"),
     ("0.0.0.0", "unspecified"), ("255.255.255.255", "broadcast"), ("224.0.0.1", "multicast")],
)  # fmt: skip
def test_the_rule_names_what_is_inside(wrap, inner, name):
    """Wherever an address hides in IPv6, its own rule is reported and the reason shows it."""
    found = verdict(wrap(IPv4Address(inner)))
    assert isinstance(found, Blocked)
    assert found.rule == name
    assert inner in found.reason


@given(EDGY_V4 | V6)
def test_only_what_python_too_calls_global_passes(ip):
    """Without entries nothing passes that ipaddress calls private, or that is multicast."""
    if isinstance(verdict(ip), Allowed) and not str(ip).startswith("2002:"):
        plain = getattr(ip, "ipv4_mapped", None) or ip
        assert plain.is_global
        assert not plain.is_multicast


@given(V6)
def test_ipv6_outside_the_allocated_space_is_blocked(ip):
    """Whatever is not in 2000::/3 is blocked unless it is IPv4 in disguise."""
    wrapped = any(ip in ip_network(n) for n in ("::ffff:0:0/96", "64:ff9b::/96"))
    if int(ip) >> 125 != 1 and not wrapped:
        assert isinstance(verdict(ip), Blocked)


@pytest.mark.parametrize(
    ("address", "name"),
    [("fe80::1%eth0", "link-local"), ("::1%1", "loopback"), ("::ffff:127.0.0.1%lo", "loopback"),
     ("fd00::1%", "not an address"), ("127.0.0.1%lo", "not an address"), ("2606::1%eth0", None)],
)  # fmt: skip
def test_a_zone_changes_nothing(address, name):
    """The kind of address decides, whichever wire the zone names."""
    assert rule(address) == name


@pytest.mark.parametrize(
    "address",
    ["", " ", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1 ", "127.0.0.1:80",
     "[::1]", "localhost", "8.8.8.8/32", "8.8.8.8\n", "8.8.8.8\0", "\u0661.1.1.1", "\uff11.1.1.1",
     "1.1.1.1\ud800", "::ffff:8.8.8", "1" * 100_000],
)  # fmt: skip
def test_other_spellings_are_no_addresses(address):
    """What a lenient parser might read as an address is refused, with a short reason."""
    found = verdict(address)
    assert isinstance(found, Blocked)
    assert found.rule == "not an address"
    assert len(found.reason) < 600


@pytest.mark.parametrize("address", [None, 134744072, b"\x08\x08\x08\x08", 8.8])
def test_what_is_not_text_is_no_address(address):
    """An int or bytes, which ipaddress would take for an address, is refused."""
    assert decide(address, 443, "h", NOTHING).rule == "not an address"


@given(V4 | V6, st.integers(0, 60), st.text(max_size=3), st.integers(0, 3))
def test_a_mutated_address_is_judged_and_never_raises(ip, at, insert, cut):
    """A genuine address with a piece replaced is Allowed only if it still is a global address."""
    text = str(ip)
    text = text[:at] + insert + text[at + cut :]
    if isinstance(decide(text, 443, "h", NOTHING), Allowed):
        ip_address(text)


@given(st.text())
def test_any_text_gets_an_answer(text):
    """No text raises, as an address or as a host."""
    decide(text, 443, "h", AllowList.parse("*.internal"))
    assert isinstance(decide("8.8.8.8", 443, text, AllowList.parse("h")), Allowed)


@pytest.mark.parametrize(
    ("entries", "address", "port", "passes"),
    [
        ("127.0.0.1", "127.0.0.1", 1, True),
        ("127.0.0.1", "127.0.0.2", 1, False),
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, False),
        ("127.0.0.1:9000, 127.0.0.1:9001", "127.0.0.1", 9001, True),
        ("10.0.0.0/8", "10.255.255.255", 80, True),
        ("10.0.0.0/8", "11.0.0.0", 80, True),  # global anyway
        ("10.0.0.0/8:443", "10.0.0.1", 443, True),
        ("10.0.0.0/8:443", "10.0.0.1", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]:9000", "::1", 9000, True),
        ("[::1]:9000", "::1", 9001, False),
        ("fd00::/8:443", "fd12::1", 443, True),
        ("[fd00::]/8:443", "fd12::1", 80, False),
        ("fe80::/10", "fe80::1%eth0", 80, True),
        ("127.0.0.1", "::1", 80, False),
        ("::1", "127.0.0.1", 80, False),
        ("169.254.169.254", "169.254.169.254", 80, True),
        ("255.255.255.255", "255.255.255.255", 80, True),
        # Mapped: the kernel sends plain IPv4, so the IPv4 entry is about this very target.
        ("10.0.0.0/8", "::ffff:10.0.0.1", 80, True),
        ("10.0.0.0/8:443", "::ffff:10.0.0.1", 80, False),
        ("::ffff:10.0.0.0/104", "10.0.0.1", 80, True),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", 80, True),
        ("::/0", "::ffff:10.0.0.1", 80, False),
        ("::/0", "10.0.0.1", 80, False),
        ("0.0.0.0/0", "::1", 80, False),
        # NAT64 delivers to the embedded address itself.
        ("10.0.0.0/8", "64:ff9b::10.0.0.1", 80, True),
        ("::/0", "64:ff9b::169.254.169.254", 80, False),
        ("64:ff9b:1::/48", "64:ff9b:1::8.8.8.8", 80, True),
        ("64:ff9b:1::/48", "64:ff9b:1::10.0.0.1", 80, False),
        ("10.0.0.0/8", "64:ff9b:1::10.0.0.1", 80, False),
        ("64:ff9b:1::/48 10.0.0.0/8", "64:ff9b:1::10.0.0.1", 80, True),
        # 6to4 and Teredo end behind the embedded address: both layers want an entry.
        ("10.0.0.0/8", "2002:a00:1::1", 80, False),
        ("2002::/16", "2002:a00:1::1", 80, False),
        ("2002::/16 10.0.0.0/8", "2002:a00:1::1", 80, True),
        ("10.0.0.0/8", str(teredo(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"))), 80, False),
        ("2001::/32", str(teredo(IPv4Address("8.8.8.8"), IPv4Address("8.8.4.4"))), 80, True),
        ("2001::/32", str(teredo(IPv4Address("8.8.8.8"), IPv4Address("10.0.0.2"))), 80, False),
        ("2001::/32", str(teredo(IPv4Address("10.0.0.2"), IPv4Address("8.8.8.8"))), 80, False),
        ("10.0.0.0/8", "::10.0.0.1", 80, False),
        ("::/96", "::127.0.0.1", 80, False),
    ],
)
def test_an_entry_opens_what_it_names_and_nothing_else(entries, address, port, passes):
    """An address entry opens its own range, its port, and the same host in transparent forms."""
    assert isinstance(verdict(address, AllowList.parse(entries), port), Allowed) is passes


@given(EDGY_V4, st.sampled_from(["10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "169.254.0.0/16:443"]))
def test_ipv4_and_its_mapped_form_are_one_address_to_every_entry(ip, entry):
    """With any IPv4 entry, the plain, mapped and NAT64 spellings get the same answer."""
    allow = AllowList.parse(entry)
    assert rule(ip, allow) == rule(mapped(ip), allow) == rule(nat64(ip), allow)


def test_the_answer_names_the_entry_that_opened_it():
    """The log can say which entry let a connection through, as the operator wrote it."""
    allow = AllowList.parse("10.0.0.0/8:443 *.Internal")
    assert verdict("::ffff:10.0.0.1", allow, 443) == Allowed("10.0.0.0/8:443")
    assert decide("127.0.0.1", 1, "a.internal", allow) == Allowed("*.Internal")


@pytest.mark.parametrize(
    ("entry", "host", "port", "passes"),
    [
        ("receiver.internal", "receiver.internal", 1, True),
        ("receiver.internal", "RECEIVER.Internal.", 1, True),
        ("Receiver.Internal.", "receiver.internal", 1, True),
        ("receiver.internal", "xreceiver.internal", 1, False),
        ("receiver.internal", "a.receiver.internal", 1, False),
        ("receiver.internal", "receiver.internal.evil.example", 1, False),
        ("receiver.internal:8443", "receiver.internal", 8443, True),
        ("receiver.internal:8443", "receiver.internal", 443, False),
        ("*.internal", "a.internal", 1, True),
        ("*.internal", "a.b.internal", 1, True),
        ("*.internal", "internal", 1, False),
        ("*.internal", ".internal", 1, False),
        ("*.internal", "evilinternal", 1, False),
        ("*.internal:80", "a.internal", 81, False),
        ("receiver", "receiver", 1, True),
        ("my_service", "my_service", 1, True),
        ("localhost", "", 1, False),
    ],
)
def test_a_host_entry_opens_whatever_that_name_resolves_to(entry, host, port, passes):
    """The name decides for loopback and metadata alike, and no other name gets in."""
    allow = AllowList.parse(entry)
    for address in ("127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1"):
        assert isinstance(decide(address, port, host, allow), Allowed) is passes


def test_a_host_entry_does_not_make_an_address_of_nonsense():
    """Even for an allowed name the resolver must have given an address."""
    assert decide("nonsense", 1, "a.internal", AllowList.parse("*.internal")).rule == (
        "not an address"
    )
