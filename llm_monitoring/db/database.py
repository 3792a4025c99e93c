"""The connection pool, the only way to PostgreSQL: three verbs, retries, and translated driver errors.

Every statement and transaction passes `work`, which borrows a connection and lets `persist` repeat the whole attempt
if its connection is lost. A lost commit may have been done, so every statement must be idempotent. Two failures look
alike at first: the database is away (then all threads wait for it, up to `retry_seconds`), or the server cancels this
one statement each time, for example by a trigger of the host. `persist` tells them apart after CANCELLED_SECONDS: if
the database answers on a new connection, the statement is at fault and BrokenOff ends it, so that one row cannot stop
a run. An idle connection is never tested before it is borrowed: the check would cost a round trip each time, and the
retry covers a dead one. `borrow` rolls back when it returns a connection, so that no transaction is left open on it.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from threading import BoundedSemaphore, Event
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import psycopg2
import psycopg2.extensions

from llm_monitoring.db import decoding
from llm_monitoring.db.connecting import Endpoint, advice, answered_within, refusal, require_usable, unreadable
from llm_monitoring.db.encryption import encryption_defaults
from llm_monitoring.db.failures import (
    BrokenOff,
    Cancelled,
    Conflict,
    DatabaseUnavailable,
    Hanging,
    Interrupted,
    Locked,
    NoMoreConnections,
    Rejected,
    TableLocked,
    first_line,
    primary,
    translated,
)
from llm_monitoring.db.outage import Outage, Shortage, TableWait
from llm_monitoring.db.prepared import Session
from llm_monitoring.db.queries import Preparable, load
from llm_monitoring.db.sequences import brought_forward
from llm_monitoring.db.storable import Json, parameters

__all__ = [
    "BrokenOff",
    "Conflict",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "Hanging",
    "Interrupted",
    "Json",
    "Locked",
    "Rejected",
    "Row",
    "TableLocked",
    "Transaction",
    "connect",
    "primary",
    "translated",
]

Row = dict[str, Any]
Params = Mapping[str, Any]
Connection = Session
T = TypeVar("T")

SESSION_SECONDS: Final = 10.0  # how long a pooler may let a new connection wait for a session of the server
LONGEST_PAUSE_SECONDS: Final = 5.0
CANCELLED_SECONDS: Final = 3.0  # how long a statement is tried that the server cancels each time
STOPPING_SECONDS: Final = 10.0  # the longest wait for a database that is away if the process is to stop
SHORTAGE_SECONDS: Final = 5.0  # the wait for another thread's connection if the server opens no more
SHORTAGE_PAUSE_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 90.0  # how long a database that is away is waited for
LOCK_SECONDS: Final = 3.0  # the longest wait for a lock of another session; then Locked is raised
KEEPALIVE: Final[dict[str, Any]] = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class Transaction:
    """The three verbs on one connection. `prepares`: the connection keeps what it has prepared."""

    def __init__(self, connection: Connection, *, prepares: bool = False) -> None:
        self.connection = connection
        self.prepares = prepares

    def one(self, sql: str, params: Params | None = None) -> Row | None:
        """Return the first row, or None if there is none."""
        with self.run(sql, params) as cursor:
            return next(rows_of(cursor), None)

    def all(self, sql: str, params: Params | None = None) -> list[Row]:
        """Return every row."""
        with self.run(sql, params) as cursor:
            return list(rows_of(cursor))

    def execute(self, sql: str, params: Params | None = None) -> int:
        """Run a statement and return the number of rows that it changed."""
        with self.run(sql, params) as cursor:
            return cursor.rowcount

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo the block's work if it raises, so that the transaction can go on without it."""
        queries = load("database")
        self.execute(queries.savepoint)
        try:
            yield
        except DatabaseUnavailable:
            raise
        except BaseException:
            self.execute(queries.rollback_to_savepoint)
            raise
        self.execute(queries.release_savepoint)

    @contextmanager
    def run(self, sql: str, params: Params | None) -> Iterator[psycopg2.extensions.cursor]:
        with translated(self.connection), self.connection.cursor() as cursor:
            values = parameters(params or {})
            if self.prepares and isinstance(sql, Preparable):
                self.connection.execute_prepared(cursor, sql, values)
            else:
                cursor.execute(sql, values)
            yield cursor


def rows_of(cursor: psycopg2.extensions.cursor) -> Iterator[Row]:
    """Each row by column; the driver's own rows by column take several times the processor time."""
    names = [column.name for column in cursor.description or ()]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


