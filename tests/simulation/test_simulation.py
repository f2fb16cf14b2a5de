"""Simulated days: a few seeds in the ordinary suite, many in the long one."""

import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import structlog
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import Result, simulate

ROOT = Path(__file__).parents[2]
SMALL = (1, 3, 5)
EASY = [
    "ignores the cap",
    "ignores the rate",
    "forgets a settle",
    "recovers all but one",
    "leaks a slot",
]
TRIES = 4  # seeds until a defect must have been found


@pytest.fixture(autouse=True)
def quiet():
    """Simulated trouble is not worth a line in the log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


def played(result: Result) -> Result:
    """The result of a run, which must be without complaints."""
    if result.complaints:
        pytest.fail(result.report, pytrace=False)
    return result


@cache
def small(seed: int) -> Result:
    return simulate(seed, "small")


@pytest.mark.parametrize("seed", SMALL)
def test_a_small_world_keeps_every_promise(seed):
    """Some hours with outages, crashes, clocks that are set, operators at work."""
    played(small(seed))


def test_much_happens_in_small_worlds():
    """What the promises are tested against does happen, and not only in theory."""
    happened = sum((small(seed).kinds for seed in SMALL), Counter())
    for kind in ("crash", "stop", "read-only", "clock set by", "unsubscribe", "resubscribe"):
        assert happened[kind], kind
    assert happened["send"] > 1000


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 101))
def test_worlds_of_all_kinds_keep_every_promise(seed):
    """Calm and rough, small and crowded, minutes and days."""
    played(simulate(seed))


@pytest.mark.long
def test_thousands_of_integrations():
    """Two thousand of them in fifty organizations, some of them dead."""
    assert played(simulate(1, "thousands")).attempts > 1000


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_the_documented_numbers(seed):
    """A thousand timeouts within 24 hours, or five days of failure: each rule fires when it should."""
    told = played(simulate(seed, "documented")).notices
    assert told["unsubscribed timeouts"]
    assert told["unsubscribed failures"]


@pytest.mark.parametrize("name", EASY)
def test_a_spoilt_product_is_found_out(name, monkeypatch):
    """Each defect is noticed within a few seeds, by an invariant that is about it."""
    assert found_out(name, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(MUTANTS) - set(EASY)))
def test_other_spoilt_products_are_found_out(name, monkeypatch):
    """The same, for defects that take longer to show."""
    assert found_out(name, monkeypatch)


def found_out(name: str, patch: pytest.MonkeyPatch) -> bool:
    MUTANTS[name].spoil(patch)
    for seed in range(1, TRIES + 1):
        complaints = simulate(seed, "small").complaints
        if any(each.startswith(MUTANTS[name].noticed_by) for each in complaints):
            return True
    return False


def test_a_seed_is_a_run_in_any_process():
    """The same seed gives the same trace, whatever order the hashes of strings have in a process."""
    first, *others = (trace_of(SMALL[0], hash_seed) for hash_seed in ("1", "4242"))
    assert others == [first]
    assert small(SMALL[0]).digest == first
    assert small(SMALL[1]).digest != first


def trace_of(seed: int, hash_seed: str) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.simulation",
            "--kind",
            "small",
            "--seeds",
            "1",
            "--first",
            str(seed),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (digest,) = re.findall(r"trace ([0-9a-f]{64})", done.stdout)
    return digest


def test_a_failing_seed_says_how_to_see_it_again(monkeypatch):
    """The end of the trace, the invariant that does not hold, and the command that replays it."""
    MUTANTS["changes the Request-ID"].spoil(monkeypatch)
    report = simulate(SMALL[0], "small").report
    lines = report.splitlines()
    assert "VIOLATED  same Request-ID: " in report
    assert lines[-1].endswith(
        f"python -m tests.simulation --first {SMALL[0]} --seeds 1 --kind small"
    )
    assert sum(not line.startswith(("VIOLATED", "seed")) for line in lines) == 40
