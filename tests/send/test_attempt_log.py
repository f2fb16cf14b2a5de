"""The line of an attempt: what it says in either form, and that nobody can play with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.outcome import Answered, Blocked, Reason, Unanswered
from hookline.send.attempt_log import AttemptLine, AttemptLog, render

LINE = AttemptLine(
    timestamp="2026-11-23T10:00:00.000000Z",
    level="warning",
    event="attempt",
    outcome="timeout",
    verdict="retry",
    due="2026-11-23T10:00:05.000000Z",
    total_ms=1000.25,
    integration="pager",
    organization="acme",
    action="issue.created",
    number=2,
    receiver="hooks.example.com:443",
    address="192.0.2.1:443",
    delivery="01a207d9210078008000000000000000",
    event_id="order-7",
    bytes_out=512,
    bytes_in=0,
    dns_ms=0.5,
    connect_ms=1.25,
    tls_ms=0.0,
    first_byte_ms=0.0,
    detail="slow: Operation timed out",
)
TEXT = (
    "2026-11-23T10:00:00.000000Z [warning  ] attempt timeout   - retry               1000.2 ms  pager"
    " issue.created #2 organization=acme receiver=hooks.example.com:443 address=192.0.2.1:443"
    " delivery=01a207d9210078008000000000000000 event_id=order-7 due=2026-11-23T10:00:05.000000Z"
    " bytes_out=512 bytes_in=0 dns_ms=0.5 connect_ms=1.2 tls_ms=0.0 first_byte_ms=0.0"
    ' detail="slow: Operation timed out"\n'
)


class Kept:
    """Lines, kept."""

    def __init__(self) -> None:
        self.dropped = 0
        self.writes: list[tuple[bytes, int]] = []

    def write(self, data: bytes, lines: int) -> None:
        self.writes.append((data, lines))

    def documents(self) -> list[dict]:
        return [json.loads(line) for data, _ in self.writes for line in data.splitlines()]


def observed(bench, **how) -> Kept:
    """Let the bench's dispatcher write its attempts here."""
    kept = Kept()
    bench.dispatcher._observer = AttemptLog(kept, **{"form": "json", "which": "all"} | how)
    return kept


def test_a_line_as_text():
    """The columns that the eye looks for first are aligned; the rest has its names."""
    assert render([LINE], "text").decode() == TEXT


def test_a_line_as_json():
    """One document a line, with the names that the text has."""
    first, second = render([LINE, LINE], "json").splitlines()
    assert first == second
    document = json.loads(first)
    assert document == {name: getattr(LINE, name) for name in document}
    assert "status" not in document
    assert document["total_ms"] == 1000.25


def test_columns_stay_where_they_are():
    """Lines of different outcomes have the integration at the same place."""
    lines = [
        {"level": "info", "outcome": "success", "status": 204, "verdict": "delivered"},
        {"level": "warning", "outcome": "failure", "status": 503, "verdict": "retry"},
        {"level": "warning", "outcome": "blocked", "verdict": "parked", "reason": "blocked"},
        {"level": "warning", "outcome": "timeout", "verdict": "parked", "reason": "exhausted"},
    ]
    fields = {name: getattr(LINE, name) for name in LINE.__struct_fields__}
    text = render([AttemptLine(**fields | each) for each in lines], "text").decode()
    assert len({line.index(" pager ") for line in text.splitlines()}) == 1


async def test_who_where_and_what_came_of_it(bench):
    """All that the dispatcher, the directory and the sender know of an attempt is in its line."""
    kept = observed(bench)
    bench.sender.script = lambda _outbound: Answered(503)
    await bench.register(webhook_url="https://user-less.example.com:8443/secret-path?token=hunter2")
    (recorded,) = await bench.publish(id="order-7")
    await bench.settled()
    (document,) = kept.documents()
    (_, outbound) = bench.sender.posted[0]
    headers = dict(outbound.headers)
    assert document == {
        "timestamp": "2027-01-15T08:00:00.000000Z",
        "level": "warning",
        "event": "attempt",
        "outcome": "failure",
        "status": 503,
        "verdict": "retry",
        "due": "2027-01-15T08:00:05.000000Z",
        "total_ms": 1.0,
        "integration": "pager",
        "organization": "acme",
        "action": "issue.created",
        "number": 1,
        "receiver": "user-less.example.com:8443",
        "address": "192.0.2.1:443",
        "delivery": headers["Request-ID"],
        "event_id": recorded.id,
        "bytes_out": len(outbound.body),
        "bytes_in": 0,
        "dns_ms": 0.0,
        "connect_ms": 0.0,
        "tls_ms": 0.0,
        "first_byte_ms": 0.0,
    }


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Answered(204), ("info", "success", "delivered", "")),
        (Answered(410), ("warning", "failure", "parked", "gone")),
        (Unanswered(Reason.SLOW, "too slow"), ("warning", "timeout", "retry", "")),
        (Blocked("10.0.0.1:80", "private"), ("warning", "blocked", "parked", "blocked")),
    ],
)
async def test_each_outcome_and_its_verdict(bench, outcome, said):
    """What came of it, what follows, and why."""
    kept = observed(bench)
    bench.sender.script = lambda _outbound: outcome
    await bench.register()
    await bench.publish()
    await bench.settled()
    (document,) = kept.documents()
    names = ("level", "outcome", "verdict", "reason")
    assert tuple(document.get(name, "") for name in names) == said


async def test_attempts_that_end_together_are_one_write(bench):
    """Whatever the number of lines."""
    kept = observed(bench)
    await bench.register()
    await bench.publish(20)
    await bench.settled()
    assert [lines for _, lines in kept.writes] == [20]


@pytest.mark.parametrize(("which", "outcomes"), [("failures", ["failure"]), ("none", [])])
async def test_fewer_lines_on_request(bench, which, outcomes):
    """Failures alone, or nothing; no empty write either."""
    kept = observed(bench, which=which)
    await bench.register()
    await bench.publish()
    await bench.settled()
    bench.sender.script = lambda _outbound: Answered(500)
    await bench.publish()
    await bench.settled()
    assert [each["outcome"] for each in kept.documents()] == outcomes
    assert len(kept.writes) == len(outcomes)


HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J",
    "first\nsecond\r\nthird\x0b\x0c\x85\u2028\u2029end",
    "\u202eevil\u2066",
    "\x9b31m \x7f",
    '" detail="',
    "\x00",
    "x" * 100_000,
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("detail", HOSTILE, ids=ascii)
async def test_a_receiver_cannot_play_with_the_log(bench, form, detail):
    """What it chose is on one line, printable, in quotation marks, and short."""
    kept = observed(bench, form=form)
    bench.sender.script = lambda _outbound: Unanswered(Reason.MALFORMED, detail)
    await bench.register()
    await bench.publish()
    await bench.settled()
    ((data, _),) = kept.writes
    line = data.decode()
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line) < 4_000
    if form == "json":
        assert json.loads(line)["verdict"] == "retry"


@given(st.text(st.characters()), st.sampled_from(["text", "json"]))
def test_no_text_breaks_a_line(text, form):
    """Whatever a line is made from: what is shown of the detail is printable, and ends where it ends."""
    from hookline.core.quoting import visible

    shown = visible(text)
    assert shown.isprintable()
    fields = {name: getattr(LINE, name) for name in LINE.__struct_fields__}
    line = render([AttemptLine(**fields | {"detail": shown})], form).decode()
    assert line.count("\n") == 1
    if form == "json":
        assert json.loads(line).get("detail", "") == shown
    elif shown:
        assert line.rstrip("\n").endswith(shown[-1:]) or line.endswith('"\n')
