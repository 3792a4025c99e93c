"""Views of a pool: bound to a user or a project for row-level security, or inside one transaction or snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from llm_monitoring.db.database import Conflict, Connection, Database, DatabaseUnavailable, Locked, Transaction
from llm_monitoring.db.failures import TableLocked
from llm_monitoring.db.queries import load
from llm_monitoring.db.sequences import brought_forward

T = TypeVar("T")


class BoundDatabase(Database):
    """The connections of another pool, each bound to a user or to one project while it is borrowed.

    The binding is set for the session and removed when the connection is returned: a setting of a transaction would end
    with its first statement in autocommit mode, and a setting left behind would apply to the next borrower.
    """

    def __init__(self, pool: Database, *, user_id: int | None = None, project_id: int | None = None) -> None:
        super().__init__(pool.dsn, retry_seconds=pool.retry_seconds, lock_seconds=pool.lock_seconds, stop=pool.stop)
        if (user_id is None) == (project_id is None):
            raise ValueError("rows are bound to a user or to a project")
        self.pool = pool
        self.user_id = user_id
        self.project_id = project_id
        self.outage, self.table_wait = pool.outage, pool.table_wait

    @contextmanager
    def borrow(self, autocommit: bool) -> Iterator[Connection]:
        with self.pool.borrow(autocommit=True) as connection:
            bind(connection, self.user_id, self.project_id)
            try:
                connection.autocommit = autocommit
                yield connection
            finally:
                self.release(connection)

    def release(self, connection: Connection) -> None:
        """Remove the binding from the session; if that fails, the session is closed."""
        if connection.closed:
            return
        try:
            connection.rollback()
            connection.autocommit = True
            bind(connection, None, None)
        except BaseException:
            connection.close()
            raise

    def discard_idle(self) -> None:
        self.pool.discard_idle()


class UserDatabase(BoundDatabase):
    """The connections of another pool, each bound to the rows that a user may see."""

    def __init__(self, pool: Database, user_id: int) -> None:
        super().__init__(pool, user_id=user_id)


class ProjectDatabase(BoundDatabase):
    """The connections of another pool, each bound to the rows of one project, which are only read."""

    def __init__(self, pool: Database, project_id: int) -> None:
        super().__init__(pool, project_id=project_id)


class OpenTransaction(Database):
    """A transaction that the caller has begun; statements and transactions of the stores are parts of it.

    If a store raises, its own work is undone and the transaction goes on.
    """

    def __init__(self, pool: Database, transaction: Transaction) -> None:
        super().__init__(pool.dsn, retry_seconds=pool.retry_seconds, lock_seconds=pool.lock_seconds, stop=pool.stop)
        self.transaction = transaction

    def work(self, fn: Callable[[Transaction], T], *, autocommit: bool) -> T:
        try:
            with self.transaction.savepoint():
                return fn(self.transaction)
        except Conflict as exc:
            if not brought_forward(self.transaction, exc):
                raise
        with self.transaction.savepoint():
            return fn(self.transaction)


def in_transaction(db: Database, work: Callable[[Database], T]) -> T:
    """Run `work` in one transaction; the stores in it use the database that it receives."""
    return db.transact(lambda transaction: work(OpenTransaction(db, transaction)))


def take_turn(db: Database, name: str) -> None:
    """Let other transactions that take this turn wait until the one of `db` ends.

    What is counted in the next statement includes what they stored. Raises TableLocked.
    """
    db.one(load("database").wait_for_turn, {"name": name})


def on_one_session(db: Database, work: Callable[[Transaction], T], lock: str | None = None) -> T:
    """Run `work` on one connection, again from the start if it is lost, while it holds the advisory lock of a name.

    Raises Locked if another session holds the lock for longer than a statement waits. A session that ends releases it.
    """

    def locked(session: Transaction) -> T:
        if lock is None:
            return work(session)
        try:
            session.one(load("database").wait_for_lock, {"name": lock})
        except TableLocked as exc:  # it is the lock of the name
            raise Locked(str(exc)) from exc
        try:
            return work(session)
        finally:
            with suppress(DatabaseUnavailable):  # then the lock has ended with its session
                session.one(load("database").release_lock, {"name": lock})

    return db.work(locked, autocommit=True)


@contextmanager
def snapshot(db: Database, session: Transaction) -> Iterator[Database]:
    """The database as it is now, for all statements of the block, which only reads."""
    queries = load("database")
    session.execute(queries.begin_snapshot)
    try:
        yield OpenTransaction(db, session)
    except BaseException:
        with suppress(DatabaseUnavailable):
            session.execute(queries.abandon_snapshot)
        raise
    session.execute(queries.end_snapshot)


def bind(connection: Connection, user_id: int | None, project_id: int | None) -> None:
    """Set the user or the project of the rows that a session may see; neither: no rows."""
    ids = {"user_id": user_id, "project_id": project_id}
    Transaction(connection).execute(
        load("database").bind_rows, {name: "" if number is None else str(number) for name, number in ids.items()}
    )
