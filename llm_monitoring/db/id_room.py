"""How many ids the host's tables have left: one that cannot take a day's answers is known before they are paid."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from llm_monitoring.db.database import Database
from llm_monitoring.db.queries import load
from llm_monitoring.errors import ConfigurationError

SQL: Final = load("id_room")

log = logging.getLogger(__name__)

ANSWERS: Final = "llm_monitoring_results"
FIGURES: Final = "llm_monitoring_snapshots"
DAYS_AHEAD: Final = 90  # of room, below which a run warns


@dataclass(frozen=True, slots=True)
class IdRoom:
    """How many further rows a table can have, as the sequence and the type of its ids allow."""

    table: str
    sequence: str
    room: int


def id_room(db: Database) -> list[IdRoom]:
    """The room of the tables that a run adds rows to; a table without a sequence that this role may read has none."""
    rows = db.all(SQL.room, {"tables": [ANSWERS, FIGURES]})
    return [IdRoom(row["table"], row["sequence"], row["room"]) for row in rows if row["room"] is not None]


def require_id_room(db: Database, rows: int) -> None:
    """Raise ConfigurationError if a table cannot take so many more rows; warn if it can for some months only."""
    for found in id_room(db) if rows else ():
        if found.room < rows:
            message = f"{found.table} has ids for {found.room} more rows, and the day needs {rows}: nothing was asked"
            raise ConfigurationError(message, code="ids_exhausted", table=found.table, sequence=found.sequence)
        if found.room < DAYS_AHEAD * rows:
            fields = {"event": "database.ids_short", "table": found.table, "room": found.room}
            text = "🔢 A %s le quedan números para %d fila(s), menos de %d días como este: véase `doctor`"
            log.warning(text, found.table, found.room, DAYS_AHEAD, extra=fields)
