"""Doing steps with a driver that is awaited; ``steps.play`` is for those that wait."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from hookline.store.borrowed.steps import Step, Steps
from hookline.store.verbs.asking import Answer

__all__ = ["play_async"]

T = TypeVar("T")


async def play_async(steps: Steps[T], do: Callable[[Step], Awaitable[Answer]]) -> T:
    """Do the steps; if the caller is cancelled meanwhile, what was done is undone first."""
    try:
        step = next(steps)
        while True:
            try:
                answer = await do(step)
            except BaseException as trouble:
                step = steps.throw(trouble)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value
