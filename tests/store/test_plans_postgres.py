"""How PostgreSQL answers the hot statements: by index, and at a cost that does not grow with what waits.

Whatever it knows of the tables: a server that was just filled, or restored, has no statistics yet, and
the way out must not wait for them.
"""

import pytest
from tests.store.plans import Plan, explained, fill

from hookline.core.model import Attempt, Timings
from hookline.core.outcome import Counted
from hookline.core.unsubscribing import Rules
from hookline.core.verdict import Delivered, Parked, RetryAt
from hookline.store.postgres.runner import play
from hookline.store.upkeep import Ages
from hookline.store.values import Leased, NewDelivery, NewEvent, Settlement
from hookline.store.verbs import lanes, leasing, outbound, purge, settling
from hookline.store.verbs.asking import Verb

NOW = 1_800_000_000_000_000
MINUTE = 60_000_000
BATCH = 100
MOST = 12 * BATCH  # rows that a statement may look at, of a million
ROUNDS = 7
MODES = ("force_generic_plan", "force_custom_plan")  # as it is run, and as it would be
GROW = {"deliveries", "events", "attempts", "lanes"}  # must not be gone through
HOT = {
    "insert_events", "insert_deliveries", "insert_plans", "duplicates", "closed_gates",
    "make_ready", "take_arrivals", "ready_lanes", "queue_up_now", "turns", "lanes_in_line",
    "gates", "due", "mark_leased", "served_lanes", "gate_lanes", "with_lanes_gated", "let_on",
    "write_gates", "end_turns", "next_ready", "opening_gates", "ordered_lanes",
    "settle_deliveries", "insert_attempts", "free_lanes", "insert_timeouts", "change_lines",
    "queue_up", "expired", "wait_again", "closed_for", "replay", "remember_settled", "to_sweep",
    "delivery",
}  # fmt: skip


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def events(round_: int) -> list[NewEvent]:
    """Sixty-four for lanes all over; each with an id of its publisher's."""
    first = (1 << 100) + round_ * 1000
    return [
        NewEvent(
            key(first + n), n + 1, f"new-{first}-{n}", "issue", "created", b"tail", None, None, None,
            b"p", "[]", NOW, (NewDelivery(key(first + n), n + 1, n // 10 + 1, False),),
        )
        for n in range(64)
    ]  # fmt: skip


def settlement(leased: Leased, number: int) -> Settlement:
    """One in four is delivered, parked, retried, or a timeout."""
    outcome = (Counted.SUCCESS, Counted.FAILURE, Counted.FAILURE, Counted.TIMEOUT)[number % 4]
    verdict = (Delivered(), Parked("exhausted"), RetryAt(NOW + MINUTE), RetryAt(NOW))[number % 4]
    attempt = Attempt(
        leased.attempts_made + 1, NOW - 2, "https://receiver.example/", outcome, "", 204, "",
        Timings(1, 2, 3, 4, 5), "", "1.1", b"", b"", False,
    )  # fmt: skip
    lane = (leased.organization_id, leased.integration_id)
    return Settlement(leased.id, leased.token, *lane, attempt, verdict, NOW, NOW - 2, None)


def a_round(token: int) -> Verb[None]:
    """Everything that happens on the way out, and what mends it."""
    yield from outbound.record(events(token))
    leases = yield from lease(2 * token)
    assert len(leases) == BATCH
    settlements = [settlement(each, n) for n, each in enumerate(leases)]
    yield from settling.settle(settlements, Rules())
    yield from lease(2 * token + 1)
    assert (yield from outbound.rescue(NOW + MINUTE)) == BATCH
    yield from outbound.replay(leases[0].id, NOW)
    yield from lanes.sweep(BATCH, NOW)


def lease(token: int) -> Verb[list[Leased]]:
    leases = yield from leasing.lease(
        limit=BATCH, slow_limit=BATCH, each=1000, now=NOW, until=NOW + MINUTE, token=token
    )
    return leases.deliveries


async def rounds(url: str, mode: str) -> list[Plan]:
    """The plans of some rounds, which leave nothing behind but dead rows."""
    async with explained(url, mode) as (connection, plans):
        transaction = connection.transaction()
        await transaction.start()
        for token in range(1, ROUNDS + 1):
            await play(connection, a_round(token))
        await transaction.rollback()
        return plans


@pytest.mark.parametrize(
    ("among", "waiting"),
    [
        (10_000, 20_000),
        pytest.param(10_000, 1_000_000, marks=pytest.mark.long),
    ],
    ids=["20 k", "1 M"],
)
async def test_hot_statements_look_at_what_they_need(url, among, waiting):
    """With statistics or without, planned for these values or for any: by index, and few rows."""
    await fill(url, lanes=among, waiting=waiting, now=NOW)
    seen: list[tuple[str, Plan]] = []
    for known in ("no statistics", "statistics"):
        if known == "statistics":
            async with explained(url, "auto") as (connection, _):
                await connection.execute("ANALYZE", timeout=60)
        for mode in MODES:
            seen += [(f"{known}, {mode}", plan) for plan in await rounds(url, mode)]
    assert {plan.name for _, plan in seen} >= HOT
    assert [f"{how}: {plan}" for how, plan in seen if plan.read_whole & GROW] == []
    assert [f"{how}: {plan}" for how, plan in seen if plan.scanned > MOST] == []


async def test_retention_looks_at_what_it_deletes(url):
    """A chunk of attempts, deliveries, events and plans, without statistics: by index, and few rows."""
    await fill(url, lanes=1_000, waiting=20_000, now=NOW)
    async with explained(url, "force_generic_plan") as (connection, plans):
        await connection.execute(
            "UPDATE deliveries SET state = 'delivered', settled_at = 0 WHERE id < $1", key(500)
        )
        for table in range(4):
            await play(connection, purge.purge(Ages(NOW, NOW), bytes([table]), BATCH))
    names = {"delete_attempts", "delete_attempts_of", "delete_deliveries", "delete_events"}
    assert {plan.name for plan in plans} >= names
    assert [str(plan) for plan in plans if plan.read_whole & GROW or plan.scanned > MOST] == []


async def test_a_lease_does_not_go_through_all_notes(url):
    """Publishers left many while nobody leased: whoever leases takes a batch, and looks at no more."""
    await fill(url, lanes=1_000, waiting=2_000, now=NOW)
    async with explained(url, "force_generic_plan") as (connection, plans):
        await connection.execute(
            "INSERT INTO arrivals (organization_id, integration_id, at) "
            "SELECT organization_id, integration_id, $1 FROM lanes, generate_series(1, 20)",
            NOW,
        )
        for _ in range(3):
            await play(connection, lanes.take_notes(BATCH, NOW))
    taken = [plan for plan in plans if plan.name == "take_arrivals"]
    assert len(taken) == 3
    assert [str(plan) for plan in taken if plan.scanned > MOST] == []


async def test_the_measure_measures(url):
    """A statement that goes through what waits is seen to, so that the test above can go wrong."""
    await fill(url, lanes=100, waiting=2_000, now=NOW)
    async with explained(url, "auto") as (connection, plans):
        await connection.execute("SET enable_indexscan = off; SET enable_seqscan = on")
        await play(connection, outbound.make_wait([(key(1), 2)], NOW))
    (replay,) = [plan for plan in plans if plan.name == "replay"]
    assert "deliveries" in replay.read_whole
    assert replay.scanned >= 2_000


async def test_hot_rows_are_written_where_they_are(url):
    """Slots are counted in gates and lanes: mostly in the row's page, no index is touched (HOT)."""
    await fill(url, lanes=2_000, waiting=20_000, now=NOW)
    async with explained(url, "force_generic_plan") as (connection, _):
        for token in range(1, ROUNDS + 1):
            async with connection.transaction():
                await play(connection, a_round(token))
        await connection.execute("SELECT pg_stat_force_next_flush()")
        rows = await connection.fetch(
            "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        )
    written = {name: (updates, hot) for name, updates, hot in rows}
    for name, share in (("gates", 0.95), ("lanes", 0.6)):
        updates, hot = written[name]
        assert updates > 20 * ROUNDS
        assert hot > share * updates, written
