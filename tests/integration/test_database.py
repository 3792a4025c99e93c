"""The door to PostgreSQL: verbs, errors, the pool, and what happens when connections die."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg2
import pytest

from llm_monitoring.db import Conflict, Database, DatabaseUnavailable, Json, Rejected, Row, Transaction
from llm_monitoring.db.database import translated
from llm_monitoring.db.locks import holds
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.process.hints import explain

TABLES = """
CREATE TABLE owner
    (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, balance NUMERIC(4, 2) CHECK (balance >= 0));
CREATE TABLE pet (owner_id INTEGER CONSTRAINT pet_has_owner REFERENCES owner (id), facts JSONB, note TEXT);
INSERT INTO owner VALUES (1, 'Ana', 5)
"""
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
TERMINATE = f"SELECT pg_terminate_backend(pid) AS done FROM ({BACKENDS}) AS others"


@pytest.fixture
def tables(empty_database_url: str) -> Iterator[Database]:
    with Database(empty_database_url, size=3, retry_seconds=10.0) as database:
        database.execute(TABLES)
        yield database


def count(database: Database | Transaction) -> Any:
    row = database.one("SELECT count(*) AS n FROM owner")
    return row and row["n"]


def test_verbs(tables: Database) -> None:
    """`one` gives a row or None, `all` every row, `execute` how many rows changed; each is committed."""
    inserted = tables.execute("INSERT INTO owner VALUES (2, 'Luis', 1)")
    changed = tables.execute("UPDATE owner SET balance = 0 WHERE id > %(id)s", {"id": 0})
    names = tables.all("SELECT name FROM owner ORDER BY id")
    nobody = tables.one("SELECT name FROM owner WHERE id = %(id)s", {"id": 9})
    assert 1 == inserted
    assert 2 == changed
    assert [{"name": "Ana"}, {"name": "Luis"}] == names
    assert nobody is None


def test_percent(tables: Database) -> None:
    """A literal percent sign is written twice, with and without parameters."""
    sql = "SELECT count(*) AS n FROM owner WHERE name LIKE 'A%%'"
    assert [{"n": 1}, {"n": 1}] == [tables.one(sql), tables.one(f"{sql} AND id = %(id)s", {"id": 1})]


def test_session(tables: Database) -> None:
    """A session works in UTC and names itself, whatever the server's defaults are."""
    tables.execute("ALTER ROLE postgres SET timezone = 'America/Lima'")
    try:
        with Database(tables.dsn) as other:
            row = other.one("SELECT now() AS time, current_setting('application_name') AS name")
    finally:
        tables.execute("ALTER ROLE postgres RESET timezone")
    assert row is not None
    assert timedelta(0) == row["time"].utcoffset()
    assert "llm_monitoring" == row["name"]


def test_json(tables: Database) -> None:
    """JSON goes in through `Json` and comes out as Python values."""
    facts = {"names": ["Ñ", "b"], "n": 1.5, "none": None}
    tables.execute("INSERT INTO pet (facts) VALUES (%(facts)s)", {"facts": Json(facts)})
    assert {"facts": facts} == tables.one("SELECT facts FROM pet")


def test_unstorable_text(tables: Database) -> None:
    """NUL characters and lone surrogates, which models do emit, are replaced and cost no answer."""
    text = "a\x00b\ud83dc\\u0000"
    sql = "INSERT INTO pet (note, facts) VALUES (%(note)s, %(facts)s) RETURNING note, facts"
    row = tables.one(sql, {"note": text, "facts": Json({"k\x00": [text]})})
    assert {"note": "a\ufffdb\ufffdc\\u0000", "facts": {"k\ufffd": ["a\ufffdb\ufffdc\\u0000"]}} == row


