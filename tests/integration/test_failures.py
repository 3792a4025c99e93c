"""What the errors of a living database become: lost, locked, refused, or no fault of the database at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event, Timer
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from llm_monitoring.db import database as database_module
from llm_monitoring.db.database import BrokenOff, Conflict, Database, Interrupted, Locked, Rejected
from llm_monitoring.db.failures import TableLocked, is_lost
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.runs.recovery import HELD_CODES


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    with Database(empty_database_url, size=3, retry_seconds=0.0, lock_seconds=0.2) as opened:
        opened.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY, balance NUMERIC); INSERT INTO owner VALUES (1, 5)")
        yield opened


@contextmanager
def held(url: str, sql: str) -> Iterator[Any]:
    """A session of another application that holds what `sql` locks."""
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute(sql)
        yield other


def raising(code: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$"


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("08006", BrokenOff), ("53100", BrokenOff), ("53300", BrokenOff), ("57P01", BrokenOff),
        ("57014", BrokenOff), ("25006", BrokenOff), ("25P03", BrokenOff), ("40001", BrokenOff),
        ("40P01", BrokenOff), ("58030", BrokenOff), ("55P03", Locked), ("XX000", Rejected),
        ("54000", Rejected), ("23514", Rejected), ("23505", Conflict), ("22003", Rejected),
        ("P0001", Rejected), ("P0003", Rejected), ("38001", Rejected), ("HOST1", Rejected), ("09000", Rejected),
        ("42501", Rejected), ("42703", Rejected), ("42601", Rejected), ("0A000", Rejected), ("25000", Rejected),
        ("57000", Rejected), ("F0000", Rejected), ("26000", Rejected),
    ],
)  # fmt: skip
def test_what_a_function_raises_concerns_its_statement(
    database: Database, code: str, expected: type[Exception]
) -> None:
    """Whatever code a trigger of the host raises, the database is there and our SQL is right."""
    with pytest.raises(Exception, match="no") as caught:
        database.execute(raising(code))
    assert expected is type(caught.value)


@pytest.mark.parametrize("sql", ["SELECT missing()", "SELECT * FROM missing", "SELECT missing FROM owner"])
def test_a_trigger_of_the_host_that_is_broken_concerns_its_statement(database: Database, sql: str) -> None:
    """What it calls and is not there is no mistake of ours."""
    body = sql.replace("SELECT", "PERFORM", 1)
    with pytest.raises(Rejected, match="missing"):
        database.execute(f"DO $$ BEGIN {body}; END $$")


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN READ ONLY; UPDATE owner SET balance = 0",
        "SELECT pg_terminate_backend(pg_backend_pid())",
    ],
)
def test_what_the_server_raises_itself_may_end_on_another_connection(database: Database, sql: str) -> None:
    """A failover to a copy that only reads, or the end of the session, is waited out."""
    with pytest.raises(Interrupted):
        database.execute(sql)


@pytest.mark.parametrize(
    ("code", "function", "lost"),
    [
        ("53100", "mdextend", True),
        ("58030", "mdread", True),
        ("53100", "exec_stmt_raise", False),
        ("53200", "AllocSetAlloc", False),
        ("53400", "FileWrite", False),
        ("08001", "connect_pg_server", False),
    ],
)
def test_a_full_disk_ends_the_session_and_one_large_statement_does_not(
    database: Database, code: str, function: str, lost: bool
) -> None:
    """Nothing is asked that could not be stored; memory for one sort, or a server that a trigger asks, is its own."""
    diag = SimpleNamespace(severity_nonlocalized="ERROR", source_function=function, context=None)
    error = type("FromServer", (psycopg2.OperationalError,), {"pgcode": code, "diag": diag})()
    with closing(database.connect()) as connection:
        assert lost is is_lost(connection, error)


@pytest.mark.short(every=3)
@pytest.mark.parametrize("code", ["25006", "25P03", "53300", "57014", "40001", "08006"])
def test_a_transaction_that_was_interrupted_runs_again(empty_database_url: str, code: str) -> None:
    """What a failover, an overload or a deadlock broke off is done by the next try."""
    calls: list[int] = []

    def once(tx: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            tx.execute(raising(code))
        return tx.one("SELECT 1 AS n")

    with Database(empty_database_url, retry_seconds=5.0) as opened:
        assert {"n": 1} == opened.transact(once)
        assert 2 == len(calls)


@pytest.mark.ci
@pytest.mark.parametrize("code", ["57014", "40001", "40P01"])
def test_a_statement_that_is_broken_off_each_time_is_no_outage(empty_database_url: str, code: str) -> None:
    """Within seconds it is its row's problem, as the database answers others meanwhile."""
    with Database(empty_database_url, retry_seconds=90.0) as opened:
        started = time.monotonic()
        with pytest.raises(BrokenOff, match="breaks this off each time"):
            opened.execute(raising(code))
        assert time.monotonic() - started < 20


