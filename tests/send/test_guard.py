"""The address guard in a world where every address answers: nothing may arrive at a blocked one."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.send.closed_world import LONGEST_S, RESOLVER

from hookline.core.address import RANGES

ROOT = Path(__file__).parents[2]
PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"
PROXY = "45.45.45.45"  # public, so that the guard alone would not keep anything from it

WORLD = (
    'mount --bind "$0" /etc/resolv.conf && ip link set lo up'
    " && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo"
    ' && exec "$1" -m tests.send.closed_world'
)


class World:
    """The child process that is the world, and what it is told to do."""

    def __init__(self, child: "subprocess.Popen[str]"):
        self._child = child
        self.threads = 0
        assert self._line() == "ready"

    def act(self, *posts: str | list[str], timeout_ms: int = 20_000, **given: Any) -> Any:
        """Run a script; what came of each post, and which addresses were connected to."""
        script = {"allow": "", "names": {}, "listen": [], "timeout_ms": timeout_ms} | given
        script["posts"] = [[each] if isinstance(each, str) else each for each in posts]
        self._child.stdin.write(json.dumps(script) + "\n")
        self._child.stdin.flush()
        said = json.loads(self._line())
        assert not any(each.startswith(PROXY) for each in said["connections"])
        self.threads = said["threads"]
        return said["outcomes"], said["connections"]

    def _line(self) -> str:
        ready, _, _ = select.select([self._child.stdout], [], [], LONGEST_S + 30)
        assert ready, "the world does not answer"
        return self._child.stdout.readline().strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of its own, with proxies in its environment under every spelling."""
    probe = subprocess.run(
        ["unshare", "--mount", "--net", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"the guard was NOT tried on every address: {probe.stderr.strip()}")
    resolv = tmp_path_factory.mktemp("world") / "resolv.conf"
    resolv.write_text(f"nameserver {RESOLVER}\noptions timeout:30 attempts:1\n")
    names = ["http_proxy", "https_proxy", "all_proxy", "socks_proxy", "ftp_proxy"]
    spellings = [*names, *(name.upper() for name in names)]
    environment = os.environ | dict.fromkeys(spellings, f"http://{PROXY}:80")
    environment |= {"no_proxy": "", "NO_PROXY": ""}
    child = subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-ec", WORLD, str(resolv), sys.executable],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    with child:
        try:
            yield World(child)
        finally:
            child.stdin.close()
            try:
                child.wait(30)
            finally:
                child.kill()


def url(address: object, port: int = 80) -> str:
    return f"http://[{address}]:{port}/" if ":" in str(address) else f"http://{address}:{port}/"


def forms(ip: IPv4Address) -> list[IPv6Address]:
    """The spellings of an IPv4 address inside IPv6."""
    teredo = 0x2001_0000 << 96 | 0x0808_0808 << 64 | (int(ip) ^ 0xFFFF_FFFF)
    return [
        IPv6Address(0xFFFF << 32 | int(ip)),
        IPv6Address(0x0064_FF9B << 96 | int(ip)),
        IPv6Address(0x0064_FF9B_0001 << 80 | int(ip)),
        IPv6Address(0x2002 << 112 | int(ip) << 80 | 1),
        IPv6Address(teredo),
        IPv6Address(int(ip)),
    ]


EDGES = sorted({str(ip_network(text)[end]) for text, _, _ in RANGES for end in (0, -1)})
FORMS = [str(form) for edge in EDGES if ":" not in edge for form in forms(IPv4Address(edge))]
REFUSED = EDGES + FORMS


def test_in_this_world_every_address_answers(world):
    """Where all is allowed, what the guard forbids is really reached: else its tests show nothing."""
    within = [
        "10.0.0.1", "127.0.0.1", "169.254.169.254", "100.64.0.1", "192.168.1.1", "192.0.2.1",
        "168.63.129.16", "::1", "fd00:ec2::254", "2001:db8::1", "64:ff9b::a00:1", "2002:a00:1::1",
        PUBLIC, PUBLIC_6,
    ]  # fmt: skip
    outcomes, connections = world.act(
        *[url(each) for each in within], allow="0.0.0.0/0, ::/0", names={}
    )
    assert [each["kind"] for each in outcomes] == ["Answered"] * len(within)
    assert connections == [f"{each} 80" for each in within]


def test_no_refused_address_is_reached_by_its_number(world):
    """The edges of every range, plain and in every IPv6 spelling; each has its address and rule."""
    outcomes, connections = world.act([url(each) for each in REFUSED])
    assert connections == []
    for address, outcome in zip(REFUSED, outcomes, strict=True):
        assert outcome["kind"] == "Blocked", address
        assert outcome["rule"]
        assert outcome["address"].endswith(":80")
        assert outcome["connected_to"] == ""
        assert IPv4Address(address) if ":" not in address else IPv6Address(address)


def test_no_refused_address_is_reached_by_a_name(world):
    """The same, where a resolver of the attacker's names the address."""
    names = {f"n{number}.test": [[address]] for number, address in enumerate(REFUSED)}
    outcomes, connections = world.act([f"http://{name}/" for name in names], names=names)
    assert connections == []
    assert {each["kind"] for each in outcomes} == {"Blocked"}


SPELLINGS = [
    "2130706433", "0x7f000001", "0x7F.0.0.1", "0x7f.1", "0177.0.0.1", "017700000001", "127.1",
    "127.0.1", "127.0.0.1.", "127.0.0.01", "0", "0.0.0.0", "0x0", "00000177.0x1", "localhost",
    "LOCALHOST", "localhost.", "%31%32%37.0.0.1", "%6c%6fcalhost", "[::1]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]", "[::1%25lo]", "[::1%lo]", "[fe80::1%25lo]", "[::ffff:127.0.0.1%25lo]",
    "2852039166", "0xa9fea9fe", "169.254.43518", "user@127.0.0.1", f"{PUBLIC}@127.0.0.1",
    f"{PUBLIC}:80@127.0.0.1", f"127.0.0.1#@{PUBLIC}", f"127.0.0.1?@{PUBLIC}",
    f"127.0.0.1/@{PUBLIC}", "127.0.0.1\\@8.8.8.8", "8.8.8.8\\@127.0.0.1", "127.0.0.1%00.test",
    "127.0.0.1%2f.test", "127.0.0.1 .test", "127.0.0.1\t", "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "\u24db\u24de\u24d2\u24d0lhost",
    "4294967297.0.0.1", "4294967296", "256.0.0.1", "127.0.0.1.5",
]  # fmt: skip


@pytest.mark.parametrize("end", ["/", ":80/", ""])
def test_no_spelling_reaches_loopback(world, end):
    """Numbers in any base, short forms, wide digits, zones, credentials: however the host is written."""
    outcomes, connections = world.act(
        [f"http://{each}{end}" for each in SPELLINGS], timeout_ms=5_000
    )
    assert {*connections} <= {"8.8.8.8 80"}  # which one of them means
    assert {each["kind"] for each in outcomes} <= {"Blocked", "Unanswered", "Answered"}
    blocked = [s for s, o in zip(SPELLINGS, outcomes, strict=True) if o["kind"] == "Blocked"]
    assert len(blocked) > 30  # most of them mean an address, and got as far as the guard


def mixed(*addresses: str) -> dict[str, Any]:
    return {"mixed.test": [list(addresses)]}


@pytest.mark.parametrize(
    "addresses",
    [
        (PUBLIC, "10.0.0.5"), ("10.0.0.5", PUBLIC), ("10.0.0.5", "127.0.0.1", PUBLIC),
        (PUBLIC_6, "10.0.0.5"), ("fd00::5", PUBLIC), ("::1", PUBLIC_6), ("fd00::5", "::1", PUBLIC),
        ("::ffff:10.0.0.5", PUBLIC), ("169.254.169.254", PUBLIC_6),
    ],
)  # fmt: skip
def test_of_several_addresses_an_allowed_one_answers(world, addresses):
    """A name with a private address among others is served at the others, never at that one."""
    (outcome,), (connection,) = world.act("http://mixed.test/", names=mixed(*addresses))
    assert (outcome["kind"], outcome["status"]) == ("Answered", 204)
    assert connection in (f"{PUBLIC} 80", f"{PUBLIC_6} 80")


@pytest.mark.parametrize(
    "addresses", [(PUBLIC, "10.0.0.5"), ("fd00::5", PUBLIC), ("::1", PUBLIC_6)]
)
def test_a_public_address_that_is_down_beside_a_private_one(world, addresses):
    """It has no answer and is retried, not parked; the log names the address that was not tried."""
    private = next(each for each in addresses if each not in (PUBLIC, PUBLIC_6))
    (outcome,), connections = world.act(
        "http://mixed.test:81/", names=mixed(*addresses), listen=[[private, 81, "ok"]]
    )
    assert (outcome["kind"], outcome["reason"]) == ("Unanswered", "refused")
    shown = f"[{private}]:81" if ":" in private else f"{private}:81"
    assert f"its other address {shown} was not tried, for it is not allowed: " in outcome["detail"]
    assert connections == []


def test_a_public_address_that_is_slow_beside_a_private_one(world):
    """The same where the allowed address does not answer."""
    (outcome,), connections = world.act(
        "http://mixed.test:82/",
        names=mixed("::1", PUBLIC),  # of the two, resolvers put ::1 first
        listen=[["::1", 82, "ok"], [PUBLIC, 82, "never"]],
        timeout_ms=1_000,
    )
    assert (outcome["kind"], outcome["reason"]) == ("Unanswered", "slow")
    assert "[::1]:82 was not tried, for it is not allowed: loopback" in outcome["detail"]
    assert connections == [f"{PUBLIC} 82"]


@pytest.mark.parametrize("addresses", [("10.0.0.5",), ("10.0.0.5", "10.0.0.6", "fd00::5", "::1")])
def test_a_name_with_private_addresses_only_is_blocked(world, addresses):
    """Where the guard refused all that there was, another try would change nothing."""
    (outcome,), connections = world.act("http://mixed.test/", names=mixed(*addresses))
    assert outcome["kind"] == "Blocked"
    assert (outcome["address"].strip("[]"), outcome["rule"]) in {
        ("10.0.0.5:80", "private"), ("10.0.0.6:80", "private"),
        ("fd00::5]:80", "unique local"), ("::1]:80", "loopback"),
    }  # fmt: skip
    assert connections == []


REBINDS = {"rebind.test": [[PUBLIC], ["10.0.0.5"]]}


def test_a_name_that_changes_its_mind_between_two_look_ups(world):
    """The second look-up, which finds a private address, leads nowhere; the first did."""
    outcomes, connections = world.act(
        "http://rebind.test/", "http://rebind.test:8080/", "http://rebind.test:8080/", names=REBINDS
    )
    assert [each["kind"] for each in outcomes] == ["Answered", "Blocked", "Blocked"]
    assert connections == [f"{PUBLIC} 80"]


def test_a_name_that_was_blocked_and_is_public_now(world):
    """Being blocked is not remembered: each connection is decided by its own address."""
    names = {"rebind.test": [["10.0.0.5"], [PUBLIC]]}
    outcomes, connections = world.act(
        "http://rebind.test/", "http://rebind.test:8080/", names=names
    )
    assert [each["kind"] for each in outcomes] == ["Blocked", "Answered"]
    assert connections == [f"{PUBLIC} 8080"]


def test_a_connection_goes_on_to_where_it_was_made(world):
    """A connection that is used again ends where the guard let it, whatever the name says by now."""
    outcomes, connections = world.act(*["http://rebind.test/"] * 3, names=REBINDS)
    assert [each["kind"] for each in outcomes] == ["Answered"] * 3
    assert connections == [f"{PUBLIC} 80"]


def test_a_new_connection_is_decided_anew(world):
    """Each connection passes the guard, also where the name was looked up before."""
    outcomes, connections = world.act(
        "http://rebind.test/close", "http://rebind.test:8080/close", names=REBINDS
    )
    assert [each["kind"] for each in outcomes] == ["Answered", "Blocked"]
    assert connections == [f"{PUBLIC} 80"]


@pytest.mark.parametrize("target", ["10.0.0.5", "127.0.0.1:8080", "169.254.169.254", "[::1]"])
def test_a_redirect_leads_nowhere(world, target):
    """A public receiver that points inwards is answered with a failure, and nothing connects."""
    (outcome, after), connections = world.act(
        f"http://{PUBLIC}/to/{target}", f"http://{PUBLIC_6.join('[]')}/"
    )
    assert (outcome["status"], after["status"]) == (307, 204)
    assert connections == [f"{PUBLIC} 80", f"{PUBLIC_6} 80"]


def test_leave_by_host_is_for_that_host(world):
    """A host entry opens what its name finds, at its port; the address itself stays closed."""
    names = {name: [["10.0.0.5"]] for name in ("in.test", "other.test", "a.in.test")}
    outcomes, connections = world.act(
        "http://in.test/", "http://IN.test./", "http://in.test:8080/", "http://a.in.test/",
        "http://other.test/", "http://10.0.0.5/", names=names, allow="in.test:80",
    )  # fmt: skip
    assert [each["kind"] for each in outcomes] == ["Answered"] * 2 + ["Blocked"] * 4
    assert {*connections} == {"10.0.0.5 80"}


def test_leave_by_range_is_for_that_range(world):
    """A range with a port opens its addresses at that port, by number and by name."""
    names = {"in.test": [["10.0.0.5"]], "out.test": [["192.168.0.5"]]}
    outcomes, connections = world.act(
        "http://10.0.0.5/", "http://in.test/", "http://[::ffff:10.0.0.5]/", "http://in.test:8080/",
        "http://out.test/", "http://11.0.0.5/", names=names, allow="10.0.0.0/8:80",
    )  # fmt: skip
    kinds = ["Answered", "Answered", "Answered", "Blocked", "Blocked", "Answered"]
    assert [each["kind"] for each in outcomes] == kinds
    assert {*connections} == {"10.0.0.5 80", "11.0.0.5 80"}


def test_a_resolver_that_does_not_answer(world):
    """The time is up, the log says that it was the resolver's, and closing does not wait for it."""
    world.act(f"http://{PUBLIC}/")
    threads = world.threads
    (outcome,), _ = world.act("http://silent.test/", names={"silent.test": [None]}, timeout_ms=300)
    assert (outcome["kind"], outcome["reason"]) == ("Unanswered", "slow")
    assert "the resolver did not say in time" in outcome["detail"]
    assert world.threads > threads  # the look-up still waits: this is what closing did not wait for


@pytest.mark.parametrize("names", [{}, {"nobody.test": [[]]}], ids=["unknown", "no-address"])
def test_a_name_without_an_address(world, names):
    """A name that does not exist, or that has no address, is no answer, and the log says so."""
    (outcome,), _ = world.act("http://nobody.test/", names=names)
    assert (outcome["kind"], outcome["reason"]) == ("Unanswered", "dns")
    assert "no resolver knows the name" in outcome["detail"]
