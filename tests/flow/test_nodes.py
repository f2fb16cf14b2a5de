"""Many nodes on one PostgreSQL: what one of them does or fails to do is made good by the others.

One process takes events, three send. Whatever becomes of a sender, killed or stopped until its leases
are another's, each delivery is settled once, and a receiver sees again only what was under way then.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.flow.processes import (
    DEADLINE_S,
    HERE,
    KEY,
    Counter,
    Server,
    answering,
    counters,
    register,
    start,
    until,
    wait_until_all_arrived,
)
from tests.store.postgres_server import PostgresServer

EVENTS = "/api/v1/organizations/acme/events"
LEASE_S = 4.0
SECRET_KEY = "ab" * 32
WORKERS = 3
BATCH = 20


@contextlib.asynccontextmanager
async def node(
    folder: Path, url: str, ports: list[int], role: str, name: str, **more: str
) -> AsyncIterator[Server]:
    """A process of that role; killed at the end, whatever state it is in."""
    log = folder / f"{name}.log"
    process = await start(
        str(HERE / "node.py"),
        log=log,
        LEASE_S=str(LEASE_S),
        HOOKLINE_DATABASE=url,
        HOOKLINE_SECRET_KEY=SECRET_KEY,
        HOOKLINE_ROLE=role,
        HOOKLINE_PORT="0",
        HOOKLINE_API_KEY=KEY,
        HOOKLINE_ALLOW_ADDRESSES=",".join(f"127.0.0.1:{each}" for each in ports),
        **more,
    )
    async with answering(process, log) as server:
        yield server


@dataclass
class Cluster:
    """One node that takes events, and those that send."""

    api: Server
    workers: list[Server]
    client: httpx.AsyncClient
    postgres: PostgresServer
    database: str

    async def publish(self, first: int, count: int) -> None:
        """Publish events with the numbers from ``first`` on, in batches."""
        for start_ in range(first, first + count, BATCH):
            numbers = range(start_, min(start_ + BATCH, first + count))
            events = [
                {"id": f"e{n}", "resource": "issue", "action": "created", "data": {"n": n}}
                for n in numbers
            ]
            answer = await self.client.post(f"{EVENTS}/batch", json=events)
            assert answer.status_code == 202, answer.text

    def sql(self, text: str) -> str:
        return self.postgres.sql(f"SET search_path = hookline; {text}", self.database)

    def leased(self) -> set[str]:
        """The Request-IDs of what is under way."""
        found = self.sql("SELECT encode(id, 'hex') FROM deliveries WHERE state = 'leased'")
        return set(found.split())

    async def all_settled(self) -> None:
        await until(
            lambda: (
                self.sql("SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'leased')")
                == "0"
            ),
            "nothing to wait any more",
        )


@contextlib.asynccontextmanager
async def cluster(
    folder: Path, postgres: PostgresServer, database: str, receivers: list[Counter], **more: str
) -> AsyncIterator[Cluster]:
    """A node of the API and three workers, started together on a database."""
    ports, url = [each.port for each in receivers], postgres.url(database)
    async with contextlib.AsyncExitStack() as stack:
        roles = ["api"] + ["worker"] * WORKERS
        api, *workers = await asyncio.gather(
            *(
                stack.enter_async_context(node(folder, url, ports, role, f"{role}-{n}", **more))
                for n, role in enumerate(roles)
            )
        )
        client = await stack.enter_async_context(api.client())
        yield Cluster(api, workers, client, postgres, database)


async def some_arrived(receiver: Counter, count: int) -> None:
    """Wait until so many webhooks came."""
    async with asyncio.timeout(DEADLINE_S):
        while (await receiver.ask())["came"] < count:
            await asyncio.sleep(0.01)


@pytest.mark.long
async def test_a_killed_and_a_stalled_worker_cost_nothing_and_repeat_only_what_they_held(
    tmp_path, postgres, database, capsys
):
    """Each delivery is settled once; what came twice was leased at the kill, or stalled too long."""
    count, integrations = 3_000, 4
    async with (
        counters((0, 0.1), (7,)) as receivers,
        cluster(tmp_path, postgres, database, receivers) as nodes,
    ):
        await register(nodes.client, receivers, integrations)
        publishing = asyncio.create_task(nodes.publish(0, count))
        await some_arrived(receivers[0], 200)
        killed, stalled, _ = nodes.workers
        stalled.told(signal.SIGSTOP)
        at_stall = nodes.leased()
        killed.told(signal.SIGKILL)
        await killed.process.wait()
        at_kill = nodes.leased()
        stall_began = time.monotonic()
        await publishing
        due = count * integrations // len(receivers)
        stats = await wait_until_all_arrived(receivers, due)
        await nodes.all_settled()
        await until(lambda: time.monotonic() > stall_began + LEASE_S, "the leases to run out")
        stalled.told(signal.SIGCONT)
        await stalled.said("lease.lost")
        await nodes.publish(count, BATCH)  # it works on
        stats = await wait_until_all_arrived(receivers, due + BATCH * integrations // 2)
        await nodes.all_settled()
        repeats = {each[0] for receiver in receivers for each in await receiver.ask("repeats")}
        assert repeats <= at_stall | at_kill
        settled = nodes.sql(
            "SELECT count(*), count(*) FILTER (WHERE state = 'delivered'), sum(attempts_made)"
            " FROM deliveries"
        )
        attempts, doubled = nodes.sql(
            "SELECT count(*), count(*) - count(DISTINCT (delivery_id, number)) FROM attempts"
        ).split("|")
        twice = nodes.sql(
            "SELECT count(*) FROM (SELECT delivery_id FROM attempts WHERE outcome = 'success'"
            " GROUP BY 1 HAVING count(*) > 1) AS twice"
        )
        without_day = nodes.sql("SELECT count(*) FROM attempts_default")
    total = (count + BATCH) * integrations
    assert settled == f"{total}|{total}|{attempts}"
    assert (doubled, twice, without_day) == ("0", "0", "0")
    assert sum(each["wrong"] for each in stats) == 0
    lost = [line for line in stalled.log.read_text().splitlines() if "lease.lost" in line]
    with capsys.disabled():
        print(
            f"\n{total} delivered; leased at the kill {len(at_kill)}, at the stall {len(at_stall)};"
        )
        print(f"came again {len(repeats)}; the stalled node's settlements: {lost}")


async def test_workers_together_keep_cap_rate_order_and_timeouts(tmp_path, postgres, database):
    """What the gate allows is allowed once, however many nodes ask: counted at the receiver."""
    async with (
        counters((0, 0.02), (0, 0.02), (0, 5), (0,)) as (capped, ordered, silent, rated),
        cluster(
            tmp_path,
            postgres,
            database,
            [capped, ordered, silent, rated],
            HOOKLINE_UNSUBSCRIBE_TIMEOUTS="10",
        ) as nodes,
    ):
        await register(nodes.client, [capped], 1, name="Capped", max_in_flight=3)
        await register(nodes.client, [ordered], 1, name="Ordered", ordered=True)
        await register(nodes.client, [silent], 1, name="Silent", timeout=0.2)
        rate = {"number": 25, "per": "second"}
        await register(nodes.client, [rated], 1, name="Rated", rate_limit=rate)
        await nodes.publish(0, 100)
        await wait_until_all_arrived([capped, ordered, rated], 100)
        health = {}

        async with asyncio.timeout(DEADLINE_S):
            while health.get("status") != "unsubscribed":
                health = (await nodes.client.get("/api/v1/integrations/silent")).json()
                await asyncio.sleep(0.05)
        await nodes.all_settled()
        most = {name: await each.ask("most") for name, each in (("c", capped), ("o", ordered))}
        order = await ordered.ask("order")
        times = await rated.ask("times")
        counted = nodes.sql("SELECT count(*) FROM attempts WHERE outcome = 'timeout'")
        notices = (await nodes.client.get("/api/v1/notices")).json()
    assert most == {"c": 3, "o": 1}
    assert order == sorted(order)
    # At 25 a second the last 75 come within three; three nodes that each keep to it would need one.
    assert times[-1] - times[25] > 2_000_000_000
    assert int(counted) >= 10
    assert len([each for each in notices["notices"] if each["kind"] == "unsubscribed"]) == 1


async def test_a_worker_answers_for_itself_alone_and_the_api_does_not_send(
    tmp_path, postgres, database
):
    """A worker has no API, and both say whether they are well and what they count."""
    url = postgres.url(database)
    async with (
        node(tmp_path, url, [], "api", "api") as api,
        node(tmp_path, url, [], "worker", "worker") as worker,
        api.client() as to_api,
        worker.client() as to_worker,
    ):
        for client in (to_api, to_worker):
            for path in ("/healthz", "/readyz"):
                assert (await client.get(path)).status_code == 200
        event = {"resource": "issue", "action": "created", "data": {}}
        assert (await to_api.post(EVENTS, json=event)).status_code == 202
        assert (await to_worker.post(EVENTS, json=event)).status_code == 404
        assert (await to_worker.get("/api/v1/integrations")).status_code == 404
        counted = [(await each.get("/metrics")).text for each in (to_api, to_worker)]
        assert ["hookline_events_total 1.0" in each for each in counted] == [True, False]
        assert ["hookline_in_flight_limit 0.0" in each for each in counted] == [True, False]
        said = (tmp_path / "api.log").read_text() + (tmp_path / "worker.log").read_text()
    assert "not-asked-for" not in said
