"""The histogram counts each value once, where it belongs."""

from hypothesis import given
from hypothesis import strategies as st

from hookline.core.tally import Histogram

numbers = st.lists(st.integers(0, 1_000))


@given(st.sets(st.integers(0, 1_000)), numbers)
def test_each_bound_counts_what_is_at_most_it(bounds, values):
    """The count at a bound is that of a plain look at all values; the last one is all of them."""
    ascending = sorted(bounds)
    histogram = Histogram(ascending)
    for value in values:
        histogram.observe(value)
    expected = [sum(value <= bound for value in values) for bound in ascending]
    assert histogram.cumulative() == (*expected, len(values))
    assert histogram.total == sum(values)


def test_a_copy_stays_as_it_was():
    """What is counted after copying is not in the copy."""
    histogram = Histogram((10,))
    histogram.observe(1)
    copy = histogram.copy()
    histogram.observe(100)
    assert (copy.cumulative(), copy.total) == ((1, 1), 1)
    assert (histogram.cumulative(), histogram.total) == ((1, 2), 101)
