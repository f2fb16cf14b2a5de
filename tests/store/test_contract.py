"""The contract as a whole, on every store: the lifecycle's table, and long random lives.

The verbs one by one are in the files beside this one, ``test_contract_*.py``.
"""

import asyncio
import contextlib
import functools
import itertools
import shutil
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hookline.core.errors import Conflict
from hookline.core.lifecycle import Move, State, moved
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt
from hookline.store.contract import DeliveryFilter


async def brought_to(world, state: State):
    """A delivery in that state, its app, and the last lease of it (or one that it never had)."""
    app = await world.app()
    (delivery_id,) = await world.waiting(app)
    (held,) = await world.leased()
    match state:
        case State.WAITING:
            await world.settle(held, RetryAt(world.START))
        case State.DELIVERED:
            await world.settle(held, Delivered())
        case State.PARKED:
            await world.settle(held, Parked(ParkReason.EXHAUSTED))
    assert await world.state(delivery_id) == state
    return app, held


async def made(world, move: Move, app, held, state: State) -> None:
    """Try a move by the verb that makes it."""
    match move:
        case Move.LEASE:
            await world.lease()
        case Move.DELIVER:
            await world.settle(held, Delivered())
        case Move.RETRY:
            await world.settle(held, RetryAt(world.START))
        case Move.PARK if state is State.LEASED:
            await world.settle(held, Parked(ParkReason.GONE))
        case Move.PARK:
            await world.store.delete_integration(app.integration.id, world.START)
        case Move.EXPIRE:
            await world.store.rescue(world.START + world.MINUTE)
        case Move.REPLAY:
            with contextlib.suppress(Conflict):
                await world.store.replay(held.id, world.START)


@pytest.mark.parametrize(("state", "move"), list(itertools.product(State, Move)))
async def test_every_move_from_every_state(world, state, move):
    """The state that comes out is the table's, and a move that is not in the table moves nothing."""
    app, held = await brought_to(world, state)
    await made(world, move, app, held, state)
    assert await world.state(held.id) == (moved(state, move) or state)


