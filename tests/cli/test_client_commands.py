"""The commands that talk to a server, against a running one."""

import json

import pytest

URL = "https://hooks.example.com/webhooks"


@pytest.fixture
def told(client):
    """Run a command with --json, and return its document."""

    def run_json(*argv: str):
        result = client(*argv, "--json")
        assert result.code == 0, result.err
        return json.loads(result.out)

    return run_json


@pytest.fixture(scope="module")
def organization() -> str:
    return "acme"


def test_an_integrations_life(client, told):
    """It is created with a secret shown once, listed, shown, changed, and deleted."""
    flags = ("--resource", "issue,comment", "--resource", "error", "--retry-schedule", "0,5")
    created = client(
        "integration", "create", "Life", "--organization", "acme", "--webhook-url", URL, *flags
    )
    assert created.code == 0, created.err
    assert "client secret" in created.text
    assert "shown this once" in created.err
    shown = told("integration", "show", "life")
    assert shown["resources"] == ["issue", "comment", "error"]
    assert shown["retry_schedule"] == [0, 5]
    assert "client_secret" not in shown
    changed = told("integration", "update", "life", "--timeout", "3", "--no-resources")
    assert (changed["timeout"], changed["resources"]) == (3, [])
    assert "life" in client("integration", "list").text
    assert "life" in [each["slug"] for each in told("integration", "list")["integrations"]]
    assert told("integration", "delete", "life") == {"deleted": "life"}
    assert client("integration", "show", "life").code == 1


def test_a_secrets_life(client, told):
    """It is rotated and shown once, listed without its text, and the old one can be let sign."""
    made = told("integration", "create", "Rot", "--kind", "public", "--webhook-url", URL)
    rotated = client("integration", "rotate", "rot", "--overlap", "600", "--sign-with", "old")
    assert rotated.code == 0, rotated.err
    assert "client secret" in rotated.text
    assert "the old one" in rotated.text
    assert "shown this once" in rotated.err
    old, new = told("integration", "secrets", "rot")
    assert (old["signs"], new["signs"]) == (True, False)
    assert old["hint"] == "********" + made["client_secret"][-4:]
    listed = client("integration", "secrets", "rot")
    assert new["hint"] in listed.text
    assert made["client_secret"] not in listed.text
    assert [each["signs"] for each in told("integration", "sign-with", "rot", "new")] == [
        False,
        True,
    ]
    assert "yes" in client("integration", "sign-with", "rot", "old").text
    again = told("integration", "rotate", "rot", "--overlap", "0")
    assert again["client_secret"][-4:] == told("integration", "secrets", "rot")[0]["hint"][-4:]


def test_what_is_typed_in_a_wrong_place_is_not_repeated(client, server, monkeypatch):
    """Not a key as a slug or a number, not the operator's own; neither by us nor by the server."""
    typed = "hkl_" + "0123456789abcdef" * 4
    monkeypatch.setenv("WEBHOOK_SECRET", "as the receiver has it")
    for arguments in (
        ["integration", "show", typed],
        ["key", "revoke", typed],
        ["integration", "show", server.key],
        ["integration", "rotate", typed],
        ["delivery", "show", "as the receiver has it"],
    ):
        result = client(*arguments)
        assert result.code != 0
        assert "********" in result.err, arguments
        for secret in (typed, server.key, "as the receiver"):
            assert secret[:20] not in result.err + result.text


def test_an_installations_life(told):
    """A public integration is installed with a code, and uninstalled."""
    made = told("integration", "create", "Inst", "--kind", "public", "--webhook-url", URL)
    assert made["client_secret"]
    installed = told("integration", "install", "inst", "--organization", "acme")
    assert installed["code"]
    assert told("integration", "uninstall", installed["uuid"])["status"] == "deleted"


