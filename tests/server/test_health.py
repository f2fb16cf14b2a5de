"""``/healthz`` and ``/readyz`` in trouble: the process answers, and says which part does not."""

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import httpx
import pytest

from hookline.send import readiness

DEADLINE_S = 10.0


def alive(live: Any) -> None:
    assert live.get("/healthz")["status"] == "ok"


def test_all_is_well(live: Any) -> None:
    """Both answer, without a key."""
    with closing(httpx.Client(base_url=live.served.url, trust_env=False)) as anybody:
        assert anybody.get("/healthz").json()["status"] == "ok"
        assert anybody.get("/readyz").json()["status"] == "ready"


def test_a_locked_database(live: Any) -> None:
    """Alive, not ready, and the lock is named; ready again as soon as it is let go."""
    with closing(sqlite3.connect(live.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        live.refused(live.client.get("/readyz"), 503, "database-locked")
        alive(live)
        other.execute("ROLLBACK")
    assert live.get("/readyz")["status"] == "ready"


def test_a_database_that_says_nothing(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs: not ready after a while, and alive at once."""
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.2)
    release = threading.Event()
    hanging = live.run(
        lambda: _task(
            live.served.engine.store._write(lambda _connection: release.wait(30) and None)
        )
    )
    try:
        alive(live)
        live.refused(live.client.get("/readyz"), 503, "database-silent")
    finally:
        release.set()
    live.run(lambda: hanging)
    assert live.get("/readyz")["status"] == "ready"


def test_a_dispatcher_that_is_stuck(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its turn does not end: that is said, though the database might take the ping."""
    monkeypatch.setattr(readiness, "STUCK_S", 0.0)
    live.register(resources=["issue"])
    release = threading.Event()
    live.publish()
    live.receiver.wait("/app-1")
    hanging = live.run(
        lambda: _task(
            live.served.engine.store._write(lambda _connection: release.wait(30) and None)
        )
    )
    try:
        live.served.engine.dispatcher.wake()
        until = time.monotonic() + DEADLINE_S
        while live.run(lambda: _turning(live)) == 0.0 and time.monotonic() < until:
            live.run(lambda: _wake(live))
            time.sleep(0.01)
        live.refused(live.client.get("/readyz"), 503, "dispatcher-stuck")
        alive(live)
    finally:
        release.set()
    live.run(lambda: hanging)


async def _task(awaitable: Any) -> "asyncio.Task[Any]":
    task = asyncio.ensure_future(awaitable)
    await asyncio.sleep(0)
    return task


async def _turning(live: Any) -> float:
    return live.served.engine.dispatcher.turning_s


async def _wake(live: Any) -> None:
    live.served.engine.dispatcher.wake()


def test_a_dispatcher_that_stops(live: Any) -> None:
    """While the last attempts end the API still answers: alive, not ready. Comes last: it stays so."""
    slug = live.register(resources=["comment"], timeout=30)["slug"]
    live.receiver.held.add(f"/{slug}")
    live.publish(resource="comment")
    live.receiver.wait(f"/{slug}")

    async def stop() -> None:
        live.served.engine.dispatcher.stop_leasing()

    live.run(stop)
    try:
        live.refused(live.client.get("/readyz"), 503, "dispatcher-stopped")
        alive(live)
    finally:
        live.receiver.held.clear()
