"""How SQLite runs the verbs that are the same on every database (``store.sources.Ways``)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from hookline.store.sqlite.readers import Readers
from hookline.store.sqlite.rows import job
from hookline.store.sqlite.writer import Writer
from hookline.store.verbs.asking import Verb

__all__ = ["Ways"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ways:
    """The writer for what changes, the readers for the rest; no other process needs to be told."""

    writer: Writer
    readers: Readers
    on_erased: Callable[[], Awaitable[None]]

    async def read(self, make: Callable[[], Verb[T]]) -> T:
        """Run a verb that only reads."""
        return await self.readers.run(job(make))

    async def change(self, make: Callable[[], Verb[T]]) -> T:
        """Run one that changes something."""
        return await self.writer.run(job(make), durable=True, brief=False)

    async def log(self, make: Callable[[], Verb[T]]) -> T:
        """Run one whose work need not survive a power failure."""
        return await self.writer.run(job(make), durable=False, brief=False)

    async def erased(self) -> None:
        """A secret was erased."""
        await self.on_erased()
