"""Who gets an event and why: the three kinds of routing, targets, and the record of the decision."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.core.matching import Candidate, considered_from, plan, plan_for_one
from hookline.core.model import BodyEncoding, Considered, Kind
from hookline.core.resources import DOCUMENTED, define

ISSUE, ALERT, LIFECYCLE = (DOCUMENTED[name] for name in ("issue", "event_alert", "installation"))
ORDER = define("order", ["placed"])


def candidate(slug: str = "app", number: int = 1, **values) -> Candidate:
    defaults = {
        "installation_id": number,
        "installation": f"uuid of {slug}",
        "integration_id": number,
        "integration": slug,
        "kind": Kind.INTERNAL,
        "resources": frozenset({"issue"}),
        "alertable": False,
        "body_encoding": BodyEncoding.JAVASCRIPT,
    }
    return Candidate(**defaults | values)


ALERTABLE = {"alertable": True}
PUBLIC = {"kind": Kind.PUBLIC}


@pytest.mark.parametrize(
    ("resource", "values", "targets", "chosen", "reason"),
    [
        (ISSUE, {}, None, True, "subscribes to issue"),
        (ISSUE, {"resources": frozenset()}, None, False, "does not subscribe to issue"),
        (ISSUE, {"resources": frozenset({"error"})} | ALERTABLE | PUBLIC, None, False,
         "does not subscribe to issue"),
        (ORDER, {"resources": frozenset({"order"})}, None, True, "subscribes to order"),
        (ORDER, {}, None, False, "does not subscribe to order"),
        (ALERT, ALERTABLE, None, True, "alertable"),
        (ALERT, {}, None, False, "not alertable"),
        (ALERT, ALERTABLE, [], False, "not named in targets"),
        (ALERT, {}, ["app"], True, "named in targets"),
        (LIFECYCLE, PUBLIC, None, True, "public"),
        (LIFECYCLE, {}, None, False, "internal"),
        (LIFECYCLE, {}, ["app"], True, "named in targets"),
    ],
)  # fmt: skip
def test_one_candidate(resource, values, targets, chosen, reason):
    """Whether it gets the event, and the reason that the log will give."""
    one = candidate(**values)
    made = plan(resource, [one], targets)
    assert made.chosen == ((one,) if chosen else ())
    expected = Considered("uuid of app", "app", chosen, reason)
    assert considered_from(made.considered) == (expected,)


def test_among_several():
    """Those who want it are chosen in order, and all are on record in order."""
    wants = [candidate("a", 1), candidate("c", 3)]
    made = plan(ISSUE, [wants[0], candidate("b", 2, resources=frozenset()), wants[1]], None)
    assert made.chosen == tuple(wants)
    assert [(each.integration, each.chosen) for each in considered_from(made.considered)] == [
        ("a", True),
        ("b", False),
        ("c", True),
    ]


def test_nobody_to_consider():
    """An organization without installations gets a plan for nobody."""
    made = plan(ISSUE, [], None)
    assert (made.chosen, made.considered, made.any_ascii) == ((), "[]", False)


@pytest.mark.parametrize("targets", [[], ["app"]])
def test_a_subscribed_resource_takes_no_targets(targets):
    """The refusal names the resource and the place."""
    with pytest.raises(Invalid) as caught:
        plan(ISSUE, [candidate()], targets)
    assert (caught.value.code, caught.value.where) == ("targets-not-allowed", "/targets")
    assert "'issue'" in caught.value.message


def test_a_target_that_is_not_installed():
    """The refusal points at the first one that nobody knows."""
    with pytest.raises(Invalid) as caught:
        plan(ALERT, [candidate()], ["app", "ghost", "spook"])
    assert (caught.value.code, caught.value.where) == ("unknown-integration", "/targets/1")
    assert "'ghost'" in caught.value.message


@pytest.mark.parametrize(
    ("encodings", "any_ascii"),
    [(["javascript"], False), (["javascript", "ascii"], True), (["ascii"], True)],
)
def test_the_ascii_spelling_is_made_for_the_chosen(encodings, any_ascii):
    """It is needed when one of the chosen asks for it, and not for the sake of the others."""
    asking = [
        candidate(f"app-{number}", number, body_encoding=BodyEncoding(encoding))
        for number, encoding in enumerate(encodings)
    ]
    deaf = candidate("deaf", 9, resources=frozenset(), body_encoding=BodyEncoding.ASCII)
    assert plan(ISSUE, [*asking, deaf], None).any_ascii is any_ascii


def test_a_plan_for_one():
    """What concerns one installation goes to it, whatever it subscribes to."""
    one = candidate(resources=frozenset())
    made = plan_for_one(one, "it was installed")
    assert made.chosen == (one,)
    expected = (Considered("uuid of app", "app", True, "it was installed"),)
    assert considered_from(made.considered) == expected


candidates = st.lists(
    st.builds(
        candidate,
        slug=st.text("abcé-", min_size=1, max_size=4),
        kind=st.sampled_from(Kind),
        resources=st.frozensets(st.sampled_from(["issue", "error", "order"])),
        alertable=st.booleans(),
        body_encoding=st.sampled_from(BodyEncoding),
    ),
    max_size=6,
)
resources = st.sampled_from([ISSUE, ALERT, LIFECYCLE, ORDER])


@given(resources, candidates)
def test_the_record_is_the_decision(resource, given_):
    """Every candidate is on record once, and those recorded as chosen are the chosen ones."""
    made = plan(resource, given_, None)
    recorded = considered_from(made.considered)
    assert [(each.installation, each.integration) for each in recorded] == [
        (each.installation, each.integration) for each in given_
    ]
    kept = [each for each, record in zip(given_, recorded, strict=True) if record.chosen]
    assert list(made.chosen) == kept
    assert all(record.reason for record in recorded)
    assert json.loads(made.considered) == [
        [each.installation, each.integration, each.chosen, each.reason] for each in recorded
    ]


@given(resources, candidates, candidates)
def test_equal_decisions_have_one_id(resource, some, others):
    """The id is a digest of the record: equal for equal ones, different for different ones."""
    one, two = plan(resource, some, None), plan(resource, others, None)
    assert len(one.id) == 16
    assert (one.id == two.id) is (one.considered == two.considered)
    assert plan(resource, list(some), None) == one
