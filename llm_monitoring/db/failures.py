"""Translates PostgreSQL's errors, by SQLSTATE, into the few errors that callers can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg2
from psycopg2 import errors

from llm_monitoring.errors import ConfigurationError, MonitoringError

# PostgreSQL's manual, appendix A: two characters are a class, five a condition.
LOCKED: Final = "55P03"
# Another connection may work: failover, overload, restart.
LOST: Final = ("08", "53", "57P", "58", "25006", "25P03", "25P04")
# The same connection may work: a deadlock, a cancelled statement.
REPEATABLE: Final = ("40", "57014")
UNABLE: Final = ("25", "57", "F0")
MISTAKEN: Final = ("03", "0A", "24", "26", "2B", "34", "3D", "3F", "42")


class DatabaseUnavailable(MonitoringError):
    """The database cannot be reached or cannot work."""


class Interrupted(DatabaseUnavailable):
    """The connection or the transaction was lost; the same work may succeed on another one."""


class Cancelled(Interrupted):
    """The server cancelled only this statement, as the victim of a deadlock or because a trigger asked for it."""


class Locked(MonitoringError):
    """Another session holds a row, table or lock for longer than LOCK_SECONDS.

    Nothing was changed. Only this row is concerned: the caller goes on with others and tries again later.
    """


class BrokenOff(Locked):
    """The server cancels a statement each time it is tried and answers others, so its row is the cause."""


class Conflict(MonitoringError):
    """The row exists already. `table` is the schema and name of its table."""

    def __init__(
        self, message: str = "", *, constraint: str | None = None, table: tuple[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.constraint = constraint
        self.table = table


class Rejected(MonitoringError):
    """The database refuses the values."""

    def __init__(self, message: str = "", *, constraint: str | None = None) -> None:
        super().__init__(message)
        self.constraint = constraint


@contextmanager
def translated(connection: psycopg2.extensions.connection) -> Iterator[None]:
    """Translate the driver's errors into ours; an error that stays is a mistake in the SQL."""
    try:
        yield
    except (errors.UniqueViolation, errors.ExclusionViolation) as exc:
        schema, table = exc.diag.schema_name, exc.diag.table_name
        raise Conflict(
            primary(exc), constraint=exc.diag.constraint_name, table=(schema, table) if schema and table else None
        ) from exc
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
            connection.close()  # the driver does not always notice that the session has ended
            raise Interrupted(primary(exc)) from exc
        ours = translation(exc)
        if ours is None:
            raise
        raise ours from exc


def is_lost(connection: psycopg2.extensions.connection, error: psycopg2.Error) -> bool:
    """Return whether the session ended or is unusable: by driver, SQLSTATE, or an error without a server's code."""
    if connection.closed or (error.pgcode or "").startswith(LOST):
        return True
    # An error of libpq itself, such as "server closed the connection unexpectedly", has either class.
    return error.pgcode is None and type(error) in (psycopg2.DatabaseError, psycopg2.OperationalError)


def translation(error: psycopg2.Error) -> MonitoringError | None:
    """Return our error for an error of the server; None for a mistake in the SQL or an error of the driver.

    Any other SQLSTATE is Rejected, so that other rows go on: a trigger of the host may raise any code, a value may be
    too long for an index (54), a disk page may be damaged (XX), an object may be in use (55).
    """
    code, message = error.pgcode or "", primary(error)
    if code == LOCKED:
        return Locked(f"{message}: another session holds what this one needs")
    if code.startswith(REPEATABLE):
        return Cancelled(message)
    if code.startswith(UNABLE):
        return DatabaseUnavailable(message)
    if code.startswith(MISTAKEN) or not code:
        known = isinstance(error, (psycopg2.DataError, psycopg2.IntegrityError))  # e.g. a value that the driver refuses
        return Rejected(message) if known and not code else None
    return Rejected(message, constraint=error.diag.constraint_name)


def primary(error: psycopg2.Error) -> str:
    """Return the server's message without its DETAIL line, which quotes whole rows."""
    return error.diag.message_primary or first_line(error)


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
