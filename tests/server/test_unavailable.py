"""A database that cannot take it: publishers get 503 and a reason, and it goes on by itself."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

EVENT = {"resource": "issue", "action": "created", "data": {}}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/organizations/locked/events", EVENT),
        ("POST", "/api/v1/keys", {"name": "x"}),
        ("GET", "/readyz", None),
    ],
)
def test_while_another_process_holds_the_write_lock(
    live: Any, method: str, path: str, body: Any
) -> None:
    """503 with the reason and when to come again; afterwards it works."""
    before = live.stored()
    with closing(sqlite3.connect(live.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        response = live.client.request(method, path, json=body)
        live.refused(response, 503, "database-locked")
        assert response.headers["retry-after"] == "1"
        assert live.get("/healthz")["status"] == "ok"
        assert live.get("/api/v1/deliveries")["deliveries"] == []
        other.execute("ROLLBACK")
    assert live.stored() == before
    assert live.client.request(method, path, json=body).is_success
