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
# Of LOST: if the session goes on, a server that a trigger asks, or one statement that needs too much memory.
OF_STATEMENT: Final = ("08", "57P", "25P03", "25P04", "53200", "53300", "53400")
# The same connection may work: a deadlock, a cancelled statement.
REPEATABLE: Final = ("40", "57014")
RAISE: Final = "exec_stmt_raise"  # where PostgreSQL says that the RAISE of a function is the source of an error
UNABLE: Final = ("25", "57", "F0")
MISTAKEN: Final = ("03", "0A", "24", "26", "2B", "34", "3D", "3F", "42")


class DatabaseUnavailable(MonitoringError):
    """The database cannot be reached or cannot work."""


class Interrupted(DatabaseUnavailable):
    """The connection or the transaction was lost; the same work may succeed on another one."""


class NoMoreConnections(Interrupted):
    """The server opens no further connection; those that are open go on."""


class Cancelled(Interrupted):
    """The server ended only this statement, such as the victim of a deadlock or because a trigger raised an error."""


class Locked(MonitoringError):
    """Another session holds a row, table or lock for longer than LOCK_SECONDS.

    Nothing was changed. Only this row is concerned: the caller goes on with others and tries again later.
    """


class TableLocked(Locked):
    """Another session holds a whole table, such as VACUUM FULL: it concerns every row, and is waited for."""


class BrokenOff(Locked):
    """The server cancels a statement each time it is tried and answers others, so its row is the cause."""


class Hanging(BrokenOff):
    """The statement took all the time that it may take, and its next try would: a trigger of its table waits."""


def hang_in(error: BaseException | None) -> Hanging | None:
    """Return the statement that hung, if an error or a cause of it is one."""
    while error is not None and not isinstance(error, Hanging):
        error = error.__cause__
    return error


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
    except psycopg2.Error as exc:
        if is_lost(connection, exc):
            connection.close()  # the driver does not always notice that the session has ended
            raise Interrupted(primary(exc)) from exc
        ours = translation(exc) or misconfiguration(connection, exc)
        if ours is None:
            raise
        raise ours from exc


def is_lost(connection: psycopg2.extensions.connection, error: psycopg2.Error) -> bool:
    """Return whether the session ended or is unusable: by driver, SQLSTATE, or an error without a server's code."""
    if connection.closed or ((error.pgcode or "").startswith(LOST) and not concerns_statement_only(error)):
        return True
    # An error of libpq itself, such as "server closed the connection unexpectedly", has either class.
    return error.pgcode is None and type(error) in (psycopg2.DatabaseError, psycopg2.OperationalError)


def concerns_statement_only(error: psycopg2.Error) -> bool:
    """Return whether the session goes on after an error with a code of LOST.

    A trigger of the host can raise any code, and fails with the code of another server that it asks.
    """
    if error.diag.severity_nonlocalized != "ERROR":
        return False
    return error.diag.source_function == RAISE or (error.pgcode or "").startswith(OF_STATEMENT)


def is_in_function(error: psycopg2.Error) -> bool:
    """Return whether a PL/pgSQL function failed, such as a trigger of the host: our own SQL is right."""
    return "PL/pgSQL" in (error.diag.context or "")


def translation(error: psycopg2.Error) -> MonitoringError | None:
    """Return our error for an error that the server may give to right SQL; None for any other.

    Any other SQLSTATE is Rejected, so that other rows go on: a trigger of the host may raise any code, a value may be
    too long for an index (54), a disk page may be damaged (XX), an object may be in use (55).
    """
    code, message, constraint = error.pgcode or "", primary(error), error.diag.constraint_name
    if isinstance(error, (errors.UniqueViolation, errors.ExclusionViolation)):
        schema, table = error.diag.schema_name, error.diag.table_name
        return Conflict(message, constraint=constraint, table=(schema, table) if schema and table else None)
    if code == LOCKED:
        # the context of a wait for a row names it
        kind, what = (Locked, "what this one needs") if error.diag.context else (TableLocked, "a whole table")
        return kind(f"{message}: another session holds {what}")
    if code.startswith((*REPEATABLE, *LOST)):
        return Cancelled(message + in_function(error))
    if is_in_function(error):
        return Rejected(message, constraint=constraint)
    if code.startswith(UNABLE):
        return DatabaseUnavailable(message)
    if code.startswith(MISTAKEN) or not code:
        known = isinstance(error, (psycopg2.DataError, psycopg2.IntegrityError))  # e.g. a value that the driver refuses
        return Rejected(message) if known and not code else None
    return Rejected(message, constraint=constraint)


def misconfiguration(connection: psycopg2.extensions.connection, error: psycopg2.Error) -> ConfigurationError | None:
    """Return our error for a missing right or schema, or tables of another form; None for a mistake in the SQL."""
    if isinstance(error, errors.InsufficientPrivilege):
        message = f"the database role {connection.info.user!r} lacks a right: {primary(error)}"
        return ConfigurationError(message, code="rights_missing")
    if isinstance(error, errors.InvalidSchemaName):
        return ConfigurationError(
            f"search_path of the role or database names no schema that there is: {primary(error)}"
        )
    if isinstance(error, errors.FeatureNotSupported):
        return ConfigurationError(f"PostgreSQL cannot do this, as with a rule on one of the tables: {primary(error)}")
    if isinstance(error, (errors.UndefinedColumn, errors.UndefinedTable, errors.InvalidColumnReference)):
        message = f"the tables are not as this version needs them: {primary(error)}"
        return ConfigurationError(message, code="tables_differ")
    return None


def in_function(error: psycopg2.Error) -> str:
    """Return the function of the host in which a statement was cancelled, to find it by; empty without one."""
    lines = [line for line in (error.diag.context or "").splitlines() if "PL/pgSQL" in line]
    return f" in {lines[0]}" if lines else ""


def primary(error: psycopg2.Error) -> str:
    """Return the server's message without its DETAIL line, which quotes whole rows."""
    return error.diag.message_primary or first_line(error)


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
