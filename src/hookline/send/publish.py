"""Accepting events: plan, then commit together with whoever else is publishing.

The first publisher's events go to the store at once. Those that arrive while that commit is under way
gather, and share the next one. So an idle system adds no latency, and a busy one pays for a sync of the
disk once for many events; there is no timer to tune. The answer goes out after the commit, never before.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hookline.core.errors import Invalid
from hookline.core.ids import uuid7
from hookline.core.matching import Plan
from hookline.core.model import BodyEncoding
from hookline.core.resources import NOTICES
from hookline.send.counts import Counts
from hookline.send.directory import Directory
from hookline.send.intake import Submission
from hookline.store.contract import Store
from hookline.store.values import NewDelivery, NewEvent, Recorded

__all__ = ["Publisher", "check_not_ours", "new_event"]

MAX_GROUP = 500  # events in one commit; more wait for the next


class _Waiting(NamedTuple):
    events: Sequence[NewEvent]
    began: float
    answer: "asyncio.Future[list[Recorded]]"


class Publisher:
    """Turns submissions into recorded events.

    Args:
        ticker: gives each event its own instant, greater than those of all before.
        on_deliveries: called after a commit that made something deliverable.
        counts: where events are counted, and how long their publishers waited.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        *,
        clock: Callable[[], int],
        ticker: Callable[[], int],
        entropy: Callable[[int], bytes],
        on_deliveries: Callable[[], None],
        counts: Counts | None = None,
    ):
        self._store = store
        self._counts = counts or Counts()
        self._directory = directory
        self._clock = clock
        self._ticker = ticker
        self._entropy = entropy
        self._on_deliveries = on_deliveries
        self._waiting: list[_Waiting] = []
        self._flush: asyncio.Task[None] | None = None

    async def publish(
        self, organization: str, submissions: Sequence[Submission], *, batch: bool = False
    ) -> list[Recorded]:
        """Record submissions, all or none; returns once they are durable.

        Raises:
            Invalid: an unknown resource, action or target; in a batch, ``where`` begins with the
                submission's index.
            Unavailable: the store cannot take it now; nothing was stored.
        """
        for index, each in enumerate(submissions):
            check_not_ours(each, f"/{index}" if batch else "")
        return await self.publish_any(organization, submissions, batch=batch)

    async def publish_any(
        self, organization: str, submissions: Sequence[Submission], *, batch: bool = False
    ) -> list[Recorded]:
        """Record submissions as ``publish`` does, notices of our own included."""
        began = time.perf_counter()
        known = await self._directory.organization(organization)
        plans = []
        for index, each in enumerate(submissions):
            try:
                plans.append(self._directory.plan(known, each))
            except Invalid as refusal:
                if batch:
                    refusal.where = f"/{index}{refusal.where or ''}"
                raise
        organization_id = known.id
        if organization_id is None:
            organization_id = await self._store.ensure_organization(organization, self._clock())
        # From here to the queue of the commit nothing waits: the order of ids is that of acceptance.
        now = self._clock()
        events = [
            new_event(
                organization_id, each, plan, now=now, tick=self._ticker(), entropy=self._entropy
            )
            for each, plan in zip(submissions, plans, strict=True)
        ]
        return await self._commit(events, began)

    async def forward(
        self, organization_id: int, submission: Submission, plan: Plan, forwarded: bytes
    ) -> Recorded:
        """Record what came in by a source; returns once it is durable.

        Args:
            organization_id: the source's organization.
            submission: what it is called; its tail is the body as it came.
            plan: the routes that take it.
            forwarded: what is kept beside the body.

        Raises:
            Unavailable: the store cannot take it now; nothing was stored.
        """
        began = time.perf_counter()
        event = new_event(
            organization_id,
            submission,
            plan,
            now=self._clock(),
            tick=self._ticker(),
            entropy=self._entropy,
            forwarded=forwarded,
        )
        (recorded,) = await self._commit([event], began)
        return recorded

    async def _commit(self, events: Sequence[NewEvent], began: float) -> list[Recorded]:
        answer: asyncio.Future[list[Recorded]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(events, began, answer))
        if self._flush is None:
            self._flush = asyncio.create_task(self._flush_all(), name="hookline-publish")
        return await answer

    async def _flush_all(self) -> None:
        try:
            while self._waiting:
                await self._flush_group(self._take_group())
        finally:
            self._flush = None

    def _take_group(self) -> list[_Waiting]:
        size = count = 0
        while count < len(self._waiting) and size < MAX_GROUP:
            size += len(self._waiting[count].events)
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def _flush_group(self, group: Sequence[_Waiting]) -> None:
        events = [event for each in group for event in each.events]
        try:
            recorded = await self._store.record(events)
        except Exception as trouble:
            for each in group:
                if not each.answer.done():
                    each.answer.set_exception(trouble)
            return
        if any(event.deliveries for event in events):
            self._on_deliveries()
        self._count(group, recorded)
        start = 0
        for each in group:
            end = start + len(each.events)
            if not each.answer.done():
                each.answer.set_result(recorded[start:end])
            start = end

    def _count(self, group: Sequence[_Waiting], recorded: Sequence[Recorded]) -> None:
        fresh = [each.deliveries for each in recorded if not each.duplicate]
        counts, now = self._counts, time.perf_counter()
        counts.events += len(fresh)
        counts.duplicates += len(recorded) - len(fresh)
        counts.deliveries += sum(fresh)
        counts.group_events.observe(len(recorded))
        for each in group:
            counts.publish_us.observe(int((now - each.began) * 1_000_000))


def new_event(
    organization_id: int,
    submission: Submission,
    plan: Plan,
    *,
    now: int,
    tick: int,
    entropy: Callable[[int], bytes],
    forwarded: bytes | None = None,
) -> NewEvent:
    """The rows of an event: itself, and a delivery for each installation that the plan chose.

    It is accepted and its deliveries are due ``now``; ``tick`` is its own microsecond, of which the
    ids are made, and by which they sort. With ``forwarded`` it came in by a source, and no encoding of
    ours touches its bytes.
    """
    chance = entropy(8 * (1 + len(plan.chosen)))
    deliveries = tuple(
        NewDelivery(
            uuid7(tick, chance[8 * n : 8 * n + 8]),
            each.installation_id,
            each.integration_id,
            forwarded is None and each.body_encoding is BodyEncoding.ASCII,
        )
        for n, each in enumerate(plan.chosen, 1)
    )
    return NewEvent(
        id=uuid7(tick, chance[:8]),
        organization_id=organization_id,
        external_id=submission.id,
        resource=submission.resource,
        action=submission.action,
        tail=submission.tail,
        tail_ascii=submission.ascii_tail() if plan.any_ascii and forwarded is None else None,
        targets=None if submission.targets is None else json.dumps(submission.targets),
        warnings=_warnings(submission),
        plan_id=plan.id,
        considered=plan.considered,
        accepted_at=now,
        deliveries=deliveries,
        forwarded=forwarded,
    )


def check_not_ours(submission: Submission, where: str) -> None:
    """Raise ``Invalid`` for what only Hookline publishes; ``where``: the submission's place."""
    if submission.resource == NOTICES.name:
        raise Invalid(
            "reserved-resource",
            f"{NOTICES.name!r} is what Hookline itself publishes",
            "choose another resource, or register one of your own",
            where=f"{where}/resource",
        )


def _warnings(submission: Submission) -> str | None:
    if not submission.warnings:
        return None
    return json.dumps([{"where": w.where, "message": w.message} for w in submission.warnings])
