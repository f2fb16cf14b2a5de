"""Resources: the documented ones as data, and a publisher's own."""

import dataclasses
import doctest

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.core import resources
from hookline.core.errors import Invalid
from hookline.core.resources import DOCUMENTED, Resource, Routing, check_action, define, find

ORDER = define("order", ["placed", "shipped"])

THE_CONTRACT = {
    "installation": ("lifecycle", "created deleted"),
    "event_alert": ("alert", "triggered"),
    "issue": ("subscribed", "created resolved assigned unresolved ignored archived"),
    "metric_alert": ("alert", "critical warning resolved open"),
    "error": ("subscribed", "created"),
    "comment": ("subscribed", "created updated deleted"),
    "seer": (
        "subscribed",
        "root_cause_started root_cause_completed solution_started solution_completed "
        "coding_started coding_completed pr_created",
    ),
    "preprod_artifact": ("subscribed", "size_analysis_completed build_distribution_completed"),
    "activity_alert": ("alert", "triggered"),
}


def refusal(name: object, actions: object) -> Invalid:
    with pytest.raises(Invalid) as caught:
        define(name, actions)  # type: ignore[arg-type]
    return caught.value


def test_the_examples_in_the_docstrings_are_true() -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(resources).failed == 0
    assert doctest.testmod(resources).attempted > 0


def test_the_documented_resources() -> None:
    """Names, actions, routing and order are those of the contract."""
    assert [
        (name, (resource.routing.value, " ".join(resource.actions)))
        for name, resource in DOCUMENTED.items()
    ] == list(THE_CONTRACT.items())


def test_each_documented_resource_says_so_and_knows_its_name() -> None:
    """The key is the name, and ``documented`` tells these from a publisher's own."""
    for name, resource in DOCUMENTED.items():
        assert resource.name == name
        assert resource.documented


def test_the_documented_resources_cannot_be_changed() -> None:
    """Neither the table nor an entry can be written to by accident."""
    with pytest.raises(TypeError):
        DOCUMENTED["order"] = ORDER  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        ORDER.name = "other"  # type: ignore[misc]


def test_a_publishers_own_resource_is_subscribed_to() -> None:
    """A registered resource is routed as issue is, and is marked as not documented."""
    assert Resource("order", ("placed", "shipped"), Routing.SUBSCRIBED, documented=False) == ORDER


@pytest.mark.parametrize("name", ["a", "a" * 64, "invoice_line_2", "sentry", "issues", "hook"])
def test_names_that_are_allowed(name: str) -> None:
    """One to 64 of a-z, 0-9 and underscore, beginning with a letter; the same for actions."""
    assert define(name, [name]).actions == (name,)


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "A", "2a", "_a", "a-b", "a.b", "a b", "a\n", "é", "ª", "a\x00", "\ud800"]
)
def test_names_that_are_not(name: str) -> None:
    """A bad name or action is refused with the rule, an example, and the place."""
    of_resource = refusal(name, ["placed"])
    assert (of_resource.code, of_resource.where) == ("invalid-resource-name", "/name")
    assert of_resource.hint == (
        "Use 1 to 64 of a-z, 0-9 and _, beginning with a letter, such as order or invoice_line."
    )
    of_action = refusal("order", ["placed", name])
    assert (of_action.code, of_action.where) == ("invalid-action-name", "/actions/1")
    assert of_action.hint == (
        "Use 1 to 64 of a-z, 0-9 and _, beginning with a letter, such as created or paid_back."
    )


@pytest.mark.parametrize("name", list(DOCUMENTED))
def test_a_documented_name_is_taken(name: str) -> None:
    """Nobody redefines what a documented resource is."""
    error = refusal(name, ["placed"])
    assert (error.code, error.where) == ("reserved-resource-name", "/name")
    assert error.message == f"The resource {name} is a documented one and is there already."
    assert error.hint == (
        f"It needs no registration; for something else choose another name, such as my_{name}."
    )


@pytest.mark.parametrize("name", ["hookline", "hookline_test", "hooklines"])
def test_the_prefix_hookline_is_kept(name: str) -> None:
    """Names of Hookline's own future events stay free."""
    error = refusal(name, ["placed"])
    assert (error.code, error.where) == ("reserved-resource-name", "/name")
    assert error.hint == "Choose a name from your own trade, such as order."


