"""A lock that lives as long as its process: what keeps two owners from the same work."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Self

from llm_monitoring.db.database import Connection, Database, DatabaseUnavailable, Transaction, is_alive
from llm_monitoring.db.queries import load

SQL = load("database")


class SessionLock:
    """An advisory lock on a connection of its own, gone with its process or its machine."""

    def __init__(self, db: Database, key: int) -> None:
        self.db = db
        self.key = key
        self.connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.connection is not None:
            with suppress(DatabaseUnavailable):  # then it is gone with its session
                Transaction(self.connection).one(SQL.unlock, {"key": self.key})
            self.connection.close()
            self.connection = None

    def take(self) -> bool:
        """Take the lock where it is free."""
        connection = self.db.connect()
        session = Transaction(connection)
        session.one(SQL.notice_lost_client)
        row = session.one(SQL.try_lock, {"key": self.key})
        if row and row["taken"]:
            self.connection = connection
            return True
        connection.close()
        return False

    def held(self) -> bool:
        """Whether the lock is still ours; a lost connection is replaced and the lock taken again where it is free."""
        if self.connection is not None and is_alive(self.connection):
            return True
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        return self.take()
