"""Publishing inside the caller's transaction, on every driver's connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.library.lenders import POSTGRES, SQLITE, Lender

from hookline.core.errors import Invalid
from hookline.store.values import DeliveryFilter

on_postgres_only = pytest.mark.parametrize("shop", POSTGRES, indirect=True)


class Oops(Exception):
    """What goes wrong in a program."""


@contextlib.asynccontextmanager
async def undone(lender: Lender) -> AsyncIterator[None]:
    """A transaction in which something goes wrong at the end."""
    with contextlib.suppress(Oops):
        async with lender.transaction():
            yield
            raise Oops


@pytest.mark.parametrize("shop", [*POSTGRES, *SQLITE], indirect=True)
async def test_a_commit_delivers_and_a_rollback_does_not(shop):
    """What an exception undid was never sent; what was committed arrives, once."""
    lender = shop.lender
    async with undone(lender):
        await lender.sql("INSERT INTO orders VALUES (1)")
        await lender.publish(shop.hooks, data={"n": 1})
    async with lender.transaction():
        await lender.publish(shop.hooks, data={"n": 2})
        await lender.sql("INSERT INTO orders VALUES (2)")
    assert await shop.dispatching.arrived(1) == [{"n": 2}]
    async with lender.transaction():
        answer = await lender.publish(shop.hooks, data={"n": 3})
        assert await lender.sql("SELECT n FROM orders") == [2]
    assert (answer.deliveries, answer.duplicate, answer.warnings) == (1, False, ())
    assert await shop.dispatching.arrived(2) == [{"n": 2}, {"n": 3}]


@pytest.mark.parametrize(
    ("given", "code", "where"),
    [
        ({"resource": "isue"}, "unknown-resource", "/resource"),
        ({"data": {"n": float("nan")}}, "not-json", ""),
        ({"organization": "A cme"}, "invalid-organization", "/organization"),
        ({"resource": "hookline", "action": "warned"}, "reserved-resource", "/resource"),
    ],
)
async def test_a_refusal_leaves_the_transaction_as_it_was(shop, given, code, where):
    """The program goes on in the same transaction, and what it did before is there."""
    lender = shop.lender
    async with lender.transaction():
        await lender.sql("INSERT INTO orders VALUES (1)")
        with pytest.raises(Invalid) as refused:
            await lender.publish(shop.hooks, **given)
        assert (refused.value.code, refused.value.where) == (code, where)
        await lender.publish(shop.hooks, data={"n": 2})
    assert await shop.dispatching.arrived(1) == [{"n": 2}]
    async with lender.transaction():
        assert await lender.sql("SELECT n FROM orders") == [1]


TRIGGERS = {
    True: [
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'no deliveries today'; END $$",
        "CREATE TRIGGER fail BEFORE INSERT ON deliveries EXECUTE FUNCTION fail()",
    ],
    False: [
        "CREATE TRIGGER fail BEFORE INSERT ON deliveries"
        " BEGIN SELECT raise(ABORT, 'no deliveries today'); END"
    ],
}


async def test_a_failure_of_the_database_undoes_our_part_only(shop):
    """It is the driver's own error; the program may go on, and of the event nothing is left."""
    lender = shop.lender
    on_postgres = shop.url.startswith("postgresql")
    for each in TRIGGERS[on_postgres]:
        shop.by_the_operator(each)
    async with lender.transaction():
        await lender.sql("INSERT INTO orders VALUES (1)")
        with pytest.raises(Exception, match="no deliveries today"):
            await lender.publish(shop.hooks, data={"n": 1}, id="one")
        await lender.sql("INSERT INTO orders VALUES (2)")
    shop.by_the_operator("DROP TRIGGER fail" + (" ON deliveries" if on_postgres else ""))
    async with lender.transaction():
        again = await lender.publish(shop.hooks, data={"n": 2}, id="one")
        assert again.duplicate is False
    assert await shop.dispatching.arrived(1) == [{"n": 2}]
    async with lender.transaction():
        assert await lender.sql("SELECT n FROM orders") == [1, 2]


