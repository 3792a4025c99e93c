"""PostgreSQL: the database layer."""

from __future__ import annotations

from llm_monitoring.db.clock import DatabaseClock
from llm_monitoring.db.database import (
    RETRY_SECONDS,
    BrokenOff,
    Conflict,
    Connection,
    Database,
    DatabaseUnavailable,
    Hanging,
    Interrupted,
    Json,
    Locked,
    Rejected,
    Row,
    TableLocked,
    Transaction,
)
from llm_monitoring.db.encryption import encryption_defaults, is_required, reach
from llm_monitoring.db.failures import hang_in
from llm_monitoring.db.id_room import IdRoom, id_room, require_id_room
from llm_monitoring.db.locks import AlreadyHeld, ExclusiveLock, Holder, SessionLock, advisory_holder, table_holder
from llm_monitoring.db.migrations import migrate, pending
from llm_monitoring.db.pooler import PooledSessions, require_sessions
from llm_monitoring.db.queries import load
from llm_monitoring.db.row_errors import RowError, RowErrors, Stage, read_record, records
from llm_monitoring.db.scoped import ProjectDatabase, UserDatabase, in_transaction, on_one_session, snapshot, take_turn

__all__ = [
    "RETRY_SECONDS",
    "AlreadyHeld",
    "BrokenOff",
    "Conflict",
    "Connection",
    "Database",
    "DatabaseClock",
    "DatabaseUnavailable",
    "ExclusiveLock",
    "Hanging",
    "Holder",
    "IdRoom",
    "Interrupted",
    "Json",
    "Locked",
    "PooledSessions",
    "ProjectDatabase",
    "Rejected",
    "Row",
    "RowError",
    "RowErrors",
    "SessionLock",
    "Stage",
    "TableLocked",
    "Transaction",
    "UserDatabase",
    "advisory_holder",
    "encryption_defaults",
    "hang_in",
    "id_room",
    "in_transaction",
    "is_required",
    "load",
    "migrate",
    "on_one_session",
    "pending",
    "reach",
    "read_record",
    "records",
    "require_id_room",
    "require_sessions",
    "snapshot",
    "table_holder",
    "take_turn",
]
