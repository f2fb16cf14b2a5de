"""The example apps, run as their pages say, each beside somebody who dispatches."""

import contextlib
import re
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.flow.processes import serving, start, stop, until

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD, BAD = {"item": "tea", "number": 2}, {"item": "cups", "number": 7}


@contextlib.asynccontextmanager
async def app(folder: Path, name: str, log: Path, database: str) -> AsyncIterator[str]:
    """An app behind uvicorn; its URL."""
    where = ("--app-dir", str(folder), "--port", "0", "--no-access-log")
    process: Process = await start(
        "-m", "uvicorn", name, *where, log=log, HOOKLINE_DATABASE=database
    )
    running = re.compile(r"running on (http://\S+)")
    try:
        await until(lambda: running.search(log.read_text()) or process.returncode, "the app")
        found = running.search(log.read_text())
        assert found, log.read_text()[-3000:]
        yield found[1]
    finally:
        await stop(process)


async def ordered(url: str, wanted: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{url}/shops/acme/orders", json=wanted, timeout=30)


@pytest.mark.parametrize("shop", ["sqlalchemy-session-asyncpg"], indirect=True)
async def test_the_fastapi_app_sends_what_it_committed(shop, tmp_path):
    """An order that failed left neither a row nor a webhook."""
    shop.dispatching.sells()
    shop.by_the_operator("DROP TABLE public.orders")
    folder, log = EXAMPLES / "fastapi_sqlalchemy", tmp_path / "app.log"
    async with app(folder, "app:app", log, shop.url) as url:
        assert (await ordered(url, BAD)).status_code == 409
        answer = await ordered(url, GOOD)
        assert answer.status_code == 201, log.read_text()[-3000:]
    assert await shop.dispatching.arrived(1) == [answer.json() | GOOD]
    async with shop.lender.transaction():
        assert await shop.lender.sql("SELECT item FROM orders") == ["tea"]


async def test_the_django_app_sends_what_it_committed(receiver, tmp_path):
    """Beside a `hookline serve` on the same file, in another process."""
    folder, log = EXAMPLES / "django", tmp_path / "app.log"
    async with serving(tmp_path, [receiver.port]) as server, server.client() as client:
        database = f"sqlite:///{tmp_path}/data/hookline.db"
        resource = {"name": "order", "actions": ["placed"]}
        (await client.post("/api/v1/resources", json=resource)).raise_for_status()
        integration = {
            "name": "Stock",
            "organization": "acme",
            "webhook_url": receiver.url,
            "resources": ["order"],
        }
        (await client.post("/api/v1/integrations", json=integration)).raise_for_status()
        migrating = await start(
            str(folder / "manage.py"),
            "migrate",
            "--run-syncdb",
            log=log,
            HOOKLINE_DATABASE=database,
        )
        assert await migrating.communicate()
        assert migrating.returncode == 0, log.read_text()[-3000:]
        async with app(folder, "shop.asgi:app", log, database) as url:
            assert (await ordered(url, BAD)).status_code == 409
            answer = await ordered(url, GOOD)
            assert answer.status_code == 201, log.read_text()[-3000:]
            await receiver.wait(1)
        found = (await client.get("/api/v1/deliveries")).json()
    (request,) = receiver.requests
    assert f'"data":{{"id":{answer.json()["id"]},"item":"tea"' in request.body.decode()
    assert len(found["deliveries"]) == 1, found
