"""What a store promises of sources: a part of ``store.contract``, which see.

It is the same on every database, since it only hands verbs to whoever runs them there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hookline.core.source import Source
from hookline.store.verbs import sources
from hookline.store.verbs.asking import Verb
from hookline.store.verbs.sources import (
    KeptRequest,
    KeptSecret,
    KeptSource,
    NewSource,
    Refused,
)

__all__ = [
    "KeptRequest",
    "KeptSecret",
    "KeptSource",
    "NewSource",
    "Refused",
    "Sources",
    "Ways",
]

T = TypeVar("T")


class Ways(Protocol):
    """How a database runs the verbs here; each is made anew each time that it is run."""

    async def read(self, make: Callable[[], Verb[T]]) -> T:
        """Run a verb that only reads."""
        ...

    async def change(self, make: Callable[[], Verb[T]]) -> T:
        """Run one that changes what other nodes keep in memory, and tell them."""
        ...

    async def log(self, make: Callable[[], Verb[T]]) -> T:
        """Run one whose work need not survive a power failure."""
        ...

    async def erased(self) -> None:
        """A secret was erased: what the files still hold of it is to go, too."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """The verbs about sources. Each may raise ``Unavailable``."""

    ways: Ways

    async def all(self) -> list[KeptSource]:
        """All sources, with their secrets."""
        return await self.ways.read(sources.sources)

    async def find(self, slug: str) -> KeptSource | None:
        """The source by that slug."""
        return await self.ways.read(lambda: sources.source(slug))

    async def create(self, new: NewSource) -> Source:
        """Make a source. Raises ``Conflict`` on a taken slug."""
        return await self.ways.change(lambda: sources.create_source(new))

    async def update(self, source: Source) -> Source:
        """Replace what may change: name, deduplicate, limit, keep_refused.

        What was refused is forgotten where it is to be kept no more. Raises ``NotFound``.
        """
        return await self.ways.change(lambda: sources.update_source(source))

    async def replace_token(self, source_id: int, digest: bytes, now: int) -> None:
        """Give it another token; the one before is worth nothing from now on. Raises ``NotFound``."""
        await self.ways.change(lambda: sources.replace_token(source_id, digest, now))

    async def delete(self, source_id: int, now: int) -> None:
        """Delete it with its secrets, and what was refused; what it brought stays."""
        await self.ways.change(lambda: sources.delete_source(source_id, now))
        await self.ways.erased()

    async def add_secret(self, source_id: int, sealed: bytes, now: int, most: int) -> int:
        """Add a secret, and its id.

        Raises ``Conflict`` where it has so many, ``NotFound`` where the source was deleted.
        """
        return await self.ways.change(lambda: sources.add_secret(source_id, sealed, now, most))

    async def drop_secret(self, source_id: int, secret_id: int) -> None:
        """Erase one. Raises ``NotFound``, or ``Conflict`` where it is the last one."""
        await self.ways.change(lambda: sources.drop_secret(source_id, secret_id))
        await self.ways.erased()

    async def keep_refused(self, refused: Sequence[Refused], most: int) -> None:
        """Keep requests that were refused, of each source the newest, so many."""
        await self.ways.log(lambda: sources.keep_refused(refused, most))

    async def refused(self, source_id: int, limit: int) -> list[KeptRequest]:
        """What was refused of a source, newest first."""
        return await self.ways.read(lambda: sources.refused(source_id, limit))
