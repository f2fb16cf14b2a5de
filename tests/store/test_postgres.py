"""What is PostgreSQL's own: whose schema it is, the way to it, and how safely it is written."""

import asyncio
from collections.abc import Callable, Iterator

import asyncpg
import pytest
from tests.store.postgres_server import PostgresServer, operator, until

from hookline.core.errors import Unavailable, UsageError
from hookline.store.postgres import database
from hookline.store.postgres.store import PostgresStore
from hookline.store.sqlite.database import QUERIES
from hookline.store.verbs.asking import Ask, Verb

PASSWORD = "s3cret-to-nobody"  # the server asks for none, and takes any


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    name = postgres.make_database()
    yield postgres.url(name).replace("not-asked-for", PASSWORD)
    postgres.drop_databases([name])


@pytest.fixture
async def store(url):
    opened = await PostgresStore.open(url)
    yield opened
    await opened.close()


def asked(name: str, *values: object) -> Verb[list[tuple]]:
    return (yield Ask(name, values)).rows


def test_both_databases_have_the_same_statements():
    """By name: a verb finds each of those that it asks for in either."""
    assert set(database.STATEMENTS) == set(QUERIES)


# -- the schema -----------------------------------------------------------------------------------


async def test_many_nodes_may_start_at_once(url):
    """One of them makes the schema, the others find it; each migration is on record once."""
    stores = await asyncio.gather(*(PostgresStore.open(url) for _ in range(5)))
    for store in stores:
        await store.ping()
        await store.close()
    async with operator(url) as session:
        rows = await session.fetch("SELECT number, name FROM hookline.migrations ORDER BY number")
    assert [tuple(row) for row in rows] == [(n, name) for n, name, _ in database.migrations()]


async def test_a_newer_schema_is_refused(url):
    """By name, and nothing is changed."""
    await (await PostgresStore.open(url)).close()
    async with operator(url) as session:
        await session.execute("INSERT INTO hookline.migrations VALUES (9999, 'newer', 0)")
        with pytest.raises(UsageError) as caught:
            await PostgresStore.open(url)
        assert caught.value.code == "newer-schema"
        await until(lambda: nobody_is_connected(session))


async def nobody_is_connected(session: asyncpg.Connection) -> bool:
    ours = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'hookline'"
    )
    return await session.fetchval(ours) == 0


async def test_a_migration_is_done_whole_or_not_at_all(url, monkeypatch):
    """One that fails in its middle leaves the schema as it was."""
    await (await PostgresStore.open(url)).close()
    known = database.migrations()
    bad = (known[-1][0] + 1, "bad", "CREATE TABLE half (a int); INSERT INTO nowhere VALUES (1);")
    monkeypatch.setattr(database, "migrations", lambda: [*known, bad])
    with pytest.raises(Unavailable):
        await PostgresStore.open(url)
    monkeypatch.undo()
    async with operator(url) as session:
        assert await session.fetchval("SELECT to_regclass('hookline.half')") is None
    await (await PostgresStore.open(url)).close()


async def test_tables_of_the_publishers_are_left_alone(url, worlds):
    """The database may be the publisher's own, who has events and secrets too."""
    async with operator(url) as session:
        await session.execute("CREATE TABLE events (mine text); CREATE TABLE migrations (n int)")
        store = await PostgresStore.open(url)
        world = worlds(store)
        await world.waiting(await world.app())
        await store.close()
        assert await session.fetchval("SELECT count(*) FROM public.events") == 0


# -- the way to it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda url: url.replace("/test_", "/no_such_"), "database-missing"),
        (lambda url: url.replace("hookline:", "nobody:"), "database-refused-us"),
        (lambda url: url.replace(PASSWORD, PASSWORD + "/with-a-slash"), "bad-database-url"),
        (lambda url: url.replace("port=5432", "port=none"), "bad-database-url"),
    ],
)
async def test_a_url_that_leads_nowhere(url, change, code):
    """The error says what to do, and has no part of the password."""
    with pytest.raises(UsageError) as caught:
        await PostgresStore.open(change(url))
    assert caught.value.code == code
    shown = f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"
    assert PASSWORD not in shown


async def test_a_server_that_is_not_there(tmp_path):
    """Whoever starts before the database is told so, and may try again."""
    with pytest.raises(Unavailable) as caught:
        await PostgresStore.open(f"postgresql://me:{PASSWORD}@/db?host={tmp_path}")
    assert caught.value.code == "database-unreachable"
    assert PASSWORD not in str(caught.value)


# -- durability -----------------------------------------------------------------------------------


def setting(name: str) -> Callable[[], Verb[str]]:
    def verb() -> Verb[str]:
        return (yield Ask("setting", (name,))).rows[0][0]

    return verb


@pytest.fixture
def _asks_for_settings(monkeypatch):
    text = "SELECT current_setting($1)"
    monkeypatch.setitem(database.STATEMENTS, "setting", database.Statement(text, True, False))


@pytest.mark.usefixtures("_asks_for_settings")
async def test_a_commit_that_was_promised_is_synced(url):
    """Whatever the database's own default is; a lease does not wait for the disk, and only it."""
    async with operator(url) as session:
        name = await session.fetchval("SELECT current_database()")
        await session.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = await PostgresStore.open(url)
    wanted = setting("synchronous_commit")
    assert await store._runner.write(wanted) == "on"
    assert await store._runner.write(wanted, durable=False) == "off"
    assert await store._runner.write(wanted) == "on"
    await store.close()


async def test_readers_cannot_write(store):
    """A reader's connection refuses to change anything."""
    with pytest.raises(Unavailable) as caught:
        await store._runner.read(lambda: asked("set_fact", "a", "b"))
    assert caught.value.code == "database-read-only"


async def test_publishers_share_a_transaction(store, worlds):
    """What comes while a commit is under way is recorded together, and each has his own answer."""
    world = worlds(store)
    app = await world.app()
    before = store.tally.group_jobs.copy()
    events = [world.event(app, external_id=f"e{n}") for n in range(20)]
    answers = await asyncio.gather(*(store.record([event, event]) for event in events))
    assert [[(a.id, a.duplicate) for a in answer] for answer in answers] == [
        [(f"e{n}", False), (f"e{n}", True)] for n in range(20)
    ]
    after = store.tally.group_jobs
    assert after.total - before.total == 20
    assert after.cumulative()[-1] - before.cumulative()[-1] < 20


async def test_a_defect_in_a_shared_transaction(store, worlds):
    """It fails the one who brought it, and nobody else."""
    world = worlds(store)
    app = await world.app()
    events = [world.event(app, action=action) for action in ("created", "no\0text", "created")]
    first = asyncio.ensure_future(store.record([world.event(app)]))
    answers = await asyncio.gather(
        first, *(store.record([event]) for event in events), return_exceptions=True
    )
    assert [isinstance(each, Exception) for each in answers] == [False, False, True, False]
    assert len(await world.leased()) == 3
