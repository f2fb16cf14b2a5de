"""How SQLite answers the hot queries: through which index, and at a cost that does not grow."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hookline.store.sqlite import database
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.rows import run, with_rows
from hookline.store.upkeep import Ages
from hookline.store.values import Leases, NewDelivery, NewEvent
from hookline.store.verbs import lanes, leasing, outbound, purge, subscriptions
from hookline.store.verbs.asking import Verb

NOW = 1_800_000_000_000_000
EVENT = b"event".ljust(16)
FEW, MANY = 1_000, 100_000


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = empty()
    yield opened
    opened.close()


def empty() -> sqlite3.Connection:
    connection = database.connect(Path(":memory:"))
    database.migrate(connection, Path(":memory:"))
    connection.execute("PRAGMA foreign_keys = OFF")  # lanes and events are enough here
    connection.execute(
        "INSERT INTO events VALUES"
        " (?, 1, NULL, 'issue', 'created', x'00', NULL, NULL, NULL, x'00', 1, ?, NULL)",
        (EVENT, NOW),
    )
    connection.execute("INSERT INTO organizations VALUES (1, 'acme', 0)")
    connection.execute("INSERT INTO installations VALUES (1, 'uuid', 1, 1, NULL, 0, NULL)")
    return connection


def plan_of(connection: sqlite3.Connection, name: str, width: int = 0) -> list[str]:
    """The lines of the query plan; ``width`` is that of a row, for queries that take rows."""
    before = max((int(n) for n in re.findall(r"\?(\d+)", QUERIES[name])), default=0)
    sql = with_rows(name, 64, width, before) if width else QUERIES[name]
    values = [1] * (before + 64 * width)
    lines = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    # Whether an index covers a query is a nicety, and versions of SQLite judge it differently.
    return [line.replace("COVERING INDEX", "INDEX") for line in lines]


# Query -> width of a row, and the steps through which its plan must go.
LANE = "SEARCH lanes USING PRIMARY KEY (organization_id=? AND integration_id=?)"
FIRST_DUE = (
    "SEARCH deliveries USING INDEX deliveries_waiting"
    " (organization_id=? AND integration_id=? AND state=?)"
)
LINE = "SEARCH lanes USING INDEX lanes_line (organization_id=? AND slow=? AND ready_at>?)"
TURN = "SEARCH turns USING PRIMARY KEY (organization_id=? AND slow=?)"
HOT = {
    "duplicates": (
        2,
        ["SEARCH e USING INDEX events_external (external_id=? AND organization_id=?)"],
    ),
    "make_ready": (2, [LANE]),
    "gates": (1, ["SEARCH g USING INTEGER PRIMARY KEY (rowid=?)"]),
    "closed_gates": (1, ["SEARCH gates USING INTEGER PRIMARY KEY (rowid=?)"]),
    "write_gates": (18, ["SEARCH gates USING INTEGER PRIMARY KEY (rowid=?)"]),
    "opening_gates": (0, ["SEARCH gates USING INDEX gates_opening (opens_at<?)"]),
    "with_lanes_gated": (
        1,
        ["SEARCH lanes USING INDEX lanes_gated (integration_id=? AND gated_at>?)"],
    ),
    "let_on": (
        1,
        [
            "SEARCH lanes USING INDEX lanes_integration (integration_id=? AND organization_id=?)",
            "SEARCH w USING INDEX lanes_gated (integration_id=? AND gated_at>?)",
        ],
    ),
    "turns": (0, ["SEARCH turns USING INDEX turns_line (slow=? AND ready_at<?)"]),
    "lanes_in_line": (
        1,
        ["SEARCH lanes USING INDEX lanes_line (organization_id=? AND slow=? AND ready_at<?)"],
    ),
    "served_lanes": (3, [LANE, FIRST_DUE]),
    "gate_lanes": (3, [LANE, FIRST_DUE]),
    "free_lanes": (4, [LANE, FIRST_DUE]),
    "ordered_lanes": (
        2,
        ["SEARCH l USING PRIMARY KEY (organization_id=? AND integration_id=?)"],
    ),
    "queue_up": (1, [TURN, LINE, LINE]),
    "end_turns": (1, [TURN, LINE]),
    "next_ready": (
        0,
        [
            "SEARCH turns USING INDEX turns_line (slow=? AND ready_at>?)",
            "SEARCH turns USING INDEX turns_line (slow=? AND ready_at>?)",
            "SEARCH gates USING INDEX gates_opening (opens_at>?)",
        ],
    ),
    "change_lines": (2, ["SEARCH lanes USING INDEX lanes_integration (integration_id=?)"]),
    "to_sweep": (0, ["SEARCH l USING INDEX lanes_sweep (sweep=?)"]),
    "sweep": (0, ["SEARCH deliveries USING PRIMARY KEY (id=?)", FIRST_DUE]),
    "due": (
        2,
        [
            "SEARCH o USING INTEGER PRIMARY KEY (rowid=?)",
            "SEARCH d USING PRIMARY KEY (id=?)",
            "SEARCH w USING INDEX deliveries_waiting"
            " (organization_id=? AND integration_id=? AND state=? AND due_at<?)",
            "SEARCH e USING INDEX sqlite_autoindex_events_1 (id=?)",
            "SEARCH i USING INTEGER PRIMARY KEY (rowid=?)",
        ],
    ),
    "mark_leased": (1, ["SEARCH deliveries USING PRIMARY KEY (id=?)"]),
    "settle_deliveries": (7, ["SEARCH deliveries USING PRIMARY KEY (id=?)"]),
    "nth_timeouts": (2, ["SEARCH t USING PRIMARY KEY (integration_id=? AND number=?)"]),
    "forget_timeouts": (
        2,
        [
            "SEARCH timeouts USING PRIMARY KEY (integration_id=? AND number=?)",
            "SEARCH t USING PRIMARY KEY (integration_id=? AND number<?)",
        ],
    ),
    "timeouts_since": (
        0,
        ["SEARCH t USING PRIMARY KEY (integration_id=? AND number>?)"],
    ),
    "parked_to_recover": (
        0,
        ["SEARCH deliveries USING INDEX deliveries_parked (integration_id=? AND id>? AND id<?)"],
    ),
    "all_to_recover": (
        0,
        [
            "SEARCH deliveries USING INDEX deliveries_integration"
            " (integration_id=? AND id>? AND id<?)"
        ],
    ),
    "expired": (0, ["SEARCH deliveries USING INDEX deliveries_leased (leased_until<?)"]),
    "wait_again": (1, ["SEARCH deliveries USING PRIMARY KEY (id=?)"]),
    "replay": (1, ["SEARCH deliveries USING PRIMARY KEY (id=?)"]),
    "attempts": (0, ["SEARCH attempts USING PRIMARY KEY (delivery_id=?)"]),
    "old_attempts": (
        0,
        [
            "SEARCH a USING PRIMARY KEY ((delivery_id,number)>(?,?) AND delivery_id<?)",
            "SEARCH d USING PRIMARY KEY (id=?)",
        ],
    ),
    "delete_attempts": (2, ["SEARCH attempts USING PRIMARY KEY (delivery_id=? AND number=?)"]),
    "old_deliveries": (0, ["SEARCH deliveries USING PRIMARY KEY (id>? AND id<?)"]),
    "some_attempts": (0, ["SEARCH attempts USING PRIMARY KEY (delivery_id=?)"]),
    "delete_attempts_of": (1, ["SEARCH attempts USING PRIMARY KEY (delivery_id=?)"]),
    "delete_deliveries": (1, ["SEARCH deliveries USING PRIMARY KEY (id=?)"]),
    "old_events": (
        0,
        [
            "SEARCH e USING INDEX sqlite_autoindex_events_1 (id>? AND id<?)",
            "SEARCH d USING INDEX deliveries_event (event_id=?)",
        ],
    ),
    "delete_events": (1, ["SEARCH events USING INDEX sqlite_autoindex_events_1 (id=?)"]),
    "use_plans": (1, ["SEARCH plans USING PRIMARY KEY (id=?)"]),
    "old_plans": (0, ["SEARCH plans USING PRIMARY KEY (id>?)"]),
    "delete_plans": (1, ["SEARCH plans USING PRIMARY KEY (id=?)"]),
}


@pytest.mark.parametrize("name", HOT)
def test_hot_queries_search_by_index(connection, name):
    """Each table is searched through the index that was made for it; nothing is scanned or sorted."""
    width, steps = HOT[name]
    plan = plan_of(connection, name, width)
    assert [line for line in plan if line in steps] == steps, plan
    # The rows that a query brings along ("s", "64 CONSTANT ROWS") may be gone through.
    tables = {
        "deliveries", "events", "lanes", "w", "installations", "attempts", "gates", "turns", "timeouts",
        "d", "e", "i", "l", "g", "t",
        "plans", "a", "o",
    }  # fmt: skip
    assert [line for line in plan if line.startswith("SCAN") and line.split()[1] in tables] == []
    assert [line for line in plan if "TEMP B-TREE FOR ORDER" in line or "AUTOMATIC" in line] == []


def test_the_backlog_is_read_from_the_index_of_what_waits(connection):
    """Nothing but the index is looked at, and of that only what waits is in it."""
    lines = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {QUERIES['backlog']}")]
    assert lines == ["SCAN deliveries USING COVERING INDEX deliveries_waiting"]


def test_counting_timeouts_looks_at_few_of_them(connection):
    """Gates are gone through; of each one's timeouts only the newest and the oldest are looked up."""
    lines = plan_of(connection, "timing_out")
    assert [line for line in lines if line.startswith("SCAN")] == ["SCAN g"]
    searched = [line for line in lines if line.startswith(("SEARCH t ", "SEARCH o "))]
    assert sorted(searched) == [
        "SEARCH o USING PRIMARY KEY (integration_id=?)",
        "SEARCH t USING PRIMARY KEY (integration_id=? AND number=?)",
    ]


