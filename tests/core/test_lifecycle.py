"""The table of a delivery's life: complete, connected, and left at its ends only by hand."""

import itertools
import runpy

import pytest

from hookline.core import lifecycle
from hookline.core.lifecycle import FINAL, TRANSITIONS, Move, State, mermaid, moved


def reachable_from(start: State, moves: set[Move]) -> set[State]:
    found = {start}
    while True:
        more = {b for (a, move), b in TRANSITIONS.items() if a in found and move in moves} - found
        if not more:
            return found
        found |= more


@pytest.mark.parametrize(
    ("state", "move", "after"),
    [
        ("waiting", "lease", "leased"),
        ("waiting", "park", "parked"),
        ("leased", "deliver", "delivered"),
        ("leased", "retry", "waiting"),
        ("leased", "park", "parked"),
        ("leased", "expire", "waiting"),
        ("delivered", "replay", "waiting"),
        ("parked", "replay", "waiting"),
    ],
)
def test_the_moves(state, move, after):
    """The table, once more by hand: a change of it should be made twice."""
    assert moved(State(state), Move(move)) == after


def test_there_are_no_other_moves():
    """Whatever is not in the table is refused."""
    allowed = [pair for pair in itertools.product(State, Move) if moved(*pair) is not None]
    assert sorted(allowed) == sorted(TRANSITIONS)
    assert len(allowed) == 8


def test_every_state_can_be_reached():
    """A delivery begins waiting, and from there it can come into each state."""
    assert reachable_from(State.WAITING, set(Move)) == set(State)


def test_every_state_can_end():
    """From each state a final one can be reached, without anybody's hand."""
    for state in State:
        assert reachable_from(state, set(Move) - {Move.REPLAY}) & FINAL


def test_final_states_are_left_by_hand_only():
    """Delivered and parked stay so until they are replayed, and nothing else is replayed."""
    assert {State.DELIVERED, State.PARKED} == FINAL
    leaving = {move for (state, move) in TRANSITIONS if state in FINAL}
    assert leaving == {Move.REPLAY}
    assert {state for (state, move) in TRANSITIONS if move is Move.REPLAY} == FINAL


def test_every_move_is_used():
    """There is no word without a row."""
    assert {move for _, move in TRANSITIONS} == set(Move)


def test_the_diagram_has_an_arrow_for_each_row():
    """The picture for the documentation is the table, with its beginning."""
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> waiting"]
    assert lines[2:] == [f"    {a} --> {b}: {move}" for (a, move), b in TRANSITIONS.items()]


def test_the_module_prints_its_diagram(capsys):
    """``python -m hookline.core.lifecycle`` is how the documentation gets it."""
    runpy.run_path(lifecycle.__file__, run_name="__main__")
    assert capsys.readouterr().out == mermaid() + "\n"
