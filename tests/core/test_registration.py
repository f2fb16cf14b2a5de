"""What may be registered: each field's rule at its edges, and refusals that say where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.errors import Invalid
from hookline.core.model import BodyEncoding, Kind
from hookline.core.registration import (
    MAX_NAME,
    check_fields,
    check_name,
    check_organization,
    check_resources,
    check_slug,
    slug_from,
)
from hookline.core.resources import define

ORDER = {"order": define("order", ["placed"])}


def refused(check, *arguments) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check(*arguments)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("a", "a"),
        ("  My App \n", "My App"),
        ("x" * MAX_NAME, "x" * MAX_NAME),
        ("Ünïcode 🎣", "Ünïcode 🎣"),
    ],
)
def test_names(given_, kept):
    """1 to 57 characters of any script, without the space around them."""
    assert check_name(given_) == kept


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "this one has 0"),
        (" \t\n ", "this one has 0"),
        ("x" * (MAX_NAME + 1), "this one has 58"),
        ("two\nlines", "control character"),
        ("nul\0", "control character"),
        ("\x1b[31mred", "control character"),
        ("lone \ud800", "control character"),
        ("turned \u202e round", "control character"),
    ],
)
def test_refused_names(value, says):
    """Empty ones, long ones, and those that would spoil a page or a terminal."""
    refusal = refused(check_name, value, "/here")
    assert (refusal.code, refusal.where) == ("invalid-name", "/here")
    assert says in refusal.message


@pytest.mark.parametrize("value", ["a", "0", "my-app", "a--b", "a" * 57])
def test_slugs(value):
    """Lower-case letters, digits and inner hyphens."""
    assert check_slug(value) == value


@pytest.mark.parametrize(
    "value", ["", "-a", "a-", "-", "A", "a_b", "a b", "é", "a\n", "a/b", "٣", "a" * 58, "a" * 9999]
)
def test_refused_slugs(value):
    """Anything else; the hint has one that would do, and the message stays short."""
    refusal = refused(check_slug, value)
    assert (refusal.code, refusal.where) == ("invalid-slug", "/slug")
    suggested = refusal.hint.removeprefix("for example ").strip("'")
    assert check_slug(suggested) == suggested
    assert len(refusal.message) < 250


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My App!", "my-app"),
        ("  --A__b  ", "a-b"),
        ("🎣", ""),
        ("", ""),
        ("x" * 56 + " y", "x" * 56),
    ],
)
def test_the_slug_that_a_name_suggests(name, slug):
    """Whatever cannot stand in a slug becomes a hyphen between what can."""
    assert slug_from(name) == slug


@given(st.text())
def test_a_suggested_slug_is_a_slug(name):
    """Every name suggests a slug that would be accepted, or none."""
    slug = slug_from(name)
    assert slug == "" or check_slug(slug) == slug


@pytest.mark.parametrize("value", ["a", "0", "acme", "a_b-c", "a" * 64])
def test_organizations(value):
    """As publishers name their tenants: underscores too, and up to 64."""
    assert check_organization(value) == value


@pytest.mark.parametrize("value", ["", "_a", "a_", "-a", "A", "a b", "a.b", "é", "a\n", "a" * 65])
def test_refused_organizations(value):
    """Anything else."""
    refusal = refused(check_organization, value)
    assert (refusal.code, refusal.where) == ("invalid-organization", "/organization")


def test_resources():
    """Documented ones and registered ones, kept in the order given; none is fine too."""
    assert check_resources(["order", "issue"], ORDER) == ("order", "issue")
    assert check_resources([], {}) == ()


@pytest.mark.parametrize(
    ("value", "code", "where"),
    [
        (["issue", "isue"], "unknown-resource", "/resources/1"),
        (["bill"], "unknown-resource", "/resources/0"),
        (["issue", "order", "issue"], "duplicate-resource", "/resources/2"),
        (["event_alert"], "not-subscribable", "/resources/0"),
        (["issue", "metric_alert"], "not-subscribable", "/resources/1"),
        (["installation"], "not-subscribable", "/resources/0"),
        (["issue"] * 101, "too-many-resources", "/resources"),
    ],
)
def test_refused_resources(value, code, where):
    """The refusal points at the one that is wrong."""
    refusal = refused(check_resources, value, ORDER)
    assert (refusal.code, refusal.where) == (code, where)


def test_what_to_do_instead_of_subscribing():
    """Alerts come by ``alertable``, installation webhooks by themselves."""
    assert '"alertable": true' in refused(check_resources, ["event_alert"], {}).hint
    assert "without subscribing" in refused(check_resources, ["installation"], {}).hint


def test_a_hundred_resources_are_allowed():
    """The limit is a limit, and not one less."""
    own = {f"r{number}": define(f"r{number}", ["a"]) for number in range(100)}
    assert len(check_resources(list(own), own)) == 100


def test_only_what_is_given_is_checked():
    """Changing one field says nothing of the others."""
    assert check_fields({}, {}) == {}
    assert check_fields({"name": " App "}, {}) == {"name": "App"}


def test_every_field():
    """All of them at once, each as it is kept."""
    url = "https://receiver.example/hook"
    given_ = {
        "name": "App",
        "slug": "app",
        "kind": "public",
        "organization": "acme",
        "webhook_url": url,
        "alertable": True,
        "timeout": 2.5,
        "max_in_flight": 7,
        "retry_schedule": [0, 5],
        "body_encoding": "ascii",
        "resources": ["order"],
    }
    assert check_fields(given_, ORDER) == given_ | {
        "kind": Kind.PUBLIC,
        "retry_schedule": (0, 5),
        "body_encoding": BodyEncoding.ASCII,
        "resources": ("order",),
    }


@pytest.mark.parametrize(
    ("field", "low", "high"), [("timeout", 0.1, 30), ("max_in_flight", 1, 1000)]
)
def test_numbers_have_bounds(field, low, high):
    """Both ends belong to the range; beyond them, and for NaN, the refusal names range and field."""
    for value in (low, high):
        assert check_fields({field: value}, {}) == {field: value}
    for value in (low - 0.01, high + 0.01, 0, -1, float("nan"), float("inf"), 10**30):
        refusal = refused(check_fields, {field: value}, {})
        assert (refusal.code, refusal.where) == ("out-of-range", f"/{field}")
        assert f"{low:g} to {high:g}" in refusal.message


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("name", "", "/name"),
        ("slug", "A", "/slug"),
        ("organization", "A", "/organization"),
        ("webhook_url", "ftp://x", "/webhook_url"),
        ("retry_schedule", [], "/retry_schedule"),
        ("resources", ["nothing"], "/resources/0"),
    ],
)
def test_a_refusal_names_its_field(field, value, where):
    """A form can put the message beside the right line."""
    assert refused(check_fields, {field: value}, {}).where == where


def test_a_field_without_a_rule_is_a_defect():
    """A new field must be given a rule before it can be registered."""
    with pytest.raises(KeyError):
        check_fields({"unheard-of": 1}, {})
