"""Detects a pooler in transaction mode, which may give each transaction another session."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from llm_monitoring.db.database import Connection, Database, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.errors import ConfigurationError

# The order in which two connections ask: with it, a pooler with few sessions cannot give each connection its own one,
# whether it hands out the newest or the oldest first.
ORDER: Final = (0, 0, 1, 0, 1, 1, 0)


class PooledSessions(ConfigurationError):
    """DATABASE_URL leads through a pooler in transaction mode, which loses the locks between runs."""

    def __init__(self) -> None:
        super().__init__(
            "DATABASE_URL leads through a pooler in transaction mode (PgBouncer: pool_mode=transaction), which loses "
            "the locks that keep runs apart: give the address of PostgreSQL itself, or of a pool in session mode"
        )


def require_sessions(db: Database) -> None:
    """Raise PooledSessions unless each of our connections is one session of the server."""
    if db.transact(lambda tx: server_process(tx.connection) == tx.connection.info.backend_pid):
        return  # the process that answers is the one that accepted the connection, so there is no pooler
    with closing(db.connect()) as first, closing(db.connect()) as second:
        seen: tuple[set[int], set[int]] = (set(), set())
        for which in ORDER:
            seen[which].add(server_process((first, second)[which]))
    if len(seen[0]) > 1 or len(seen[1]) > 1 or seen[0] & seen[1]:
        raise PooledSessions


def server_process(connection: Connection) -> int:
    row = Transaction(connection).one(load("database").server_process)
    assert row is not None
    return int(row["pid"])
