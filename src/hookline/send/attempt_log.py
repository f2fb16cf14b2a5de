"""One wide line in the log an attempt: who, where to, what came of it, what follows, how long it took.

``render`` is a pure function of a batch of attempts that ended together; the batch is one write. What a
stranger chose (a detail of the transport's, a name) is shown escaped and cut, so that it can neither
break a line nor play with a terminal, in JSON as in text: some terminals obey what JSON leaves bare.

The names of the JSON fields are those of the text. ``timestamp``, ``level`` and ``event`` are as in
every other line of the log; what the publisher calls the event is ``event_id``.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from hookline.core.instants import isoformat
from hookline.core.outcome import Counted
from hookline.core.quoting import visible
from hookline.core.resources import event_name
from hookline.core.verdict import RetryAt
from hookline.send.counts import verdict_word
from hookline.send.sender import Completed
from hookline.store.values import Settlement

__all__ = ["AttemptLine", "AttemptLog", "Lines", "line_of", "render"]

LONGEST_DETAIL: Final = 300

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+\[\]-]+")
_encoder = msgspec.json.Encoder()


class Lines(Protocol):
    """Where log lines go."""

    @property
    def dropped(self) -> int:
        """How many were lost, because nobody took them."""
        ...

    def write(self, data: bytes, lines: int) -> None:
        """Take lines, each with its line break, without waiting for anything."""
        ...


class AttemptLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An attempt as the log tells of it; times are in ms from its start."""

    timestamp: str
    level: str
    event: str
    outcome: str
    status: int | None = None
    verdict: str
    reason: str = ""
    due: str = ""
    total_ms: float
    integration: str
    organization: str
    action: str
    number: int
    receiver: str
    address: str
    delivery: str
    event_id: str
    bytes_out: int
    bytes_in: int
    dns_ms: float
    connect_ms: float
    tls_ms: float
    first_byte_ms: float
    detail: str = ""


def line_of(completed: Completed, settlement: Settlement, timestamp: str) -> AttemptLine:
    """The line of one attempt."""
    leased, route, outbound = completed.key
    attempt, verdict = settlement.attempt, settlement.verdict
    word, reason = verdict_word(verdict)
    dns, connect, tls, first_byte, total = attempt.timings
    return AttemptLine(
        timestamp=timestamp,
        level="info" if attempt.outcome is Counted.SUCCESS else "warning",
        event="attempt",
        outcome=attempt.outcome,
        status=attempt.status,
        verdict=word,
        reason=reason,
        due=isoformat(verdict.due) if isinstance(verdict, RetryAt) else "",
        total_ms=total / 1000,
        integration=visible(route.slug),
        organization=visible(leased.organization),
        action=visible(event_name(leased.resource, leased.action)),
        number=attempt.number,
        receiver=visible(route.receiver),
        address=visible(attempt.address),
        delivery=leased.id.hex(),
        event_id=visible(leased.event),
        bytes_out=len(outbound.body),
        bytes_in=len(attempt.response_head) + len(attempt.response_body),
        dns_ms=dns / 1000,
        connect_ms=connect / 1000,
        tls_ms=tls / 1000,
        first_byte_ms=first_byte / 1000,
        detail=visible(attempt.detail[:LONGEST_DETAIL]),
    )


def render(lines: Sequence[AttemptLine], form: str) -> bytes:
    """The bytes of these lines, in the form ``text`` or ``json``."""
    if form == "json":
        return _encoder.encode_lines(lines)
    return "".join([_text(each) for each in lines]).encode()


def _text(line: AttemptLine) -> str:
    became = f"{line.verdict} {line.reason}" if line.reason else line.verdict
    due = f" due={line.due}" if line.due else ""
    detail = f" detail={_value(line.detail)}" if line.detail else ""
    # As wide as what the other lines of the log have in front: level and event.
    return (
        f"{line.timestamp} [{line.level:9}] {line.event} {line.outcome:7} {line.status or '-':>3} "
        f"{became:16} {line.total_ms:9.1f} ms  {line.integration} {line.action} #{line.number} "
        f"organization={line.organization} receiver={line.receiver} address={line.address or '-'} "
        f"delivery={line.delivery} event_id={_value(line.event_id)}{due} "
        f"bytes_out={line.bytes_out} bytes_in={line.bytes_in} dns_ms={line.dns_ms:.1f} "
        f"connect_ms={line.connect_ms:.1f} tls_ms={line.tls_ms:.1f} "
        f"first_byte_ms={line.first_byte_ms:.1f}{detail}\n"
    )


def _value(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


class AttemptLog:
    """Writes the attempts that are wanted in the log; an observer of the dispatcher.

    Args:
        lines: where to.
        form: ``text`` or ``json``.
        which: ``all``, ``failures`` (what was not delivered) or ``none``.
    """

    def __init__(self, lines: Lines, *, form: str, which: str):
        self.lines = lines
        self._form = form
        self._which = which

    def __call__(self, ended: Sequence[tuple[Completed, Settlement]]) -> None:
        """Write a batch of attempts that ended together."""
        if self._which == "none":
            return
        if self._which == "failures":
            ended = [each for each in ended if each[1].attempt.outcome is not Counted.SUCCESS]
        if not ended:
            return
        timestamp = isoformat(ended[0][1].settled_at)  # one judgement, one instant
        found = [line_of(completed, settlement, timestamp) for completed, settlement in ended]
        self.lines.write(render(found, self._form), len(found))
