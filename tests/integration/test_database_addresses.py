"""Databases that cannot be reached: late, restarted, absent, or with an address that cannot be read."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from llm_monitoring.db import Database, DatabaseUnavailable
from llm_monitoring.db.embedded import serve
from llm_monitoring.errors import ConfigurationError


@pytest.mark.ci
def test_restarted_server(server_folder: Path) -> None:
    """Statements outlast a server that crashes and comes back."""
    server = serve(server_folder / "data")
    users = [server]

    def crash() -> None:
        server.cluster.run("pg_ctl", "-D", server.cluster.data, "-m", "immediate", "-w", "stop")
        assert server.process is not None
        server.process.wait(10)
        time.sleep(0.5)
        users.append(serve(server_folder / "data"))

    try:
        with Database(server.url, retry_seconds=20.0) as database:
            database.execute("CREATE TABLE log (n INTEGER PRIMARY KEY)")
            thread = threading.Thread(target=crash)
            thread.start()
            for n in range(300):
                database.execute("INSERT INTO log VALUES (%(n)s) ON CONFLICT DO NOTHING", {"n": n})
                time.sleep(0.002)
            thread.join()
            row = database.one("SELECT count(*) AS n FROM log")
    finally:
        for user in users:  # the one that launched the second server last: it waits for its end
            user.stop()
    assert {"n": 300} == row


def test_unreachable(tmp_path: Path) -> None:
    """A server that is not there is retried for the given time, then reported in one line."""
    started = time.monotonic()
    address = f"postgresql:///x?host={quote(str(tmp_path), safe='')}"
    with pytest.raises(DatabaseUnavailable, match="cannot connect to the database") as caught:
        Database(address, retry_seconds=0.6).open()
    waited = time.monotonic() - started
    assert 0.2 < waited < 2.0
    assert "\n" not in str(caught.value)


@pytest.mark.ci
def test_late_server(server_folder: Path) -> None:
    """A server that comes up within the time is waited for."""
    server = serve(server_folder / "data")
    server.stop()
    with ExitStack() as stack:
        timer = threading.Timer(0.5, lambda: stack.callback(serve(server_folder / "data").stop))
        timer.start()
        with Database(server.url, retry_seconds=20.0) as database:
            row = database.one("SELECT 1 AS n")
        timer.join()
    assert {"n": 1} == row


def test_hopeless(empty_database_url: str) -> None:
    """A database that does not exist is reported at once: waiting would not make it."""
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        Database(empty_database_url.replace("@/", "@/no_")).open()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "dsn", ["nonsense:canary@host", "postgresql://u:canary@host:port/x", "postgresql://u:canary@h?x=y"]
)
def test_unreadable_address(dsn: str) -> None:
    """An address that libpq cannot read is a configuration error, and its password stays out of it."""
    with pytest.raises(ConfigurationError) as caught:
        Database(dsn).open()
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__ is True
