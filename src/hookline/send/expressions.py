"""Expressions on a body: the part of JMESPath that asks, and none of what builds.

The one door to the library. An expression is an operator's and the body a stranger's, so what the two
can cost together is bounded:

* Only what picks and compares is let in. Without multi-selects, expression references and the
  functions that make new text or lists, a result is never larger than the body. With them it can be:
  ``[@,@][]`` doubles it, and a hundred of those would fill any memory.
* An expression has 1,000 characters at most, and its work is counted: each step, and the length of
  what it came to. Where the count is over, it does not hold.
* Whatever the library raises means that it does not hold. What is said of it quotes nothing of the body.
"""

from functools import lru_cache
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from hookline.core.errors import Invalid

__all__ = ["FUNCTIONS", "LONGEST", "MOST_WORK", "Expression", "check_expression", "compiled"]

LONGEST: Final = 1_000
MOST_WORK: Final = 20_000
"""Steps, each about a microsecond."""
PART: Final = 64
"""Elements, or characters, that count as one step more."""
DEEP_COMPARISON: Final = 2_000
"""Steps for comparing two lists or objects, which may be large and nested."""

FUNCTIONS: Final = frozenset(
    {"contains", "ends_with", "keys", "length", "not_null", "starts_with", "to_number", "type", "values"}
)  # fmt: skip

_KINDS: Final = frozenset(
    {
        "and_expression", "comparator", "current", "field", "filter_projection", "flatten",
        "function_expression", "identity", "index", "index_expression", "literal", "not_expression",
        "or_expression", "pipe", "projection", "slice", "subexpression", "value_projection",
    }
)  # fmt: skip


class _TooMuch(Exception):
    pass


class _Interpreter(TreeInterpreter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._left = MOST_WORK

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Count each step before it is made, and what it came to after."""
        self._spend(1)
        value = super().visit(node, *args, **kwargs)
        if isinstance(value, str | list | dict):
            self._spend(len(value) // PART)
        return value

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Compare; two containers may take long."""
        left, right = (self.visit(child, value) for child in node["children"])
        if isinstance(left, list | dict) and isinstance(right, list | dict):
            self._spend(DEEP_COMPARISON)
        given = [{"type": "literal", "value": each} for each in (left, right)]
        return super().visit_comparator({**node, "children": given}, value)

    def is_true(self, value: Any) -> bool:
        """What JMESPath takes for true: all but false, null, and what is empty."""
        return bool(self._is_true(value))

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _TooMuch


class Expression:
    """A compiled expression."""

    __slots__ = ("_tree",)

    def __init__(self, tree: Any):
        self._tree = tree

    def why_not(self, document: Any) -> str | None:
        """None where it is true of the document, else why not, after "the expression"."""
        interpreter = _Interpreter()
        try:
            value = interpreter.visit(self._tree, document)
            return None if interpreter.is_true(value) else "is not true of it"
        except _TooMuch:
            return "takes too much work on so large a body"
        except _TROUBLE as trouble:
            return f"cannot be evaluated on it ({type(trouble).__name__})"

    def value(self, document: Any) -> Any:
        """What it comes to; None where it cannot be evaluated."""
        try:
            return _Interpreter().visit(self._tree, document)
        except (_TooMuch, *_TROUBLE):
            return None


# What the library lets out besides its own, for it computes on whatever is there.
_TROUBLE: Final = (
    JMESPathError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Expression | str:
    """The expression, or what is wrong with it."""
    try:
        tree = jmespath.compile(text).parsed
        return _why_refused(tree) or Expression(tree)
    except _TROUBLE as trouble:
        said = str(trouble).splitlines()
        return said[0] if said and isinstance(trouble, JMESPathError) else "it cannot be read"


def _why_refused(tree: Any) -> str:
    """What in it is not let in; empty where all is."""
    rest = [tree]
    while rest:
        node = rest.pop()
        if node["type"] not in _KINDS:
            return f"it has a {node['type'].replace('_', ' ')}, and those build something new"
        if node["type"] == "function_expression" and node["value"] not in FUNCTIONS:
            return f"it calls {node['value']}(); known here: {', '.join(sorted(FUNCTIONS))}"
        rest += [child for child in node.get("children", ()) if isinstance(child, dict)]
    return ""


def compiled(text: str, where: str) -> Expression:
    """Compile an expression.

    Raises:
        Invalid: it is too long, cannot be read, or does more than ask.
    """
    found = "" if len(text) <= LONGEST else f"it has over {LONGEST} characters"
    made = found or _compiled(text)
    if isinstance(made, Expression):
        return made
    raise Invalid(
        "invalid-expression",
        f"this is no expression that can be used here: {made[:200]}",
        "for example data.issue.project.slug == 'web'; docs/reference/gateway.md has more",
        where=where,
    )


def check_expression(text: str, where: str) -> str:
    """The text itself, if it can be compiled. Raises ``Invalid``."""
    compiled(text, where)
    return text
