"""``hookline integration unsubscribe`` and what follows, ``hookline notice``, against a real server."""

import json
import re

import pytest

from hookline.cli.subscriptions import _instant
from hookline.core.instants import isoformat

NOW = 1_800_000_000_000_000
SECOND = 1_000_000


@pytest.fixture
def told(client):
    """Run a command with --json, and return its document."""

    def run_json(*argv: str):
        result = client(*argv, "--json")
        assert result.code == 0, result.err
        return json.loads(result.out)

    return run_json


@pytest.fixture
def made(told, receiver):
    """Register an integration of an organization of its own, by its slug."""

    def register(slug: str, *flags: str):
        created = told(
            "integration", "create", slug.title(), "--slug", slug, "--organization", slug,
            "--webhook-url", f"{receiver.url}/webhooks", "--resource", "issue", "--timeout", "20",
            *flags,
        )  # fmt: skip
        receiver.learn(created["client_secret"])
        return created

    return register


def publish(told, organization: str, count: int) -> None:
    for _ in range(count):
        told("event", "publish", "--sample", "issue.created", "--organization", organization)


def test_off_and_on_again(client, told, made, receiver):
    """Each answer says what happens next and what to type next; what was missed arrives."""
    made("offon")
    off = client("integration", "unsubscribe", "offon", "--detail", "moves house")
    assert (off.code, "offon is unsubscribed" in off.text) == (0, True)
    assert "hookline integration resubscribe offon --recover" in off.err
    publish(told, "offon", 3)
    shown = client("integration", "show", "offon").text
    assert re.search(r"status +unsubscribed since 20.*: moves house", shown)
    assert "unsubscribed (manual)" in client("integration", "list", "--limit", "200").text
    health = client("integration", "health", "offon")
    assert re.search(r"because +moves house", health.text)
    assert re.search(r"parked +3", health.text)
    assert "hookline integration resubscribe offon --recover --dry-run" in health.err

    dry = client("integration", "resubscribe", "offon", "--recover", "--dry-run")
    assert re.search(r"would be sent +3\n +unsubscribed +3", dry.text)
    assert (
        "Nothing was changed. To do it: hookline integration resubscribe offon --recover" in dry.err
    )
    assert told("integration", "show", "offon")["status"] == "unsubscribed"

    before = len(receiver.reports)
    on = client("integration", "resubscribe", "offon", "--recover")
    assert "offon receives events again" in on.text
    assert "hookline integration recoveries offon" in on.err
    assert all(each["raw"] for each in receiver.wait_for(before + 3)[before:])
    receiver.wait_until(lambda: _done(told, "offon"), "the recovery")
    listed = client("integration", "recoveries", "offon").text
    assert re.search(r"parked +3 +20", listed)
    assert told("integration", "health", "offon")["parked"] == 0

    notices = client("notice", "list", "--integration", "offon").text
    assert "moves house" in notices
    kinds = [each["kind"] for each in told("notice", "list", "--integration", "offon")["notices"]]
    assert kinds == ["resubscribed", "unsubscribed"]
    page = told("notice", "list", "--integration", "offon", "--limit", "1")
    older = told("notice", "list", "--integration", "offon", "--before", str(page["next"]))
    assert [each["kind"] for each in older["notices"]] == ["unsubscribed"]
    more = client("notice", "list", "--integration", "offon", "--limit", "1")
    assert f"--before {page['next']}" in more.err


def _done(told, slug: str) -> bool:
    found = told("integration", "recoveries", slug)
    return bool(found) and found[0]["done"]


def test_recovering_later(client, told, made, receiver):
    """Resubscribed without recovering, what was missed can be sent by its span of time."""
    made("later")
    told("integration", "unsubscribe", "later")
    publish(told, "later", 2)
    on = client("integration", "resubscribe", "later")
    assert "hookline integration recover later --since 24h" in on.err
    stay = client("delivery", "list", "--integration", "later", "--park-reason", "unsubscribed")
    assert stay.text.count("parked (unsubscribed)") == 2
    dry = client("integration", "recover", "later", "--since", "2h", "--dry-run")
    assert re.search(r"would be sent +2", dry.text)
    past = told("integration", "recover", "later", "--since", "2h", "--until", "1h", "--dry-run")
    assert past == {"dry_run": True, "deliveries": 0, "by": {}}
    before = len(receiver.reports)
    begun = client("integration", "recover", "later", "--since", "2h ago")
    assert re.search(r"recovery \d+ of later has begun", begun.text)
    receiver.wait_for(before + 2)
    receiver.wait_until(
        lambda: not told("integration", "health", "later")["parked"], "all of it to be on its way"
    )
    ids = told("delivery", "list", "--integration", "later")["deliveries"]
    for each in ids:
        receiver.wait_until(
            lambda each=each: told("delivery", "show", each["id"])["state"] == "delivered", "it"
        )
    again = told("integration", "recover", "later", "--since", "1d", "--states", "parked,delivered")
    assert again["states"] == ["delivered", "parked"]
    receiver.wait_for(before + 4)


