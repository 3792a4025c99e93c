"""Poolers in front of the database: which are refused, and what a run does with one that has few sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_monitoring.db import database as connections
from llm_monitoring.db.database import Database
from llm_monitoring.db.failures import NoMoreConnections
from llm_monitoring.db.pooler import PooledSessions, require_sessions
from llm_monitoring.distributed.queue import ChunkQueue
from tests.integration.pooled import Mode, pooler

DISCARD = "DISCARD ALL"


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused(database_url: str, mode: Mode) -> None:
    """In statement mode a transaction ends the connection, which looks like a database that is away."""
    with (
        pooler(database_url, mode) as url,
        Database(url, retry_seconds=0.0) as db,
        pytest.raises(PooledSessions, match="transaction or statement mode"),
    ):
        require_sessions(db)


def test_sessions_that_are_not_reset_are_refused(database_url: str) -> None:
    """The lock of a killed run would stay in its session, and a prepared statement would be there twice."""
    with (
        pooler(database_url, "session") as url,
        Database(url, retry_seconds=0.0) as db,
        pytest.raises(PooledSessions, match="server_reset_query"),
    ):
        require_sessions(db)


@pytest.mark.ci
def test_a_pooler_in_session_mode_will_do(database_url: str) -> None:
    """Its sessions are reset before the next client gets them, however often they are looked at."""
    with pooler(database_url, "session", reset=DISCARD) as url, Database(url, retry_seconds=0.0) as db:
        require_sessions(db)
        require_sessions(db)


@pytest.mark.ci
def test_a_pooler_with_few_sessions_is_no_outage(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that waits for a session is given up; threads share those that have one, and that is logged once."""
    with (
        pooler(database_url, "session", reset=DISCARD, size=2) as url,
        Database(url, size=6, retry_seconds=10.0) as db,
        ThreadPoolExecutor(6) as threads,
    ):
        monkeypatch.setattr(connections, "SESSION_SECONDS", 0.2)
        found = list(threads.map(lambda number: db.one(f"SELECT {number} AS n, pg_sleep(0.01)::text"), range(60)))
    assert list(range(60)) == [row and row["n"] for row in found]
    assert ["database.connections_short"] == [record.event for record in caplog.records]  # type: ignore[attr-defined]


def test_a_pooler_without_a_session_is_named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to raise, after the time of a connection."""
    said = r"no session of the server within 0\.2 s; raise the pooler's limits"
    with pooler(database_url, "session", reset=DISCARD, size=1) as url, Database(url, retry_seconds=0.0) as db:
        monkeypatch.setattr(connections, "SESSION_SECONDS", 0.2)
        with pytest.raises(NoMoreConnections, match=said):
            db.connect()


def test_the_queue_s_address_has_no_options() -> None:
    """PgBouncer refuses a connection that asks for a search path; its sessions enter the schema afterwards."""
    pool = ChunkQueue(Database("postgresql://u@127.0.0.1:1/d")).pool()
    assert "options" not in pool["conninfo"]
