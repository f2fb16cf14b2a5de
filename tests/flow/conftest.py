import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# `python -m tests.flow.payloads` and the tests share a module; pytest imports tests by path and puts
# nothing on sys.path itself.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.store.postgres_server import FAST, PostgresServer, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server for the tests of a module."""
    with postgres_server(FAST) as server:
        yield server


@pytest.fixture
def database(postgres) -> Iterator[str]:
    """An empty database."""
    name = postgres.make_database()
    yield name
    postgres.drop_databases([name])