def test_a_rate_and_an_order(client, told, made):
    """They are given where an integration is made or changed, and shown."""
    created = made("paced", "--rate-limit", "10/second", "--ordered")
    assert created["rate_limit"] == {"number": 10, "per": "second"}
    assert created["ordered"] is True
    shown = client("integration", "show", "paced").text
    assert re.search(r"rate +at most 10 a second", shown)
    assert re.search(r"order +as accepted, one at a time", shown)
    changed = told("integration", "update", "paced", "--rate-limit", "90/minute", "--no-ordered")
    assert (changed["rate_limit"], changed["ordered"]) == ({"number": 90, "per": "minute"}, False)
    assert told("integration", "update", "paced", "--rate-limit", "none")["rate_limit"] is None
    assert told("integration", "update", "paced", "--timeout", "3")["rate_limit"] is None
    assert not re.search(r"rate +at most", client("integration", "show", "paced").text)


def test_a_healthy_one(client, made):
    """In a sentence each: how many timeouts of how many, in what time."""
    made("fit")
    health = client("integration", "health", "fit")
    assert re.search(r"status +subscribed", health.text)
    assert re.search(r"timeouts +0 within 24 hours; at 1,000 it is unsubscribed", health.text)
    assert re.search(r"in flight +0 of 32", health.text)
    assert re.search(r"last success +none yet", health.text)
    assert health.err == ""
    assert "There are none" in client("integration", "recoveries", "fit").err
    assert client("notice", "list", "--integration", "fit").err == "There are none.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["integration", "unsubscribe", "nothing"], "there is no integration"),
        (["integration", "health", "nothing"], "there is no integration"),
        (["notice", "list", "--integration", "nothing"], "there is no integration"),
        (["integration", "resubscribe", "refused"], "subscribed already"),
        (["integration", "recover", "refused", "--since", "yesterday"], "is no instant"),
        (["integration", "recover", "refused", "--since", "1h", "--states", "lost"], "lost"),
        (["integration", "recover", "refused", "--since", "1h", "--until", "2h"], "span is empty"),
        (["integration", "update", "refused", "--rate-limit", "0/second"], "rate limit"),
        (["integration", "update", "refused", "--rate-limit", "5/hour"], "hour"),
    ],
)
def test_what_the_server_refuses_is_exit_code_1(client, told, arguments, words):
    """One line says what is wrong, one what to do."""
    if "refused" in arguments and client("integration", "show", "refused").code:
        told(
            "integration", "create", "Refused", "--organization", "acme",
            "--webhook-url", "https://hooks.example.com/",
        )  # fmt: skip
    result = client(*arguments)
    assert (result.code, result.out) == (1, b"")
    error, hint = result.err.splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["integration", "recover", "x"],
        ["integration", "update", "x", "--rate-limit", "fast"],
        ["integration", "update", "x", "--rate-limit", "1e3/second"],
        ["integration", "update", "x", "--rate-limit", "99999999999/second"],
        ["notice", "list", "--before", "first"],
        ["delivery", "list", "--park-reason", "bored"],
    ],
)
def test_wrong_use_is_exit_code_2(client, arguments):
    """Nothing is asked of the server."""
    result = client(*arguments)
    assert result.code == 2
    assert "hint: " in result.err


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800), (" 2h ago", 7_200), ("0s", 0)],
)
def test_so_long_ago(text, ago_s):
    """A span back from now."""
    assert _instant(text, NOW) == isoformat(NOW - ago_s * SECOND)


@pytest.mark.parametrize(
    "text", ["2026-11-23T10:00:00Z", "2", "h", "-2h", "2 weeks", "9" * 6 + "d"]
)
def test_what_is_no_span_goes_to_the_server(text):
    """It knows instants, and says what is wrong with the rest."""
    assert _instant(text, NOW) == text
