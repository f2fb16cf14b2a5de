"""Attempts by day: partitions made ahead and dropped whole (docs/decisions/0008-partitions.md).

Making and dropping one needs the whole table for a moment, and whoever waits for that makes those behind
him wait. So it is waited for briefly, and what was refused, for whatever reason, is left for the next
time: that is only late. Until then attempts go to the partition by default, and are deleted by chunks.

Locks
-----
Every lock on a partition is asked for after that on the table, here as by whoever reads and writes, so
nobody can be waited for in a circle. While we hold the table nobody is in the middle of recording an
attempt: either it is committed, and we see it, or it will find its place after us. So all that must be
looked at under the lock is whether an attempt has come that is too young, which each partition's index
of the late ones tells at once. Whether a delivery waits is looked at before. One that is replayed in
between keeps what it would have kept had it been replayed afterwards: its old attempts are gone, and the
new one goes to the partition by default.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final

from hookline.core.days import Day, days_ahead, days_before
from hookline.core.errors import Unavailable
from hookline.store.postgres.runner import Runner, play
from hookline.store.upkeep import Ages, Turned
from hookline.store.verbs import facts
from hookline.store.verbs.days import days_there, has_unfinished, is_in_default

__all__ = ["make_ahead", "turn_over"]

PREFIX: Final = "attempts_"

# The second limit is for what the first does not bound: a new partition's rows are looked for in the one
# by default, which has next to none, and which may have a day's if nobody got the lock for two weeks.
_HOLD: Final = """
SET LOCAL lock_timeout = '100ms';
SET LOCAL statement_timeout = '1s';
LOCK TABLE ONLY attempts IN ACCESS EXCLUSIVE MODE
"""

# The late ones are those that began when the day of their deliveries was over: few or none, so that the
# index costs next to nothing and says at once whether there is one that is younger than some age.
_MAKE: Final = """
CREATE TABLE {name} PARTITION OF attempts
FOR VALUES FROM (decode('{first}', 'hex')) TO (decode('{beyond}', 'hex'));
CREATE INDEX {name}_late ON {name} (started_at) WHERE started_at >= {ends}
"""
_IS_YOUNG: Final = """
SELECT EXISTS (SELECT 1 FROM {name} WHERE started_at >= {ends} AND started_at >= $1)
"""
_HAS_ANY: Final = "SELECT EXISTS (SELECT 1 FROM {name})"
_DROP: Final = "DROP TABLE {name}"


async def make_ahead(runner: Runner) -> None:
    """Make today's partition and the next ones, by the server's clock, as far as they are not there."""
    now = await runner.read(facts.clock)
    if now is not None:
        await turn_over(runner, Ages(None, None), now)


async def turn_over(runner: Runner, ages: Ages, now: int) -> Turned:
    """Make the partitions of the days to come, and drop those in which all is old.

    Raises:
        Unavailable: the database cannot even be asked.
    """
    there = await runner.read(days_there)
    missing = [day for day in days_ahead(now) if day not in there]
    made = dropped = 0
    try:
        if missing:
            made = await runner.change(lambda connection: _make(connection, missing))
        for day in _over(there, ages):
            if await _may_go(runner, day, ages):
                dropped += await runner.change(_dropping(day, ages.attempts_before))
    except Unavailable as trouble:
        return Turned(made, dropped, put_off=trouble.message)
    return Turned(made, dropped)


def _over(there: Collection[Day], ages: Ages) -> list[Day]:
    """Days older than attempts are kept for; where that is for ever, than their events are."""
    before = ages.events_before if ages.attempts_before is None else ages.attempts_before
    return [] if before is None else days_before(there, before)


async def _may_go(runner: Runner, day: Day, ages: Ages) -> bool:
    """Whether it is worth asking for the table: all that can be told without holding anything."""
    if ages.attempts_before is None:
        return True  # attempts go with their deliveries, and the partition when it is empty
    # In a writer's session, which goes by index though there may be more of everything else.
    return not await runner.write(lambda: has_unfinished(day), durable=False)


async def _make(connection: Any, days: Sequence[Day]) -> int:
    await connection.execute(_HOLD)
    there = await play(connection, days_there())
    made = 0
    for day in days:
        # What is in the partition by default cannot move: such a day stays there, and goes by chunks.
        if day not in there and not await play(connection, is_in_default(day)):
            await connection.execute(_filled(_MAKE, day))
            made += 1
    return made


def _dropping(day: Day, before: int | None) -> Callable[[Any], Awaitable[bool]]:
    """Drop a day's partition, unless an attempt in it began at ``before`` or later; whether it went.

    None: unless there is any attempt in it.
    """

    async def drop(connection: Any) -> bool:
        await connection.execute(_HOLD)
        if day not in await play(connection, days_there()):  # another node was faster
            return False
        if before is None:
            needed = await connection.fetchval(_filled(_HAS_ANY, day))
        else:
            needed = await connection.fetchval(_filled(_IS_YOUNG, day), before)
        if not needed:
            await connection.execute(_filled(_DROP, day))
        return not needed

    return drop


def _filled(text: str, day: Day) -> str:
    return text.format(
        name=PREFIX + day.name, first=day.first.hex(), beyond=day.beyond.hex(), ends=day.ends
    )
