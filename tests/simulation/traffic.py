"""Publishers: single events, batches and bursts, sent again until they are answered."""

import asyncio
import json
from random import Random
from typing import Protocol

from tests.simulation.apps import ALERT, SUBSCRIBABLE, Apps
from tests.simulation.ledger import Accepted, Ledger, Submitted
from tests.simulation.loop import now_us, passes
from tests.simulation.process import ConnectionLost, Process

from hookline.core.errors import Invalid, Unavailable
from hookline.send.intake import Limits, Submission, read_event

__all__ = ["Publisher"]

MOST_TRIES = 60
LIMITS = Limits()


class Site(Protocol):
    """What a publisher needs of the world."""

    ledger: Ledger
    apps: Apps
    process: Process
    closing: asyncio.Event


class Publisher:
    """One client that publishes for one organization."""

    def __init__(self, site: Site, organization: str, gap_s: float, dice: Random):
        self._site = site
        self._organization = organization
        self._gap_s = gap_s
        self._dice = dice
        self._named: list[Submitted] = []

    async def run(self) -> None:
        """Publish until the world closes."""
        while not await passes(self._site.closing, self._dice.expovariate(1 / self._gap_s)):
            match self._dice.choices(["one", "batch", "burst", "again"], weights=[60, 20, 10, 10]):
                case ["one"]:
                    await self._submit([self._new()])
                case ["batch"]:
                    await self._submit([self._new() for _ in range(self._dice.randint(2, 12))])
                case ["burst"]:
                    burst = [self._new() for _ in range(self._dice.randint(5, 40))]
                    await asyncio.gather(*(self._submit([each]) for each in burst))
                case ["again"] if self._named:
                    await self._submit([self._dice.choice(self._named)])

    def _new(self) -> Submitted:
        dice, ledger = self._dice, self._site.ledger
        resource, targets = dice.choice(SUBSCRIBABLE), None
        if dice.random() < 0.1:
            resource, targets = ALERT, self._targets()
        mark = len(ledger.submitted)
        name = f"event-{mark}" if dice.random() < 0.7 else None
        made = Submitted(mark, self._organization, name, resource, targets)
        ledger.submitted.append(made)
        if name is not None:
            self._named.append(made)
        return made

    def _targets(self) -> tuple[str, ...] | None:
        here = [
            app.slug
            for app in self._site.apps.live()
            if self._organization in app.installed.values()
        ]
        if not here or self._dice.random() < 0.5:
            return None
        return tuple(self._dice.sample(here, min(len(here), 2)))

    async def _submit(self, batch: list[Submitted]) -> None:
        submissions = [_submission(each) for each in batch]
        for _ in range(MOST_TRIES):
            before = self._site.apps.settled()
            try:
                answers = await self._site.process.request(
                    lambda: self._site.process.publisher.publish(
                        self._organization, submissions, batch=len(batch) > 1
                    )
                )
            except Invalid:
                return  # a target was uninstalled meanwhile
            except Unavailable:
                pass
            except ConnectionLost:
                for each in batch:
                    each.lost += 1
                if any(each.external_id is None for each in batch):
                    return  # sending it again might make two of it
            else:
                sure = before is not None and before == self._site.apps.settled()
                for each, answer in zip(batch, answers, strict=True):
                    self._accept(each, answer.id, answer.deliveries, answer.duplicate, sure=sure)
                return
            await asyncio.sleep(self._dice.uniform(1, 60))

    def _accept(
        self, submitted: Submitted, public_id: str, deliveries: int, duplicate: bool, *, sure: bool
    ) -> None:
        ledger = self._site.ledger
        first = ledger.accepted.get(submitted.mark)
        if first is not None:
            if (first.id, first.deliveries, True) != (public_id, deliveries, duplicate):
                ledger.complain("first answer again", f"{submitted.external_id} got another answer")
            return
        if duplicate and not submitted.lost:
            ledger.complain("first answer again", f"{submitted.external_id} is no duplicate")
        expected = None
        if sure and not duplicate:
            expected = self._site.apps.expected(
                self._organization, submitted.resource, submitted.targets
            )
        ledger.accepted[submitted.mark] = Accepted(
            submitted, public_id, deliveries, now_us(), expected
        )


def _submission(submitted: Submitted) -> Submission:
    event = {
        "resource": submitted.resource,
        "action": "triggered" if submitted.resource == ALERT else "created",
        "data": {"mark": submitted.mark, "text": "Zoë"},
    }
    if submitted.external_id is not None:
        event["id"] = submitted.external_id
    if submitted.targets is not None:
        event["targets"] = list(submitted.targets)
    return read_event(json.dumps(event).encode(), LIMITS)
