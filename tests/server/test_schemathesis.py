"""What /openapi.json promises holds for whatever schemathesis makes up: no 500, no undocumented answer.

Nothing can leave this machine meanwhile, though made-up webhook URLs name public hosts and the address
guard lets public addresses pass: an attempt is made only of a delivery, and there are none. An event
goes to integrations that subscribe to its resource, are alertable, are named in its targets, or are
public (what concerns installing); ``_harmless`` takes ``resources``, ``alertable`` and the kind
``public`` out of what is registered, and ``targets`` out of what is published. The last test counts.
"""

import sqlite3
from contextlib import closing
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def _harmless(body: Any) -> Any:
    """What was made up, less what could make a delivery of it."""
    if isinstance(body, list):
        return [_harmless(each) for each in body]
    if not isinstance(body, dict):
        return body
    kept = {key: value for key, value in body.items() if key not in {"alertable", "targets"}}
    if isinstance(kept.get("resources"), list):
        kept["resources"] = [each for each in kept["resources"] if not isinstance(each, str)]
    if kept.get("kind") == "public":
        kept["kind"] = "internal"
    return kept


def _meaningful(body: Any) -> Any:
    """What was made up, with names that exist and places that are right, so that it is taken."""
    if isinstance(body, list):
        return [_meaningful(each) for each in body]
    if not isinstance(body, dict):
        return body
    known = {"resource": "issue", "action": "created", "webhook_url": "https://h/", "actor": None}
    meant = body | {key: value for key, value in known.items() if key in body}
    if "webhook_url" in meant and "name" in meant:
        meant |= {"name": "App", "organization": "acme", "kind": "internal", "resources": []}
    return meant


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_keeps_its_promises(live: Any, mode: GenerationMode) -> None:
    """Data that the document allows and data that it forbids, with a key, over HTTP."""
    headers = {"Authorization": f"Bearer {live.key}"}
    schema = schemathesis.openapi.from_url(f"{live.served.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        if not (mode.is_positive or operation.body or operation.path_parameters or operation.query):
            continue  # nothing to forbid

        @hypothesis.settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: schemathesis.Case) -> None:
            case.body = _harmless(_meaningful(case.body) if mode.is_positive else case.body)
            case.call_and_validate(headers=headers, checks=CHECKS)

        holds()


def test_nothing_was_ever_to_be_delivered(live: Any) -> None:
    """Events and integrations were taken; not one delivery came of them."""
    stored = live.stored()
    with closing(sqlite3.connect(live.database)) as connection:
        subscribed = connection.execute(
            "SELECT count(*) FROM integrations"
            " WHERE resources != '[]' OR alertable OR kind != 'internal'"
        ).fetchone()[0]
    assert (stored["deliveries"], stored["attempts"], subscribed) == (0, 0, 0)
    assert stored["events"] > 0
    assert stored["integrations"] > 0
