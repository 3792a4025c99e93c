"""Deletes what no one can use any more: sign-in links, sessions, share links, used hand-offs, idempotency keys.

The record of changes keeps who made and ended them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llm_monitoring.db import Database, load

SQL = load("expiry")

BATCH: Final = 500  # rows a transaction: a lock of milliseconds
# for how many days each is kept once it is over: owners see for some time which share links there were
KEPT_DAYS: Final = (
    (SQL.drop_sign_in_links, 7),
    (SQL.drop_sessions, 30),
    (SQL.drop_hand_offs, 1),
    (SQL.drop_share_links, 90),
    (SQL.drop_requests, 2),
)


def remove_expired(db: Database, *, go_on: Callable[[], bool] = lambda: True) -> int:
    """Delete batch by batch while `go_on()`, and return how many rows; the rest is left to the next run."""
    removed = 0
    for statement, days in KEPT_DAYS:
        while go_on():
            done = db.execute(statement, {"days": days, "batch": BATCH})
            removed += done
            if done < BATCH:
                break
    return removed
