"""How large a world is, how rough, and by which rules."""

from dataclasses import dataclass, replace
from random import Random

from hookline.core.instants import HOUR
from hookline.core.unsubscribing import Rules
from hookline.send.dispatch import Limits

__all__ = ["KINDS", "Scale", "draw_scale"]

FEW_TIMEOUTS = Rules(timeouts=20, span_us=HOUR, failing_days=2)
WIDE, NARROW = Limits(), Limits(max_in_flight=20, max_fresh=8, max_lease=16)
SELDOM = 1e9


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a world; what is in seconds is a mean.

    Attributes:
        characters: of the receivers, to choose from (``receivers.draw_plan``).
    """

    days: float
    integrations: int
    organizations: int
    publishers: int
    publish_gap_s: float
    change_gap_s: float
    trouble_gap_s: float
    limits: Limits = WIDE
    rules: Rules = FEW_TIMEOUTS
    characters: tuple[str, ...] = ("good",) * 5 + ("moody",) * 5 + ("dead",)


def draw_scale(dice: Random, kind: str) -> Scale:
    """The scale of a kind of world, with the process's limits wide or narrow."""
    if kind == "any":
        kind = dice.choice(["calm", "rough", "rough", "long", "flood", "crowd"])
    return replace(KINDS[kind], limits=dice.choice([WIDE, NARROW]))


KINDS = {
    "small": Scale(0.1, 6, 2, 3, 300, 300, 450),
    "calm": Scale(1, 10, 3, 3, 1800, 3600, SELDOM),
    "rough": Scale(0.5, 8, 2, 3, 900, 1200, 1800),
    "long": Scale(3.5, 6, 2, 2, 2 * 3600, 6 * 3600, 8 * 3600),
    "flood": Scale(0.02, 8, 3, 5, 20, 200, 150),
    "crowd": Scale(0.1, 500, 40, 4, 600, 600, 1200),
    "thousands": Scale(0.05, 2000, 50, 6, 120, 120, 900),
    # Dead receivers under the numbers of the documentation, some with much to get and some with little.
    "documented": Scale(
        6.5,
        6,
        4,
        4,
        1500,
        SELDOM,
        8 * 3600,
        rules=Rules(),
        characters=("dead", "dead", "dead", "moody"),
    ),
}