def test_text_that_looks_unstorable_in_json(tables: Database) -> None:
    """Characters beyond the basic plane, and the six characters of an escape, are stored as they are."""
    facts = {"😀": ["\\u0000", "\\ud83d", "😀\u0001"]}
    row = tables.one("INSERT INTO pet (facts) VALUES (%(facts)s) RETURNING facts", {"facts": Json(facts)})
    assert {"facts": facts} == row


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("sql", "error", "constraint"),
    [
        ("INSERT INTO owner VALUES (2, 'Ana', 1)", Conflict, "owner_name_key"),
        ("INSERT INTO owner VALUES (2, 'Eva', -1)", Rejected, "owner_balance_check"),
        ("INSERT INTO owner VALUES (2, NULL, 1)", Rejected, None),
        ("INSERT INTO pet (owner_id) VALUES (9)", Rejected, "pet_has_owner"),
        ("INSERT INTO owner VALUES (2, 'Eva', 100)", Rejected, None),
        ("DO $$ BEGIN RAISE EXCEPTION 'Ana says no'; END $$", Rejected, None),
    ],
)
def test_refusals(tables: Database, sql: str, error: type[Conflict | Rejected], constraint: str | None) -> None:
    """What the database refuses is a Conflict or Rejected that names the constraint, in every kind of call."""
    for call in (tables.execute, lambda sql: tables.transact(lambda tx: tx.execute(sql))):
        with pytest.raises(error) as caught:
            call(sql)
        assert constraint == getattr(caught.value, "constraint", "missing")
    assert 1 == count(tables)


def test_no_rows_in_messages(tables: Database) -> None:
    """A refusal's message does not quote the row, which may hold what no log should."""
    with pytest.raises(Rejected) as caught:
        tables.execute("INSERT INTO owner VALUES (2, 'canary', -1)")
    assert "canary" not in str(caught.value)


def test_transaction(tables: Database) -> None:
    """A transaction is committed whole or, after any error, not at all."""

    def insert_two(tx: Transaction) -> Any:
        tx.execute("INSERT INTO owner VALUES (2, 'Luis', 1)")
        tx.execute("INSERT INTO owner VALUES (3, 'Eva', 1)")
        return count(tx)

    def fail(tx: Transaction) -> None:
        tx.execute("DELETE FROM owner")
        raise ZeroDivisionError

    seen = tables.transact(insert_two)
    with pytest.raises(ZeroDivisionError):
        tables.transact(fail)
    assert 3 == seen
    assert 3 == count(tables)


def test_terminated_while_idle(tables: Database, caplog: pytest.LogCaptureFixture) -> None:
    """When every pooled connection was terminated the next statement pays for it once: lost, and back."""
    barrier = threading.Barrier(3)

    def occupy() -> None:
        tables.transact(lambda tx: (tx.one("SELECT 1"), barrier.wait(5)))

    run_threads([occupy] * 3)
    with Database(tables.dsn) as other:
        terminated = other.all(TERMINATE)
    assert 3 == len(terminated)
    assert 1 == count(tables)
    assert 2 == len(caplog.records)


def test_terminated_in_transaction(tables: Database) -> None:
    """A transaction whose connection dies runs again from its start, once, and nothing is doubled."""
    calls = []

    def interrupted_once(tx: Transaction) -> Any:
        calls.append(tx.execute("INSERT INTO owner VALUES (2, 'Luis', 1)"))
        if len(calls) == 1:
            with Database(tables.dsn) as other:
                other.all(TERMINATE)
        return count(tx)

    assert 2 == tables.transact(interrupted_once)
    assert [1, 1] == calls
    assert 2 == count(tables)


def test_terminated_in_statement(tables: Database) -> None:
    """A statement whose connection dies while it runs is run again."""
    found: list[Row | None] = []
    sql = "SELECT pg_sleep(0.4)::text AS slept, 1 AS n"
    thread = threading.Thread(target=lambda: found.append(tables.one(sql)))
    thread.start()
    with Database(tables.dsn) as other:
        while not other.one("SELECT 1 AS n FROM pg_stat_activity WHERE query = %(sql)s", {"sql": sql}):
            time.sleep(0.01)
        other.all(TERMINATE)
    thread.join()
    assert [{"slept": "", "n": 1}] == found


@pytest.mark.parametrize("kind", [psycopg2.DatabaseError, psycopg2.OperationalError])
def test_unnoticed_loss(tables: Database, kind: type[psycopg2.Error]) -> None:
    """An error that no server sent means a lost session, also where the driver takes the connection for open."""
    calls = []

    def lost_once(tx: Transaction) -> Any:
        calls.append(tx.connection)
        if len(calls) == 1:
            with translated(tx.connection):
                raise kind("server closed the connection unexpectedly")
        return count(tx)

    assert 1 == tables.transact(lost_once)
    assert calls[0].closed != 0
    assert calls[1] is not calls[0]


