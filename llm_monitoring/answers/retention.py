"""How long raw replies and answers' texts are kept; the ledger and the figures stay for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from llm_monitoring.db import Database, RowErrors, load

SQL = load("retention")
BATCH: Final = 500  # rows a transaction: a lock of milliseconds
MOST_REFUSED: Final = 1000  # then the rest is left to the next run


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many receipts were deleted and how many answers emptied of their text."""

    receipts: int = 0
    answers: int = 0


def prune(db: Database, days: int, errors: RowErrors, *, go_on: Callable[[], bool] = lambda: True) -> Pruned:
    """Prune what is older than `days`, batch by batch while `go_on()`; the rest is left to the next run.

    Answers that the host application stored itself, those that are not analysed yet, and receipts of open calls are
    not touched. A row that the database refuses to change stays, in `errors`.
    """
    return Pruned(
        receipts=in_batches(db, (SQL.old_receipts, SQL.drop_receipts, "Recibo"), days, errors, go_on),
        answers=in_batches(db, (SQL.old_answers, SQL.empty_answers, "Respuesta"), days, errors, go_on),
    )


def in_batches(
    db: Database, queries: tuple[str, str, str], days: int, errors: RowErrors, go_on: Callable[[], bool]
) -> int:
    """Look for old rows and change them; `queries` find a batch, change it, and name its rows."""
    find, change, kind = queries
    done = 0
    refused: list[object] = []
    while go_on():
        ids = [row["id"] for row in db.all(find, {"days": days, "batch": BATCH, "refused": refused})]
        written = errors.write(
            "prune", ids, lambda each: f"{kind} {each}", lambda each: db.execute(change, {"ids": each})
        )
        done += len(written)
        refused += sorted(set(ids) - set(written))
        if len(ids) < BATCH or len(refused) > MOST_REFUSED:
            break
    return done
