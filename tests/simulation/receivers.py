"""Receivers that answer by a plan, and the sender that carries requests to them.

A plan is drawn before the run: spans of good and bad times. What a receiver answers depends on the plan
and the instant alone, but for small chance (latency) that comes from a dice of its own.
"""

import asyncio
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.simulation.ledger import Ledger, Sent
from tests.simulation.loop import now_us

from hookline.core.instants import DAY, SECOND
from hookline.core.model import Timings
from hookline.core.outcome import Answered, Blocked, Outcome, Reason, Unanswered
from hookline.core.request import Outbound
from hookline.send.dispatch import InFlight
from hookline.send.sender import Completed

__all__ = ["Answer", "Receiver", "Receivers", "SimulatedSender", "Weather", "draw_plan"]

TIMED_OUT = Unanswered(Reason.SLOW, "no answer within the timeout")
_OUTCOMES: dict[str, Outcome] = {
    "refused": Unanswered(Reason.REFUSED, "connection refused"),
    "reset": Unanswered(Reason.RESET, "connection reset"),
    "blocked": Blocked("10.0.0.1:443", "private"),
}


class Weather(NamedTuple):
    """How a receiver behaves from an instant on; ``value`` is a status, or a median latency in µs."""

    kind: str
    value: int = 0
    retry_after_s: int | None = None


class Answer(NamedTuple):
    """What comes of a request, and after how long."""

    outcome: Outcome
    after_us: int
    head: bytes = b""
    asked_us: int | None = None


@dataclass
class Receiver:
    """One receiver, with its plan: instants of the run (µs), rising, and the weather from each on."""

    since: list[int]
    weather: list[Weather]
    dice: Random
    healed_at: int | None = None

    def answer(self, at: int, timeout_us: int) -> Answer:
        """What it makes of a request at this instant."""
        if self.healed_at is not None and at >= self.healed_at:
            return Answer(Answered(200), 5_000)
        kind, value, wait = self.weather[bisect(self.since, at) - 1]
        quick = min(int(self.dice.lognormvariate(0, 0.5) * 20_000), timeout_us - 1)
        match kind:
            case "well" | "slow":
                after = int(value * self.dice.lognormvariate(0, 0.6))
                late = after >= timeout_us
                return Answer(TIMED_OUT, timeout_us) if late else Answer(Answered(200), after)
            case "dead":
                return Answer(TIMED_OUT, timeout_us)
            case "refused" | "reset" | "blocked":
                return Answer(_OUTCOMES[kind], quick)
            case _:
                return _status(value, wait, quick)


def _status(status: int, wait_s: int | None, after: int) -> Answer:
    head = b"HTTP/1.1 %d Status\r\n" % status
    if wait_s is None:
        return Answer(Answered(status), after, head + b"\r\n")
    head += b"Retry-After: %d\r\n\r\n" % wait_s
    return Answer(Answered(status), after, head, wait_s * SECOND)


def draw_plan(dice: Random, days: float, character: str) -> Receiver:
    """A plan for so many days.

    ``character``: ``good`` (well, with rare short trouble), ``moody`` (any trouble, for up to a third of
    the days), ``dead`` (never answers).
    """
    own = Random(dice.random())
    if character == "dead":
        return Receiver([0], [Weather("dead")], own)
    median = int(10 ** dice.uniform(3.3, 5.2))
    since, weather, at = [0], [Weather("well", median)], 0
    span = days * DAY
    good, longest = (span * 1.5, span / 100) if character == "good" else (span / 8, span / 3)
    while True:
        at += int(dice.expovariate(1 / good))
        if at > span:
            return Receiver(since, weather, own)
        since += [at, at := at + int(dice.triangular(SECOND, longest, SECOND))]
        weather += [_trouble(dice), Weather("well", median)]


def _trouble(dice: Random) -> Weather:
    kind = dice.choice(
        [
            "dead",
            "dead",
            "dead",
            "refused",
            "reset",
            "slow",
            "slow",
            "error",
            "busy",
            "busy",
            "rare",
        ]
    )
    match kind:
        case "slow":
            return Weather("slow", int(10 ** dice.uniform(5.5, 6.5)))
        case "error":
            return Weather("status", dice.choice([500, 500, 404, 301, 400]))
        case "busy":
            wait = dice.choice([None, 0, 1, 30, 600, 7200])
            return Weather("status", dice.choice([429, 503, 502, 504]), wait)
        case "rare":
            return dice.choice([Weather("blocked"), Weather("status", 410)])
        case _:
            return Weather(kind)


