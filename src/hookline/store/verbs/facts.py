"""Small facts about the database, and whether it takes writes."""

from hookline.store.verbs.asking import Ask, Verb

__all__ = ["fact", "probe", "set_fact"]


def fact(name: str) -> Verb[str | None]:
    """A small fact about this database."""
    answer = yield Ask("fact", (name,))
    return str(answer.rows[0][0]) if answer.rows else None


def set_fact(name: str, value: str) -> Verb[None]:
    """Remember a small fact."""
    yield Ask("set_fact", (name, value))


def probe(size: int) -> Verb[None]:
    """Write so many bytes, and twice as many digits."""
    yield Ask("probe", (size,))
