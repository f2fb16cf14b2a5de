"""The life of a delivery: every state, every move, in one table.

Two rules hold the table together:

1. Every change of a delivery's state is a row of ``TRANSITIONS``.  The stores do the moves in SQL,
   many rows a statement, so they cannot call ``moved()`` for each; a test runs each move through
   each store and compares the state that comes out with this table.
2. A final state (``delivered``, ``parked``) is left only by hand, through ``replay``.

If you change the table, change the ``CHECK`` of each store's schema through a migration (a test
compares them) and run ``python -m hookline.core.lifecycle`` for the diagram in ``ARCHITECTURE.md``.
"""

from enum import StrEnum

__all__ = ["FINAL", "TRANSITIONS", "Move", "State", "mermaid", "moved"]


class State(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"  # due now or later
    LEASED = "leased"  # a dispatcher holds it; its attempt may be under way
    DELIVERED = "delivered"  # a receiver answered 2xx
    PARKED = (
        "parked"  # not tried again by itself: exhausted, blocked, gone, or its integration deleted
    )


class Move(StrEnum):
    """What can happen to a delivery."""

    LEASE = "lease"
    DELIVER = "deliver"
    RETRY = "retry"
    PARK = "park"
    EXPIRE = "expire"  # its dispatcher died or stalled: the lease ran out
    REPLAY = "replay"


TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.WAITING, Move.LEASE): State.LEASED,
    (State.WAITING, Move.PARK): State.PARKED,
    (State.LEASED, Move.DELIVER): State.DELIVERED,
    (State.LEASED, Move.RETRY): State.WAITING,
    (State.LEASED, Move.PARK): State.PARKED,
    (State.LEASED, Move.EXPIRE): State.WAITING,
    (State.DELIVERED, Move.REPLAY): State.WAITING,
    (State.PARKED, Move.REPLAY): State.WAITING,
}

FINAL = frozenset({State.DELIVERED, State.PARKED})


def moved(state: State, move: Move) -> State | None:
    """The state after a move, or None where the table has no such move."""
    return TRANSITIONS.get((state, move))


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    rows = [f"    {a} --> {b}: {move}" for (a, move), b in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.WAITING}", *rows])


if __name__ == "__main__":
    print(mermaid())  # noqa: T201
