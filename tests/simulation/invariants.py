"""What must be true after a run, whatever happened in it.

Worked out from what receivers and publishers saw and what the file holds, with as little as possible of
the code that is examined.
"""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.simulation import limits, pace, subscriptions
from tests.simulation.ledger import Ledger, Sent, Settling
from tests.simulation.stored import Stored, StoredDelivery, mark_of, read

from hookline.core.outcome import Answered, Blocked, Counted
from hookline.core.verdict import Delivered, Parked, RetryAt

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["examine"]

SOON = 2_000_000  # µs within which an attempt that ended is settled, while the store is well


def examine(world: "World") -> Stored:
    """Complain of everything that is not as it must be; returns what the file holds."""
    ledger, stored = world.ledger, read(world.path)
    _nothing_accepted_is_lost(ledger, stored)
    _nothing_else_is_sent(ledger, stored)
    _join(ledger, stored)
    for delivery, sent in ledger.sent.items():
        if delivery in stored.deliveries:
            _one_delivery(
                ledger, stored.deliveries[delivery], sent, stored.attempts.get(delivery, {})
            )
    _verdicts(ledger)
    limits.examine(ledger, world.scale.limits)
    pace.examine(ledger)
    subscriptions.examine(ledger, stored, world.scale.rules)
    _what_was_recovered_arrived(ledger, stored, world.recovered)
    if stored.in_flight:
        ledger.complain("counters return to 0", f"{stored.in_flight} slots are still taken")
    return stored


# -- what was accepted ----------------------------------------------------------------------------


def _nothing_accepted_is_lost(ledger: Ledger, stored: Stored) -> None:
    by_name = {(each.organization, each.public_id): each for each in stored.events.values()}
    by_event: dict[bytes, list[StoredDelivery]] = defaultdict(list)
    for delivery in stored.deliveries.values():
        by_event[delivery.event].append(delivery)
    for accepted in ledger.accepted.values():
        event = by_name.get((accepted.submitted.organization, accepted.id))
        if event is None:
            ledger.complain(
                "accepted is durable", f"event {accepted.id} was answered and is not there"
            )
            continue
        deliveries = by_event[event.id]
        installations = Counter(each.installation for each in deliveries)
        if not len(deliveries) == accepted.deliveries == event.delivery_count:
            ledger.complain(
                "accepted is durable", f"{event.public_id}: {len(deliveries)} deliveries"
            )
        if accepted.expected is not None and set(installations) != accepted.expected:
            ledger.complain(
                "everyone who is due one",
                f"{event.public_id} went to {set(installations) ^ accepted.expected} or should have",
            )
        if any(number > 1 for number in installations.values()):
            ledger.complain("one delivery an installation", event.public_id)
    _each_mark_once(ledger, stored)


def _each_mark_once(ledger: Ledger, stored: Stored) -> None:
    times = Counter(each.mark for each in stored.events.values() if each.mark is not None)
    for mark, number in times.items():
        submitted = ledger.submitted[mark]
        most = 1 if submitted.external_id is not None else 1 + submitted.lost
        if number > most:
            ledger.complain("one event an id", f"mark {mark} was stored {number} times")
    for event in ledger.refused & set(stored.events):
        ledger.complain("503 means not stored", f"event {event.hex()} was refused and is there")


def _nothing_else_is_sent(ledger: Ledger, stored: Stored) -> None:
    for delivery, sent in ledger.sent.items():
        known = stored.deliveries.get(delivery)
        if known is None:
            ledger.complain("nothing else is sent", f"{delivery.hex()} is in no table")
        elif mark_of(sent[0].body) != stored.events[known.event].mark:
            ledger.complain("nothing else is sent", f"{delivery.hex()} carried another's body")
        elif len({each.body for each in sent}) > 1:
            ledger.complain("same body", f"{delivery.hex()} was sent with several bodies")
    for delivery in stored.deliveries.values():
        if delivery.state == "delivered" and not any(
            each.counted is Counted.SUCCESS for each in ledger.sent.get(delivery.id, [])
        ):
            ledger.complain("delivered is true", f"{delivery.id.hex()} was never answered 2xx")


