"""How PostgreSQL runs the verbs that are the same on every database (``store.sources.Ways``)."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hookline.core.errors import Unavailable
from hookline.store.postgres.runner import Runner
from hookline.store.signals import Signal
from hookline.store.verbs.asking import Verb

__all__ = ["Ways"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ways:
    """Everything by the runner; what changes is told to the other nodes."""

    runner: Runner

    async def read(self, make: Callable[[], Verb[T]]) -> T:
        """Run a verb that only reads."""
        return await self.runner.read(make)

    async def change(self, make: Callable[[], Verb[T]]) -> T:
        """Run one that changes something."""
        return await self.runner.write(make, tell=lambda _: Signal.DIRECTORY)

    async def log(self, make: Callable[[], Verb[T]]) -> T:
        """Run one whose work need not survive a power failure."""
        return await self.runner.write(make, durable=False)

    async def erased(self) -> None:
        """Take away the copies that updates left in their pages; if not now, the server does in time."""
        with contextlib.suppress(Unavailable):
            await self.runner.vacuum("source_secrets")
