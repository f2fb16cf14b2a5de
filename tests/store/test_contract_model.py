"""A store against a model of a few lines: whatever is asked, in whatever order.

The model knows a delivery's state and due time, and which integrations are unsubscribed or
deleted. How lanes and
turns and gates bring that about is the store's affair; what it hands out, what it refuses, and when it
says that there is more, must be what the model says.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.store.model import ORGANIZATIONS, Known, Model

from hookline.core.errors import Conflict
from hookline.core.lifecycle import State
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt
from hookline.store.postgres.store import PostgresStore
from hookline.store.values import DeliveryFilter, NewRecovery

SECOND = 1_000_000
MOST_LEASES = 20  # until there is nothing more to lease at an instant
ALL_IDS = {"after_id": bytes(16), "until_id": b"\xff" * 16}


class Machine(Model, RuleBasedStateMachine):
    """Asks the store and the model the same."""

    factory: Any  # what opens the store of a folder
    worlds: Any  # the class that makes what a store is asked to keep

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        Model.__init__(self, self.worlds.START)
        memory = Path("/dev/shm")
        where = memory if memory.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="hookline-", dir=where))
        self.runner = asyncio.Runner()
        self.stale: list[Any] = []  # leases that are void
        self.tokens = itertools.count(1)
        self.sound = False

    def run(self, work: Any) -> Any:
        self.sound = False  # until the invariant holds again
        return self.runner.run(work)

    @initialize(shape=st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4))
    def open(self, shape: list[tuple[int, bool]]) -> None:
        """A store with some integrations, each with its cap, some of them ordered."""
        self.store = self.run(self.factory(self.folder))
        self.world = self.worlds(self.store)
        self.shape = shape
        self.apps = [
            self.run(self.world.public(None, *ORGANIZATIONS, max_in_flight=cap, ordered=ordered))
            for cap, ordered in shape
        ]
        self.identities = [places[0].integration.id for places in self.apps]

    def teardown(self) -> None:
        try:
            if self.sound:
                self.finish()
        finally:
            if hasattr(self, "store"):
                self.run(self.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    # -- the verbs --------------------------------------------------------------------------------

    @rule(data=st.data(), count=st.integers(1, 4))
    def record(self, data: Any, count: int) -> None:
        """Events of one organization for some of the integrations."""
        chosen = sorted(data.draw(st.sets(st.sampled_from(range(len(self.apps))), min_size=1)))
        place = data.draw(st.sampled_from(range(len(ORGANIZATIONS))))
        self.now += 1
        events = [
            self.world.event(*(self.apps[n][place] for n in chosen), at=self.now)
            for _ in range(count)
        ]
        self.run(self.store.record(events))
        for event in events:
            for app, delivery in zip(chosen, event.deliveries, strict=True):
                self.known[delivery.id] = Known((app, place), State.WAITING, self.now)
                self.back(delivery.id, self.now)

    @rule(limit=st.sampled_from([1, 2, 5, 100]), seconds=st.sampled_from([1, 60]))
    def lease(self, limit: int, seconds: int) -> None:
        """Exactly as many as there is something due and room for, of each or of all together.

        A lease that finds lanes before shut gates may give less, and then says to ask again at once.
        """
        could = {app: min(self.room(app), len(self.due(app))) for app in range(len(self.apps))}
        enough = min(limit, sum(could.values()))
        taken: Counter[int] = Counter()
        for _ in range(MOST_LEASES):
            left = limit - taken.total()
            told = self.lease_once(left, self.now + seconds * SECOND, taken)
            if taken.total() == limit or told is None or told > self.now:
                break
        assert taken.total() == enough
        assert all(number <= could[app] for app, number in taken.items())
        if enough < limit:
            self.check_next(told)
        self.now += 1

    def lease_once(self, limit: int, until: int, taken: Counter[int]) -> int | None:
        """One lease; when it says that there is more."""
        due = {each for app in range(len(self.apps)) for each in self.due(app)}
        token = next(self.tokens)
        got = self.run(
            self.store.lease(
                limit=limit, slow_limit=limit, each=1000, now=self.now, until=until, token=token
            )
        )
        assert len(got.deliveries) <= limit
        for each in got.deliveries:
            assert each.id in due
            known = self.known[each.id]
            known.state, known.leased, known.until = State.LEASED, each, until
            taken[known.app] += 1
        return got.next_ready_at

    def check_next(self, told: int | None) -> None:
        """The store never names a later time than that at which there is something to lease."""
        dues = [
            due for app in range(len(self.apps)) for due, _ in self.first(app) if self.room(app)
        ]
        assert not dues or (told is not None and told <= max(min(dues), self.now))

    @precondition(lambda self: self.leased())
    @rule(data=st.data(), what=st.sampled_from(["deliver", "retry", "later", "park"]))
    def settle(self, data: Any, what: str) -> None:
        """Some of what is leased comes back, together with what is leased no more."""
        chosen = data.draw(st.lists(st.sampled_from(self.leased()), unique=True, min_size=1))
        self.now += 1
        due = self.now + (60 * SECOND if what == "later" else 0)
        verdict = {"deliver": Delivered(), "park": Parked(ParkReason.EXHAUSTED)}.get(
            what, RetryAt(due)
        )
        outcome = (Counted.SUCCESS, 204) if what == "deliver" else (Counted.FAILURE, 500)
        current = [self.known[each].leased for each in chosen]
        settlements = [
            self.world.settlement(each, verdict, at=self.now, outcome=outcome[0], status=outcome[1])
            for each in [*current, *self.stale[-1:]]
        ]
        counted = self.run(self.world.settle_all(settlements))
        assert counted == [True] * len(current) + [False] * (len(settlements) - len(current))
        for each in chosen:
            self.void(each)
            again = what in ("retry", "later")
            self.held[self.known[each].lane] = due if again else 0
            if again:
                self.back(each, due)
            else:
                final = State.DELIVERED if what == "deliver" else State.PARKED
                self.known[each].state = final

    def lost(self) -> list[Any]:
        """Void leases: of deliveries that are under way again, if there are any, and the newest."""
        again = set(self.leased())
        return [each for each in self.stale if each.id in again][-3:] + self.stale[-1:]

    @precondition(lambda self: self.stale)
    @rule()
    def settle_late(self) -> None:
        """What comes back under a lease that is void changes nothing."""
        late = [self.world.settlement(each, at=self.now) for each in self.lost()]
        assert not any(self.run(self.world.settle_all(late)))

    def void(self, delivery: bytes) -> None:
        self.stale.append(self.known[delivery].leased)
        self.known[delivery].leased = None

    @rule(seconds=st.sampled_from([0, 2, 61]))
    def rescue(self, seconds: int) -> None:
        """What ran out comes back, and nothing else."""
        self.now += seconds * SECOND
        out = [each for each in self.leased() if self.known[each].until <= self.now]
        assert self.run(self.store.rescue(self.now)) == len(out)
        for each in out:
            self.void(each)
            self.back(each, self.now)

    @rule()
    def reopen(self) -> None:
        """All leases are void where the store has one owner; all else is as it was."""
        self.run(self.store.close())
        self.store = self.run(self.factory(self.folder))
        self.world.store = self.store
        if isinstance(self.store, PostgresStore):
            return
        for each in self.leased():
            self.void(each)
            self.back(each, self.now)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def replay(self, data: Any) -> None:
        """What is final waits again, unless its integration is shut."""
        chosen = data.draw(st.sampled_from(sorted(self.known)))
        known = self.known[chosen]
        if known.state in (State.WAITING, State.LEASED) or self.shut(known.app):
            with pytest.raises(Conflict):
                self.run(self.store.replay(chosen, self.now))
        else:
            self.run(self.store.replay(chosen, self.now))
            self.back(chosen, self.now)

    @rule(data=st.data())
    def turn(self, data: Any) -> None:
        """An integration is unsubscribed, or subscribed again."""
        app = data.draw(st.sampled_from(self.there()))
        if app in self.closed:
            self.resubscribe(app)
        else:
            self.run(self.store.unsubscribe(self.identities[app], "by hand", self.now))
            self.closed.add(app)
            self.park_all(app)

    def resubscribe(self, app: int) -> None:
        self.run(self.store.resubscribe(self.identities[app], self.now, None))
        self.closed.remove(app)

    def park_all(self, app: int) -> None:
        """What waited is parked; so little at once, with nothing left to sweep."""
        self.held = Counter({lane: at for lane, at in self.held.items() if lane[0] != app})
        for each in self.of(app, State.WAITING):
            self.back(each, self.now)
        assert self.run(self.store.sweep(500, self.now)) == 0

    @precondition(lambda self: len(self.known) > 10 and len(self.there()) > 1)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        """An integration is deleted, subscribed or not."""
        app = data.draw(st.sampled_from(self.there()))
        self.run(self.store.delete_integration(self.identities[app], self.now))
        self.deleted.add(app)
        self.closed.discard(app)
        self.park_all(app)

    @rule(data=st.data(), cap=st.integers(1, 3))
    def change(self, data: Any, cap: int) -> None:
        """An integration gets another cap."""
        app = data.draw(st.sampled_from(self.there()))
        self.shape[app] = (cap, self.shape[app][1])
        self.run(self.world.change(self.apps[app][0], at=self.now, max_in_flight=cap))

    @rule(data=st.data(), chunk=st.sampled_from([1, 2, 500]))
    def recover(self, data: Any, chunk: int) -> None:
        """All that is parked waits again, in chunks of any size; not while it is unsubscribed."""
        app = data.draw(st.sampled_from(self.there()))
        wanted = NewRecovery(
            self.identities[app], frozenset({State.PARKED}), now=self.now, **ALL_IDS
        )
        if app in self.closed:
            with pytest.raises(Conflict):
                self.run(self.store.begin_recovery(wanted))
            return
        parked = self.of(app, State.PARKED)
        assert sum(self.run(self.store.count_recovery(wanted)).values()) == len(parked)
        self.run(self.store.begin_recovery(wanted))
        while self.run(self.store.recover_some(chunk, self.now)):
            pass
        for each in parked:
            self.back(each, self.now)

    @rule(
        data=st.data(),
        limit=st.sampled_from([1, 2, 5, 100]),
        what=st.sampled_from(["deliver", "retry", "later", "park"]),
    )
    def busy(self, data: Any, limit: int, what: str) -> None:
        """The usual: something comes in, something goes out, something comes back."""
        self.record(data, 2)
        self.lease(limit, 60)
        if self.leased():
            self.settle(data, what)
        self.lease(limit, 1)

    # -- what must be true ------------------------------------------------------------------------

    @invariant()
    def states_are_the_models(self) -> None:
        if not hasattr(self, "store"):
            return
        found = self.run(self.store.deliveries(DeliveryFilter(limit=10_000)))
        known = {each: known.state for each, known in self.known.items()}
        assert {bytes.fromhex(each.id): each.state for each in found} == known
        for app, identity in enumerate(self.identities):
            health = self.run(self.store.health(identity, self.now, Rules()))
            counted = (health.in_flight, health.waiting, health.parked)
            states = (State.LEASED, State.WAITING, State.PARKED)
            assert counted == tuple(len(self.of(app, state)) for state in states)
        self.sound = True

    def finish(self) -> None:
        """Whatever happened: all that still waits can be delivered."""
        self.rescue(61)
        for app in sorted(self.closed):
            self.resubscribe(app)
        for _ in range(len(self.known) + 1):
            self.now += 61 * SECOND
            self.lease(1000, 60)
            if not self.leased():
                break
            leased = [self.known[each].leased for each in self.leased()]
            batch = [self.world.settlement(each, at=self.now) for each in leased]
            assert all(self.run(self.world.settle_all(batch)))
            for each in self.leased():
                self.known[each].state = State.DELIVERED
                self.held[self.known[each].lane] = 0
        assert all(self.of(app, State.WAITING) == [] for app in range(len(self.apps)))
        self.states_are_the_models()


def examine(factory: Any, worlds: Any, examples: int, steps: int) -> None:
    values = {"factory": staticmethod(factory), "worlds": worlds}
    run_state_machine_as_test(
        type("TheMachine", (Machine,), values),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_store_does_what_the_model_says(factory, worlds, request):
    """Some sequences of verbs, at random; fewer of them where each has to make a database."""
    examples = {"sqlite": 50}.get(request.node.callspec.params["factory"], 12)
    examine(factory, worlds, examples=examples, steps=30)


@pytest.mark.long
def test_the_store_does_what_the_model_says_at_length(factory, worlds):
    """Many long ones."""
    examine(factory, worlds, examples=1000, steps=60)
