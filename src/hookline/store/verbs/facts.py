"""Small facts about the database, and whether it takes writes."""

from hookline.store.verbs.asking import Ask, Verb

__all__ = ["claim", "clock", "fact", "keep_fact", "probe", "set_fact"]


def fact(name: str) -> Verb[str | None]:
    """A small fact about this database."""
    answer = yield Ask("fact", (name,))
    return str(answer.rows[0][0]) if answer.rows else None


def set_fact(name: str, value: str) -> Verb[None]:
    """Remember a small fact."""
    yield Ask("set_fact", (name, value))


def keep_fact(name: str, value: str) -> Verb[str]:
    """Remember a small fact unless it is known; what is known then."""
    yield Ask("keep_fact", (name, value))
    answer = yield Ask("fact", (name,))
    return str(answer.rows[0][0])


def claim(chore: str, holder: str, now: int, until: int) -> Verb[bool]:
    """Take something to do for oneself; whether nobody else has it."""
    answer = yield Ask("claim", (chore, holder, now, until))
    return bool(answer.rows)


def clock() -> Verb[int | None]:
    """The database's own time; None where it has none of its own."""
    answer = yield Ask("clock")
    return None if answer.rows[0][0] is None else int(answer.rows[0][0])


def probe(size: int) -> Verb[None]:
    """Write so many bytes, and twice as many digits."""
    yield Ask("probe", (size,))