def test_a_database_that_is_away_is_not_waited_for_long_once_to_stop(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM while the database is away ends the wait within seconds, not after all its patience."""
    monkeypatch.setattr(database_module, "STOPPING_SECONDS", 0.3)
    stop = Event()
    with Database(empty_database_url, retry_seconds=90.0, stop=stop) as opened:
        Timer(0.2, stop.set).start()
        started = time.monotonic()
        with pytest.raises(Interrupted):
            opened.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert time.monotonic() - started < 20


LOCKS = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE")


@pytest.mark.short(every=3)
@pytest.mark.parametrize("mode", LOCKS)
def test_a_table_that_is_locked_for_a_while_is_waited_for(
    empty_database_url: str, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    """Longer than for a row, as nothing can be done meanwhile; the log names table and session, once."""
    with Database(empty_database_url, retry_seconds=30.0, lock_seconds=0.05) as opened:
        opened.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY); INSERT INTO owner VALUES (1)")
        with held(empty_database_url, f"LOCK TABLE owner IN {mode} MODE") as other:
            Timer(0.3, other.rollback).start()
            assert 1 == opened.execute("UPDATE owner SET id = 2")
    lines = [record.getMessage() for record in caplog.records]
    assert ["(owner: pid=", "vuelve a estar libre"] == [
        next(part for part in ("(owner: pid=", "vuelve a estar libre") if part in line) for line in lines
    ]


def test_a_table_is_waited_for_once_and_not_for_each_row(
    empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop over thousands of rows ends soon; a later lock is waited for again."""
    with Database(empty_database_url, retry_seconds=0.5, lock_seconds=0.05) as opened:
        opened.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY)")
        with held(empty_database_url, "LOCK TABLE owner"):
            started = time.monotonic()
            for _ in range(10):
                with pytest.raises(TableLocked):
                    opened.all("SELECT * FROM owner")
            assert time.monotonic() - started < 4
    assert ["table.locked", "table.still_locked"] == [record.event for record in caplog.records]  # type: ignore[attr-defined]


def test_a_table_that_stays_locked_is_reported_with_its_session(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The error and the log say which session to end."""
    with held(database.dsn, "LOCK TABLE owner") as other:
        pid = other.info.backend_pid
        with pytest.raises(TableLocked, match=rf"\(owner: pid={pid} user=postgres"):
            database.all("SELECT * FROM owner")
    assert "espere a que acabe, o termínela" in caplog.text


@pytest.mark.short(every=3)
@pytest.mark.parametrize("sql", ["SELECT * FROM owner FOR UPDATE", "LOCK TABLE owner", "SELECT pg_advisory_lock(7)"])
def test_a_lock_of_another_session_is_not_waited_for_without_end(database: Database, sql: str) -> None:
    """Rows, tables and advisory locks that another holds end the wait after the lock time, with an error of its own."""
    wanted = "SELECT pg_advisory_lock(7)" if "advisory" in sql else "UPDATE owner SET balance = 0"
    with held(database.dsn, sql):
        started = time.monotonic()
        with pytest.raises(Locked, match="another session holds"):
            database.execute(wanted)
        assert time.monotonic() - started < 5
    assert 1 == database.execute("UPDATE owner SET balance = 0")


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("setting", "value", "ours"),
    [
        ("statement_timeout", "700ms", "0"),
        ("lock_timeout", "0", "200ms"),
        ("default_transaction_read_only", "on", "off"),
        ("default_transaction_isolation", "serializable", "read committed"),
        ("idle_in_transaction_session_timeout", "1s", "5min"),
        ("idle_session_timeout", "1s", "0"),
        ("synchronous_commit", "off", "on"),
        ("timezone", "America/Lima", "UTC"),
        ("standard_conforming_strings", "off", "on"),
        ("row_security", "off", "on"),
        ("intervalstyle", "iso_8601", "postgres"),
        ("extra_float_digits", "-15", "1"),
        ("array_nulls", "off", "on"),
        ("transform_null_equals", "on", "off"),
    ],
)
def test_settings_of_the_host_are_not_ours(database: Database, setting: str, value: str, ours: str) -> None:
    """What the host sets for its role or database does not reach our sessions."""
    database.execute(f"ALTER ROLE postgres SET {setting} = '{value}'")
    try:
        with Database(database.dsn, lock_seconds=0.2) as other:
            row = other.one("SELECT current_setting(%(name)s) AS value", {"name": setting})
    finally:
        database.execute(f"ALTER ROLE postgres RESET {setting}")
    assert {"value": ours} == row


def test_a_search_path_without_a_schema_is_wrong_configuration(database: Database) -> None:
    """A schema that was never created is named by a sentence, no traceback."""
    database.execute(f"ALTER DATABASE {database.endpoint().database} SET search_path = app")
    with Database(database.dsn) as opened, pytest.raises(ConfigurationError, match="search_path of"):
        opened.execute("CREATE TABLE things (id INT)")


def test_a_server_that_opens_no_more_connections_is_no_outage(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Threads share the connections that are open, and that is logged once."""
    database.execute("DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN CONNECTION LIMIT 2")
    dsn = database.dsn.replace("postgres@", "limited@")
    with Database(dsn, size=8, retry_seconds=30.0) as opened, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: opened.one(f"SELECT {number} AS n, pg_sleep(0.02)::text"), range(40)))
    assert list(range(40)) == [row and row["n"] for row in found]
    assert ["database.connections_short"] == [record.event for record in caplog.records]  # type: ignore[attr-defined]


def test_recovery_waits_once_a_user_for_every_kind_of_lock() -> None:
    """Each further call of the user would take the whole lock timeout."""
    assert {Locked.__name__, *(each.__name__ for each in Locked.__subclasses__())} == set(HELD_CODES)
