"""How long raw replies and answers' texts are kept; the ledger and the figures stay for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from llm_monitoring.db.database import Database
from llm_monitoring.db.queries import load

SQL = load("retention")
BATCH: Final = 500  # rows a transaction: a lock of milliseconds


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many receipts were deleted and how many answers emptied of their text."""

    receipts: int = 0
    answers: int = 0


def prune(db: Database, days: int, *, go_on: Callable[[], bool] = lambda: True) -> Pruned:
    """Prune what is older than `days`, batch by batch while `go_on()`; the rest is left to the next run.

    Answers that the host application stored itself, and receipts of open calls, are not touched.
    """
    return Pruned(
        receipts=in_batches(db, SQL.drop_receipts, days, go_on),
        answers=in_batches(db, SQL.empty_answers, days, go_on),
    )


def in_batches(db: Database, sql: str, days: int, go_on: Callable[[], bool]) -> int:
    done = 0
    while go_on():
        touched = db.execute(sql, {"days": days, "batch": BATCH})
        done += touched
        if touched < BATCH:
            break
    return done
