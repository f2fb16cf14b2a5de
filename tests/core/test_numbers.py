"""Numbers are spelled as a JavaScript engine spells them, or as Python does."""

import json
import math
import struct
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from hookline.core.numbers import ascii_number, js_float, js_integer, js_number

Spell = Callable[[list[str]], list[str]]


@pytest.fixture(scope="module")
def v8() -> Iterator[Spell]:
    """What the engine prints for number literals."""
    with MiniRacer() as context:

        def spell(literals: list[str]) -> list[str]:
            script = f"JSON.stringify({json.dumps(literals)}.map(t => String(JSON.parse(t))))"
            return json.loads(context.eval(script))  # type: ignore[no-any-return]

        yield spell


def doubles() -> st.SearchStrategy[float]:
    """Finite doubles, by value and by bit pattern, so that all exponents are as likely."""
    by_bits = st.binary(min_size=8, max_size=8).map(lambda b: struct.unpack("<d", b)[0])
    return (st.floats(allow_nan=False, allow_infinity=False) | by_bits).filter(math.isfinite)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (100.0, "100"),
        (-100.5, "-100.5"),
        (0.1, "0.1"),
        (1e-4, "0.0001"),
        (1e-5, "0.00001"),
        (-1.5e-6, "-0.0000015"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.25e-7, "-1.25e-7"),
        (1e15, "1000000000000000"),
        (1e16, "10000000000000000"),
        (12345678901234567.0, "12345678901234568"),
        (1.2345678901234567e20, "123456789012345670000"),
        (1e20, "100000000000000000000"),
        (999999999999999868928.0, "999999999999999900000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (5e-324, "5e-324"),
        (2.2250738585072014e-308, "2.2250738585072014e-308"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_a_double_is_spelled_as_ecmascript_says(value: float, expected: str) -> None:
    """Each branch of Number::toString, at its edges."""
    assert js_number(value) == expected


def test_every_power_of_ten_agrees_with_the_engine(v8: Spell) -> None:
    """The places where the form changes, and their neighbours, for all exponents."""
    powers = [float(f"{sign}{n}e{e}") for e in range(-324, 308) for n in (1, 9.5) for sign in "+-"]
    near = [math.nextafter(value, way) for value in powers for way in (-math.inf, math.inf)]
    values = powers + near
    assert [js_number(value) for value in values] == v8([repr(value) for value in values])


@settings(max_examples=100, deadline=None)
@given(values=st.lists(doubles(), min_size=1, max_size=50))
def test_any_double_agrees_with_the_engine(v8: Spell, values: list[float]) -> None:
    """No double is spelled otherwise by V8."""
    assert [js_number(value) for value in values] == v8([repr(value) for value in values])


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-7", "-7"),
        ("999999999999999", "999999999999999"),
        ("4509877862268928", "4509877862268928"),
        ("9007199254740992", "9007199254740992"),
        ("9007199254740993", '"9007199254740993"'),
        ("-9007199254740993", '"-9007199254740993"'),
        ("9007199254740994", "9007199254740994"),
        ("18446744073709551616", '"18446744073709551616"'),
        (str(2**60), '"1152921504606846976"'),
        ("123456789012345680000", "123456789012345680000"),
        ("123456789012345678901", '"123456789012345678901"'),
        ("1" + "0" * 21, "1e+21"),
        ("-1" + "0" * 21, "-1e+21"),
        ("1" + "0" * 308, "1e+308"),
        ("1" + "0" * 309, f'"1{"0" * 309}"'),
        ("9" * 309, f'"{"9" * 309}"'),
        (10**21, "1e+21"),
        (2**60, '"1152921504606846976"'),
        (-5, "-5"),
    ],
)
def test_an_integer_stays_a_number_if_a_double_holds_it(literal: str | int, expected: str) -> None:
    """What the receiver's engine would print decides, digit for digit."""
    assert js_integer(literal) == expected


def integers() -> st.SearchStrategy[int]:
    """Integers around every power of two and ten, besides ordinary ones."""
    powers = st.tuples(st.sampled_from([2, 10]), st.integers(0, 90)).map(lambda p: p[0] ** p[1])
    near = st.tuples(powers, st.integers(-3, 3), st.sampled_from([1, -1]))
    return st.integers() | near.map(lambda t: (t[0] + t[1]) * t[2])


@settings(max_examples=100, deadline=None)
@given(values=st.lists(integers(), min_size=1, max_size=50))
def test_integers_agree_with_the_engine(v8: Spell, values: list[int]) -> None:
    """A number is what V8 prints, and a string hides an integer that V8 would change."""
    for value, printed in zip(values, v8([str(value) for value in values]), strict=True):
        mantissa, _, exponent = printed.partition("e+")
        whole, _, fraction = mantissa.partition(".")
        kept = int((whole + fraction).ljust(len(whole) + int(exponent or 0), "0")) == value
        assert js_integer(value) == (printed if kept else f'"{value}"')
        assert js_integer(str(value)) == js_integer(value)


def test_huge_integers_neither_fail_nor_take_long() -> None:
    """A million digits as text, and ten thousand in an int that Python refuses to print."""
    literal = "7" * 1_000_000
    assert len(literal) > sys.get_int_max_str_digits()
    began = time.perf_counter()
    assert js_integer(literal) == f'"{literal}"'
    assert ascii_number(literal) == literal
    assert js_integer(10**10_000 - 1) == f'"{"9" * 10_000}"'
    # Quadratic work would take minutes here.
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("literal", "javascript", "python"),
    [
        ("100.0", "100", "100.0"),
        ("-0.0", "0", "-0.0"),
        ("1E+05", "100000", "100000.0"),
        ("0.10", "0.1", "0.1"),
        ("1e-5", "0.00001", "1e-05"),
        ("1e16", "10000000000000000", "1e+16"),
        ("1e-400", "0", "0.0"),
        ("1e400", '"1e400"', '"1e400"'),
        ("-1E400", '"-1E400"', '"-1E400"'),
        ("1.7976931348623159e308", '"1.7976931348623159e308"', '"1.7976931348623159e308"'),
        ("0.1000000000000000055511151231257827", "0.1", "0.1"),
        ("12345678901234567890.0", "12345678901234567000", "1.2345678901234567e+19"),
    ],
)
def test_a_float_literal_in_both_forms(literal: str, javascript: str, python: str) -> None:
    """Superfluous digits go; what is beyond a double becomes a string."""
    assert js_float(literal) == javascript
    assert ascii_number(literal) == python


@pytest.mark.parametrize("literal", ["0", "-0", "17", "-9007199254740993", "1" * 4000])
def test_integers_in_the_ascii_form_are_python_s(literal: str) -> None:
    """Every digit is kept, as by json.dumps."""
    assert ascii_number(literal) == json.dumps(json.loads(literal))
