"""PostgreSQL: the database layer."""

from __future__ import annotations

from llm_monitoring.db.database import (
    Conflict,
    Connection,
    Database,
    DatabaseUnavailable,
    Json,
    Locked,
    Rejected,
    Row,
    Transaction,
)
from llm_monitoring.db.migrate import migrate, pending
from llm_monitoring.db.queries import load

__all__ = [
    "Conflict",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "Json",
    "Locked",
    "Rejected",
    "Row",
    "Transaction",
    "load",
    "migrate",
    "pending",
]