@pytest.mark.parametrize(
    ("actions", "found"),
    [([], "0"), ([f"a{n}" for n in range(101)], "101"), ("paid", "one text")],
)
def test_a_resource_has_one_to_a_hundred_actions(actions: object, found: str) -> None:
    """None, too many, and a text where a list belongs are refused, with what was found."""
    error = refusal("order", actions)
    assert (error.code, error.where) == ("invalid-actions", "/actions")
    assert error.message == f"A resource has 1 to 100 actions in a list; got {found}."
    assert error.hint == 'List what can happen to it, such as ["created", "deleted"].'


def test_a_hundred_actions_are_allowed() -> None:
    """The limit itself is inside."""
    assert len(define("order", [f"a{n}" for n in range(100)]).actions) == 100


def test_an_action_is_listed_once() -> None:
    """The second of two equal actions is the one that is named."""
    error = refusal("order", ["placed", "shipped", "placed"])
    assert (error.code, error.where) == ("duplicate-action", "/actions/2")
    assert error.message == "The action placed is listed twice."
    assert error.hint == "List each action once."


def test_find_knows_documented_and_registered_resources() -> None:
    """Both kinds are found by name, and registering cannot shadow a documented one."""
    assert find("issue", {}) is DOCUMENTED["issue"]
    assert find("order", {"order": ORDER}) is ORDER
    assert find("issue", {"issue": ORDER}) is DOCUMENTED["issue"]


def test_an_unknown_resource_brings_the_likeliest_one() -> None:
    """A slip of the pen is answered with the name that was meant, also a registered one."""
    with pytest.raises(Invalid) as caught:
        find("isue", {})
    error = caught.value
    assert (error.code, error.where) == ("unknown-resource", "/resource")
    assert error.message == "There is no resource 'isue'."
    assert error.hint == (
        f"Did you mean issue? Known: {', '.join(THE_CONTRACT)}. "
        "A resource of your own has to be registered first."
    )
    with pytest.raises(Invalid) as caught:
        find("ordr", {"order": ORDER})
    assert caught.value.hint.startswith("Did you mean order? ")


def test_an_unknown_resource_like_no_other_brings_the_list() -> None:
    """Where nothing is near, nothing is guessed, and a long list is cut."""
    many = {f"thing_{n}": ORDER for n in range(100)}
    with pytest.raises(Invalid) as caught:
        find("zzz", many)
    assert caught.value.hint.startswith("Known: installation, ")
    assert "thing_10 and 89 more. " in caught.value.hint


def test_check_action_lets_known_actions_pass() -> None:
    """Each action of each resource passes."""
    for resource in [*DOCUMENTED.values(), ORDER]:
        for action in resource.actions:
            check_action(resource, action)


def test_an_unknown_action_brings_the_likeliest_one() -> None:
    """The hint names what was probably meant, and all that there is."""
    with pytest.raises(Invalid) as caught:
        check_action(DOCUMENTED["issue"], "solved")
    error = caught.value
    assert (error.code, error.where) == ("unknown-action", "/action")
    assert error.message == "The resource issue has no action 'solved'."
    assert error.hint == (
        "Did you mean resolved? Known: created, resolved, assigned, unresolved, ignored, archived."
    )
    with pytest.raises(Invalid) as caught:
        check_action(ORDER, "x")
    assert caught.value.hint == "Known: placed, shipped."


@given(text=st.text(st.characters(exclude_categories=())) | st.just("a" * 100_000))
@example(text="\ud800\u2028")
def test_texts_of_strangers_are_quoted_short_and_clean(text: str) -> None:
    """Whatever was given, the refusal is an Invalid whose text is short, printable ASCII."""
    refusals = []
    for call in (
        lambda: find(text, {}),
        lambda: check_action(ORDER, text),
        lambda: define(text, ["a"]),
        lambda: define("a", [text]),
    ):
        try:
            call()
        except Invalid as error:
            refusals.append(error)
    for error in refusals:
        assert len(error.message) < 900
        assert error.message.isascii()
        assert error.message.isprintable()
