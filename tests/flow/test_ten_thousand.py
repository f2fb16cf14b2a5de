"""An accepted event reaches every installation that wants it: ten thousand events, counted there."""

import asyncio
import signal

import httpx
import pytest
from tests.flow.processes import counters, register, serving, wait_until_all_arrived

EVENTS, CONNECTIONS, INTEGRATIONS = 10_000, 8, 20
FAIL_EVERY = (0, 0, 7, 3)  # one receiver each: how many of the webhooks it refuses at first


@pytest.fixture
async def receivers():
    async with counters(*((every,) for every in FAIL_EVERY)) as made:
        yield made


async def publish(client: httpx.AsyncClient, first: int, last: int) -> None:
    path = "/api/v1/organizations/acme/events"
    for n in range(first, last):
        event = {"resource": "issue", "action": "created", "data": {"n": n, "title": "é 👀"}}
        answer = await client.post(path, json=event)
        assert (answer.status_code, answer.json()["deliveries"]) == (202, INTEGRATIONS), answer.text


async def test_every_event_reaches_every_installation_once(receivers, tmp_path):
    """Eight publishers, twenty integrations, receivers that refuse some at first: none is lost."""
    ports = [each.port for each in receivers]
    async with serving(tmp_path, ports) as server, server.client() as client:
        await register(client, receivers, INTEGRATIONS)
        share = EVENTS // CONNECTIONS
        async with asyncio.TaskGroup() as group:
            for n in range(CONNECTIONS):
                group.create_task(publish(client, n * share, (n + 1) * share))
        each_due = EVENTS * INTEGRATIONS // len(receivers)
        stats = await wait_until_all_arrived(receivers, each_due)
        server.told(signal.SIGTERM)
        assert await server.ended() == 0
    for each in stats:
        print(each)
    assert [each["distinct"] for each in stats] == [each_due] * len(receivers)
    assert [each["again"] for each in stats] == [0] * len(receivers)
    assert [each["wrong"] for each in stats] == [0] * len(receivers)
    assert [each["came"] > each["distinct"] for each in stats] == [bool(e) for e in FAIL_EVERY]