class Life(RuleBasedStateMachine):
    """A store against a model of it that is a dictionary.

    The model knows for each delivery its lane, state, due time, token and end of lease, and for each
    lane its cap (None: deleted). Slots are never counted: they are the leased deliveries of a lane,
    so a store whose counting drifts leases too much or too little sooner or later.
    """

    def __init__(self, open_world):
        super().__init__()
        self.runner = asyncio.Runner()
        self.sound = False
        self.world, self.folder = self.run(open_world())
        self.now = self.world.START
        self.apps = []
        self.caps: dict[int, int | None] = {}
        self.model: dict[bytes, dict] = {}
        self.handed_out = []

    def run(self, coroutine):
        self.sound = False  # until the invariant holds again
        return self.runner.run(coroutine)

    @initialize(caps=st.lists(st.integers(1, 3), min_size=1, max_size=3))
    def register(self, caps):
        for cap in caps:
            app = self.run(self.world.app(max_in_flight=cap))
            self.apps.append(app)
            self.caps[app.integration.id] = cap

    @rule(chosen=st.lists(st.integers(0, 2), min_size=1, max_size=5))
    def record(self, chosen):
        events = [
            self.world.event(self.apps[number % len(self.apps)], at=self.now) for number in chosen
        ]
        self.run(self.world.record(*events))
        for event in events:
            (new,) = event.deliveries
            dead = self.caps[new.integration_id] is None
            state = State.PARKED if dead else State.WAITING
            self.model[new.id] = {"lane": new.integration_id, "state": state, "due": self.now}

    @rule(limit=st.sampled_from([1, 2, 3, 5, 100]))
    def lease(self, limit):
        """Lease until nothing is ready: each batch fits the limit, and together they are all."""
        could = +self.leasable()
        share = Counter()
        while True:
            leases = self.run(self.world.lease(at=self.now, limit=limit))
            assert len(leases.deliveries) <= limit
            share.update(each.integration_id for each in leases.deliveries)
            self.take(leases.deliveries)
            if leases.next_ready_at is None or leases.next_ready_at > self.now:
                break
        assert share == could
        assert leases.next_ready_at == self.next_ready_at()

    @rule(limit=st.sampled_from([1, 2, 3]))
    def lease_once(self, limit):
        """Lease one batch of what is ready, and leave the rest."""
        leases = self.run(self.world.lease(at=self.now, limit=limit))
        assert len(leases.deliveries) <= limit
        self.take(leases.deliveries)

    def take(self, deliveries) -> None:
        for each in deliveries:
            known = self.model[each.id]
            assert (known["state"], known["lane"]) == (State.WAITING, each.integration_id)
            assert known["due"] <= self.now
            assert self.room(each.integration_id) > 0, "over the cap"
            until = self.now + self.world.MINUTE
            known |= {"state": State.LEASED, "token": each.token, "until": until}
        self.handed_out += deliveries

    @precondition(lambda self: self.handed_out)
    @rule(data=st.data())
    def settle(self, data):
        """Settle some of what was ever handed out, the late and the doubled included."""
        verdicts = st.sampled_from(["delivered", "now", "later", "parked"])
        pairs = st.tuples(st.sampled_from(self.handed_out[-12:]), verdicts)
        batch = data.draw(st.lists(pairs, min_size=1, max_size=6))
        values = {
            "delivered": Delivered(),
            "now": RetryAt(self.now),
            "later": RetryAt(self.now + 90 * self.world.SECOND),
            "parked": Parked(ParkReason.EXHAUSTED),
        }
        expected = [self.settled(each, values[word]) for each, word in batch]
        settlements = [
            self.world.settlement(each, values[word], at=self.now) for each, word in batch
        ]
        assert self.run(self.world.settle_all(settlements)) == expected

    def settled(self, leased, verdict) -> bool:
        known = self.model[leased.id]
        if (known["state"], known.get("token")) != (State.LEASED, leased.token):
            return False
        match verdict:
            case Delivered():
                known["state"] = State.DELIVERED
            case RetryAt(due):
                self.back(known, due)
            case Parked():
                known["state"] = State.PARKED
        return True

    def back(self, known, due) -> None:
        dead = self.caps[known["lane"]] is None
        known |= {"state": State.PARKED if dead else State.WAITING, "due": due}

    @rule(seconds=st.sampled_from([1, 45, 120]))
    def tick(self, seconds):
        self.now += seconds * self.world.SECOND

    @rule()
    def rescue(self):
        ended = [each for each in self.of(State.LEASED) if each["until"] <= self.now]
        assert self.run(self.world.store.rescue(self.now)) == len(ended)
        for known in ended:
            self.back(known, self.now)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def replay(self, data):
        delivery_id = data.draw(st.sampled_from(list(self.model)))
        known = self.model[delivery_id]
        dead = self.caps[known["lane"]] is None
        if dead or known["state"] in (State.WAITING, State.LEASED):
            with pytest.raises(Conflict):
                self.run(self.world.store.replay(delivery_id, self.now))
        else:
            self.run(self.world.store.replay(delivery_id, self.now))
            self.back(known, self.now)

    @rule(number=st.integers(0, 2), cap=st.integers(1, 4))
    def resize(self, number, cap):
        app = self.apps[number % len(self.apps)]
        if self.caps[app.integration.id] is not None:
            self.run(self.world.recap(app, cap, at=self.now))
            self.caps[app.integration.id] = cap

    @precondition(lambda self: len(self.model) > 10)
    @rule(number=st.integers(0, 2))
    def delete(self, number):
        lane = self.apps[number % len(self.apps)].integration.id
        self.run(self.world.store.delete_integration(lane, self.now))
        self.caps[lane] = None
        for known in self.of(State.WAITING, lane):
            known["state"] = State.PARKED

    def of(self, state: State, lane: int | None = None) -> list[dict]:
        return [
            each
            for each in self.model.values()
            if each["state"] is state and lane in (None, each["lane"])
        ]

    def room(self, lane: int) -> int:
        return max(0, (self.caps[lane] or 0) - len(self.of(State.LEASED, lane)))

    def leasable(self) -> Counter:
        due = Counter(each["lane"] for each in self.of(State.WAITING) if each["due"] <= self.now)
        return Counter({lane: min(number, self.room(lane)) for lane, number in due.items()})

    def next_ready_at(self) -> int | None:
        open_ = [each["due"] for each in self.of(State.WAITING) if self.room(each["lane"])]
        return min(open_, default=None)

    @invariant()
    def states_are_the_models(self):
        """Nothing is lost, and nothing moved that was not moved."""
        found = self.run(self.world.store.deliveries(DeliveryFilter(limit=10_000)))
        assert {bytes.fromhex(each.id): each.state for each in found} == {
            delivery_id: known["state"] for delivery_id, known in self.model.items()
        }
        self.sound = True

    def finish(self):
        self.now += 60 * self.world.MINUTE
        self.rescue()
        while self.of(State.WAITING):
            self.lease(100)
            held = [each for each in self.handed_out if self.settled(each, Delivered())]
            assert held, "something waits, but nothing can be leased"
            batch = [self.world.settlement(each, at=self.now) for each in held]
            assert all(self.run(self.world.settle_all(batch)))
            self.states_are_the_models()
        assert self.of(State.LEASED) == []

    def teardown(self):
        """Whatever happened: in the end everything that is not final can be delivered."""
        try:
            if self.sound:
                self.finish()
        finally:
            self.run(self.world.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)


def test_long_random_lives(factory, worlds, tmp_path):
    """In any order of verbs nothing is lost, doubled, over its cap, or stuck."""
    numbers = itertools.count()

    async def open_world():
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return worlds(await factory(folder)), folder

    run_state_machine_as_test(
        functools.partial(Life, open_world),
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            report_multiple_bugs=False,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        ),
    )
