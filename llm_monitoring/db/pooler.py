"""Detects a pooler that gives our statements other sessions, or sessions that keep what others left in them."""

from __future__ import annotations

from contextlib import closing
from typing import Final, Literal

from llm_monitoring.db.database import Connection, Database, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.errors import ConfigurationError

# The order in which two connections ask: with it, a pooler with few sessions cannot give each connection its own one,
# whether it hands out the newest or the oldest first.
ORDER: Final = (0, 0, 1, 0, 1, 1, 0)
MESSAGES: Final = {
    "shared": (
        "DATABASE_URL leads through a pooler in transaction or statement mode (PgBouncer: pool_mode), which loses "
        "the locks that keep runs apart: give the address of PostgreSQL itself, or of a pool in session mode"
    ),
    "not_reset": (
        "DATABASE_URL leads through a pooler that does not reset a session before it gives it to the next client, "
        "which keeps the locks of a dead run: set server_reset_query = DISCARD ALL there, or give the address of "
        "PostgreSQL itself"
    ),
}


class PooledSessions(ConfigurationError):
    """DATABASE_URL leads through a pooler that loses the locks between runs, or keeps those of dead ones."""

    def __init__(self, fault: Literal["shared", "not_reset"]) -> None:
        super().__init__(MESSAGES[fault])


def require_sessions(db: Database) -> None:
    """Raise PooledSessions unless each of our connections is one session of the server, and a fresh one."""
    # in autocommit mode, as a pooler in statement mode ends a connection that begins a transaction
    if db.work(lambda tx: server_process(tx.connection) == tx.connection.info.backend_pid, autocommit=True):
        return  # the process that answers is the one that accepted the connection, so there is no pooler
    with closing(db.connect()) as first, closing(db.connect()) as second:
        seen: tuple[set[int], set[int]] = (set(), set())
        for which in ORDER:
            seen[which].add(server_process((first, second)[which]))
        if len(seen[0]) > 1 or len(seen[1]) > 1 or seen[0] & seen[1]:
            raise PooledSessions("shared")
        require_fresh(first)
        require_fresh(second)
    with closing(db.connect()) as third:  # gets one of these two sessions, unless the pooler resets it
        require_fresh(third)


def require_fresh(connection: Connection) -> None:
    """Leave a mark in the session; raises PooledSessions if an earlier connection has left one."""
    row = Transaction(connection).one(load("database").mark_session)
    if row is None or row["marked"]:
        raise PooledSessions("not_reset")


def server_process(connection: Connection) -> int:
    row = Transaction(connection).one(load("database").server_process)
    assert row is not None
    return int(row["pid"])
