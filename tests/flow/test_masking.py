"""No secret is shown but where it is made: a server in trouble, and every byte that came of it."""

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.cli.main import run

OPERATOR = "op3n\"sesame'of\\the-operator!"  # what JSON and Python would both spell otherwise
SECRET_KEY = "q7+/Zx9" * 6 + "A="
STRANGERS = "hkl_" + "5ca1ab1e" * 8  # of no use here, and not ours to show
PASSWORD = "correct-horse-battery"
DEADLINE_S = 30
EVENT = {"resource": "issue", "action": "created", "data": {"n": 1}}


@dataclass
class Flow:
    """A server process, what it was asked, and all that it said."""

    folder: Path
    process: Process
    client: httpx.AsyncClient
    secrets: dict[str, str]
    said: list[tuple[str, bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def ask(self, method: str, path: str, **given: Any) -> Any:
        """A call whose answer must show no secret."""
        answer = await self.client.request(method, path, **given)
        headers = b"\r\n".join(b"%b: %b" % pair for pair in answer.headers.raw)
        self.said.append((f"the answer to {method} {path[:20]}", headers + answer.content))
        self.statuses.append(answer.status_code)
        with contextlib.suppress(ValueError):
            return answer.json()

    async def shown(self, name: str, field_: str, path: str, **given: Any) -> Any:
        """A call whose answer shows a secret, this once."""
        answer = (await self.client.post(path, **given)).raise_for_status().json()
        self.secrets[name] = answer[field_]
        return answer

    async def raw(self, request: bytes) -> None:
        """Send bytes, and keep what comes until the server hangs up."""
        port = self.client.base_url.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        async with asyncio.timeout(DEADLINE_S):
            self.said.append(("a raw answer", await reader.read()))
        writer.close()

    async def command(self, *arguments: str, **environ: str) -> None:
        """Run a command in this process, and keep what it prints."""
        given = {"HOOKLINE_API_KEY": OPERATOR, "HOOKLINE_URL": str(self.client.base_url)} | environ
        with (
            tempfile.TemporaryFile(
                "w+", encoding="utf-8"
            ) as printed,  # the log writes to its number
            pytest.MonkeyPatch.context() as patched,
        ):
            for name, value in given.items():
                patched.setenv(name, value)
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                await asyncio.to_thread(run, arguments)
            printed.seek(0)
            said = printed.read()
        assert said, arguments
        self.said.append((f"hookline {' '.join(arguments)[:30]}", said.encode()))

    def files(self) -> list[tuple[str, bytes]]:
        """Every byte of the database's files but the key's."""
        return [(path.name, path.read_bytes()) for path in self.folder.glob("hookline.db*")]


async def start(*arguments: str, folder: Path, stdin: int, **environ: str) -> Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    command = (sys.executable, "-m", "hookline", *arguments)
    return await asyncio.create_subprocess_exec(
        *command, stdin=stdin, stdout=PIPE, stderr=PIPE, env=clean | environ, cwd=folder
    )


@pytest.fixture(params=["text", "json"])
async def flow(request, tmp_path, receiver) -> AsyncIterator[Flow]:
    """A server as talkative as it can be made, that may send to the receiver and a dead port."""
    dead = _free_port()
    process = await start(
        *("serve", "--json", "--until-stdin-closes", "--log", request.param),
        folder=tmp_path,
        stdin=PIPE,
        HOOKLINE_DATABASE=f"sqlite:///{tmp_path}/hookline.db",
        HOOKLINE_PORT="0",
        HOOKLINE_API_KEY=OPERATOR,
        HOOKLINE_SECRET_KEY=SECRET_KEY,
        HOOKLINE_ALLOW_ADDRESSES=f"127.0.0.1:{receiver.port}, 127.0.0.1:{dead}",
        LITESTAR_DEBUG="1",
        PYTHONASYNCIODEBUG="1",
    )
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    secrets = {
        "HOOKLINE_API_KEY": OPERATOR,
        "HOOKLINE_SECRET_KEY": SECRET_KEY,
        "a stranger's key": STRANGERS,
        "a password in a URL": PASSWORD,
    }
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with httpx.AsyncClient(
        base_url=first["url"], headers=headers, trust_env=False, timeout=DEADLINE_S
    ) as client:
        made = Flow(tmp_path, process, client, secrets)
        made.said.append(("the first line", json.dumps(first).encode()))
        yield made
    if process.returncode is None:
        process.kill()
        await process.communicate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def register(flow: Flow, receiver: Any) -> None:
    """Integrations that work, that nobody answers, and that may not be sent to."""
    urls = {
        "good": receiver.url,
        "dead": f"http://127.0.0.1:{_free_port()}/",
        "blocked": "http://10.0.0.1/",
    }
    for name, url in urls.items():
        given = {
            "name": name,
            "organization": "acme",
            "webhook_url": url,
            "resources": ["issue"],
            "timeout": 0.5,
            "retry_schedule": [0, 0.1],
        }
        await flow.shown(f"secret of {name}", "client_secret", "/api/v1/integrations", json=given)
    public = {"name": "public", "kind": "public", "webhook_url": receiver.url}
    await flow.shown("secret of public", "client_secret", "/api/v1/integrations", json=public)
    install = "/api/v1/organizations/acme/installations"
    (await flow.client.post(install, json={"integration": "public"})).raise_for_status()
    for scope in ("admin", "publish", "read"):
        given = {"name": f"may {scope}", "scopes": [scope]}
        await flow.shown(f"key to {scope}", "key", "/api/v1/keys", json=given)


async def send_and_rotate(flow: Flow, receiver: Any) -> None:
    """Deliveries that succeed, fail and are blocked, before, during and after a rotation."""
    publish = "/api/v1/organizations/acme/events"
    bearer = {"Authorization": f"Bearer {flow.secrets['key to publish']}"}
    await flow.ask("POST", publish, json=EVENT, headers=bearer)
    for turn, given in enumerate(({"sign_with": "old"}, {}, {"overlap": 0.05})):
        path = "/api/v1/integrations/good/secrets"
        await flow.shown(f"rotation {turn}", "client_secret", f"{path}/rotate", json=given)
        await flow.ask("POST", publish, json={**EVENT, "id": f"turn-{turn}"}, headers=bearer)
        await flow.ask("PATCH", path, json={"sign_with": "old"})
        await flow.ask("GET", path)
    await receiver.wait(5)  # four events, and the installation of the public one
    async with asyncio.timeout(DEADLINE_S):
        while (
            await flow.ask("GET", "/api/v1/deliveries?state=waiting")
            != {
                "deliveries": [],
                "next": None,
            }
            or (await flow.ask("GET", "/api/v1/deliveries?state=leased"))["deliveries"]
        ):
            await asyncio.sleep(0.05)
    for delivery in (await flow.ask("GET", "/api/v1/deliveries"))["deliveries"]:
        await flow.ask("GET", f"/api/v1/deliveries/{delivery['id']}")
        await flow.ask("GET", f"/api/v1/deliveries/{delivery['id']}/explain")
    await flow.ask("GET", "/api/v1/events/turn-0")


async def misplace(flow: Flow, key: str) -> None:
    """Ask wrongly, with a key in every place that an answer might quote."""
    api = "/api/v1"
    for path in (
        f"/{key}", f"{api}/integrations/{key}", f"{api}/deliveries/{key}", f"{api}/events/{key}",
        f"{api}/installations/{key}", f"{api}/keys/{key}", f"{api}/integrations/{key}/secrets",
        f"{api}/organizations/{key}/installations", f"{api}/organizations/{key}/events",
    ):  # fmt: skip
        for method in ("GET", "DELETE", "POST"):
            await flow.ask(method, httpx.URL(path=path).raw_path.decode())
    for query in ({"limit": key}, {key: "1"}, {"before": key}, {"state": key}):
        await flow.ask("GET", f"{api}/deliveries", params=query)
    url = f"https://user:{PASSWORD}@hooks.example.com/{key[:8]}"
    good = {"name": "x", "kind": "public", "webhook_url": "https://hooks.example.com"}
    for body in (
        {key: 1}, {**good, key: 1}, {**good, "kind": key}, {**good, "slug": key + "!"},
        {**good, "organization": key + "!"}, {**good, "retry_schedule": [key]},
        {**good, "resources": [key]}, {**good, "webhook_url": key}, {**good, "webhook_url": url},
        {**good, "timeout": key}, {**good, "webhook_url": f"{key}://x"}, [key], key,
    ):  # fmt: skip
        await flow.ask("POST", f"{api}/integrations", json=body)
    await flow.ask("POST", f"{api}/keys", json={"name": "x", "scopes": [key]})
    await flow.ask("POST", f"{api}/keys", json={"name": key * 3})
    await flow.ask("PATCH", f"{api}/integrations/good/secrets", json={"sign_with": key})
    for event in (
        {**EVENT, "resource": key}, {**EVENT, "action": key}, {**EVENT, "targets": [key]},
        {**EVENT, key: 1}, {**EVENT, "id": f" {key}"}, {**EVENT, "actor": {"type": key}},
        {**EVENT, "data": key}, {key: key},
    ):  # fmt: skip
        await flow.ask("POST", f"{api}/organizations/acme/events", json=event)
        await flow.ask("POST", f"{api}/organizations/acme/events/batch", json=[event])
    for kind in (key, "application/json"):
        for path in (f"{api}/keys", f"{api}/organizations/acme/events"):
            headers = {"Content-Type": kind}
            await flow.ask("POST", path, content=b'{"name": ' + key.encode(), headers=headers)
    for authorization in (key, f"Basic {key}", f"Bearer {key}!", f"Bearer {key} {key}"):
        for path in (f"{api}/keys", f"{api}/organizations/acme/events"):
            await flow.ask("POST", path, json={}, headers={"Authorization": authorization})
    line = key.encode()
    await flow.raw(b"GET /%b HTTP/9.9\r\n%b: %b\r\n\r\n" % (line, line, line))
    await flow.raw(b"%b\r\n\r\n" % line)
    await flow.raw(
        b"GET /healthz HTTP/1.1\r\nHost: %b %b\r\nConnection: close\r\n\r\n" % (line, line)
    )


async def break_rows(flow: Flow) -> None:
    """Make the server stumble over its own rows: a bug's traceback quotes what it stumbled over."""
    with contextlib.closing(sqlite3.connect(flow.folder / "hookline.db")) as connection:
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA secure_delete = ON")
        for value in (json.dumps([STRANGERS]), f"[{STRANGERS}"):
            with connection:
                connection.execute("UPDATE api_keys SET scopes = ?", (value,))
            broken = await flow.ask("GET", "/api/v1/keys")
            assert broken["error"]["code"] == "internal-error"
        with connection:
            connection.execute("UPDATE api_keys SET scopes = '[\"read\"]'")
            connection.execute("UPDATE secrets SET sealed = x'01' WHERE integration_id = 2")
    given = {"sign_with": "old"}
    await flow.ask("PATCH", "/api/v1/integrations/dead/secrets", json=given)
    await flow.ask("GET", "/api/v1/integrations/dead/secrets")
    # The directory reads secrets anew after a change: the unreadable one is in the log then.
    await flow.ask("PATCH", "/api/v1/integrations/dead", json={"timeout": 1})
    await flow.ask("POST", "/api/v1/organizations/acme/events", json=EVENT)


async def run_commands(flow: Flow) -> None:
    """What an operator types, rightly and wrongly."""
    key = flow.secrets["key to read"]
    settings = {"HOOKLINE_SECRET_KEY": SECRET_KEY}
    for arguments in (
        ("config",), ("config", "--json"), ("key", "list"), ("key", "list", "--json"),
        ("integration", "show", "good"), ("integration", "secrets", "good", "--json"),
        ("integration", "secrets", "good"), ("delivery", "list"), ("integration", "show", key),
        ("key", "revoke", key), (key,), ("serve", "--port", key), ("delivery", "show", OPERATOR),
        ("integration", "create", "x", "--kind", "public", "--webhook-url", key),
    ):  # fmt: skip
        await flow.command(*arguments, **settings)
    await flow.command("key", "list", HOOKLINE_API_KEY=flow.secrets["key to publish"])
    await flow.command("key", "list", HOOKLINE_API_KEY=STRANGERS)
    await flow.command("key", "list", HOOKLINE_API_KEY=f"{key} with a blank")
    await flow.command("serve", HOOKLINE_SECRET_KEY=f"{SECRET_KEY}too long")
    await flow.command("serve", HOOKLINE_DATABASE=f"postgresql://user:{PASSWORD}@host/db")
    await flow.command("config", HOOKLINE_DATABASE=f"postgresql://user:{PASSWORD}@host/db")
    await flow.command("key", "list", HOOKLINE_URL=f"http://user:{PASSWORD}@127.0.0.1:1")
    await flow.command("serve", HOOKLINE_API_KYE=OPERATOR)
    same = f"sqlite:///{flow.folder}/hookline.db"
    second = await start(
        *("serve", "--port", "0"),
        folder=flow.folder,
        stdin=DEVNULL,
        HOOKLINE_DATABASE=same,
        **settings,
    )
    async with asyncio.timeout(DEADLINE_S):
        out, err = await second.communicate()
    assert b"is in use" in err
    flow.said.append(("a second server", out + err))


def leaks(flow: Flow) -> list[str]:
    """Where which secret, or its first twenty characters, can be read in what was said."""
    found = []
    for name, secret in flow.secrets.items():
        spelt = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        beginnings = {text[:20].encode() for text in spelt}
        with contextlib.suppress(ValueError):
            beginnings.add(bytes.fromhex(secret.removeprefix("hkl_")))
        found += [
            f"{name} in {where}"
            for where, text in flow.said
            if any(beginning in text for beginning in beginnings)
        ]
    return found


async def test_no_secret_is_shown_but_where_it_is_made(flow, receiver):
    """Logs, answers, refusals, commands and files, of a server that had every kind of trouble."""
    await register(flow, receiver)
    await send_and_rotate(flow, receiver)
    keys = ("HOOKLINE_API_KEY", "key to admin", "rotation 0", "a stranger's key")
    for name in keys:
        await misplace(flow, flow.secrets[name])
    await run_commands(flow)
    revoked = {"Authorization": f"Bearer {flow.secrets['key to read']}"}
    await flow.ask("DELETE", "/api/v1/keys/3")
    await flow.ask("GET", "/api/v1/keys", headers=revoked)
    flow.said += flow.files()
    await break_rows(flow)
    assert flow.process.stdin is not None
    flow.process.stdin.close()
    async with asyncio.timeout(DEADLINE_S):
        out, log = await flow.process.communicate()
    assert flow.process.returncode == 0
    flow.said += [("the log", log), ("standard output", out), *flow.files()]
    found = leaks(flow)
    assert found == [], "\n".join(found)
    # What was searched is what was meant to be: refusals of every kind, tracebacks, all the files.
    assert {200, 202, 400, 401, 404, 405, 409, 415, 422, 500} <= set(flow.statuses)
    assert log.count(b"Traceback") >= 2
    assert b"secret.unreadable" in log
    assert b"********" in log
    names = [name for name, _ in flow.said]
    assert {"hookline.db", "hookline.db-wal", "hookline.db-shm"} <= set(names)


def test_the_search_finds(tmp_path):
    """A secret that is there is found: whole, cut, escaped, or as the bytes that its digits mean."""
    secrets = {"operator": OPERATOR, "client": "c0ffee00" * 8}
    flow = Flow(tmp_path, None, None, secrets)  # type: ignore[arg-type]
    texts = [OPERATOR, json.dumps(OPERATOR), repr(OPERATOR), OPERATOR[:20], "c0ffee00" * 3]
    flow.said = [(str(n), text.encode()) for n, text in enumerate(texts)]
    flow.said += [("5", b"\0" + bytes.fromhex("c0ffee00" * 8)), ("6", b"c0ffee0 sesame ********")]
    assert sorted(leak[-1] for leak in leaks(flow)) == ["0", "1", "2", "3", "4", "5"]
