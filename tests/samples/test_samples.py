"""The samples: all that is documented, in the documented shape, in our own words."""

import doctest
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hookline import samples
from hookline.core.errors import Invalid
from hookline.core.resources import DOCUMENTED
from hookline.samples import Sample, names, sample

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
UUID = "3f1c9a52-7d08-4be6-9c11-5a2e80d4f7b3"

# The documented examples lie beside the project, not in it: their words are not ours to copy.
PAYLOADS = Path(__file__).resolve().parents[3] / "shared" / "contract" / "payloads"
EXAMPLES = sorted(
    path
    for folder in (PAYLOADS, PAYLOADS / "derived")
    for path in folder.glob("*.*.json")
    if not path.name.endswith(".headers.json") and path.name != "token.exchange.response.json"
)

# Objects whose keys are data (here: names of repositories), so that the first values are compared.
MAPS = {"/code_changes"}


def make(name: str, **changes: Any) -> Sample:
    resource, _, action = name.partition(".")
    return sample(resource, action, **{"now": NOW, "installation_uuid": UUID} | changes)


def walk(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """List each value in a document, with the way to it."""
    yield at, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{at}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, f"{at}/{index}")


def containers(made: Sample) -> list[Any]:
    """List whatever could be changed in a sample."""
    inside = [*walk(made.data), *walk(made.actor)]
    return [value for _, value in inside if isinstance(value, dict | list)]


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {dict: "object", list: "array", str: "string", int: "number", float: "number"}[
        type(value)
    ]


def differences(theirs: Any, ours: Any, at: str = "") -> list[str]:
    """Tell what the documented example has and ours has not, or has with another JSON type."""
    if theirs is None or ours is None:
        return []
    if kind(theirs) != kind(ours):
        return [f"{at}: {kind(theirs)} became {kind(ours)}"]
    if isinstance(theirs, float) and not isinstance(ours, float):
        return [f"{at}: a float became an integer"]
    if at in MAPS:
        theirs, ours, at = [*theirs.values()], [*ours.values()], f"{at}/*"
    if isinstance(theirs, list):
        theirs, ours = dict(enumerate(theirs[:1])), dict(enumerate(ours[:1] or theirs[:1]))
    if not isinstance(theirs, dict):
        return []
    found = [f"{at}/{key} is missing" for key in theirs if key not in ours]
    for key in theirs.keys() & ours.keys():
        found += differences(theirs[key], ours[key], f"{at}/{key}")
    return found


@pytest.fixture
def examples() -> dict[str, Any]:
    """The documented bodies by name; without them the test is skipped."""
    if not EXAMPLES:
        pytest.skip(f"the documented payloads are not at {PAYLOADS}")
    return {path.stem: json.loads(path.read_text("utf-8")) for path in EXAMPLES}


def test_the_examples_in_the_docstrings_are_true() -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(samples) == (0, 3)


def test_there_is_a_sample_of_everything_documented() -> None:
    """Each documented resource and action has a sample, and there is no other."""
    assert names() == tuple(
        f"{resource.name}.{action}"
        for resource in DOCUMENTED.values()
        for action in resource.actions
    )
    assert len(names()) == 27
    assert set(samples._FAMILIES) == set(DOCUMENTED)
    assert set(names()) >= samples._BY_PEOPLE


@pytest.mark.parametrize("name", names())
def test_a_sample_can_be_sent(name: str) -> None:
    """A sample is what it is called, and is plain JSON without NaN, in keys and values."""
    made = make(name)
    assert f"{made.resource}.{made.action}" == name
    assert made.data
    assert json.loads(json.dumps(made.data, allow_nan=False)) == made.data


def test_the_documented_examples_are_all_found(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """There is an example for each sample, or else a loud word that nothing was compared."""
    if not EXAMPLES:
        with capsys.disabled():
            print(f"\n*** NOT COMPARED with the documented payloads: {PAYLOADS} is not there ***")
    examples = request.getfixturevalue("examples")
    assert set(examples) == set(names())


@pytest.mark.parametrize("name", names())
def test_the_shape_is_the_documented_one(name: str, examples: dict[str, Any]) -> None:
    """Each key of the documented data is in ours, with a value of the same JSON type."""
    assert differences(examples[name]["data"], make(name).data) == []


@pytest.mark.parametrize("name", names())
def test_the_actor_is_of_the_documented_kind(name: str, examples: dict[str, Any]) -> None:
    """People act where people act in the documentation, and the system itself elsewhere."""
    actor = make(name).actor
    assert (actor is not None) == (examples[name]["actor"]["type"] == "user")
    if actor is not None:
        assert differences(examples[name]["actor"], actor) == []


def test_the_words_are_ours(examples: dict[str, Any]) -> None:
    """No prose, and no long name or identity, is taken from the documentation."""
    theirs = {
        value for body in examples.values() for _, value in walk(body) if isinstance(value, str)
    }
    ours = {
        value for name in names() for _, value in walk(make(name).data) if isinstance(value, str)
    }
    assert {text for text in ours & theirs if len(text) > 12 and " " in text} == set()
    identities = re.compile(r"[0-9a-f-]{16,}|https?://.*|\d{6,}")
    assert {text for text in ours & theirs if identities.fullmatch(text)} == set()


def test_the_comparison_notices_what_it_should() -> None:
    """The comparison of shapes itself is no sieve."""
    assert differences({"a": 1}, {}) == ["/a is missing"]
    assert differences({"a": 1}, {"a": "1"}) == ["/a: number became string"]
    assert differences({"a": True}, {"a": 1}) == ["/a: boolean became number"]
    assert differences({"a": 1.5}, {"a": 1}) == ["/a: a float became an integer"]
    assert differences([{"a": {}}], [{"a": []}]) == ["/0/a: object became array"]
    assert differences({"a": None, "b": []}, {"a": 1, "b": [1], "c": 2}) == []
    assert differences({"code_changes": {"x": {"a": 1}}}, {"code_changes": {"y": {}}}) == [
        "/code_changes/*/0/a is missing"
    ]


def test_what_receivers_trip_over_is_in_there() -> None:
    """The samples hold what breaks receivers that write the JSON again."""
    alert, error, issue, comment = (
        make(name)
        for name in ("metric_alert.critical", "error.created", "issue.created", "comment.created")
    )
    triggers = alert.data["metric_alert"]["alert_rule"]["triggers"]
    assert [(type(t["alert_threshold"]), t["alert_threshold"]) for t in triggers] == [
        (float, 100.0),
        (float, 62.5),
    ]
    keys = list(error.data["error"]["extra"])
    assert keys.index("attempt") < keys.index("10") < keys.index("2")
    assert {"é", "🧾"} <= set(issue.data["issue"]["title"])
    assert "\u2028" in comment.data["comment"]
    assert "\u2028" in error.data["error"]["extra"]["note"]


def test_no_sample_needs_a_warning() -> None:
    """No integer is beyond what a double can hold, and no key is there twice by case."""
    for name in names():
        for at, value in walk(make(name).data):
            if isinstance(value, int):
                assert abs(value) <= 2**53, (name, at)


ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)")


