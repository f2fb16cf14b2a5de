"""The contract as a whole, on every store: the lifecycle's table.

The verbs one by one are in the files beside this one, ``test_contract_*.py``; any verb after any other
is in ``test_contract_model.py``.
"""

import contextlib
import itertools

import pytest

from hookline.core.errors import Conflict
from hookline.core.lifecycle import Move, State, moved
from hookline.core.verdict import Delivered, Parked, ParkReason, RetryAt


async def brought_to(world, state: State):
    """A delivery in that state, its app, and the last lease of it (or one that it never had)."""
    app = await world.app()
    (delivery_id,) = await world.waiting(app)
    (held,) = await world.leased()
    match state:
        case State.WAITING:
            await world.settle(held, RetryAt(world.START))
        case State.DELIVERED:
            await world.settle(held, Delivered())
        case State.PARKED:
            await world.settle(held, Parked(ParkReason.EXHAUSTED))
    assert await world.state(delivery_id) == state
    return app, held


async def made(world, move: Move, app, held, state: State) -> None:
    """Try a move by the verb that makes it."""
    match move:
        case Move.LEASE:
            await world.lease()
        case Move.DELIVER:
            await world.settle(held, Delivered())
        case Move.RETRY:
            await world.settle(held, RetryAt(world.START))
        case Move.PARK if state is State.LEASED:
            await world.settle(held, Parked(ParkReason.GONE))
        case Move.PARK:
            await world.store.delete_integration(app.integration.id, world.START)
        case Move.EXPIRE:
            await world.store.rescue(world.START + world.MINUTE)
        case Move.REPLAY:
            with contextlib.suppress(Conflict):
                await world.store.replay(held.id, world.START)


@pytest.mark.parametrize(("state", "move"), list(itertools.product(State, Move)))
async def test_every_move_from_every_state(world, state, move):
    """The state that comes out is the table's, and a move that is not in the table moves nothing."""
    app, held = await brought_to(world, state)
    await made(world, move, app, held, state)
    assert await world.state(held.id) == (moved(state, move) or state)
