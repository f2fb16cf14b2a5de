"""Which routes take a webhook, and why or why not."""

import pytest

from hookline.core.errors import Invalid
from hookline.core.matching import Candidate, considered_from, plan, plan_for_routes
from hookline.core.model import BodyEncoding, Kind
from hookline.core.resources import DOCUMENTED
from hookline.core.routing import Filter, check_filter, takes
from hookline.core.source import external_id, key_text, told


def never(_expression: str) -> str | None:
    raise AssertionError("the expression was tried")


def candidate(number: int, source_id: int | None, wanted: Filter | None = None) -> Candidate:
    return Candidate(
        installation_id=number,
        installation=f"uuid-{number}",
        integration_id=number,
        integration=f"app-{number}",
        kind=Kind.INTERNAL,
        resources=frozenset({"issue"}),
        alertable=True,
        body_encoding=BodyEncoding.ASCII,
        source_id=source_id,
        filter=wanted,
    )


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, True),
        (Filter(), True),
        (Filter(resources=("issue", "error")), True),
        (Filter(resources=("error",)), False),
        (Filter(actions=("created",)), True),
        (Filter(actions=("",)), False),
        (Filter(resources=("issue",), actions=("resolved",)), False),
    ],
)
def test_names_decide_without_a_look_at_the_body(wanted, chosen):
    """Each part that is given must hold; the reason is a sentence either way."""
    taken = takes(wanted, "issue", "created", never)
    assert taken.chosen is chosen
    assert taken.reason


def test_the_expression_comes_last_and_says_why_not():
    """Only where the names hold."""
    wanted = Filter(resources=("issue",), expression="data.x")
    assert takes(wanted, "error", "created", never).chosen is False
    assert takes(wanted, "issue", "created", lambda text: None if text == "data.x" else "no").chosen
    taken = takes(wanted, "issue", "created", lambda _: "is not true of it")
    assert taken == (False, "its filter's expression is not true of it")


def test_a_source_considers_its_own_routes_and_publishers_all_others():
    """Neither sees the other's."""
    candidates = [
        candidate(1, None),
        candidate(2, 7),
        candidate(3, 8),
        candidate(4, 7, Filter(("x",))),
    ]
    made = plan_for_routes(7, candidates, "issue", "created", never)
    assert [(each.integration, each.chosen) for each in considered_from(made.considered)] == [
        ("app-2", True),
        ("app-4", False),
    ]
    assert [each.integration_id for each in made.chosen] == [2]
    published = plan(DOCUMENTED["issue"], candidates, None)
    assert [each.integration_id for each in published.chosen] == [1]
    with pytest.raises(Invalid):
        plan(DOCUMENTED["event_alert"], candidates, ["app-2"])


@pytest.mark.parametrize(
    "wanted",
    [Filter(("a",), ("b", "é"), "c"), Filter(None, None, "x"), Filter((), None, None), Filter()],
)
def test_a_filter_comes_back_from_where_it_is_kept(wanted):
    """None and an empty list are not the same."""
    assert Filter.decode(wanted.encode()) == wanted


def test_a_filter_that_asks_for_nothing_is_none():
    """And an empty list is a mistake, since nothing would ever pass."""
    assert check_filter() is None
    assert check_filter(actions=["created"]) == Filter(actions=("created",))
    with pytest.raises(Invalid) as caught:
        check_filter(actions=[])
    assert caught.value.where == "/filter/actions"


def test_ids_of_what_came_in_are_visible_short_and_no_publishers():
    """A long or odd key is told by its digest, and so is one that looks like a digest."""
    plain = external_id(3, "4f1c-x")
    assert plain == "source-3 4f1c-x"
    odd = [external_id(3, key) for key in ("é", "a b", "x" * 81, "sha256:00", "\ud83d", "")]
    assert len(set(odd)) == len(odd)
    assert all(each.startswith("source-3 sha256:") and len(each) == 80 for each in odd)
    assert external_id(4, "4f1c-x") != plain


def test_a_fields_value_is_a_key_however_it_is_spelt():
    """Order of keys does not matter; nothing is no key."""
    assert key_text({"a": 1, "b": [True]}) == key_text({"b": [True], "a": 1})
    assert [key_text(each) for each in (None, "", False, 0, [])] == [None, None, "false", "0", "[]"]


def test_a_name_that_a_sender_gave_is_kept_on_one_line():
    """Cut and escaped, so that it can be stored and shown anywhere."""
    assert told("x" * 200) == "x" * 99 + "…"
    for name in ("a\r\nb", "\x1b[2J", "\0", "\ud83d", "\u202e"):
        assert told(name).isprintable()
        told(name).encode()
