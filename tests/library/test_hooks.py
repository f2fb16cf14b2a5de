"""Hookline in the caller's process: registered, published, delivered, without a server."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from hookline import Event, Hookline
from hookline.core.errors import Conflict, Invalid, UsageError


@pytest.fixture
async def hooks(tmp_path, receiver):
    url, allow = f"sqlite:///{tmp_path}/hookline.db", f"127.0.0.1:{receiver.port}"
    async with Hookline(url, allow_addresses=allow) as opened:
        yield opened


def app(receiver, **more):
    return {
        "name": "Pager",
        "organization": "acme",
        "webhook_url": receiver.url,
        "resources": ["issue"],
    } | more


async def test_what_is_published_is_delivered(hooks, receiver):
    """Signed with the secret that registering gave."""
    registered = await hooks.register(**app(receiver))
    answer = await hooks.publish(
        Event("acme", "issue", "created", {"n": 1}, {"type": "user", "id": 7, "name": "Ann"}, "1")
    )
    assert (answer.id, answer.deliveries, answer.duplicate) == ("1", 1, False)
    again = await hooks.publish(
        organization="acme", resource="issue", action="created", data={}, id="1"
    )
    assert again.duplicate
    await receiver.wait(1)
    (request,) = receiver.requests
    body = json.loads(request.body)
    assert (body["data"], body["actor"]["name"]) == ({"n": 1}, "Ann")
    assert body["installation"]["uuid"] == registered.installations[0].uuid
    assert request.header("sentry-hook-signature")


async def test_it_may_publish_inside_a_transaction_too(hooks, receiver, tmp_path):
    """On a connection of the program's own, while it dispatches from the same file."""
    await hooks.register(**app(receiver))
    with closing(sqlite3.connect(tmp_path / "hookline.db")) as connection:
        for n in range(20):
            hooks.publish_in(connection, Event("acme", "issue", "created", {"n": n}))
            connection.commit() if n % 2 else connection.rollback()
    await receiver.wait(10)
    came = sorted(json.loads(each.body)["data"]["n"] for each in receiver.requests)
    assert came == list(range(1, 20, 2))


async def test_errors_are_those_of_the_api(hooks, receiver):
    """With their codes and places."""
    await hooks.register(**app(receiver))
    with pytest.raises(Conflict, match="already"):
        await hooks.register(**app(receiver))
    with pytest.raises(Invalid) as refused:
        await hooks.publish(organization="acme", resource="issue", action="exploded", data={})
    assert refused.value.where == "/action"
    with pytest.raises(Invalid) as refused:
        await hooks.publish(
            organization="acme", resource="issue", action="created", data={"a": {1, 2}}
        )
    assert (refused.value.code, refused.value.where) == ("not-json", "")


async def test_it_has_to_be_open_and_is_open_once(hooks, tmp_path):
    """Who publishes before, after, or opens it twice is told so."""
    with pytest.raises(UsageError) as told:
        await hooks.__aenter__()
    assert told.value.code == "open-already"
    closed = Hookline(f"sqlite:///{tmp_path}/other.db")
    for _ in range(2):
        with pytest.raises(UsageError) as told:
            await closed.publish(Event("acme", "issue", "created", {}))
        assert told.value.code == "not-open"
        async with closed:
            await closed.publish(Event("acme", "issue", "created", {}))
    with pytest.raises(UsageError, match="in use"):
        async with Hookline(f"sqlite:///{tmp_path}/hookline.db"):
            pass


def test_a_wrong_setting_is_told_at_once():
    """Before anything is opened, and without the password."""
    with pytest.raises(UsageError) as told:
        Hookline("mysql://user:hunter2@host/db")
    assert told.value.code == "invalid-settings"
    assert "hunter2" not in str(told.value)


def test_making_one_needs_no_loop_and_importing_the_package_imports_little():
    """A module-level Hookline is fine, and ``import hookline`` costs nothing."""
    code = (
        "import sys, hookline; assert 'pycurl' not in sys.modules; from hookline import Hookline;"
        "Hookline('sqlite:///x.db'); assert not {'asyncpg', 'psycopg', 'sqlalchemy', 'django'}"
        " & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr == ""


async def test_a_busy_loop_and_a_waiting_connection_do_not_block_each_other(
    hooks, receiver, tmp_path
):
    """The program waits for the file's lock on the very loop that Hookline runs on."""
    await hooks.register(**app(receiver, rate_limit=None))
    wave = [Event("acme", "issue", "created", {"n": n, "pad": "x" * 2000}) for n in range(300)]
    publishing = [asyncio.create_task(hooks.publish(each)) for each in wave]
    path = tmp_path / "hookline.db"
    with closing(sqlite3.connect(path, timeout=1)) as connection:
        for n in range(1000, 1050):
            await asyncio.sleep(0)
            hooks.publish_in(connection, Event("acme", "issue", "created", {"n": n}))
            connection.commit()
    await asyncio.gather(*publishing)
    await receiver.wait(350)
