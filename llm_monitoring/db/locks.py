"""Advisory locks between processes, and which session holds a lock that is not free."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import ClassVar, Self

from llm_monitoring.db.database import Connection, Database, DatabaseUnavailable, Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.errors import MonitoringError

SQL = load("database")


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds a lock. `since`: when its transaction or session began; None if the role may not see it."""

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
    """The session that holds an advisory lock of this database; None if the lock is free."""
    return read_holder(session.one(SQL.advisory_holder, {"key": key}))


def table_holder(session: Transaction | Database, table: str) -> Holder | None:
    """The session with the oldest transaction that has locked a table or rows of it; None if there is none."""
    return read_holder(session.one(SQL.table_holder, {"table": table}))


class AlreadyHeld(MonitoringError):
    """Another session holds the lock: `holder`, None if it has released the lock meanwhile."""

    work: ClassVar[str] = "another session is at work"

    def __init__(self, holder: Holder | None = None) -> None:
        super().__init__(f"{self.work} ({holder})" if holder else self.work)
        self.holder = holder


class SessionLock(AbstractContextManager["SessionLock"]):
    """A session-level advisory lock on its own connection: it ends with its process or its machine."""

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
            with suppress(DatabaseUnavailable):  # then the lock has ended with its session
                Transaction(self.connection).one(SQL.unlock, {"key": self.key})
            self.connection.close()
            self.connection = None

    def take(self) -> bool:
        """Take the lock if it is free; False if another session holds it."""
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
        """Whether this process still holds the lock; after a lost connection the lock is taken again if it is free."""
        if self.connection is not None and holds(self.connection, self.key):
            return True
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        return self.db.persist(self.take)


class ExclusiveLock(SessionLock):
    """A session lock for work that runs once at a time: entering the context raises `refusal` if it is not free."""

    refusal: ClassVar[type[AlreadyHeld]] = AlreadyHeld

    def __enter__(self) -> Self:
        if not self.take():
            raise self.refusal(self.holder())
        return self


def holds(connection: Connection, key: int) -> bool:
    """Whether the connection is open and the server reports that its session holds the lock."""
    try:
        row = Transaction(connection).one(SQL.holds, {"key": key})
    except DatabaseUnavailable:
        return False
    return bool(row and row["held"])
