"""Locks between processes: who has the right to a piece of work, and which session keeps one from us."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from llm_monitoring.db.database import Connection, Database, DatabaseUnavailable, Row, Transaction
from llm_monitoring.db.queries import load

SQL = load("database")


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds a lock. `since`: when it began what it is in; None if the server does not show it to us."""

    pid: int
    user: str
    application: str
    since: datetime | None

    def __str__(self) -> str:
        since = "?" if self.since is None else f"{self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"pid={self.pid} user={self.user} application={self.application or '?'} since={since}"


def read_holder(row: Row | None) -> Holder | None:
    return None if row is None else Holder(row["pid"], row["username"] or "?", row["application"], row["since"])


def advisory_holder(session: Transaction | Database, key: int) -> Holder | None:
    """Who holds an advisory lock of this database; None if no one does."""
    return read_holder(session.one(SQL.advisory_holder, {"key": key}))


def table_holder(session: Transaction | Database, table: str) -> Holder | None:
    """Whose transaction has locked rows of a table, or the table, for the longest time; None if no one's."""
    return read_holder(session.one(SQL.table_holder, {"table": table}))


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

    def holder(self) -> Holder | None:
        """The session that holds the lock now."""
        return advisory_holder(self.db, self.key)

    def held(self) -> bool:
        """Whether the lock is still ours; a lost connection is replaced and the lock taken again where it is free."""
        if self.connection is not None and holds(self.connection, self.key):
            return True
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        return self.db.persist(self.take)


def holds(connection: Connection, key: int) -> bool:
    """Whether the session still lives and the server says that it holds the lock."""
    try:
        row = Transaction(connection).one(SQL.holds, {"key": key})
    except DatabaseUnavailable:
        return False
    return bool(row and row["held"])
