"""Trouble with PostgreSQL: ended sessions, locks, stopped and crashed servers, and who is told what."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

import asyncpg
import pytest
from tests.store.postgres_server import PostgresServer, operator, postgres_server, until

from hookline.core.errors import Conflict, Unavailable
from hookline.core.lifecycle import State
from hookline.store.postgres import database
from hookline.store.postgres.runner import TRIES
from hookline.store.postgres.store import PostgresStore
from hookline.store.postgres.trouble import unavailable
from hookline.store.verbs.asking import Ask, Verb


@pytest.fixture
async def store(url):
    opened = await PostgresStore.open(url)
    yield opened
    await opened.close()


async def works_again(store: PostgresStore) -> None:
    async def once() -> bool:
        with contextlib.suppress(Unavailable):
            await store.ping()
            return True
        return False

    await until(once)


async def test_a_session_that_is_ended_in_mid_transaction(store, url, worlds):
    """The transaction is undone and run again: it counts once."""
    world = worlds(store)
    app = await world.app()
    begun = []

    def verb() -> Verb[int]:
        pid = (yield Ask("backend")).rows[0][0]
        begun.append(pid)
        yield Ask("insert_notice", (0, "warned", app.integration.id, "timeouts", "once"))
        if len(begun) == 1:
            yield Ask("end_backend", (pid,))
        return pid

    async with operator(url) as session:
        assert (
            await run_with(store, verb, end_backend="SELECT pg_terminate_backend($1)") == begun[1]
        )
        assert await session.fetchval("SELECT count(*) FROM hookline.notices") == 1
    assert begun[0] != begun[1]


async def run_with(store: PostgresStore, verb: Callable[[], Verb[int]], **texts: str) -> int:
    added = {"backend": "SELECT pg_backend_pid()", **texts}
    for name, text in added.items():
        database.STATEMENTS[name] = database.Statement(text, True, False)
    try:
        return await store._runner.write(verb)
    finally:
        for name in added:
            del database.STATEMENTS[name]


async def test_sessions_that_are_ended_again_and_again(store):
    """After some tries it is trouble, and the next one finds all well."""
    begun = []

    def verb() -> Verb[int]:
        begun.append((yield Ask("backend")).rows[0][0])
        yield Ask("end_backend", (begun[-1],))
        return 0

    with pytest.raises(Unavailable) as caught:
        await run_with(store, verb, end_backend="SELECT pg_terminate_backend($1)")
    assert caught.value.code == "database-unreachable"
    assert len(set(begun)) == TRIES
    await store.ping()


async def test_a_session_that_is_ended_while_it_commits(store, url, worlds):
    """Nobody knows whether that was stored, so it is not run again, and the error says so."""
    world = worlds(store)
    app = await world.app()
    async with operator(url) as session:
        await session.execute("""
            SET search_path TO hookline;
            CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT ON notices
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_it();
        """)
    runs = []

    def verb() -> Verb[None]:
        runs.append(1)
        yield Ask("insert_notice", (0, "warned", app.integration.id, "timeouts", "once"))

    with pytest.raises(Unavailable) as caught:
        await store._runner.write(verb)
    assert len(runs) == 1
    assert caught.value.code == "database-unreachable"
    assert "not known" in caught.value.message
    await store.ping()


@pytest.mark.parametrize("code", ["40001", "40P01", "23505"])
async def test_two_that_stand_in_each_others_way(store, worlds, monkeypatch, code):
    """Whoever loses is run again, from the beginning; it counts once."""
    world = worlds(store)
    app = await world.app()
    text = f"DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '{code}'; END $$"
    monkeypatch.setitem(database.STATEMENTS, "lose", database.Statement(text, False, True))
    runs = []

    def verb() -> Verb[None]:
        runs.append(1)
        yield Ask("insert_notice", (0, "warned", app.integration.id, "timeouts", "once"))
        if len(runs) < 3:
            yield Ask("lose")

    await store._runner.write(verb)
    assert len(runs) == 3
    assert len(await store.unmailed_notices(10)) == 1


async def test_a_lock_that_is_held_for_long(store, url, worlds, monkeypatch):
    """Whoever waits for it is told so after a while; when it is let go, it works."""
    monkeypatch.setitem(database.SESSION, "lock_timeout", "50")
    impatient = await PostgresStore.open(url)
    world = worlds(impatient)
    app = await world.app()
    async with operator(url) as session, session.transaction():
        await session.execute("SELECT * FROM hookline.gates FOR UPDATE")
        with pytest.raises(Unavailable) as caught:
            await impatient.unsubscribe(app.integration.id, "by hand", world.START)
        assert caught.value.code == "database-locked"
    await impatient.unsubscribe(app.integration.id, "by hand", world.START)
    await impatient.close()


async def test_a_verb_that_refuses_leaves_nothing(store, worlds):
    """Its work is undone, and the connection is as good as before."""
    world = worlds(store)
    app = await world.app()
    again = world.new_installation(app.integration, "acme")
    for _ in range(20):  # more than there are connections
        with pytest.raises(Conflict):
            await store.create_installation(again, None)
    assert len(await store.installations(integration_id=app.integration.id)) == 1


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (asyncpg.DiskFullError("no space left"), "disk-full"),
        (asyncpg.TooManyConnectionsError("sorry"), "database-busy"),
        (asyncpg.ReadOnlySQLTransactionError("read-only"), "database-read-only"),
        (asyncpg.LockNotAvailableError("timeout"), "database-locked"),
        (asyncpg.SerializationError("again"), "database-locked"),
        (asyncpg.QueryCanceledError("timeout"), "database-slow"),
        (asyncpg.AdminShutdownError("going down"), "database-unreachable"),
        (asyncpg.CannotConnectNowError("coming up"), "database-unreachable"),
        (asyncpg.PostgresIOError("disk"), "database-io"),
        (asyncpg.InternalServerError("defect"), "database-unavailable"),
        (asyncpg.InterfaceError("connection is closed"), "database-unreachable"),
        (ConnectionRefusedError(111, "refused"), "database-unreachable"),
        (TimeoutError(), "database-slow"),
    ],
)
def test_what_the_servers_codes_mean(trouble, code):
    """Each is told by a name of its own, with what the server said."""
    told = unavailable(trouble)
    assert told.code == code
    assert (str(trouble) or "TimeoutError") in told.message


def test_a_commit_without_an_answer():
    """Whoever published is told that nobody knows."""
    told = unavailable(ConnectionResetError(104, "reset"), committing=True)
    assert "not known" in told.message
    assert "same id" in told.hint


async def test_a_server_that_stops_and_starts(worlds):
    """Unavailable meanwhile, by name; then it works by itself, and what was promised is there."""
    with postgres_server() as server:
        store = await PostgresStore.open(server.url())
        world = worlds(store)
        app = await world.app()
        kept = await world.waiting(app, 3)
        server.stop()
        for verb in (store.ping(), store.backlog(), world.waiting(app)):
            with pytest.raises(Unavailable) as caught:
                await verb
            assert caught.value.code == "database-unreachable"
        server.start()
        await works_again(store)
        assert [await world.state(each) for each in kept] == [State.WAITING] * 3
        assert {held.id for held in await world.leased()} == set(kept)
        await store.close()


async def test_a_server_that_crashes_under_load(worlds):
    """What was acknowledged is there afterwards, each once; what was not may be handed in again."""
    with postgres_server() as server:
        store = await PostgresStore.open(server.url())
        world = worlds(store)
        app = await world.app()
        acknowledged: dict[str, bytes] = {}
        refused = 0

        async def publisher(name: int) -> None:
            nonlocal refused
            number = 0
            while number < 60:
                event = world.event(app, external_id=f"{name}-{number}")
                try:
                    (answer,) = await store.record([event])
                except Unavailable:
                    refused += 1
                    await asyncio.sleep(0.01)
                    continue
                acknowledged[answer.id] = event.deliveries[0].id
                number += 1

        async def crashes() -> None:
            for after in (60, 200):
                await until(lambda after=after: at_least(after))
                before = refused
                server.stop(signal.SIGQUIT)
                await until(lambda before=before: more_than(before))
                server.start()

        async def at_least(number: int) -> bool:
            return len(acknowledged) >= number

        async def more_than(number: int) -> bool:
            return refused > number

        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            tasks.create_task(crashes())
            for name in range(6):
                tasks.create_task(publisher(name))
        leased = []
        while some := await world.leased():
            leased += some
            await world.settle_all([world.settlement(each) for each in some])
        assert sorted(each.event for each in leased) == sorted(acknowledged)
        await store.close()


async def test_a_caller_who_goes_away(store, url, worlds):
    """His transaction is rolled back, and its connection is as good as before."""
    world = worlds(store)
    app = await world.app()
    async with operator(url) as session:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        async with session.transaction():
            await session.execute("SELECT * FROM hookline.gates FOR UPDATE")
            for _ in range(2 * database.WRITERS):
                gone = asyncio.ensure_future(
                    store.unsubscribe(app.integration.id, "by hand", world.START)
                )
                await until(lambda: session.fetchval(waiting))
                gone.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await gone
        assert not await session.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'"
        )
    assert await store.unsubscribe(app.integration.id, "by hand", world.START) is False


async def test_a_node_that_stalls_in_mid_transaction(url, worlds, monkeypatch):
    """The server ends its session, so that the others are not kept from its gates for good."""
    monkeypatch.setitem(database.WRITING, "idle_in_transaction_session_timeout", "200")
    store = await PostgresStore.open(url)
    app = await worlds(store).app()
    async with operator(url) as session:
        stalled = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        with contextlib.suppress(asyncpg.InterfaceError):  # as it finds when it goes on
            async with store._runner._pools.writing.acquire() as stalling:
                await stalling.execute("BEGIN")
                await stalling.execute("SELECT * FROM gates FOR UPDATE")
                assert await session.fetchval(stalled) == 1
                assert await store.unsubscribe(app.integration.id, "by hand", 0) is False
                assert await session.fetchval(stalled) == 0
    await store.ping()
    await store.close()


def stops(server: PostgresServer) -> None:
    server.stop()


def takes_no_more_writes(server: PostgresServer) -> None:
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    server.sql("SELECT pg_reload_conf()")


@pytest.mark.parametrize("happens", [stops, takes_no_more_writes])
async def test_a_failover_to_another_address(happens):
    """Of the hosts in the URL the one that takes writes is used, and found again when that changes."""
    with postgres_server() as one, postgres_server() as other:
        await (await PostgresStore.open(other.url())).close()
        store = await PostgresStore.open(
            f"postgresql://hookline@/postgres?host={one.folder},{other.folder}&port=5432,5432"
        )
        await store.set_fact("where", "at the first")
        happens(one)

        async def is_at_the_second() -> bool:
            with contextlib.suppress(Unavailable):
                await store.set_fact("where", "at the second")
            return "second" in other.sql("SELECT value FROM hookline.facts WHERE name = 'where'")

        await until(is_at_the_second)
        assert await store.fact("where") == "at the second"
        await store.close()
