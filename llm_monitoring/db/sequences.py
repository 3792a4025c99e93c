"""Sequences that a restore of data alone, or rows with ids of their own, left behind their tables."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from llm_monitoring.db.failures import Conflict
from llm_monitoring.db.queries import load

if TYPE_CHECKING:
    from llm_monitoring.db.database import Database, Transaction

SQL: Final = load("sequences")

log = logging.getLogger(__name__)


def brought_forward(session: Database | Transaction, conflict: Conflict) -> bool:
    """Bring the sequence behind a conflict forward; False for a conflict that no sequence causes.

    If it is True, the same work may succeed.
    """
    known = session.one(SQL.can_align)
    if conflict.table is None or known is None or not known["known"]:
        return False
    schema, table = conflict.table
    row = session.one(SQL.align, {"schema": schema, "table": table, "key": conflict.constraint})
    if row is None or row["behind"] is None:
        return False
    if row["behind"]:
        message = "🔢 La secuencia de %s iba %s por detrás de sus filas (restauradas o con ids propios): se adelanta"
        facts = {"event": "database.sequence_aligned", "table": table, "behind": row["behind"]}
        log.warning(message, table, row["behind"], extra=facts)
    return True
