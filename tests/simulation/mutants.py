"""Defects put into the product on purpose: what the simulation must find to be worth anything.

Each is a function that patches the running code, and the invariants of which one at least must complain.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from hookline.core.gate import Gate
from hookline.core.verdict import RetryAt, Verdict
from hookline.send import attempts
from hookline.send.directory import Directory
from hookline.store.sqlite.store import SqliteStore
from hookline.store.sqlite.writer import Writer
from hookline.store.values import Settled
from hookline.store.verbs import outbound, settling, subscriptions
from hookline.store.verbs.asking import Verb

__all__ = ["MUTANTS", "Mutant"]

Patch = pytest.MonkeyPatch


class Mutant(NamedTuple):
    """How the product is spoilt, and which invariants notice."""

    spoil: Callable[[Patch], None]
    noticed_by: tuple[str, ...]


def _returning(value: Any) -> Verb[Any]:
    return value
    yield  # makes it a verb, of one that asks for nothing


def _ignore_the_cap(patch: Patch) -> None:
    patch.setattr(Gate, "_slots", lambda _gate: 1000)


def _ignore_the_rate(patch: Patch) -> None:
    patch.setattr("hookline.core.rate.allowed", lambda *_: 1000)


def _retry_early(patch: Patch) -> None:
    def hasty(*arguments: Any, now: int, **named: Any) -> Verdict:
        verdict = judge(*arguments, now=now, **named)
        return RetryAt((now + verdict.due) // 2) if isinstance(verdict, RetryAt) else verdict

    judge = attempts.judge
    patch.setattr(attempts, "judge", hasty)


def _new_request_id(patch: Patch) -> None:
    def renamed(*, delivery_id: bytes, **named: Any) -> Any:
        return build(delivery_id=delivery_id[::-1], **named)

    build = attempts.build
    patch.setattr(attempts, "build", renamed)


def _one_timeout_more(patch: Patch) -> None:
    async def lenient(store: SqliteStore, settlements: Any, rules: Any) -> Settled:
        return await settle(store, settlements, replace(rules, timeouts=rules.timeouts + 1))

    settle = SqliteStore.settle
    patch.setattr(SqliteStore, "settle", lenient)


def _forget_a_settle(patch: Patch) -> None:
    async def forgetful(store: SqliteStore, settlements: Any, rules: Any) -> Settled:
        if next(number) % 20 == 0:
            return Settled([True] * len(settlements), noticed=False, unswept=False, leasable=True)
        return await settle(store, settlements, rules)

    settle, number = SqliteStore.settle, itertools.count(1)
    patch.setattr(SqliteStore, "settle", forgetful)


def _lose_a_commit(patch: Patch) -> None:
    async def lossy(writer: Writer, function: Any, *arguments: Any) -> Any:
        if arguments == ("COMMIT",) and next(number) % 50 == 0:
            arguments = ("ROLLBACK",)
        return await in_thread(writer, function, *arguments)

    in_thread, number = Writer._in_thread, itertools.count(1)
    patch.setattr(Writer, "_in_thread", lossy)


def _forget_the_order(patch: Patch) -> None:
    patch.setattr(settling, "_ordered", lambda *_: _returning(set()))


def _send_though_unsubscribed(patch: Patch) -> None:
    def open_anyway(gate: Gate, *arguments: Any) -> int:
        return room(replace(gate, closed=None), *arguments)

    room = Gate.room
    patch.setattr(Gate, "room", open_anyway)
    patch.setattr(settling, "shut", lambda *_: _returning(False))
    patch.setattr(subscriptions, "shut", lambda *_: _returning(False))


def _recover_all_but_one(patch: Patch) -> None:
    def careless(chosen: list[bytes], now: int) -> Verb[int]:
        return make_wait(chosen[1:], now)

    make_wait = subscriptions.make_wait
    patch.setattr(subscriptions, "make_wait", careless)


def _leak_a_slot(patch: Patch) -> None:
    def leaky(freed: dict[Any, int], *rest: Any) -> Any:
        return free({lane: min(number, 1) for lane, number in freed.items()}, *rest)

    free = settling.free
    patch.setattr(settling, "free", leaky)


def _overlook_a_lane(patch: Patch) -> None:
    def blind(lanes: Any, now: int) -> Verb[None]:
        return make_ready(list(lanes)[:2], now)

    make_ready = outbound.make_ready
    patch.setattr(outbound, "make_ready", blind)


def _keep_what_was_read(patch: Patch) -> None:
    patch.setattr(Directory, "changed", lambda _directory: None)


MUTANTS = {
    "ignores the cap": Mutant(_ignore_the_cap, ("the cap",)),
    "ignores the rate": Mutant(_ignore_the_rate, ("the rate",)),
    "retries early": Mutant(_retry_early, ("the verdict",)),
    "keeps what it read": Mutant(
        _keep_what_was_read,
        ("the policy in force", "the secret in force", "everyone who is due one"),
    ),
    "changes the Request-ID": Mutant(_new_request_id, ("same Request-ID",)),
    "unsubscribes one timeout late": Mutant(_one_timeout_more, ("the unsubscribing rules",)),
    "forgets a settle": Mutant(_forget_a_settle, ("settled once", "counters return to 0")),
    "loses a commit": Mutant(_lose_a_commit, ("accepted is durable", "settled once")),
    "forgets the order": Mutant(_forget_the_order, ("the order",)),
    "sends though unsubscribed": Mutant(_send_though_unsubscribed, ("unsubscribed is silent",)),
    "recovers all but one": Mutant(_recover_all_but_one, ("recovered",)),
    "leaks a slot": Mutant(_leak_a_slot, ("counters return to 0", "nothing starves")),
    "overlooks a lane": Mutant(_overlook_a_lane, ("nothing starves",)),
}
