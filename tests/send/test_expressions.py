"""Expressions on a body: what they say, what is not let in, and that their work is bounded."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.send.expressions import FUNCTIONS, LONGEST, compiled

BODY = {
    "action": "created",
    "data": {
        "issue": {"id": 7, "project": {"slug": "web"}, "tags": [{"key": "a"}, {"key": "b"}]},
        "empty": [],
        "zero": 0,
        "no": False,
    },
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("action", True),
        ("action == 'created'", True),
        ("action != 'created'", False),
        ("data.issue.id > `5` && data.issue.project.slug == 'web'", True),
        ("data.issue.id == `7` || nothing", True),
        ("contains(data.issue.tags[].key, 'b')", True),
        ("data.issue.tags[?key == 'c']", False),
        ("starts_with(action, 'cre') && ends_with(action, 'ed')", True),
        ("length(keys(data)) == `4`", True),
        ("type(data.issue.id) == 'number'", True),
        ("not_null(nothing, data.issue.id) == `7`", True),
        ("data.*.id | [0]", True),
        ("data.empty", False),
        ("data.zero", True),
        ("data.no", False),
        ("!(nothing)", True),
        ("nothing", False),
        ("nothing.at.all[0].x", False),
        ("@", True),
    ],
)
def test_what_holds(text, holds):
    """As JMESPath says: false are false, null, and what is empty."""
    assert (compiled(text, "/x").why_not(BODY) is None) is holds


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "((", "a ==", "`[1", "[@,@]", "{a: @}", "a.[b,c]", "sort_by(a, &b)", "map(&a, b)",
        "join(a, b)", "to_string(@)", "reverse(a)", "merge(a, b)", "nonsense(a)", "a" * (LONGEST + 1),
        "(" * 900, "!" * 900 + "a", "a." * 499 + "[@,@]", "\ud83d",
    ],
)  # fmt: skip
def test_what_is_not_let_in(text):
    """It is refused when it is registered, with one exception, a place and a hint."""
    with pytest.raises(Invalid) as caught:
        compiled(text, "/filter/expression")
    assert caught.value.code == "invalid-expression"
    assert caught.value.where == "/filter/expression"
    assert len(caught.value.message) < 400


def test_what_cannot_be_evaluated_does_not_hold_and_quotes_nothing():
    """The body is a stranger's: the reason names the kind of trouble only."""
    body = {"secret": "s3cret" * 1000}
    said = compiled("contains(nothing, 'x')", "/x")
    assert said.why_not(body) == "cannot be evaluated on it (JMESPathTypeError)"
    assert compiled("keys(secret)", "/x").value(body) is None


@pytest.mark.parametrize(
    "text",
    [
        "l[?@ == `1`]",
        "l[][][] | [?@ == `1`]",
        "d[?a == b]",
        "(d == e) || " * 20 + "x",
        "contains(l, `5`) || " * 40 + "x",
        "length(d[*].a.a.a) > `1`",
    ],
)
def test_work_is_bounded_on_a_large_body(text):
    """Whatever a legal expression makes of a mebibyte, it ends after so many steps, and says so."""
    deep = json.loads('{"a":' * 400 + "1" + "}" * 400)
    body = {"l": [0] * 300_000, "d": [deep] * 50_000, "e": [dict(deep)] * 49_999 + [0]}
    began = time.process_time()
    assert compiled(text, "/x").why_not(body) == "takes too much work on so large a body"
    assert compiled(text, "/x").value(body) is None
    print(f"{(time.process_time() - began) * 1000:.1f} ms")


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
FLAT = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(st.sampled_from("abc"), SCALARS)
JSON = FLAT | st.lists(FLAT, max_size=4) | st.dictionaries(st.sampled_from("abc"), FLAT)
WORDS = st.sampled_from(
    ["a", "b", "c", ".", "[", "]", "?", "*", "==", "<", "&&", "||", "!", "(", ")", "@", "|", "`1`",
     "'x'", "[]", "[0]", "[::2]", *(f"{name}(" for name in sorted(FUNCTIONS)), ","]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12).map("".join), JSON)
def test_nothing_but_the_one_exception_and_nothing_at_all_on_a_body(text, body):
    """Any expression is let in or refused; one that was let in says something of any body."""
    try:
        made = compiled(text, "/x")
    except Invalid:
        return
    assert made.why_not(body) is None or made.why_not(body).isprintable()
    made.value(body)
