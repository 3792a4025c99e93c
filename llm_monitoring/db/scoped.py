"""Other ways to see a pool: bound to one user for row-level security, and as one open transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from llm_monitoring.db.database import Connection, Database, Transaction
from llm_monitoring.db.queries import load

T = TypeVar("T")


class UserDatabase(Database):
    """The connections of another pool, each bound to `user_id` while it is borrowed.

    The number is set for the session and taken back at the end: one set for a transaction ends with its statement in
    autocommit mode, and one left behind would be the next borrower's.
    """

    def __init__(self, pool: Database, user_id: int) -> None:
        super().__init__(pool.dsn, retry_seconds=pool.retry_seconds, lock_seconds=pool.lock_seconds, stop=pool.stop)
        self.pool = pool
        self.user_id = user_id
        self.outage = pool.outage

    @contextmanager
    def borrow(self, autocommit: bool) -> Iterator[Connection]:
        with self.pool.borrow(autocommit=True) as connection:
            bind(connection, str(self.user_id))
            try:
                connection.autocommit = autocommit
                yield connection
            finally:
                self.release(connection)

    def release(self, connection: Connection) -> None:
        """Take the user's number off the session; a session that does not take it is closed."""
        if connection.closed:
            return
        try:
            connection.rollback()
            connection.autocommit = True
            bind(connection, "")
        except BaseException:
            connection.close()
            raise

    def discard_idle(self) -> None:
        self.pool.discard_idle()


class OpenTransaction(Database):
    """A transaction that its caller has begun: statements and transactions of the stores become parts of it.

    What a store did is undone if it raises, and the transaction goes on.
    """

    def __init__(self, pool: Database, transaction: Transaction) -> None:
        super().__init__(pool.dsn, retry_seconds=pool.retry_seconds, lock_seconds=pool.lock_seconds, stop=pool.stop)
        self.transaction = transaction

    def work(self, fn: Callable[[Transaction], T], *, autocommit: bool) -> T:
        with self.transaction.savepoint():
            return fn(self.transaction)


def in_transaction(db: Database, work: Callable[[Database], T]) -> T:
    """Do `work` on stores in one transaction."""
    return db.transact(lambda transaction: work(OpenTransaction(db, transaction)))


def bind(connection: Connection, user_id: str) -> None:
    """Say whose rows a session may see; empty: no one's."""
    Transaction(connection).execute(load("database").bind_user, {"user_id": user_id})