class Database:
    """A pool of at most `size` connections to `dsn`, which threads may share.

    If a connection is lost, its statement or transaction is run again on another one for up to `retry_seconds`, or
    STOPPING_SECONDS if `stop` is set; every statement must therefore be idempotent. Borrowing waits while all
    connections are in use. Waiting for a lock ends after `lock_seconds` with Locked. `statement_seconds` limits a
    statement; 0 is no limit. `prepares` is set once it is known that each connection is a session of the server.
    """

    def __init__(
        self,
        dsn: str,
        *,
        size: int = 10,
        retry_seconds: float = RETRY_SECONDS,
        lock_seconds: float = LOCK_SECONDS,
        statement_seconds: float = 0,
        stop: Event | None = None,
    ) -> None:
        self.dsn = dsn
        self.statement_seconds = statement_seconds
        self.retry_seconds = retry_seconds
        self.lock_seconds = lock_seconds
        self.stop = stop
        self.free = BoundedSemaphore(size)
        self.idle: deque[Connection] = deque()
        self.closed = False
        self.prepares = False
        self.outage = Outage()
        self.table_wait = TableWait()
        self.shortage = Shortage()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> Self:
        """Open the first connection; raises DatabaseUnavailable after `retry_seconds`."""
        self.idle.append(self.connect())
        return self

    def close(self) -> None:
        """Close every connection; those in use are closed when they are returned."""
        self.closed = True
        self.discard_idle()

    def one(self, sql: str, params: Params | None = None) -> Row | None:
        """Return the first row, or None; committed."""
        return self.work(lambda transaction: transaction.one(sql, params), autocommit=True)

    def all(self, sql: str, params: Params | None = None) -> list[Row]:
        """Return every row; committed."""
        return self.work(lambda transaction: transaction.all(sql, params), autocommit=True)

    def execute(self, sql: str, params: Params | None = None) -> int:
        """Run a statement and return the number of rows that it changed; committed."""
        return self.work(lambda transaction: transaction.execute(sql, params), autocommit=True)

    def transact(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in one transaction, again from the start if the connection is lost."""
        return self.work(fn, autocommit=False)

    def endpoint(self) -> Endpoint:
        """Return the server that the address leads to."""
        with self.borrow(autocommit=True) as connection:
            info = connection.info
            return Endpoint(info.host or "", info.port, info.dbname, info.user, encrypted=bool(info.ssl_in_use))

    def connect(self) -> Connection:
        """Return a direct connection in autocommit mode that the caller closes, e.g. for advisory locks."""
        return self.persist(lambda: connect(self.dsn, self.lock_seconds, self.statement_seconds))

    def work(self, fn: Callable[[Transaction], T], *, autocommit: bool) -> T:
        def attempt() -> T:
            with self.borrow(autocommit) as connection:
                result = fn(Transaction(connection, prepares=self.prepares))
                with translated(connection):
                    connection.commit()
                return result

        try:
            return self.persist(attempt)
        except Conflict as exc:
            if not self.persist(partial(self.brought_forward, exc)):
                raise
        return self.persist(attempt)

    def brought_forward(self, conflict: Conflict) -> bool:
        """Return whether the conflict came from a sequence that was behind, and is not any more."""
        with self.borrow(autocommit=True) as connection:
            return brought_forward(Transaction(connection), conflict)

    def persist(self, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it is not interrupted and no table is locked, for up to `retry_limit` seconds.

        Raises BrokenOff if the server cancels only this statement each time, Hanging if after all its time.
        """
        began, cancelled, pause, table_was_locked = None, None, 0.0, False
        while True:
            started = time.monotonic()
            try:
                result = attempt()
            except TableLocked as exc:
                table_was_locked = True
                self.wait_for_table(exc)
            except Interrupted as exc:
                now = time.monotonic()
                began = began or now
                if not isinstance(exc, Cancelled):
                    cancelled = None
                elif cancelled is None:  # a second try of what has taken all its time would take as long again
                    cancelled = started if now - started >= self.statement_seconds > 0 else now
                if cancelled is not None and now + pause - cancelled >= self.cancelled_limit() and self.answers():
                    self.outage.ended()
                    kind = Hanging if now - started >= self.statement_seconds > 0 else BrokenOff
                    raise kind(f"{exc}: the database breaks this off each time") from exc
                if self.closed or now + pause - began >= self.retry_limit():
                    self.outage.given_up(exc)
                    raise
                self.outage.began(exc, self.retry_seconds)
                self.discard_idle()
            else:
                self.outage.ended()
                if table_was_locked:
                    self.table_wait.ended()
                return result
            time.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2 or random.uniform(0.05, 0.15))

    def wait_for_table(self, error: TableLocked) -> None:
        """Report the wait; raises TableLocked with the session that holds the table once it has taken too long."""
        seconds = self.table_wait.seconds()
        too_long = self.closed or seconds >= self.retry_limit()
        if too_long or seconds == 0:
            error = TableLocked(f"{error} ({self.table_locker()})")
        if too_long:
            self.table_wait.log_end(error, seconds)
            raise error
        if seconds == 0:
            self.table_wait.log_beginning(error, self.retry_seconds)

    def table_locker(self) -> str:
        """Return the session that holds a table that others wait for, for the log."""
        with suppress(DatabaseUnavailable), closing(connect(self.dsn)) as connection:
            row = Transaction(connection).one(load("database").table_locker)
            return "?" if row is None else str(row["locker"])
        return "?"

    def cancelled_limit(self) -> float:
        """Return for how many seconds a statement is tried that the server cancels each time."""
        return min(CANCELLED_SECONDS, self.retry_seconds)

    def retry_limit(self) -> float:
        """Return for how many seconds a database that is away is waited for."""
        stopping = self.stop is not None and self.stop.is_set()
        return min(self.retry_seconds, STOPPING_SECONDS) if stopping else self.retry_seconds

    def answers(self) -> bool:
        """Return whether the database answers on a new connection."""
        try:
            with closing(connect(self.dsn, self.lock_seconds, self.statement_seconds)) as connection:
                return Transaction(connection).one(load("database").answer) is not None
        except DatabaseUnavailable:
            return False

    @contextmanager
    def borrow(self, autocommit: bool) -> Iterator[Connection]:
        with self.free:
            connection = self.take()
            try:
                connection.autocommit = autocommit
                yield connection
            finally:
                self.give_back(connection)

    def take(self) -> Connection:
        if self.closed:
            raise DatabaseUnavailable("the database is closed")
        with suppress(IndexError):
            return self.idle.pop()
        found = self.given_back() if self.shortage.lasts() else None
        if found is not None:
            return found
        try:
            return connect(self.dsn, self.lock_seconds, self.statement_seconds)
        except NoMoreConnections as exc:
            self.shortage.began(exc)
            found = self.given_back()
            if found is None:
                raise
            return found

    def given_back(self) -> Connection | None:
        """Return a connection that another thread gives back, as the server opens no more; None if none does."""
        ends = time.monotonic() + min(SHORTAGE_SECONDS, self.retry_seconds)
        while time.monotonic() < ends and not self.closed:
            with suppress(IndexError):
                return self.idle.pop()
            time.sleep(SHORTAGE_PAUSE_SECONDS)
        return None

    def give_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except psycopg2.Error:
            connection.close()
        if not connection.closed:
            self.idle.append(connection)
        if self.closed:
            self.discard_idle()

    def discard_idle(self) -> None:
        # If one connection is lost, the idle ones usually are lost too.
        with suppress(IndexError):
            while True:
                self.idle.pop().close()


def connect(dsn: str, lock_seconds: float = LOCK_SECONDS, statement_seconds: float = 0) -> Connection:
    """Open one connection; raises Interrupted, or DatabaseUnavailable if a retry cannot help."""
    try:
        connection: Connection = psycopg2.connect(
            dsn,
            application_name="llm_monitoring",
            client_encoding="UTF8",
            connect_timeout=10,
            connection_factory=Session,
            cursor_factory=psycopg2.extensions.cursor,
            **(KEEPALIVE | encryption_defaults(dsn)),
        )
    except psycopg2.ProgrammingError:
        raise unreadable() from None
    except psycopg2.OperationalError as exc:
        if str(exc).startswith("invalid "):
            raise unreadable(str(exc)) from None
        kind = refusal(str(exc))
        raise kind(f"cannot connect to the database: {first_line(exc)}{advice(str(exc))}") from exc
    require_usable(connection)
    decoding.register(connection)
    connection.autocommit = True
    limits = {
        "lock_timeout": f"{round(1000 * lock_seconds)}ms",
        "statement_timeout": f"{round(1000 * statement_seconds)}ms",
    }
    with answered_within(connection, SESSION_SECONDS):
        Transaction(connection).all(load("database").prepare_session, limits)
    return connection
