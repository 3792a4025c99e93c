"""Statements that a session plans once: with the same result, planned again in time, and only if sessions are ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_monitoring.app import open_app
from llm_monitoring.db.database import Database, Transaction
from llm_monitoring.db.failures import Conflict, Rejected
from llm_monitoring.db.prepared import PARAMETER, PLAN_USES, definition
from llm_monitoring.db.queries import Preparable, load, parse
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings.fields import load_settings
from tests.unit.test_query_names import MODULES

PREPARABLE = [each for name in MODULES for each in load(name).statements.values() if isinstance(each, Preparable)]
PLANS = "SELECT name, generic_plans + custom_plans AS uses FROM pg_prepared_statements ORDER BY name"
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""
ADD = Preparable(
    "INSERT INTO things (id, name) VALUES (%(id)s, %(name)s || '100%%') RETURNING name",
    "test_add",
    {"name": "text", "id": "integer"},
)


@pytest.fixture
def tables(empty_database_url: str) -> Iterator[Database]:
    with Database(empty_database_url, size=1) as database:
        database.execute("CREATE TABLE things (id INT PRIMARY KEY, name TEXT)")
        database.prepares = True
        yield database


def plans(database: Database) -> dict[str, int]:
    return {row["name"]: row["uses"] for row in database.all(PLANS)}


def add(database: Database | Transaction, number: int) -> Any:
    row = database.one(ADD, {"id": number, "name": "it's "})
    return row and row["name"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("statement", PREPARABLE, ids=lambda each: each.name)
def test_every_parameter_has_a_type(statement: Preparable) -> None:
    """A statement names the type of each of its parameters and of no other."""
    assert set(PARAMETER.findall(statement)) == set(statement.types)


@pytest.mark.short(every=2)
@pytest.mark.parametrize("statement", PREPARABLE, ids=lambda each: each.name)
def test_every_statement_can_be_prepared(db: Database, statement: Preparable) -> None:
    """The types fit the tables as the migrations leave them."""
    db.execute(f"PREPARE tried {definition(statement)}")


def test_the_calls_of_a_run_are_prepared() -> None:
    """What every call of a run needs is among them."""
    ledger = {"budget_reserve", "budget_mark_sent", "budget_keep_receipt", "budget_close"}
    assert ledger | {"answers_save", "answers_is_missing"} == {each.name for each in PREPARABLE}


def test_a_file_names_the_types_before_the_statement() -> None:
    """The line of types is no part of the statement, and a statement without it is plain text."""
    text = "-- name: one\n-- Why.\n-- prepared: a integer, b text[]\nSELECT 1;\n\n-- name: two\n-- Why.\nSELECT 2;\n"
    found = parse("m", text)
    assert ("SELECT 1", "m_one", {"a": "integer", "b": "text[]"}) == (
        found["one"],
        *(getattr(found["one"], field) for field in ("name", "types")),
    )
    assert not isinstance(found["two"], Preparable)


def test_it_is_planned_once_and_returns_the_same(tables: Database) -> None:
    """A second use finds the plan of the first; quotes and percent signs arrive as they are."""
    assert ["it's 100%", "it's 100%"] == [add(tables, 1), add(tables, 2)]
    assert {"llm_test_add": 2} == plans(tables)


def test_it_is_planned_again_as_the_tables_grow(tables: Database) -> None:
    """After so many uses it is planned again, from the tables as they are."""
    for number in range(PLAN_USES + 1):
        add(tables, number)
    assert {"llm_test_add": 1} == plans(tables)


def test_a_refusal_is_the_same_error_and_keeps_the_plan(tables: Database) -> None:
    """A row that is there already raises Conflict in a transaction too, after which the connection works on."""
    add(tables, 1)

    def twice(tx: Transaction) -> None:
        add(tx, 2)
        add(tx, 1)

    with pytest.raises(Conflict):
        tables.transact(twice)
    assert "it's 100%" == add(tables, 2)


def test_a_new_connection_prepares_for_itself(tables: Database) -> None:
    """After its session was ended, a statement is prepared on the next one."""
    add(tables, 1)
    with Database(tables.dsn) as other:
        other.all(TERMINATE)
    assert "it's 100%" == add(tables, 2)
    assert {"llm_test_add": 1} == plans(tables)


OUTDATING = ("ALTER TABLE things ALTER COLUMN name TYPE VARCHAR(99)", "DEALLOCATE ALL")


@pytest.mark.parametrize("sql", OUTDATING, ids=("a column's type changes", "the plans are gone"))
@pytest.mark.parametrize("in_transaction", [False, True], ids=("alone", "in a transaction"))
def test_a_plan_that_is_outdated_is_made_again(tables: Database, sql: str, in_transaction: bool) -> None:
    """The work is run again from its start on a new connection: a migration during a run ends nothing."""
    add(tables, 1)
    tables.execute(sql)

    def two(tx: Transaction) -> list[Any]:
        tx.execute("INSERT INTO things VALUES (7, 'seven')")
        return [add(tx, 2), add(tx, 3)]

    found = tables.transact(two) if in_transaction else [add(tables, 2), add(tables, 3)]
    assert ["it's 100%"] * 2 == found
    assert 3 + in_transaction == len(tables.all("SELECT * FROM things"))


def test_a_plan_that_is_gone_when_it_is_due_again_is_made_again(tables: Database) -> None:
    """Someone deallocated the plans right before the use at which it is planned again."""
    for number in range(PLAN_USES):
        add(tables, number)
    tables.execute("DEALLOCATE ALL")
    assert "it's 100%" == add(tables, PLAN_USES)


def test_what_the_server_does_not_support_is_no_outdated_plan(tables: Database) -> None:
    """A statement that fails when it was planned just now is a mistake, and not tried again."""
    unsupported = Preparable("SELECT count(*) FROM things WHERE id = %(id)s FOR UPDATE", "test_lock", {"id": "integer"})
    with pytest.raises(ConfigurationError, match="FOR UPDATE is not allowed"):
        tables.one(unsupported, {"id": 1})


def test_a_function_of_the_host_that_supports_no_value_has_no_outdated_plan(tables: Database) -> None:
    """The session with its plans stays, as the value is refused."""
    tables.execute(
        "CREATE FUNCTION refuse(id INT) RETURNS INT LANGUAGE plpgsql AS "
        "$$ BEGIN IF id = 2 THEN RAISE feature_not_supported; END IF; RETURN id; END $$"
    )
    sometimes = Preparable("SELECT refuse(%(id)s) AS id", "test_refuse", {"id": "integer"})
    assert {"id": 1} == tables.one(sometimes, {"id": 1})
    with pytest.raises(Rejected, match="feature_not_supported"):
        tables.one(sometimes, {"id": 2})
    assert "llm_test_refuse" in plans(tables)


def test_nothing_is_prepared_on_sessions_that_may_not_be_ours(tables: Database) -> None:
    """Until it is known that there is no pooler, each statement is sent whole."""
    tables.prepares = False
    add(tables, 1)
    assert {} == plans(tables)


def test_an_open_app_prepares(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job has checked its sessions before it opens, so it prepares."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with open_app(load_settings(dotenv=False)) as app:
        assert app.db.prepares