def _what_was_recovered_arrived(ledger: Ledger, stored: Stored, integrations: set[int]) -> None:
    for delivery in stored.deliveries.values():
        if delivery.integration in integrations and delivery.state != "delivered":
            ledger.complain(
                "recovered", f"{delivery.id.hex()} is {delivery.state}, {delivery.park_reason}"
            )


# -- attempts -------------------------------------------------------------------------------------


def _join(ledger: Ledger, stored: Stored) -> None:
    """Find out which requests the store has, and what was made of them."""
    for sent in ledger.in_order:
        known = stored.attempts.get(sent.delivery, {})
        sent.logged = known.get(sent.number) == sent.started_at
    logged = {(s.delivery, s.number, s.started_at): s for s in ledger.in_order if s.logged}
    for operation in ledger.operations:
        for each in operation.settlements if isinstance(operation, Settling) else ():
            sent_ = logged.get((each.delivery_id, each.attempt.number, each.attempt.started_at))
            if sent_ is not None:
                sent_.settlement, sent_.settled = each, operation.answered


def _one_delivery(
    ledger: Ledger, stored: StoredDelivery, sent: list[Sent], known: dict[int, int]
) -> None:
    name = stored.id.hex()
    logged = [each for each in sent if each.logged]
    if [each.number for each in logged] != list(range(1, stored.attempts_made + 1)):
        numbers = [each.number for each in logged]
        ledger.complain("the log is whole", f"{name}: {numbers} of {stored.attempts_made}, {known}")
    for each in sent:
        if not each.logged and not _may_be_lost(ledger, each):
            ledger.complain("settled once", f"attempt {each.number} of {name} does not count")
    for before, after in pairwise(logged):
        _one_step(ledger, name, before, after)
    if logged and logged[0].position == 0 and logged[0].steady < ledger.due[stored.id].accepted_at:
        ledger.complain("not before it is due", f"{name} was sent before it was accepted")


def _may_be_lost(ledger: Ledger, sent: Sent) -> bool:
    """Whether an attempt may go uncounted: it was under way, or not yet settled, at a crash.

    Or the store was away so long that its lease ran out.
    """
    crashed = ledger.crashed.get(sent.life)
    until = sent.ended if sent.ended is not None else sent.at
    for began, ended in ledger.away:
        if sent.at <= ended and began <= until + SOON and (crashed or ended - sent.at > 50 * SOON):
            return True
    return crashed is not None and (sent.ended is None or crashed - sent.ended <= SOON)


def _one_step(ledger: Ledger, name: str, before: Sent, after: Sent) -> None:
    """From one counted attempt of a delivery to the next."""
    assert before.settlement is not None
    verdict = before.settlement.verdict
    if limits.made_to_wait_again(ledger, before, after):
        return
    if not isinstance(verdict, RetryAt):
        ledger.complain("final is final", f"{name} was sent again after {verdict}")
    elif after.steady < verdict.due:
        ledger.complain("not before it is due", f"{name}, {verdict.due - after.steady} µs early")
    elif after.position != before.position + 1:
        ledger.complain("the schedule goes on", f"{name} at {after.position}")


# -- verdicts -------------------------------------------------------------------------------------


def _verdicts(ledger: Ledger) -> None:
    for sent in ledger.in_order:
        if sent.settlement is not None and (wrong := _wrong_verdict(sent)):
            ledger.complain("the verdict", f"{sent.delivery.hex()}: {wrong} of {sent.outcome}")


def _wrong_verdict(sent: Sent) -> str | None:
    """What is wrong with the verdict, worked out anew from DESIGN §5; None: nothing."""
    assert sent.settlement is not None
    verdict, outcome = sent.settlement.verdict, sent.outcome
    waits = sent.policy.retry_schedule
    if isinstance(outcome, Answered) and 200 <= outcome.status < 300:
        return None if verdict == Delivered() else f"{verdict}"
    if isinstance(outcome, Blocked) or outcome == Answered(410) or sent.position + 1 >= len(waits):
        return None if isinstance(verdict, Parked) else f"{verdict}"
    if not isinstance(verdict, RetryAt):
        return f"{verdict}"
    wait = waits[sent.position + 1] * 1_000_000
    waited = verdict.due - sent.settlement.settled_at
    asked = sent.asked_us or 0
    if not max(0.8 * wait, asked) - 1 <= waited <= max(1.2 * wait, asked) + 1:
        return f"a wait of {waited} µs for {wait:.0f}"
    return None
