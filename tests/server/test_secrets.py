"""Rotating client secrets over the API, seen by a receiver that checks signatures."""

import time
from typing import Any

import pytest

from hookline.core.signing import matches


def _signed_with(live: Any, slug: str, secrets: dict[str, str]) -> str:
    """Publish an event, and return by which of these secrets its webhook was signed."""
    before = len(live.receiver.at(f"/{slug}"))
    live.publish(slug)
    request = live.receiver.wait(f"/{slug}", before + 1)[before]
    signature = request.header("Sentry-Hook-Signature")
    (name,) = [name for name, text in secrets.items() if matches(text, request.body, signature)]
    return name


def _registered(live: Any) -> tuple[str, str, str]:
    slug = live.name("rotating")
    made = live.register(slug=slug, organization=slug, resources=["issue"])
    return slug, f"/api/v1/integrations/{slug}/secrets", made["client_secret"]


def test_a_rotation(live: Any) -> None:
    """The new secret is shown once, signs at once, and both are listed without their text."""
    slug, path, old = _registered(live)
    (only,) = live.get(path)
    assert (only["expires_at"], only["signs"], only["hint"]) == (None, True, f"********{old[-4:]}")
    rotated = live.ok(live.client.post(f"{path}/rotate", json={}), 200)
    new = rotated.pop("client_secret")
    listed = live.get(path)
    assert rotated == {"previous_expires_at": listed[0]["expires_at"], "sign_with": "new"}
    assert [list(each) for each in listed] == [
        ["id", "created_at", "expires_at", "signs", "hint"]
    ] * 2
    assert [each["signs"] for each in listed] == [False, True]
    assert [each["hint"][-4:] for each in listed] == [old[-4:], new[-4:]]
    assert listed[1]["created_at"][:10] <= listed[0]["expires_at"][:10]
    assert _signed_with(live, slug, {"old": old, "new": new}) == "new"
    for answer in (live.client.get(path), live.client.get(f"/api/v1/integrations/{slug}")):
        assert old not in answer.text
        assert new not in answer.text


def test_the_choice_and_the_end_of_an_overlap(live: Any) -> None:
    """The old one signs while it was chosen, and stops by itself on a server that only runs on."""
    slug, path, old = _registered(live)
    given = {"overlap": 600, "sign_with": "old"}
    new = live.ok(live.client.post(f"{path}/rotate", json=given), 200)["client_secret"]
    secrets = {"old": old, "new": new}
    assert _signed_with(live, slug, secrets) == "old"
    for choice in ("new", "old"):
        listed = live.ok(live.client.patch(path, json={"sign_with": choice}), 200)
        assert [each["signs"] for each in listed] == [choice == "old", choice == "new"]
        assert _signed_with(live, slug, secrets) == choice
    last = live.ok(
        live.client.post(f"{path}/rotate", json={"overlap": 0.3, "sign_with": "old"}), 200
    )
    secrets = {"old": old, "new": new, "last": last["client_secret"]}
    until = time.monotonic() + 10
    while len(live.get(path)) > 1:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert _signed_with(live, slug, secrets) == "last"


def test_the_end_of_an_overlap_empties_the_row(live: Any) -> None:
    """The sealed text is gone from the database soon after, with nobody asking for it."""
    _, path, _ = _registered(live)
    live.ok(live.client.post(f"{path}/rotate", json={"overlap": 0.1}), 200)
    first = live.get(path)[0]["id"]

    async def sealed() -> bytes:
        job = "SELECT sealed FROM secrets WHERE id = ?"
        row = await live.served.engine.store._read(lambda c: c.execute(job, (first,)).fetchone())
        return row[0]

    until = time.monotonic() + 10
    while live.run(sealed).strip(b"\0"):
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ({"overlap": -1}, "out-of-range", "/overlap"),
        ({"overlap": 604_801}, "out-of-range", "/overlap"),
        ({"overlap": "60"}, "wrong-type", "/overlap"),
        ({"overlap": 0, "sign_with": "old"}, "no-overlap", "/sign_with"),
        ({"sign_with": "both"}, "invalid-field", "/sign_with"),
        ({"overlp": 60}, "unknown-field", "/overlp"),
        ([], "wrong-type", ""),
    ],
)
def test_wrong_rotations(live: Any, body: Any, code: str, where: str) -> None:
    """Refused with the place, and nothing is rotated."""
    _, path, _ = _registered(live)
    before = live.get(path)
    live.refused(live.client.post(f"{path}/rotate", json=body), 422, code, where)
    assert live.get(path) == before


def test_choosing_without_a_rotation(live: Any) -> None:
    """There is no old one to sign; the new one signs already."""
    _, path, _ = _registered(live)
    refused = live.client.patch(path, json={"sign_with": "old"})
    live.refused(refused, 409, "no-overlap", "/sign_with")
    assert [
        each["signs"] for each in live.ok(live.client.patch(path, json={"sign_with": "new"}), 200)
    ]
    live.refused(live.client.patch(path, json={}), 422, "missing-field", "")


@pytest.mark.parametrize(
    ("method", "end", "body"),
    [("GET", "", None), ("PATCH", "", {"sign_with": "new"}), ("POST", "/rotate", {})],
)
def test_nobodys_secrets(live: Any, method: str, end: str, body: Any) -> None:
    """An integration that there is not, or not any more."""
    slug, path, _ = _registered(live)
    live.client.delete(f"/api/v1/integrations/{slug}")
    answer = live.client.request(method, path + end, json=body)
    live.refused(answer, 404, "unknown-integration")
