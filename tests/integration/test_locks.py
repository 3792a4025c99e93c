"""Locks that others hold: named, never waited for in silence or without end; poolers that lose ours are refused."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner

from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database
from llm_monitoring.db.failures import Interrupted
from llm_monitoring.db.locks import Holder, SessionLock
from llm_monitoring.db.migrations import migrate
from llm_monitoring.db.pooler import PooledSessions, require_sessions
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.jobs import daily
from llm_monitoring.runs import records
from llm_monitoring.runs.records import LOCK_KEY, AlreadyRunning, RunLock, held_too_long
from tests.integration.pooled import pooler

MIGRATIONS_LOCK = "SELECT pg_advisory_lock(hashtextextended('llm_schema_migrations', 0))"


@contextmanager
def held(url: str, sql: str) -> Iterator[Any]:
    """A session called `squatter` that holds what `sql` locks."""
    with closing(psycopg2.connect(url, application_name="squatter")) as other, other.cursor() as cursor:
        cursor.execute(sql)
        yield other


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_create_things.sql").write_text("CREATE TABLE user_llm_api_keys (id INT)", "utf-8")
    return tmp_path


@pytest.mark.ci
def test_a_pooler_in_transaction_mode_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends with exit 1 and the cure; doctor is red; a direct address is neither."""
    with Database(database_url) as direct:
        require_sessions(direct)
    with pooler(database_url) as url:
        with Database(url, retry_seconds=0.0) as pooled, pytest.raises(PooledSessions, match="session mode"):
            require_sessions(pooled)
        monkeypatch.setenv("DATABASE_URL", url)
        assert 1 == daily.main([])
        result = CliRunner().invoke(root, ["doctor", "--offline", "--json"])
        assert "red" in [each["colour"] for each in json.loads(result.stdout) if each["subject"] == "sessions"]


def test_nothing_to_migrate_needs_no_lock(database_url: str) -> None:
    """A session that squats the lock of migrations stops no command while there is nothing to apply."""
    with held(database_url, MIGRATIONS_LOCK), Database(database_url, lock_seconds=0.2) as db:
        assert [] == migrate(db)


def test_a_migration_says_once_whom_it_waits_for(
    empty_database_url: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits for another session's lock, names that session in one line, and goes on when it lets go."""
    applied: list[str] = []
    with Database(empty_database_url, lock_seconds=0.2) as db, caplog.at_level(logging.WARNING):
        with held(empty_database_url, MIGRATIONS_LOCK):
            thread = threading.Thread(target=lambda: applied.extend(migrate(db, folder)))
            thread.start()
            deadline = time.monotonic() + 10
            while not caplog.records and time.monotonic() < deadline:
                time.sleep(0.01)
        thread.join(20)
    assert ["0001_create_things"] == applied
    assert 1 == len(caplog.records)
    assert "application=squatter" in caplog.messages[0]


def test_a_migration_gives_up_in_the_end(empty_database_url: str, folder: Path) -> None:
    """What does not let go is named in the error."""
    refused = pytest.raises(ConfigurationError, match=r"another migration.*application=squatter")
    with held(empty_database_url, MIGRATIONS_LOCK), Database(empty_database_url) as db, refused:
        migrate(db, folder, wait_seconds=0.2)


def test_a_migration_waits_for_a_table_in_use(empty_database_url: str, folder: Path) -> None:
    """The host's transaction on a table delays it for a bounded time; the host's later statements are not queued up."""
    with Database(empty_database_url, lock_seconds=0.1) as db:
        migrate(db, folder)
        (folder / "0002_alter_things.sql").write_text("ALTER TABLE user_llm_api_keys ADD COLUMN n INT", "utf-8")
        refused = pytest.raises(ConfigurationError, match=r"uses the tables.*application=squatter")
        with held(empty_database_url, "LOCK TABLE user_llm_api_keys IN ROW EXCLUSIVE MODE"), refused:
            migrate(db, folder, wait_seconds=0.3)
        assert ["0002_alter_things"] == migrate(db, folder)


def test_who_holds_the_run_lock_is_named(db: Database) -> None:
    """The error names process, user and application, and since when."""
    with held(db.dsn, f"SELECT pg_advisory_lock({LOCK_KEY})") as other:
        pid = other.info.backend_pid
        with pytest.raises(AlreadyRunning) as caught:
            RunLock(db).__enter__()
    holder = caught.value.holder
    assert holder is not None
    assert pid == holder.pid
    assert "squatter" == holder.application
    assert str(holder) in str(caught.value)


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("hours", "expected"),
    [(1, False), (23, False), (25, True), (None, False)],
)
def test_a_lock_that_is_held_for_days_is_no_run(db: Database, hours: int | None, expected: bool) -> None:
    """No run lasts a day; of a session that we may not look at only the runs themselves tell."""
    since = None if hours is None else NOW - timedelta(hours=hours)
    assert expected == held_too_long(db, Holder(1, "u", "a", since), NOW)


def test_a_lock_without_a_run_for_a_day_is_no_run(db: Database) -> None:
    """A session that reconnects every hour is found by the runs that did not start."""
    records.start(db, NOW.date())
    later = datetime.now(UTC)
    holder = Holder(1, "u", "a", None)
    found = [held_too_long(db, holder, later + timedelta(hours=hours)) for hours in (25, 27)]
    assert [False, True] == found


def test_a_squatted_run_lock_is_an_error_after_a_day(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At first it is another run's day, exit 0; after a day it is said as an error, and the exit code is 1."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with held(database_url, f"SELECT pg_advisory_lock({LOCK_KEY})"):
        assert 0 == daily.main([])
        monkeypatch.setattr(records, "LONGEST_RUN", timedelta(0))
        assert 1 == daily.main([])
    output = capsys.readouterr().out
    assert 2 == output.count("Otra ejecución diaria está en curso")
    assert 2 == output.count("application=squatter")
    assert 1 == output.count("más de un día")


def test_a_lock_is_taken_again_through_an_outage(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks while the lost lock is taken again ends no run: it is taken at the next try."""
    cut = iter([True, True])
    connect = Database.connect

    def broken(db: Database) -> Any:
        if next(cut, False):
            raise Interrupted("server closed the connection unexpectedly")
        return connect(db)

    with Database(database_url) as db, SessionLock(db, 4711) as lock:
        assert lock.take()
        assert lock.connection is not None
        lock.connection.close()
        monkeypatch.setattr(Database, "connect", broken)
        assert lock.held()