def test_a_deliverys_life(client, told, receiver, tmp_path):
    """An event from a file is delivered; list, show, why and replay tell of it."""
    made = told(
        "integration", "create", "Deliver", "--organization", "northwind",
        "--webhook-url", f"{receiver.url}/webhooks", "--resource", "issue", "--timeout", "20",
    )  # fmt: skip
    receiver.learn(made["client_secret"])
    before = len(receiver.reports)
    event = {
        "resource": "issue",
        "action": "created",
        "id": "e-1",
        "data": {"é": "\x1b[31m", "n": 1.0},
    }
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event))
    accepted = told("event", "publish", str(file), "--organization", "northwind")
    assert accepted == {"id": "e-1", "deliveries": 1, "warnings": []}
    report = receiver.wait_for(before + 1)[-1]
    assert (report["raw"], report["js"]) == (True, True)
    delivery = report["request_id"]

    shown = client("delivery", "show", delivery)
    assert "> Sentry-Hook-Signature: " in shown.text
    assert '"data":{"é":"\\u001b[31m","n":1}' in shown.text
    assert told("delivery", "why", delivery)["id"] == delivery
    assert "issue.created was accepted" in client("delivery", "why", delivery).text
    flags = ("--integration", "deliver", "--organization", "northwind", "--limit", "1")
    assert [each["id"] for each in told("delivery", "list", *flags)["deliveries"]] == [delivery]
    assert delivery in client("delivery", "list", *flags).text
    assert told("delivery", "list", *flags, "--state", "parked")["deliveries"] == []

    considered = client("event", "show", "e-1", "--organization", "northwind")
    assert "subscribes to issue" in considered.text
    again = told("event", "publish", str(file), "--organization", "northwind")
    assert again["duplicate"] is True
    receiver.wait_until(lambda: _state(told, delivery) == "delivered", "the delivery to be settled")
    assert told("delivery", "replay", delivery)["id"] == delivery
    assert receiver.wait_for(before + 2)[-1]["request_id"] == delivery


def _state(told, delivery: str) -> str:
    return told("delivery", "show", delivery)["state"]


def test_a_sample_that_goes_to_nobody_says_so(client):
    result = client("event", "publish", "--sample", "comment.created", "--organization", "nobody")
    assert result.code == 0
    assert "It goes to nobody" in result.err


def test_an_event_from_stdin_is_taken_as_it_is(process, server):
    """The server, not the client, says what is wrong with the bytes."""
    result = process(
        "event", "publish", "-", "--organization", "acme",
        stdin=b'{"resource": oops}', HOOKLINE_URL=server.url, HOOKLINE_API_KEY=server.key,
    )  # fmt: skip
    assert result.code == 1
    assert "JSON" in result.err


def test_resources_and_keys(client, told):
    """A resource of one's own can be registered; a key is shown once, and can be revoked."""
    assert told("resource", "create", "order", "placed", "shipped")["name"] == "order"
    assert "order" in client("resource", "list").text
    assert {"issue", "order"} <= {each["name"] for each in told("resource", "list")}
    key = told("key", "create", "checkout", "--scope", "publish", "--scope", "read")
    assert key["key"].startswith("hkl_")
    assert key["scopes"] == ["publish", "read"]
    assert "publish, read" in client("key", "list").text
    assert "admin" in client("key", "create", "everything").text
    assert key["key"] not in client("key", "list").text
    assert told("key", "revoke", str(key["id"])) == {"revoked": key["id"]}
    assert "checkout" in [each["name"] for each in told("key", "list")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["integration", "show", "nothing"], "there is no integration"),
        (["delivery", "show", "77"], "there is no delivery"),
        (["event", "show", "nothing"], "there is no event"),
        (["key", "revoke", "4711"], "there is no key 4711"),
        (
            ["integration", "create", "X", "--kind", "public", "--webhook-url", "ftp://x"],
            "begins with ftp:",
        ),
        (["integration", "secrets", "nothing"], "there is no integration"),
        (["integration", "rotate", "nothing"], "there is no integration"),
    ],
)
def test_what_the_server_refuses_is_exit_code_1(client, arguments, words):
    result = client(*arguments)
    assert (result.code, result.out) == (1, b"")
    error, hint = result.err.splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert hint.startswith("hint: ")


