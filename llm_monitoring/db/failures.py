"""What went wrong in PostgreSQL, by its SQLSTATE, as the few errors that callers can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg2
from psycopg2 import errors

from llm_monitoring.errors import ConfigurationError, MonitoringError

# PostgreSQL's manual, appendix A; two characters name a class, five a condition
LOCKED: Final = "55P03"
LOST: Final = (
    "08",
    "53",
    "57P",
    "58",
    "25006",
    "25P03",
    "25P04",
)  # another connection may do: failover, overload, restart
REPEATABLE: Final = ("40", "57014")  # this connection may do: a deadlock, a cancelled statement
UNABLE: Final = ("25", "57", "F0")
MISTAKEN: Final = ("03", "0A", "24", "26", "2B", "34", "3D", "3F", "42")


class DatabaseUnavailable(MonitoringError):
    """The database cannot be reached or cannot work."""


class Interrupted(DatabaseUnavailable):
    """The connection or the transaction was lost; the same work may succeed on another one."""


class Cancelled(Interrupted):
    """The server broke off this statement alone, as the victim of a deadlock or at the wish of a trigger."""


class Locked(MonitoringError):
    """Another session holds a row, table or lock for longer than LOCK_SECONDS.

    Nothing was changed. It says something about this row alone: the caller goes on with others and tries again later.
    """


class BrokenOff(Locked):
    """The server breaks off a statement each time it is tried, while it answers others: its row is at fault."""


class Conflict(MonitoringError):
    """The row exists already."""

    def __init__(self, message: str = "", *, constraint: str | None = None) -> None:
        super().__init__(message)
        self.constraint = constraint


class Rejected(MonitoringError):
    """The database refuses the values."""

    def __init__(self, message: str = "", *, constraint: str | None = None) -> None:
        super().__init__(message)
        self.constraint = constraint


@contextmanager
def translated(connection: psycopg2.extensions.connection) -> Iterator[None]:
    """Turn the driver's errors into ours; what remains is a mistake in the SQL."""
    try:
        yield
    except (errors.UniqueViolation, errors.ExclusionViolation) as exc:
        raise Conflict(primary(exc), constraint=exc.diag.constraint_name) from exc
    except errors.InsufficientPrivilege as exc:
        raise ConfigurationError(
            f"the database role {connection.info.user!r} lacks a right: {primary(exc)}",
            code="rights_missing",
        ) from exc
    except (errors.UndefinedColumn, errors.UndefinedTable, errors.InvalidColumnReference) as exc:
        raise ConfigurationError(
            f"the tables are not as this version needs them: {primary(exc)}",
            code="tables_differ",
        ) from exc
    except psycopg2.Error as exc:
        if is_lost(connection, exc):
            connection.close()  # the driver does not always know that the session is gone
            raise Interrupted(primary(exc)) from exc
        found = meaning(exc)
        if found is None:
            raise
        raise found from exc


def is_lost(connection: psycopg2.extensions.connection, error: psycopg2.Error) -> bool:
    """Tell whether the session ended or cannot work any more: by driver, SQLSTATE, or an error that no server sent."""
    if connection.closed or (error.pgcode or "").startswith(LOST):
        return True
    # libpq's own words, such as "server closed the connection unexpectedly", come as either class
    return error.pgcode is None and type(error) in (psycopg2.DatabaseError, psycopg2.OperationalError)


def meaning(error: psycopg2.Error) -> MonitoringError | None:
    """The error of ours for an error of the server; None for a mistake in the SQL, or an error of the driver's own.

    A trigger of the host may raise any SQLSTATE, also one that no manual lists: that refuses the values. So do a value
    that no index holds (54), a row that a page of the disk has lost (XX), and an object in use (55): others go on.
    """
    code, said = error.pgcode or "", primary(error)
    if code == LOCKED:
        return Locked(f"{said}: another session holds what this one needs")
    if code.startswith(REPEATABLE):
        return Cancelled(said)
    if code.startswith(UNABLE):
        return DatabaseUnavailable(said)
    if code.startswith(MISTAKEN) or not code:
        known = isinstance(error, (psycopg2.DataError, psycopg2.IntegrityError))  # e.g. a value that the driver refuses
        return Rejected(said) if known and not code else None
    return Rejected(said, constraint=error.diag.constraint_name)


def primary(error: psycopg2.Error) -> str:
    """Return the server's own sentence; its DETAIL line quotes whole rows and stays out of messages."""
    return error.diag.message_primary or first_line(error)


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