def test_settling_loops_over_its_rows(connection):
    """The batch drives the loop and deliveries are looked up, not the other way round."""
    plan = plan_of(connection, "settle_deliveries", 7)
    ours = next(index for index, line in enumerate(plan) if line.startswith("SCAN s"))
    assert plan.index("SEARCH deliveries USING PRIMARY KEY (id=?)") > ours


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("deliveries", "SEARCH d USING PRIMARY KEY (id<?)"),
        (
            "deliveries_of_integration",
            "SEARCH d USING INDEX deliveries_integration (integration_id=? AND id<?)",
        ),
        ("deliveries_of_event", "SEARCH d USING INDEX deliveries_event (event_id=? AND id<?)"),
        ("delivery", "SEARCH d USING PRIMARY KEY (id=?)"),
    ],
)
def test_the_log_is_read_by_index(connection, name, step):
    """A page, those of an integration or an event, and one are found without reading the whole log."""
    plan = plan_of(connection, name)
    assert step in plan, plan


# -- cost -----------------------------------------------------------------------------------------


def lane(
    connection: sqlite3.Connection,
    number: int,
    waiting: int,
    *,
    due: int = NOW,
    full: bool = False,
    state: str = "waiting",
) -> None:
    """A lane with so much waiting in it; ``full``: all its slots are taken."""
    in_flight, ready, gated = (1000, None, due) if full else (0, due, None)
    connection.execute(
        "INSERT INTO gates (integration_id, in_flight, max_in_flight) VALUES (?, ?, 1000)",
        (number, in_flight),
    )
    connection.execute(
        "INSERT INTO lanes (organization_id, integration_id, ready_at, gated_at, in_flight)"
        " VALUES (1, ?, ?, ?, ?)",
        (number, ready, gated, in_flight),
    )
    connection.execute(QUERIES["insert_turns"], (1,))
    run(connection, lanes.queue_up([1], NOW))
    connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
        " INSERT INTO deliveries (id, event_id, organization_id, installation_id, integration_id,"
        "   in_ascii, state, due_at, lease)"
        " SELECT CAST(printf('%08d%08d', ?2, i) AS BLOB), ?3, 1, 1, ?2, 0, ?5, ?4 + i % 1000,"
        "   CASE ?5 WHEN 'leased' THEN 1 END FROM n",
        (waiting, number, EVENT, due - 1000, state),
    )