@dataclass
class Receivers:
    """All of them, by host name."""

    by_host: dict[str, Receiver] = field(default_factory=dict)

    def add(self, receiver: Receiver) -> str:
        """Put it up; its URL."""
        host = f"r{len(self.by_host)}.example.com"
        self.by_host[host] = receiver
        return f"https://{host}/hook"

    def at(self, url: str) -> Receiver:
        """The one behind a URL."""
        return self.by_host[urlsplit(url).hostname or ""]

    def heal(self, at: int) -> None:
        """From now on all are well."""
        for each in self.by_host.values():
            each.healed_at = at


class SimulatedSender:
    """Carries requests to receivers, and what came of them back, for one life of the process."""

    def __init__(
        self,
        ledger: Ledger,
        receivers: Receivers,
        *,
        life: int,
        clock: Callable[[], int],
        leased: dict[bytes, tuple[int, int]],
        completed: Callable[[list[Completed]], None],
    ):
        self._ledger = ledger
        self._receivers = receivers
        self._life = life
        self._clock = clock
        self._leased = leased
        self._completed = completed
        self._under_way: dict[int, asyncio.TimerHandle] = {}
        self._by_integration: Counter[int] = Counter()
        self._slow = 0
        self._number = 0

    def post(self, requests: Sequence[tuple[InFlight, Outbound]]) -> None:
        """Begin these attempts."""
        loop = asyncio.get_running_loop()
        for key, outbound in requests:
            sent = self._sent(key, outbound)
            answer = self._receivers.at(outbound.url).answer(sent.at, outbound.timeout_ms * 1000)
            self._number += 1
            self._under_way[self._number] = loop.call_later(
                answer.after_us / 1e6, self._answered, self._number, key, sent, answer
            )

    def _sent(self, key: InFlight, outbound: Outbound) -> Sent:
        leased = key.leased
        due = self._ledger.due[leased.id]
        self._by_integration[leased.integration_id] += 1
        self._slow += leased.slow
        sent = Sent(
            delivery=leased.id,
            integration=leased.integration_id,
            lane=due.lane,
            number=leased.attempts_made + 1,
            position=leased.schedule_position,
            life=self._life,
            at=now_us(),
            steady=self._clock(),
            leased_at=self._leased[leased.id][0],
            lease=self._leased[leased.id][1],
            started_at=outbound.started_at,
            body=outbound.body,
            signature=outbound.signature,
            policy=key.route.policy,
            together=self._by_integration[leased.integration_id],
            all_together=len(self._under_way) + 1,
            slow_together=self._slow,
        )
        name = dict(outbound.headers)["Request-ID"]
        if name != leased.id.hex():
            self._ledger.complain("same Request-ID", f"{leased.id.hex()} was sent as {name}")
        self._ledger.sent[leased.id].append(sent)
        self._ledger.in_order.append(sent)
        self._ledger.trace.note(
            "send", leased.id.hex(), sent.number, leased.integration_id, outbound.url, sent.steady
        )
        return sent

    def _answered(self, number: int, key: InFlight, sent: Sent, answer: Answer) -> None:
        del self._under_way[number]
        self._by_integration[sent.integration] -= 1
        self._slow -= key.leased.slow
        sent.ended, sent.outcome, sent.asked_us = now_us(), answer.outcome, answer.asked_us
        self._ledger.trace.note("answer", sent.delivery.hex(), sent.number, answer.outcome)
        completed = Completed(
            key,
            answer.outcome,
            Timings(total=answer.after_us),
            "192.0.2.1:443",
            "1.1",
            answer.head,
            b"",
            False,
        )
        self._completed([completed])

    def close(self) -> None:
        """Let go of what is under way: nothing more is reported."""
        for timer in self._under_way.values():
            timer.cancel()
        self._under_way.clear()
        self._by_integration.clear()
