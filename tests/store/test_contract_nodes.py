"""The contract for several processes: chores that one takes, facts that one settles, one clock."""

import asyncio

START = 1_800_000_000_000_000
SECOND = 1_000_000


async def test_a_chore_is_one_holders_until_it_runs_out_or_is_given_back(store):
    """Whoever has it may prolong it; another gets it when its time is over, or it is given back."""
    assert await store.claim("mail", "a", START, START + 10)
    assert not await store.claim("mail", "b", START + 9, START + 20)
    assert await store.claim("retention", "b", START + 9, START + 20)
    assert await store.claim("mail", "a", START + 9, START + 30)
    assert not await store.claim("mail", "b", START + 29, START + 40)
    assert await store.claim("mail", "b", START + 30, START + 40)
    assert await store.claim("mail", "b", START + 31, START + 31)
    assert await store.claim("mail", "a", START + 31, START + 40)


async def test_of_many_who_want_a_chore_one_gets_it(store):
    """At the same moment, whatever the database does with two transactions."""
    got = await asyncio.gather(
        *(store.claim("mail", f"node {n}", START, START + SECOND) for n in range(8))
    )
    assert sum(got) == 1


async def test_a_fact_that_is_kept_is_the_first_one(store):
    """Of several who settle it everybody is told the same."""
    answers = await asyncio.gather(*(store.keep_fact("key", f"of {n}") for n in range(8)))
    assert len(set(answers)) == 1
    assert await store.keep_fact("key", "another") == answers[0] == await store.fact("key")


async def test_the_clock_of_a_store_is_the_databases_own_or_none(store):
    """It goes on; a store for one process has none, and then the machine's is good enough."""
    first = await store.clock()
    if first is not None:
        second = await store.clock()
        assert START > second > first > 1_600_000_000_000_000
