"""The types of ``data``: what is documented, and what we send, is what they say."""

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

import pytest

from hookline import receive, samples
from hookline.receive import data as shapes

PAYLOADS = Path(__file__).resolve().parents[3] / "shared" / "contract" / "payloads"
DOCUMENTED = sorted(
    path
    for folder in (PAYLOADS, PAYLOADS / "derived", PAYLOADS / "older-docs")
    for path in folder.glob("*.*.json")
    if not path.name.endswith(".headers.json") and path.name != "token.exchange.response.json"
)
SHAPES = {
    "installation": receive.InstallationData,
    "event_alert": receive.EventAlertData,
    "issue": receive.IssueData,
    "metric_alert": receive.MetricAlertData,
    "error": receive.ErrorData,
    "comment": receive.CommentData,
    "seer": receive.SeerData,
    "preprod_artifact": receive.PreprodArtifactData,
    "activity_alert": receive.ActivityAlertData,
}


def problems(value: Any, hint: Any, at: str = "") -> list[str]:  # noqa: PLR0911
    """Tell where a value is not what a type says, and which fields the type does not know."""
    origin = get_origin(hint)
    if hint is Any:
        return []
    if origin is NotRequired:
        return problems(value, get_args(hint)[0], at)
    if origin in {Union, types.UnionType}:
        found = [problems(value, each, at) for each in get_args(hint)]
        return min(found, key=len)
    if origin is Literal:
        return [] if value in get_args(hint) else [f"{at}: {value!r} is not in {hint}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{at}: no list"]
        (inner,) = get_args(hint)
        return [p for i, each in enumerate(value) for p in problems(each, inner, f"{at}/{i}")]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{at}: no object"]
        inner = get_args(hint)[1]
        return [p for key, each in value.items() for p in problems(each, inner, f"{at}/{key}")]
    if hasattr(hint, "__required_keys__"):
        return object_problems(value, hint, at)
    if (
        hint is float
    ):  # JSON has one kind of number, and a type checker lets an int pass for a float
        return [] if type(value) in {int, float} else [f"{at}: {type(value).__name__} for float"]
    return [] if type(value) is hint else [f"{at}: {type(value).__name__} for {hint.__name__}"]


def object_problems(value: Any, hint: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: no object"]
    hints = get_type_hints(hint, include_extras=True)
    found = [f"{at}/{key} is missing" for key in hint.__required_keys__ - value.keys()]
    for key, each in value.items():
        found += problems(each, hints[key], f"{at}/{key}") if key in hints else [f"{at}/{key}: new"]
    return found


@pytest.mark.parametrize("name", samples.names())
def test_our_samples_are_what_the_types_say(name: str) -> None:
    """Each sample has the fields that its type requires, and none that it does not know."""
    resource, _, action = name.partition(".")
    made = samples.sample(resource, action, now=10**15, installation_uuid="6f1d")
    assert problems(made.data, SHAPES[resource]) == []
    if made.actor is not None:
        assert problems(made.actor, receive.Actor) == []


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_documented_payloads_are_what_the_types_say(path: Path) -> None:
    """Each documented payload, older ones too, has what is required and nothing unknown."""
    document = json.loads(path.read_text("utf-8"))
    assert problems(document["data"], SHAPES[path.name.partition(".")[0]]) == []
    assert problems(document["actor"], receive.Actor) == []


def test_there_are_payloads(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the documented payloads are not at hand, that is said aloud."""
    if not DOCUMENTED:
        with capsys.disabled():
            print(f"\n*** NOT COMPARED with the documented payloads: {PAYLOADS} is not there ***")
        pytest.skip("nothing to compare with")
    assert {path.name.partition(".")[0] for path in DOCUMENTED} == set(SHAPES)


def test_the_checker_notices_what_it_should() -> None:
    """The comparison itself is no sieve."""
    right = {"comment_id": 1, "issue_id": 2, "project_slug": "p", "timestamp": "", "comment": "c"}
    assert problems(right, receive.CommentData) == []
    assert problems(right | {"x": 1}, receive.CommentData) == ["/x: new"]
    assert problems(right | {"issue_id": "2"}, receive.CommentData) == ["/issue_id: str for int"]
    assert problems(right | {"issue_id": True}, receive.CommentData) == ["/issue_id: bool for int"]
    assert problems({}, shapes.Setting)[0].endswith("is missing")
    assert problems({"type": "robot", "id": 1, "name": ""}, receive.Actor) != []
    assert problems([{"a": 1}], list[dict[str, str]]) == ["/0/a: int for str"]
    assert problems(None, int | None) == []


def test_the_types_are_exported() -> None:
    """Every type of a resource's data can be imported from the package."""
    assert {shape.__name__ for shape in SHAPES.values()} <= set(receive.__all__)
    assert set(receive.__all__) <= {*dir(receive), "explain"}


EXAMPLE = """
from hookline.receive import SENTRY, IssueData, Webhook, WebhookError, verify

def handle(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    try:
        webhook: Webhook = verify(body, headers, ["new", "old"], scheme=SENTRY, max_age_s=600)
    except WebhookError as error:
        return error.status, error.code
    if webhook.resource == "issue":
        data = webhook.data_as(IssueData)
        count: str = data["issue"]["count"]
        return 200, count + data["issue"].get("web_url", "")
    return 200, webhook.data["comment"]
"""
WRONG = """
from hookline.receive import IssueData, Webhook

def handle(webhook: Webhook) -> int:
    return webhook.data_as(IssueData)["issue"]["count"]
"""


@pytest.mark.parametrize(("text", "code"), [(EXAMPLE, 0), (WRONG, 1)])
def test_a_type_checker_knows_the_fields(text: str, code: int, tmp_path: Path) -> None:
    """Mypy --strict takes a right use and refuses a text where a number is promised."""
    file = tmp_path / "use.py"
    file.write_text(text)
    root = Path(__file__).parents[2]
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            f"--cache-dir={root / '.mypy_cache'}",
            str(file),
        ],
        cwd=root,
        env={"MYPYPATH": str(root / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == code, made.stdout
    assert ("return-value" in made.stdout) == bool(code)
