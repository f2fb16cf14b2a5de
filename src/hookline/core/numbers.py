"""How a number is spelled: as JavaScript does, or as Python does.

A receiver that recomputes ``JSON.stringify(JSON.parse(body))`` holds numbers as doubles, and
spells them by ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20). What we send must look so.
Both languages print the shortest digits that read back as the same double, hence Python's ``repr``
has the right *digits*; only where the exponent form begins, and how it looks, differs:

==============  ===================  ==================
double          Python               JavaScript
==============  ===================  ==================
100.0           ``100.0``            ``100``
-0.0            ``-0.0``             ``0``
0.00001         ``1e-05``            ``0.00001``
1e-07           ``1e-07``            ``1e-7``
1e16            ``1e+16``            ``10000000000000000``
1e21            ``1e+21``            ``1e+21``
==============  ===================  ==================

Literals are handled as text. An integer may have ten thousand digits: ``int()`` refuses those, and
where it does not it takes quadratic time; we never ask it, because more than 309 digits are
certainly beyond every double.
"""

from decimal import Decimal
from math import isinf

__all__ = ["ascii_number", "js_float", "js_integer", "js_number"]

# Every integer of so many digits is below 2**53, so it is its own spelling.
ALWAYS_EXACT_DIGITS = 15
# The largest double is 1.8e308.
MOST_DIGITS = 309


def js_number(value: float) -> str:
    """Return what JavaScript prints for a finite double.

    >>> js_number(1e-5), js_number(1e-7), js_number(1e20), js_number(-0.0)
    ('0.00001', '1e-7', '100000000000000000000', '0')
    """
    text = repr(value)
    if "e" not in text:
        text = text.removesuffix(".0")
        return "0" if text == "-0" else text
    sign, digits, exponent = _scientific(text)
    if 0 < exponent < 21:
        # repr changes to exponents at 1e16, so there are never more digits than places.
        return sign + digits.ljust(exponent + 1, "0")
    if -7 < exponent < 0:
        return f"{sign}0.{digits.rjust(len(digits) - exponent - 1, '0')}"
    point = "." if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}{digits[1:]}e{exponent:+d}"


def js_integer(literal: str | int) -> str:
    """Return the JSON token for an integer: a number if a double holds it exactly, else a string.

    Exactly means: what JavaScript prints for the double, read as a decimal, is the integer again.
    So ``9007199254740994`` stays although its neighbours cannot be told apart from it any more:
    the receiver sees the digits that the publisher wrote.

    >>> js_integer("9007199254740994"), js_integer("9007199254740993"), js_integer(10**21)
    ('9007199254740994', '"9007199254740993"', '1e+21')
    """
    text = literal if isinstance(literal, str) else _all_digits(literal)
    if len(text) <= ALWAYS_EXACT_DIGITS:
        return "0" if text == "-0" else text
    if len(text) > MOST_DIGITS + 1 or isinf(value := float(text)):
        return f'"{text}"'
    spelled = js_number(value)
    return spelled if _expanded(spelled) == text else f'"{text}"'


def js_float(literal: str) -> str:
    """Return the JSON token for a literal with a fraction or an exponent.

    Digits that a double cannot hold are dropped, as every reader of JSON does; but a literal beyond
    its range would be read as Infinity, which JSON has no word for: it becomes a string.

    >>> js_float("1E+05"), js_float("0.1000"), js_float("1e400")
    ('100000', '0.1', '"1e400"')
    """
    value = float(literal)
    if repr(value) == literal and "e" not in literal and not literal.endswith(".0"):
        return literal  # nearly all: 0.25 is 0.25 everywhere
    return f'"{literal}"' if isinf(value) else js_number(value)


def ascii_number(literal: str) -> str:
    """Return what ``json.dumps(json.loads(literal))`` prints, for integers of any length.

    Python prints ``Infinity`` for 1e400, which is not JSON: there too it becomes a string.

    >>> ascii_number("1E5"), ascii_number("-0"), ascii_number("1e400")
    ('100000.0', '0', '"1e400"')
    """
    if literal.lstrip("-").isdecimal():
        return "0" if literal == "-0" else literal
    value = float(literal)
    return f'"{literal}"' if isinf(value) else repr(value)


def _scientific(text: str) -> tuple[str, str, int]:
    """Take ``-1.25e-07`` apart: sign, digits, and the power of ten of the first digit."""
    mantissa, exponent = text.split("e")
    sign = "-" if mantissa.startswith("-") else ""
    return sign, mantissa.lstrip("-").replace(".", ""), int(exponent)


def _expanded(spelled: str) -> str:
    """Write a whole number without an exponent."""
    if "e" not in spelled:
        return spelled
    sign, digits, exponent = _scientific(spelled)
    return sign + digits.ljust(exponent + 1, "0")


def _all_digits(value: int) -> str:
    # str() of an int refuses more digits than sys.get_int_max_str_digits(), which may be as low
    # as 640 (2,126 bits); Decimal converts exactly and without that limit.
    return str(value) if value.bit_length() <= 2_000 else format(Decimal(value), "f")
