"""The event loop of the simulation: time jumps, threads' work is done in order, nothing hangs."""

import asyncio
import time

import pytest
from tests.simulation.loop import Deadlock, Life, Livelock, VirtualLoop, now_us, passes, run


def test_a_day_passes_at_once():
    """A sleeper wakes at his instant, not early, and nobody waited for it."""

    async def main() -> int:
        await asyncio.sleep(86_400)
        return now_us()

    assert run(main(), VirtualLoop()) == 86_400_000_000


def test_timers_come_in_their_order_and_not_early():
    """Whatever order they were set in, and however small the difference."""
    came = []

    async def sleep(us: int) -> None:
        await asyncio.sleep(us / 1e6)
        came.append((us, now_us() >= us))

    async def main() -> None:
        await asyncio.gather(*(sleep(us) for us in (3, 1_000_003, 1_000_001, 1, 7_777_777_777_777)))

    run(main(), VirtualLoop())
    assert came == [(us, True) for us in (1, 3, 1_000_001, 1_000_003, 7_777_777_777_777)]


def test_waiting_for_nothing_is_an_error():
    """No timer and nothing ready: nobody could ever end this wait."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(main(), VirtualLoop())


def test_turning_without_time_is_an_error():
    """A loop that never waits would spin for ever on a clock that stands still."""

    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock):
        run(main(), VirtualLoop())


@pytest.mark.parametrize("first", [True, False])
def test_a_threads_work_is_done_before_or_after_its_pause(first):
    """Its answer comes after the pause either way, and what it raises arrives."""

    async def main() -> tuple[int, int]:
        done_at = await asyncio.to_thread(now_us)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return done_at, now_us()

    done_at, ended = run(main(), VirtualLoop(lambda: (first, 2.5)))
    assert (done_at, ended) == (0 if first else 2_500_000, 5_000_000)


def test_a_life_that_ends_takes_its_tasks_along_and_does_no_more_work():
    """Tasks of its tasks too; work in a thread that had not been done is not done."""
    done = []

    async def child() -> None:
        await asyncio.to_thread(done.append, "work")

    async def parent() -> None:
        asyncio.get_running_loop().create_task(child())
        await asyncio.sleep(60)
        done.append("slept")

    async def main() -> None:
        life = Life()
        loop = asyncio.get_running_loop()
        task = loop.create_task(parent(), context=life.context())
        await asyncio.sleep(1)
        assert len(life.tasks) == 2
        await life.end()
        assert task.cancelled()
        assert not life.tasks
        await asyncio.sleep(120)

    run(main(), VirtualLoop(lambda: (False, 10.0)))
    assert done == []


def test_passes_tells_whether_it_came():
    """The event, or the time."""

    async def main() -> tuple[bool, bool]:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(5, event.set)
        return await passes(event, 1), await passes(event, 10)

    assert run(main(), VirtualLoop()) == (False, True)


def test_the_time_of_the_machine_plays_no_part():
    """Two runs of the same tasks see the same instants, however slow the machine is."""

    async def main(nap: float) -> list[int]:
        seen = []
        for seconds in (0.1, 5.0, 0.25):
            await asyncio.sleep(seconds)
            time.sleep(nap)  # what a busy machine does to a process
            seen.append(now_us())
        return seen

    assert run(main(0.0), VirtualLoop()) == run(main(0.002), VirtualLoop())
