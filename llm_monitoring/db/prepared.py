"""Statements that a session plans once: parsing and planning the ledger's takes longer than executing them.

A statement with a line `-- prepared: name type, …` in its file is prepared by a connection that uses it, and planned
again after PLAN_USES, as the tables grow meanwhile. A plan that the server no longer takes, as a migration has changed
a column that it returns or someone has deallocated it, ends its session like a lost connection: the whole transaction
was rolled back, and is run again on a new connection, which plans afresh. Only a session of the server's own keeps what
it has prepared; so it is done only after `require_sessions` has found that there is no pooler that hands out sessions
by transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import psycopg2.extensions
from psycopg2 import errors

from llm_monitoring.db.failures import Interrupted, is_in_function, primary
from llm_monitoring.db.queries import Preparable

PLAN_USES: Final = 200
# "cached plan must not change result type", and a statement that is not there any more.
OUTDATED: Final = (errors.FeatureNotSupported, errors.InvalidSqlStatementName)
PARAMETER: Final = re.compile(r"%\((\w+)\)s")


class Session(psycopg2.extensions.connection):
    """A connection, with how often it has used each statement that it has prepared, and what executes it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.uses: dict[str, int] = {}
        self.executions: dict[str, str] = {}

    def execute_prepared(
        self, cursor: psycopg2.extensions.cursor, statement: Preparable, params: Mapping[str, Any]
    ) -> None:
        """Execute a statement by its plan; raises Interrupted, with the session closed, if the plan is outdated."""
        was_planned = name_of(statement) in self.uses
        try:
            cursor.execute(self.prepare(cursor, statement), params)
        except OUTDATED as exc:
            if not was_planned or is_in_function(exc):  # then the plan is not at fault
                raise
            self.close()
            raise Interrupted(primary(exc)) from exc

    def prepare(self, cursor: psycopg2.extensions.cursor, statement: Preparable) -> str:
        """Prepare a statement if it is the time; return the statement that executes it, with the same parameters."""
        name = name_of(statement)
        if self.uses.get(name, 0) >= PLAN_USES:
            cursor.execute(f"DEALLOCATE {name}")
            del self.uses[name]
        if name not in self.uses:
            cursor.execute(f"PREPARE {name} {definition(statement)}")
            self.uses[name] = 0
            self.executions[name] = f"EXECUTE {name} ({', '.join(f'%({parameter})s' for parameter in statement.types)})"
        self.uses[name] += 1
        return self.executions[name]


def name_of(statement: Preparable) -> str:
    return f"llm_{statement.name}"


def definition(statement: Preparable) -> str:
    """The types and the text of a statement with its parameters as numbers; raises KeyError for one without a type."""
    numbers: Mapping[str, int] = {name: number for number, name in enumerate(statement.types, start=1)}
    numbered = PARAMETER.sub(lambda found: f"${numbers[found[1]]}", statement).replace("%%", "%")
    return f"({', '.join(statement.types.values())}) AS {numbered}"