def one_lane(connection: sqlite3.Connection, waiting: int) -> None:
    lane(connection, 1, waiting)


def ten_lanes(connection: sqlite3.Connection, waiting: int) -> None:
    for number in range(1, 11):
        lane(connection, number, waiting // 10)


def behind_full_lanes(connection: sqlite3.Connection, waiting: int) -> None:
    for number in range(1, 11):
        lane(connection, number, waiting // 10, full=True)
    lane(connection, 11, 100)


def behind_the_future(connection: sqlite3.Connection, waiting: int) -> None:
    lane(connection, 1, waiting, due=NOW + 10_000)
    lane(connection, 2, 100)


def behind_a_long_log(connection: sqlite3.Connection, waiting: int) -> None:
    lane(connection, 1, waiting, state="delivered")
    lane(connection, 2, 100)


def many_full_lanes(connection: sqlite3.Connection, waiting: int) -> None:
    for number in range(1, waiting // 100 + 1):
        lane(connection, number, 1, full=True)
    lane(connection, 1_000_000, 100)


def steps(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], object]) -> int:
    """How often SQLite's engine went round while it did a job."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    connection.set_progress_handler(step, 1)
    job(connection)
    connection.set_progress_handler(None, 1)
    return count


def leased(connection: sqlite3.Connection) -> Leases:
    verb = leasing.lease(limit=100, slow_limit=100, each=1000, now=NOW, until=NOW + 1, token=1)
    return run(connection, verb)


@pytest.mark.parametrize(
    "backlog",
    [one_lane, ten_lanes, behind_full_lanes, behind_the_future, behind_a_long_log, many_full_lanes],
)
def test_a_lease_costs_the_same_however_much_waits(backlog):
    """A hundred times the backlog, at most half as much again of the engine's steps."""
    costs = []
    for waiting in (FEW, MANY):
        connection = empty()
        backlog(connection, waiting)
        costs.append(steps(connection, lambda c: costs_a_hundred(leased(c))))
        connection.close()
    assert costs[1] <= 1.5 * costs[0], costs


def listening(verb: Verb[Leases], names: list[str]) -> Verb[Leases]:
    """A verb with the names of what it asks for."""
    ask = next(verb)
    while True:
        names.append(ask.name)
        answer = yield ask
        try:
            ask = verb.send(answer)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("waiting", [1, 2, 100], ids=["one each", "two each", "many each"])
def test_a_lease_reads_many_lanes_with_few_statements(connection, waiting):
    """However little is in each, what is due in a hundred lanes is asked for a few times."""
    for number in range(1, 101):
        lane(connection, number, waiting)
    names: list[str] = []
    verb = leasing.lease(limit=100, slow_limit=0, each=1000, now=NOW, until=NOW + 1, token=1)
    costs_a_hundred(run(connection, listening(verb, names)))
    assert names.count("due") <= 5


def costs_a_hundred(leases: Leases) -> None:
    assert len(leases.deliveries) == 100


def recorded(connection: sqlite3.Connection) -> None:
    deliveries = tuple(NewDelivery(b"%016d" % n, 1, 1, False) for n in range(1, 65))
    event = NewEvent(
        b"new".ljust(16), 1, "x", "r", "a", b"", None, None, None, b"p", "[]", NOW, deliveries
    )
    run(connection, outbound.record([event]))


@pytest.mark.parametrize(
    "job",
    [
        recorded,
        lambda c: run(c, outbound.rescue(NOW)),
        lambda c: run(c, outbound.replay(b"%016d" % 1, NOW)),
        lambda c: run(c, lanes.sweep(100, NOW)),
        lambda c: run(c, subscriptions.recover_some(100, NOW)),
    ],
    ids=["record", "rescue", "replay", "sweep", "recover"],
)
def test_the_other_verbs_cost_the_same_too(job):
    """Recording, rescuing and replaying look at nothing that merely waits."""
    costs = []
    for waiting in (FEW, MANY):
        connection = empty()
        lane(connection, 1, waiting)
        costs.append(steps(connection, job))
        connection.close()
    assert costs[1] <= 1.5 * costs[0], costs


def old_log(connection: sqlite3.Connection, deliveries: int) -> None:
    """A long log of final deliveries, each with its event, its plan and two attempts."""
    key = "CAST(char(1) || printf('%015d', i) AS BLOB)"  # below each UUID of these days
    attempt = "0, '', 'success', '', NULL, '', 0, 0, 0, 0, 0, '', '', x'', x'', 0"
    rows = {
        "events": f"{key}, 1, NULL, 'r', 'a', x'', NULL, NULL, NULL, {key}, 1, 0, NULL",
        "deliveries": f"{key}, {key}, 1, 1, 1, 0, 'delivered', NULL, 0, NULL, NULL, 2, 1, 0",
        "plans": f"{key}, '[]', 0",
        "attempts (first)": f"{key}, 1, {attempt}",
        "attempts (second)": f"{key}, 2, {attempt}",
    }
    for table, values in rows.items():
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            f" INSERT INTO {table.split()[0]} SELECT {values} FROM n",
            (deliveries,),
        )


@pytest.mark.parametrize("table", range(4), ids=["attempts", "deliveries", "events", "plans"])
def test_a_chunk_of_a_purge_costs_the_same_however_long_the_log(table):
    """Each chunk looks at the rows that it deletes and no others."""

    def purged(connection: sqlite3.Connection) -> None:
        chunk = run(connection, purge.purge(Ages(NOW, NOW), bytes([table]), 64))
        assert sum(chunk[1:]) >= 64

    costs = []
    for deliveries in (FEW, MANY):
        connection = empty()
        old_log(connection, deliveries)
        if table == 2:  # only an event whose deliveries have gone may go
            connection.execute("DELETE FROM deliveries")
        costs.append(steps(connection, purged))
        connection.close()
    assert costs[1] <= 1.5 * costs[0], costs


def test_the_measure_measures(connection):
    """A scan of what waits does grow, so that the figures above can go wrong."""
    scan = "SELECT count(*) FROM deliveries NOT INDEXED WHERE in_ascii = 1"
    lane(connection, 1, 100)
    few = steps(connection, lambda c: c.execute(scan).fetchall())
    lane(connection, 2, 10_000)
    many = steps(connection, lambda c: c.execute(scan).fetchall())
    assert many > 50 * few
