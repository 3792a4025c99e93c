"""The records of daily runs: the lock that allows one at a time, their start, end and totals."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final, Literal

from llm_monitoring import failpoints
from llm_monitoring.db import (
    AlreadyHeld,
    Database,
    DatabaseUnavailable,
    ExclusiveLock,
    Holder,
    Json,
    Locked,
    Row,
    RowError,
    RowErrors,
    Transaction,
    load,
    records,
)
from llm_monitoring.errors import NotFound
from llm_monitoring.runs.reasons import StopReason

SQL = load("runs")

LOCK_KEY: Final = 0x4C4C4D5F_44415920  # "LLM_DAY "
PAGE: Final = 500
LONGEST_RUN: Final = timedelta(days=1)
LONGEST_GAP: Final = timedelta(hours=26)  # between the starts of two daily runs

Status = Literal["completed", "warnings", "aborted", "crashed"]


class AlreadyRunning(AlreadyHeld):
    """Another session holds the lock of the daily run."""

    work: ClassVar[str] = "another daily run is at work"


class RunLock(ExclusiveLock):
    """The lock that allows one daily run at a time; raises AlreadyRunning."""

    refusal: ClassVar[type[AlreadyHeld]] = AlreadyRunning

    def __init__(self, db: Database) -> None:
        super().__init__(db, LOCK_KEY)


def start(db: Database, day: date) -> int:
    """Open a run and return its id; runs of dead processes are closed first. Needs the lock."""
    owner = f"{socket.gethostname()}:{os.getpid()}"

    close_dead_runs(db)
    last = db.one(SQL.last_run)
    assert last is not None

    def open_run(tx: Transaction) -> int:
        row = tx.one(SQL.start, {"day": day, "owner": owner, "last": last["id"]})
        assert row is not None
        return int(row["id"])

    run_id = db.transact(open_run)
    failpoints.reach("run_opened")
    return run_id


def held_too_long(db: Database, holder: Holder | None, now: datetime) -> bool:
    """Whether the run lock is held for longer than any run lasts, so that days go by without one."""
    last = next(iter(recent(db, 1)), None)
    since = [] if holder is None or holder.since is None else [holder.since + LONGEST_RUN]
    return any(now > each for each in [*since, *([last["started_at"] + LONGEST_GAP] if last else [])])


def close_dead_runs(db: Database, errors: RowErrors | None = None) -> None:
    """Close the runs that dead processes left open; from then on no call of theirs is admitted. Needs the lock.

    A run that another session holds stays open and is added to `errors`; no call of it is admitted either.
    """
    try:
        db.execute(SQL.close_dead_runs, {"run_id": None})
    except Locked:
        for row in db.all(SQL.open_runs):
            with (errors or RowErrors()).guard("finish_run", f"Ejecución #{row['id']}"):
                db.execute(SQL.close_dead_runs, {"run_id": row["id"]})


def is_open(db: Database, run_id: int) -> bool:
    """Whether no later start has taken over from the run."""
    row = db.one(SQL.is_open, {"run_id": run_id})
    return bool(row and row["open"])


def finish(
    db: Database,
    run_id: int,
    status: Status,
    *,
    valid: int,
    failed: int,
    pending: int,
    message: str | None,
    errors: Sequence[RowError] = (),
) -> None:
    """Close a run with its totals of tasks and its row errors; its cost is taken from the ledger."""
    params = {"run_id": run_id, "status": status, "valid": valid, "failed": failed, "pending": pending}
    failpoints.reach("finishing")
    db.execute(SQL.finish, {**params, "message": message, "row_errors": Json(records(errors))})
    failpoints.reach("finished")


@dataclass(frozen=True, slots=True)
class CellOfRun:
    """What one run did for a project at one provider; the cost is what this provider bills, in USD."""

    cost_usd: Decimal | None = None
    answers: int = 0
    failures: int = 0


def cells_of_run(db: Database, run_id: int) -> dict[tuple[int, str], CellOfRun]:
    """What a run did and cost, by project and provider."""
    cells: dict[tuple[int, str], CellOfRun] = {}
    for row in db.all(SQL.cell_spend, {"run_id": run_id}):
        cells[row["project_id"], row["provider"]] = CellOfRun(row["cost_usd"], row["answers"])
    for row in db.all(SQL.cell_failures, {"run_id": run_id}):
        key = (row["project_id"], row["provider"])
        cells[key] = replace(cells.get(key, CellOfRun()), failures=row["failures"])
    return cells


def recent(db: Database, limit: int) -> list[Row]:
    """The latest runs, newest first."""
    return db.all(SQL.recent_runs, {"limit": limit})


def find(db: Database, run_id: int) -> Row:
    """One run; raises BadInput if there is none."""
    row = db.one(SQL.run, {"run_id": run_id})
    if row is None:
        raise NotFound("run", run_id)
    return row


def day_projects(db: Database, day: date) -> list[Row]:
    """The projects that are asked or have something of the day: `id`, `name`, `user_id`, `enabled_llms`."""
    return db.all(SQL.day_projects, {"day": day})


def completed_days(db: Database, first: date, last: date) -> set[date]:
    """The days of a period that a run has completed."""
    return {row["day"] for row in db.all(SQL.completed_days, {"first": first, "last": last})}


def abandon(db: Database, run_id: int) -> None:
    """Close a run that an error ended, if the database can still be reached."""
    with suppress(DatabaseUnavailable, Locked):
        finish(db, run_id, "crashed", valid=0, failed=0, pending=0, message=StopReason.ENDED_IN_ERROR)