def test_cancelled(tables: Database) -> None:
    """A statement that the server cancels is run again: whoever cancelled it may not do so twice."""
    calls = []

    def sleep(tx: Transaction) -> Any:
        calls.append(tx.execute("SET LOCAL statement_timeout = 50"))
        return tx.one(f"SELECT pg_sleep({2 - min(len(calls), 2)})::text AS slept")

    assert {"slept": ""} == tables.transact(sleep)
    assert 2 == len(calls)


def test_deadlock(tables: Database) -> None:
    """Of two transactions that wait for each other the one that PostgreSQL ends is run again."""
    tables.execute("INSERT INTO owner VALUES (2, 'Luis', 0)")
    barrier = threading.Barrier(2)
    first_round = threading.local()

    def pay(first: int, second: int) -> Callable[[], object]:
        def move(tx: Transaction) -> None:
            tx.execute("UPDATE owner SET balance = balance + 1 WHERE id = %(id)s", {"id": first})
            if not hasattr(first_round, "over"):
                first_round.over = True
                barrier.wait(5)
            tx.execute("UPDATE owner SET balance = balance + 1 WHERE id = %(id)s", {"id": second})

        return lambda: tables.transact(move)

    run_threads([pay(1, 2), pay(2, 1)])
    assert [7, 2] == [row["balance"] for row in tables.all("SELECT balance FROM owner ORDER BY id")]


def run_threads(tasks: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_mistake_in_sql(tables: Database) -> None:
    """A mistake in the SQL is not taken for a failing database, and the pool survives it."""
    for _ in range(5):
        with pytest.raises(Exception, match="nonsense") as caught:
            tables.one("SELECT nonsense")
        assert not isinstance(caught.value, DatabaseUnavailable)
    assert 1 == count(tables)


def test_missing_right(tables: Database) -> None:
    """A role that may not do something is a configuration error that names it, what it lacks and the way out."""
    tables.execute("CREATE ROLE weak LOGIN PASSWORD 'pw'")
    try:
        with (
            Database(tables.dsn.replace("postgres@", "weak:pw@", 1)) as database,
            pytest.raises(ConfigurationError) as caught,
        ):
            database.one("SELECT name FROM owner")
    finally:
        tables.execute("DROP ROLE weak")
    for part in ("role 'weak'", "permission denied for table owner", "migrate --print-grants"):
        assert part in explain(caught.value)


def test_pool_blocks(tables: Database) -> None:
    """More callers than connections wait for their turn; none fails and none opens more."""
    most, lock = [0], threading.Lock()

    def work() -> None:
        row = tables.one(f"SELECT count(*) AS n, pg_sleep(0.05)::text AS slept FROM ({BACKENDS}) AS others")
        with lock:
            done.append(row)
            most[0] = max(most[0], row["n"] if row else 0)

    done: list[Row | None] = []
    run_threads([work] * 12)
    assert 12 == len(done)
    assert most[0] <= 2


def test_close(tables: Database) -> None:
    """Closing ends every connection, and one that is out as soon as it comes back."""
    other = Database(tables.dsn, retry_seconds=0).open()

    def use_and_close(tx: Transaction) -> None:
        tx.one("SELECT 1")
        other.close()

    other.transact(use_and_close)
    with pytest.raises(DatabaseUnavailable, match="closed"):
        other.one("SELECT 1")
    deadline = time.monotonic() + 5
    while (left := tables.all(BACKENDS)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [] == left


def test_direct_connection(tables: Database) -> None:
    """A direct connection keeps a session lock until it is closed, and a dead one is known to be dead."""
    lock = "SELECT pg_try_advisory_lock(7) AS locked"
    connection = tables.connect()
    mine = Transaction(connection).one(lock)
    theirs = tables.one(lock)
    alive = holds(connection, 7)
    with Database(tables.dsn) as other:
        other.all(TERMINATE)
    dead = not holds(connection, 7)
    connection.close()
    assert {"locked": True} == mine
    assert {"locked": False} == theirs
    assert alive is True
    assert dead is True


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT e_mail FROM users",
        "SELECT * FROM llm_visitors",
        "INSERT INTO users (email) VALUES ('a@example.com') ON CONFLICT (id, email) DO NOTHING",
    ],
)
def test_tables_of_another_form(db: Database, sql: str) -> None:
    """A table of the host that lacks a column or a key that is needed is wrong configuration, not a crash."""
    with pytest.raises(ConfigurationError, match=r"the tables are not as this version needs them: ."):
        db.execute(sql)