@pytest.mark.parametrize("name", names())
def test_times_follow_now(name: str) -> None:
    """Every time is within 60 days before now, and moves with it; nothing else changes."""
    later = timedelta(days=1000, hours=7)
    one = dict(walk(make(name).data))
    two = dict(walk(make(name, now=NOW + later // timedelta(microseconds=1)).data))
    assert one.keys() == two.keys()
    moment = datetime.fromtimestamp(NOW / 1e6, UTC)
    for at, value in one.items():
        if isinstance(value, str) and ISO.fullmatch(value):
            told = datetime.fromisoformat(value)
            assert moment - timedelta(days=60) < told < moment, at
            assert datetime.fromisoformat(two[at]) - told == later, at
        elif at.endswith(("/timestamp", "/received")):
            assert moment.timestamp() - 60 < value < moment.timestamp(), at
            assert two[at] - value == pytest.approx(later.total_seconds(), abs=0.002), at
        elif not isinstance(value, dict | list):
            assert two[at] == value, at
            assert not re.match(r"\d{4}-\d\d-\d\dT", str(value)), f"{at} is in another spelling"


@pytest.mark.parametrize("name", [name for name in names() if name != "seer.pr_created"])
def test_most_samples_tell_a_time(name: str) -> None:
    """A sample that told no time would make the test above pass for nothing."""
    times = [value for _, value in walk(make(name).data) if ISO.fullmatch(str(value))]
    assert times or name.startswith(("seer.", "installation."))


def test_the_spelling_of_first_seen() -> None:
    """A created issue spells its times with an offset, every other one with a Z."""
    for name in names():
        issue = make(name).data.get("issue")
        if issue:
            end = "+00:00" if name == "issue.created" else "Z"
            assert issue["firstSeen"].endswith(end)
            assert issue["lastSeen"].endswith(end)
            assert issue["firstSeen"] < issue["lastSeen"]


def test_whom_it_is_for() -> None:
    """Installation, organization and integration are those that were asked for."""
    made = make("installation.created", organization="fjord", integration="lamp")
    told = made.data["installation"]
    assert told["uuid"] == UUID
    assert told["organization"]["slug"] == "fjord"
    assert told["app"]["slug"] == "lamp"
    for name in names():
        for at, value in walk(make(name, organization="fjord").data):
            if str(value).startswith("https://errors."):
                assert "northwind" not in value.partition(".example/")[2], at
            assert not at.endswith("organizationSlug") or value == "fjord", at


def test_the_code_is_told_only_once() -> None:
    """A removed installation has no grant code any more."""
    assert len(make("installation.created").data["installation"]["code"]) == 32
    assert "code" not in make("installation.deleted").data["installation"]


def test_the_samples_tell_one_story() -> None:
    """Whatever names an issue names the same one, so that receivers can join them."""
    identities = set()
    for name in names():
        for at, value in walk(make(name).data):
            if at.endswith(("/issue_id", "/group_id", "/issue/id")):
                identities.add(str(value))
    assert len(identities) == 1


@pytest.mark.parametrize("name", names())
def test_nothing_is_shared_between_two_calls(name: str) -> None:
    """Whoever changes a sample changes only his own."""
    first, second = make(name), make(name)
    assert first == second
    made_once = {id(value) for value in containers(first)}
    assert [value for value in containers(second) if id(value) in made_once] == []


@pytest.mark.parametrize(
    ("resource", "action", "code", "hint"),
    [
        ("isue", "created", "unknown-resource", "Did you mean issue? "),
        ("issue", "craeted", "unknown-action", "Did you mean created? "),
    ],
)
def test_what_there_is_no_sample_of(resource: str, action: str, code: str, hint: str) -> None:
    """An unknown name is refused with the one that was probably meant."""
    with pytest.raises(Invalid) as caught:
        sample(resource, action, now=NOW, installation_uuid=UUID)
    assert caught.value.code == code
    assert caught.value.hint.startswith(hint)