async def test_the_same_id_is_sent_once(shop):
    """In one transaction, in the next, and in one that is undone."""
    lender, big = shop.lender, {"n": 2**70}
    async with lender.transaction():
        first = await lender.publish(shop.hooks, id="order-1", data=big)
        second = await lender.publish(shop.hooks, id="order-1", data={"n": 0})
    async with undone(lender):
        third = await lender.publish(shop.hooks, id="order-1")
    async with lender.transaction():
        await lender.publish(shop.hooks, id="order-2", data={"n": 2})
    assert [each.where for each in first.warnings] == ["/data/n"]
    assert (second.id, second.warnings, second.duplicate) == (first.id, first.warnings, True)
    assert third == second
    assert await shop.dispatching.arrived(2) == [{"n": str(2**70)}, {"n": 2}]


async def test_two_connections_at_once_with_the_same_id(shop):
    """The one that comes later waits for the other's end, and is told that it is a duplicate."""
    async with shop.another().opened() as other:
        async with shop.lender.transaction():
            first = await shop.lender.publish(shop.hooks, id="same", data={"by": "first"})
            later = asyncio.create_task(late(other, shop.hooks))
            await shop.somebody_waits()
        second = await later
    assert (first.duplicate, second.duplicate) == (False, True)
    async with shop.lender.transaction():
        await shop.lender.publish(shop.hooks, data={"by": "first, again"})
    assert await shop.dispatching.arrived(2) == [{"by": "first"}, {"by": "first, again"}]


async def late(lender, hooks):
    async with lender.transaction():
        return await lender.publish_apart(hooks, id="same", data={"by": "second"})


async def test_an_organization_is_made_in_the_same_transaction(shop):
    """One that is undone leaves no organization behind."""
    lender = shop.lender
    async with undone(lender):
        answer = await lender.publish(shop.hooks, organization="new")
    assert answer.deliveries == 0
    schema = "hookline." if shop.url.startswith("postgresql") else ""
    async with lender.transaction():
        found = await lender.sql(f"SELECT slug FROM {schema}organizations ORDER BY slug")
    assert found == ["acme"]


@on_postgres_only
async def test_the_search_path_is_put_back(shop):
    """Names are the program's before and after, also if ours are hidden by tables of its own."""
    lender = shop.lender
    async with lender.transaction():
        await lender.sql("CREATE SCHEMA shop")
        await lender.sql("CREATE TABLE shop.events (n integer)")
        await lender.sql("CREATE TEMPORARY TABLE deliveries (n integer)")
        before = await lender.sql("SHOW search_path")
    async with lender.transaction():
        await lender.sql("SET LOCAL search_path TO shop, public")
        await lender.publish(shop.hooks, data={"n": 1})
        await lender.sql("INSERT INTO events VALUES (1)")
        with pytest.raises(Invalid):
            await lender.publish(shop.hooks, resource="isue")
        assert await lender.sql("SHOW search_path") == ["shop, public"]
        await lender.sql("INSERT INTO events VALUES (2)")
    async with lender.transaction():
        assert await lender.sql("SHOW search_path") == before
        assert await lender.sql("SELECT n FROM shop.events") == [1, 2]
        await lender.sql("SET search_path TO shop")
        await lender.publish(shop.hooks, data={"n": 2})
    async with lender.transaction():
        assert await lender.sql("SHOW search_path") == ["shop"]
    assert await shop.dispatching.arrived(2) == [{"n": 1}, {"n": 2}]


async def test_what_is_published_inside_is_in_the_log_like_the_rest(shop):
    """The event knows who was considered and why."""
    async with shop.lender.transaction():
        answer = await shop.lender.publish(shop.hooks)
    await shop.dispatching.arrived(1)
    (event,) = shop.dispatching.do(shop.dispatching.store.events(answer.id, None))
    assert [each.reason for each in event.considered] == ["subscribes to issue"]
    found = shop.dispatching.do(shop.dispatching.store.deliveries(DeliveryFilter()))
    assert [each.event for each in found] == [answer.id]
