"""Starts the closed world (``closed_world.py``) as a child, and tells it what to do."""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.send.closed_world import LONGEST_S, RESOLVER

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
        self.looking = 0  # threads that still looked names up as all had completed
        self.order: list[int] = []  # the posts' numbers, as they completed
        assert self._line() == "ready"

    def act(self, *posts: str | list[str], timeout_ms: int = 20_000, **given: Any) -> Any:
        """Run a script; what came of each post, and which addresses were connected to."""
        script = {"allow": "", "names": {}, "listen": [], "timeout_ms": timeout_ms} | given
        script["posts"] = [[each] if isinstance(each, str) else each for each in posts]
        self._child.stdin.write(json.dumps(script) + "\n")
        self._child.stdin.flush()
        said = json.loads(self._line())
        assert not any(each.startswith(PROXY) for each in said["connections"])
        self.looking, self.order = said["looking"], said["order"]
        return said["outcomes"], said["connections"]

    def _line(self) -> str:
        ready, _, _ = select.select([self._child.stdout], [], [], LONGEST_S + 30)
        assert ready, "the world does not answer"
        return self._child.stdout.readline().strip()


@contextlib.contextmanager
def begun(folder: Path) -> Iterator[World]:
    """A world of its own, with proxies in its environment under every spelling."""
    probe = subprocess.run(
        ["unshare", "--mount", "--net", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"NOT tried, for want of a world of its own: {probe.stderr.strip()}")
    resolv = folder / "resolv.conf"
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
