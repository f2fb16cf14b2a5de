"""What docs/explain/scaling.md reckons follows from the figures that it gives."""

import math
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/explain/scaling.md").read_text()
FIGURES = {
    name: float(figure)
    for name, figure in re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)
}
RATES = (1_000, 10_000, 100_000)
ROWS = re.findall(
    r"^\| ([^|]+) \| `([^`|]*\brate\b[^`|]*)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
    PAGE,
    re.MULTILINE,
)


def test_there_is_something_to_reckon():
    """The figures and the rows are found, so that the next test can fail."""
    assert len(FIGURES) >= 10
    assert len(ROWS) >= 10


@pytest.mark.parametrize(("what", "formula", "shown"), [(row[0], row[1], row[2:]) for row in ROWS])
def test_what_is_reckoned_is_what_the_formula_gives(what, formula, shown):
    """To the three digits that are shown."""
    for rate, figure in zip(RATES, shown, strict=True):
        names = {**FIGURES, "rate": rate, "ceil": math.ceil}
        assert float(figure) == pytest.approx(eval(formula, names), rel=0.005), (what, rate)
