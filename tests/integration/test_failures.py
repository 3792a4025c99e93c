"""What the errors of a living database become: lost, locked, refused, or no fault of the database at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Timer
from typing import Any

import psycopg2
import pytest

from llm_monitoring.db import database as database_module
from llm_monitoring.db.database import BrokenOff, Conflict, Database, Interrupted, Locked, Rejected
from llm_monitoring.errors import ConfigurationError


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
        ("08006", Interrupted), ("53100", Interrupted), ("53300", Interrupted), ("57P01", Interrupted),
        ("57014", BrokenOff), ("25006", Interrupted), ("25P03", Interrupted), ("40001", BrokenOff),
        ("40P01", BrokenOff), ("58030", Interrupted), ("55P03", Locked), ("XX000", Rejected),
        ("54000", Rejected), ("23514", Rejected), ("23505", Conflict), ("22003", Rejected),
        ("P0001", Rejected), ("P0003", Rejected), ("38001", Rejected), ("HOST1", Rejected), ("09000", Rejected),
        ("42501", ConfigurationError), ("42703", ConfigurationError), ("42601", psycopg2.Error),
    ],
)  # fmt: skip
def test_an_sqlstate_has_one_meaning(database: Database, code: str, expected: type[Exception]) -> None:
    """Each SQLSTATE becomes the one error that says what to do about it."""
    with pytest.raises(Exception, match=r"no|lacks|not as") as caught:
        database.execute(raising(code))
    assert expected is type(caught.value) or (expected is psycopg2.Error and isinstance(caught.value, expected))


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
            opened.execute(raising("08006"))
        assert time.monotonic() - started < 20


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