def test_a_wrong_key_and_no_server_say_what_to_do(client, monkeypatch):
    monkeypatch.setenv("HOOKLINE_API_KEY", "hkl_wrong")
    wrong = client("key", "list")
    assert (wrong.code, "HOOKLINE_API_KEY" in wrong.err) == (1, True)
    gone = client("key", "list", "--url", "http://127.0.0.1:1")
    assert (gone.code, "is it running? start it with `hookline serve`" in gone.err) == (1, True)
    monkeypatch.delenv("HOOKLINE_API_KEY")
    none = client("key", "list")
    assert (none.code, "HOOKLINE_API_KEY is not set" in none.err) == (2, True)


def test_another_server_is_not_taken_for_ours(client, receiver):
    result = client("key", "list", "--url", receiver.url)
    assert result.code == 1
    assert "not as hookline does" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["event", "publish", "--organization", "acme"],
        ["event", "publish", "--sample", "issue.crated", "--organization", "acme"],
        ["event", "publish", "/nowhere/event.json", "--organization", "acme"],
        ["integration", "update", "x"],
        ["integration", "update", "x", "--retry-schedule", "0;5"],
        ["delivery", "list", "--state", "lost"],
        ["key", "revoke", "first"],
        ["key", "create", "x", "--scope", "write"],
        ["integration", "sign-with", "x", "both"],
        ["integration", "rotate", "x", "--overlap", "a day"],
    ],
)
def test_wrong_use_is_exit_code_2(client, arguments):
    result = client(*arguments)
    assert result.code == 2
    assert "hint: " in result.err


def test_a_sources_life(client, told, monkeypatch):
    """It is made with a URL shown once, fed to an application, rotated, and deleted."""
    monkeypatch.setenv("WEBHOOK_SECRET", "the sender's own secret, the old one")
    flags = ("--organization", "acme", "--scheme", "github", "--deduplicate", "request-id")
    created = client("source", "create", "Git Hub", *flags)
    assert created.code == 0, created.err
    assert "/in/" in created.text
    assert "shown this once" in created.err
    assert "own secret" not in created.text + created.err
    route = ("--source", "git-hub", "--filter-resource", "push", "--filter", "ref == 'main'")
    made = told("integration", "create", "Builder", "--webhook-url", URL, *route)
    assert (made["source"], made["organization"]) == ("git-hub", "acme")
    assert made["filter"] == {"resources": ["push"], "expression": "ref == 'main'"}
    assert "resources push; ref == 'main'" in client("integration", "show", "builder").text
    changed = told("integration", "update", "builder", "--filter-action", "a,b")
    assert changed["filter"] == {"actions": ["a", "b"]}
    assert told("integration", "update", "builder", "--no-filter")["filter"] is None
    shown = told("source", "show", "git-hub")
    assert (shown["scheme"], shown["deduplicate"]) == ("github", "request-id")
    assert "url" not in shown
    assert told("source", "update", "git-hub", "--keep-refused")["keep_refused"] is True
    assert "git-hub" in client("source", "list").text
    monkeypatch.setenv("WEBHOOK_SECRET", "the sender's own secret, the new one")
    old, new = told("source", "add-secret", "git-hub")
    assert told("source", "drop-secret", "git-hub", str(old["id"])) == {"dropped": old["id"]}
    assert told("source", "secrets", "git-hub") == [new]
    assert "/in/" in client("source", "new-url", "git-hub").text
    assert told("source", "refused", "git-hub") == {"refused": [], "kept": True}
    assert "There are none." in client("source", "refused", "git-hub").err
    assert client("source", "update", "git-hub").code == 2
    assert told("source", "delete", "git-hub") == {"deleted": "git-hub"}
    assert client("source", "show", "git-hub").code == 1
