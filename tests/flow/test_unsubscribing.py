"""Unsubscribing and recovering over crashes: real processes, killed, on one file."""

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from tests.flow.processes import Server, counters, serving

LIMIT = 20
RULE = {"HOOKLINE_UNSUBSCRIBE_TIMEOUTS": str(LIMIT)}
EVENTS = "/api/v1/organizations/acme/events"
APP = "/api/v1/integrations/app"
DEADLINE_S = 60


async def register(client: httpx.AsyncClient, url: str, **more: Any) -> dict[str, Any]:
    app = {"name": "App", "organization": "acme", "resources": ["issue"], "webhook_url": url}
    answer = await client.post("/api/v1/integrations", json=app | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def publish(client: httpx.AsyncClient, first: int, last: int) -> None:
    """Events with these numbers, in one batch."""
    events = [
        {"resource": "issue", "action": "created", "data": {"n": n}} for n in range(first, last)
    ]
    answer = await client.post(f"{EVENTS}/batch", json=events)
    assert answer.status_code == 202, answer.text


async def act(client: httpx.AsyncClient, verb: str, **body: Any) -> Any:
    answer = await client.post(f"{APP}/{verb}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def until(client: httpx.AsyncClient, path: str, holds: Any) -> Any:
    """Wait until what is there is as wanted; what it was."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds(found := (await client.get(path)).json()):
            await asyncio.sleep(0.01)
    return found


async def kill(server: Server) -> None:
    server.told(signal.SIGKILL)
    assert await server.ended() == -signal.SIGKILL


def stored(folder: Path, sql: str) -> Any:
    """One row of a file whose server has ended."""
    with closing(sqlite3.connect(folder / "data" / "hookline.db")) as file:
        return file.execute(sql).fetchone()


async def test_the_counter_is_exact_over_kills(receiver, tmp_path):
    """Killed three times while attempts time out: the twentieth timeout in the log unsubscribes."""
    never = asyncio.Event()

    async def say_nothing(_request: Any, _writer: Any) -> None:
        await never.wait()

    receiver.answer = say_nothing
    for round_ in range(4):
        async with serving(tmp_path, [receiver.port], **RULE) as server, server.client() as client:
            if round_ == 0:
                one = {"timeout": 0.1, "max_in_flight": 1, "retry_schedule": [0]}
                await register(client, receiver.url, **one)
                await publish(client, 0, 2 * LIMIT)
            if round_ < 3:
                least = 5 * (round_ + 1)
                await until(client, f"{APP}/health", lambda h, least=least: h["timeouts"] >= least)
                await kill(server)
                counted = stored(tmp_path, "SELECT timeouts FROM gates")
                assert counted == stored(
                    tmp_path, "SELECT count(*) FROM attempts WHERE outcome = 'timeout'"
                )
                continue
            found = await until(client, APP, lambda app: app["status"] == "unsubscribed")
            assert found["unsubscribed"]["reason"] == "timeouts"
            await until(client, f"{APP}/health", lambda h: h["parked"] == 2 * LIMIT)
            notices = (await client.get("/api/v1/notices")).json()["notices"]
            assert [each["kind"] for each in notices] == ["unsubscribed", "warned", "warned"]
            server.told(signal.SIGTERM)
            assert await server.ended() == 0
    made = stored(tmp_path, "SELECT count(*) FROM attempts WHERE outcome = 'timeout'")
    assert made == (LIMIT,)
    never.set()


async def test_it_stays_unsubscribed_over_a_kill(receiver, tmp_path):
    """What comes afterwards is accepted and kept; resubscribed, it begins anew."""
    async with serving(tmp_path, [receiver.port], **RULE) as server, server.client() as client:
        await register(client, receiver.url)
        await act(client, "unsubscribe", detail="moves house")
        await kill(server)
    async with serving(tmp_path, [receiver.port], **RULE) as server, server.client() as client:
        found = (await client.get(APP)).json()
        assert found["unsubscribed"]["detail"] == "moves house"
        await publish(client, 0, 5)
        assert (await client.get(f"{APP}/health")).json()["parked"] == 5
        await act(client, "resubscribe", recover=True)
        await receiver.wait(5)
        server.told(signal.SIGTERM)
        assert await server.ended() == 0
    ids = [each.header("Request-ID") for each in receiver.requests]
    assert len(set(ids)) == len(ids) == 5


async def test_a_recovery_goes_on_after_a_kill(tmp_path):
    """Killed as soon as it was accepted: the next process sends all of it, as often as promised."""
    count = 4_000
    async with counters([0]) as (receiver,):
        async with serving(tmp_path, [receiver.port]) as server, server.client() as client:
            made = await register(client, receiver.url, timeout=10)
            await receiver.ask({made["installations"][0]["uuid"]: made["client_secret"]})
            await act(client, "unsubscribe")
            for first in range(0, count, 500):
                await publish(client, first, first + 500)
            dry = await act(client, "resubscribe", recover=True, dry_run=True)
            assert dry["deliveries"] == count
            assert (await act(client, "resubscribe", recover=True))["recovery"]["id"] == 1
            await kill(server)
        async with serving(tmp_path, [receiver.port]) as server, server.client() as client:
            (done,) = await until(client, f"{APP}/recoveries", lambda found: found[0]["done"])
            assert done["recovered"] == count
            await until(client, f"{APP}/health", lambda h: not (h["waiting"] or h["in_flight"]))
            server.told(signal.SIGTERM)
            assert await server.ended() == 0
        stats = await receiver.ask()
    assert (stats["distinct"], stats["wrong"]) == (count, 0)
    # Those under way at the kill come again, and no others.
    assert stats["again"] <= 32
    assert stored(tmp_path, "SELECT count(*) FROM deliveries WHERE state = 'delivered'") == (count,)
