"""How verbs are run on a database, and the statements that they ask for."""

import ast
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.store import verbs
from hookline.store.sqlite import database
from hookline.store.sqlite.database import QUERIES
from hookline.store.sqlite.rows import job, run
from hookline.store.statements import load_statements
from hookline.store.verbs.asking import Answer, Ask, Verb

MANY = 300  # more rows than one statement takes


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = database.connect(Path(":memory:"))
    database.migrate(opened, Path(":memory:"))
    yield opened
    opened.close()


def asked(*asks: Ask) -> Verb[list[Answer]]:
    """What these asks are answered."""
    answers = []
    for ask in asks:
        answer = yield ask
        answers.append(answer)
    return answers


# -- running --------------------------------------------------------------------------------------


def test_a_verb_is_answered_what_its_statements_came_to(connection):
    """Rows and the number of changes of each; what the verb returns is what it came to."""
    verb = asked(
        Ask("set_fact", ("colour", "red")), Ask("fact", ("colour",)), Ask("fact", ("size",))
    )
    assert run(connection, verb) == [Answer([], 1), Answer([("red",)], 0), Answer([], 0)]


def test_rows_are_one_ask_however_many_they_are(connection):
    """They are run in pieces, and the answers of all the pieces are one."""
    rows = [(1, number, number) for number in range(MANY)]
    wanted = [(1, number) for number in range(0, MANY, 2)]
    inserted, found, forgotten = run(
        connection,
        asked(
            Ask("insert_timeouts", rows=rows),
            Ask("nth_timeouts", rows=wanted),
            Ask("forget_timeouts", rows=[(1, 9), (2, 9)]),
        ),
    )
    assert inserted == Answer([], MANY)
    assert sorted(found.rows) == [(1, number, number) for number in range(0, MANY, 2)]
    assert found.changed == 0
    assert forgotten.changed == 10


def test_no_rows_run_nothing(connection):
    """Not even the statement with nothing in it."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    assert run(connection, asked(Ask("insert_timeouts", rows=[]))) == [Answer([], 0)]
    assert statements == []


def test_an_error_of_the_database_is_not_thrown_into_the_verb(connection):
    """It ends the verb and goes to whoever ran it; the verb can neither see nor swallow it."""
    seen: list[BaseException] = []

    def careless() -> Verb[None]:
        try:
            yield Ask("insert_timeouts", rows=[(1, 1, 1), (1, 1, 1)])
        except BaseException as error:
            seen.append(error)
            raise

    with pytest.raises(sqlite3.IntegrityError):
        run(connection, careless())
    assert [type(each) for each in seen] == [GeneratorExit]


def test_a_job_can_be_run_again(connection):
    """The writer runs a group's jobs one by one where one of them was at fault: each begins anew."""
    again = job(asked, Ask("set_fact", ("colour", "red")))
    assert again(connection) == again(connection) == [Answer([], 1)]


# -- statements -----------------------------------------------------------------------------------


def test_verbs_ask_for_the_statements_that_there_are():
    """Each statement that a verb names is there, and none is there that no verb asks for."""
    named, asked_for = set(), set()
    for file in Path(verbs.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Ask", "_changed"}:
                asked_for |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    assert asked_for - set(QUERIES) == set()
    assert {name for name in set(QUERIES) - named if not name.endswith("_columns")} == set()


@pytest.fixture
def package(tmp_path, monkeypatch) -> Iterator[Path]:
    """A package for statements, called ``spoken``."""
    folder = tmp_path / "spoken"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("spoken", None)


def test_statements_are_made_of_named_parts(package):
    """Parts are put in from any file; comments go, and what the runner puts in stays."""
    (package / "a.sql").write_text("-- About.\n-- one --\n-- Why.\n{both} WHERE a IN ({rows})\n")
    (package / "b.sql").write_text("-- both --\n-- All.\nSELECT a,\n-- what is\nb FROM t\n")
    (package / "c.txt").write_text("-- three --\nSELECT 3\n")
    assert load_statements("spoken") == {
        "one": "SELECT a,\nb FROM t WHERE a IN ({rows})",
        "both": "SELECT a,\nb FROM t",
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [("-- one --\nSELECT 1\n", ValueError), ("-- two --\n{lost}\n", KeyError)],
    ids=["twice", "missing"],
)
def test_a_mistake_in_the_statements_is_found_at_the_start(package, text, error):
    """A name that stands for two, and a part that there is not."""
    (package / "a.sql").write_text("-- one --\nSELECT 1\n")
    (package / "b.sql").write_text(text)
    with pytest.raises(error):
        load_statements("spoken")
