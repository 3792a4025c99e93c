"""The daily runs: one at a time, what is left to ask, what failed and why."""

from __future__ import annotations

import os
import socket
from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, Self

from llm_monitoring import killpoints
from llm_monitoring.db.database import Database, DatabaseUnavailable, Json, Locked, Row, Transaction
from llm_monitoring.db.locks import Holder, SessionLock
from llm_monitoring.db.queries import load
from llm_monitoring.domain import ProviderName, Task
from llm_monitoring.errors import BadInput, MonitoringError
from llm_monitoring.row_errors import RowError, RowErrors, records

SQL = load("runs")

LOCK_KEY: Final = 0x4C4C4D5F_44415920  # "LLM_DAY "
PAGE: Final = 500
LONGEST_RUN: Final = timedelta(days=1)
LONGEST_GAP: Final = timedelta(hours=26)  # between the starts of two daily runs

Status = Literal["completed", "warnings", "aborted", "crashed"]


class AlreadyRunning(MonitoringError):
    """Another session holds the lock of the daily run: `holder`, None if it let go meanwhile."""

    def __init__(self, holder: Holder | None = None) -> None:
        super().__init__(f"another daily run is at work ({holder})" if holder else "another daily run is at work")
        self.holder = holder


class RunLock(SessionLock):
    """The lock that keeps daily runs apart."""

    def __init__(self, db: Database) -> None:
        super().__init__(db, LOCK_KEY)

    def __enter__(self) -> Self:
        if not self.take():
            raise AlreadyRunning(self.holder())
        return self


def start(db: Database, day: date) -> int:
    """Open a run and return its id; runs that a dead process left open are closed as dead. Needs the lock."""
    owner = f"{socket.gethostname()}:{os.getpid()}"

    bury_dead(db)
    last = db.one(SQL.last_run)
    assert last is not None

    def open_run(tx: Transaction) -> int:
        row = tx.one(SQL.start, {"day": day, "owner": owner, "last": last["id"]})
        assert row is not None
        return int(row["id"])

    run_id = db.transact(open_run)
    killpoints.reach("run_opened")
    return run_id


def held_too_long(db: Database, holder: Holder | None, now: datetime) -> bool:
    """Whether the run lock is held for longer than any run lasts, so that days go by without one."""
    last = next(iter(recent(db, 1)), None)
    since = [] if holder is None or holder.since is None else [holder.since + LONGEST_RUN]
    return any(now > each for each in [*since, *([last["started_at"] + LONGEST_GAP] if last else [])])


def bury_dead(db: Database, errors: RowErrors | None = None) -> None:
    """Close the runs that dead processes left open, which from now on admit no call. Needs the lock.

    One that another session holds stays open, in `errors`: as long as it is held no call is admitted by it either.
    """
    try:
        db.execute(SQL.bury_dead_runs, {"run_id": None})
    except Locked:
        for row in db.all(SQL.open_runs):
            with (errors or RowErrors()).guard("finish_run", f"Ejecución #{row['id']}"):
                db.execute(SQL.bury_dead_runs, {"run_id": row["id"]})


def is_open(db: Database, run_id: int) -> bool:
    """Whether no later start has taken over from the run."""
    row = db.one(SQL.is_open, {"run_id": run_id})
    return bool(row and row["open"])


def finish(
    db: Database, run_id: int, status: Status, *, valid: int, failed: int, pending: int, message: str | None,
    errors: Sequence[RowError] = (),
) -> None:  # fmt: skip
    """Close a run with its totals of tasks and the rows that it left alone; its cost is taken from the ledger."""
    params = {"run_id": run_id, "status": status, "valid": valid, "failed": failed, "pending": pending}
    killpoints.reach("finishing")
    db.execute(SQL.finish, {**params, "message": message, "row_errors": Json(records(errors))})
    killpoints.reach("finished")


def pending_tasks(
    db: Database, provider: ProviderName, day: date, project_ids: Sequence[int], page: int = PAGE
) -> Iterator[Task]:
    """A provider's tasks of the day that are unanswered now, users taking turns.

    Planned once, as numbers; their texts are read a page at a time, so that a hundred thousand take a few megabytes.
    """
    params = {"provider": provider, "day": day, "projects": list(project_ids), "page": page}
    pages = deque((array("i", row["queries"]), array("h", row["samples"])) for row in db.all(SQL.open_tasks, params))
    while pages:
        queries, samples = pages.popleft()
        rows = db.all(SQL.pending_tasks, {"queries": queries.tolist(), "samples": samples.tolist()})
        yield from (read_task(row, provider, day) for row in rows)


def read_task(row: Row, provider: ProviderName, day: date) -> Task:
    return Task(
        user_id=row["user_id"],
        project_id=row["project_id"],
        query_id=row["query_id"],
        provider=provider,
        day=day,
        sample=row["sample"],
        prompt=row["query_text"],
        language=row["language"],
    )


def task_key(task: Task) -> dict[str, object]:
    """The task as parameters of a statement."""
    return {
        "project_id": task.project_id,
        "query_id": task.query_id,
        "provider": task.provider,
        "day": task.day,
        "sample": task.sample,
    }


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no answer. `final`: it was paid for and is not asked again that day."""

    reason: str
    message: str
    final: bool = False
    model_id: str | None = None


def record_failure(tx: Transaction | Database, task: Task, failure: Failure, run_id: int | None) -> None:
    """Keep why `task` failed; does nothing where it has a result."""
    tx.execute(
        SQL.record_failure,
        {
            **task_key(task), "model_id": failure.model_id, "reason": failure.reason, "message": failure.message,
            "final": failure.final, "run_id": run_id,
        },
    )  # fmt: skip


def record_failures(db: Database, tasks: Sequence[Task], failure: Failure, run_id: int | None) -> None:
    """Keep why these tasks failed, in one transaction."""

    def record(tx: Transaction) -> None:
        for task in tasks:
            record_failure(tx, task, failure, run_id)

    db.transact(record)


@dataclass(frozen=True, slots=True)
class Completeness:
    """A project's day at one provider, in tasks; `reason` and `message` are the latest failure's.

    `unread`: how many of the `results` are not analysed yet.
    """

    tasks: int
    results: int
    failures: int
    final: int
    reason: str | None
    message: str | None
    unread: int = 0

    @property
    def open(self) -> int:
        """Tasks that are still to be asked: neither answered nor paid for in vain."""
        return max(0, self.tasks - self.results - self.final)


def completeness(
    db: Database, day: date, projects: Sequence[int], providers: Sequence[ProviderName]
) -> dict[int, dict[str, Completeness]]:
    """How far the day is, by project and provider."""
    rows = db.all(SQL.completeness, {"day": day, "projects": list(projects), "providers": list(providers)})
    found: dict[int, dict[str, Completeness]] = {}
    for row in rows:
        cell = Completeness(**{name: row[name] for name in Completeness.__slots__})
        found.setdefault(row["project_id"], {})[row["provider"]] = cell
    return found


@dataclass(frozen=True, slots=True)
class Spend:
    """What a run's calls for one project came to."""

    cost_usd: Decimal
    answers: int
    seconds: float


def project_spend(db: Database, run_id: int) -> Mapping[int, Spend]:
    """What a run spent and did, by project."""
    rows = db.all(SQL.project_spend, {"run_id": run_id})
    return {row["project_id"]: Spend(row["cost_usd"], row["answers"], row["seconds"]) for row in rows}


def cost(db: Database, run_id: int) -> Decimal:
    """What a run's calls were charged, in USD."""
    row = db.one(SQL.cost, {"run_id": run_id})
    return Decimal(row["cost_usd"]) if row else Decimal(0)


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Calls that may have been billed: they are charged their ceilings until the truth arrives."""

    calls: int
    usd: Decimal


def doubtful(db: Database, day: date) -> Doubtful:
    """The calls for a day that are in doubt."""
    row = db.one(SQL.doubtful, {"day": day})
    assert row is not None
    return Doubtful(row["calls"], row["usd"])


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A project's answers of a day that lack something: `unread` ones, and ones `without_sentiment`."""

    project_id: int
    name: str
    unread: int
    without_sentiment: int


def unfinished_answers(db: Database, day: date) -> list[Unfinished]:
    """The projects with answers of a day that are not analysed yet, or that have no readable sentiment."""
    return [Unfinished(**row) for row in db.all(SQL.unfinished_answers, {"day": day})]


@dataclass(frozen=True, slots=True)
class CellOfRun:
    """What one run did for a project at one provider; the cost is what this provider bills, in USD."""

    cost_usd: Decimal | None = None
    answers: int = 0
    failures: int = 0


def cells_of_run(db: Database, run_id: int) -> dict[tuple[int, str], CellOfRun]:
    """What a run did and cost, by project and provider."""
    failures = {(row["project_id"], row["provider"]): row["failures"]
                for row in db.all(SQL.cell_failures, {"run_id": run_id})}  # fmt: skip
    spent = {(row["project_id"], row["provider"]): row for row in db.all(SQL.cell_spend, {"run_id": run_id})}
    return {
        key: CellOfRun(
            spent[key]["cost_usd"] if key in spent else None, spent[key]["answers"] if key in spent else 0,
            failures.get(key, 0),
        )
        for key in spent.keys() | failures.keys()
    }  # fmt: skip


def failure_reasons(db: Database, project_id: int, day: date) -> list[Row]:
    """A project's failures of the day by provider and reason, most frequent first."""
    return db.all(SQL.failure_reasons, {"project_id": project_id, "day": day})


def recent(db: Database, limit: int) -> list[Row]:
    """The latest runs, newest first."""
    return db.all(SQL.recent_runs, {"limit": limit})


def find(db: Database, run_id: int) -> Row:
    """One run; raises BadInput where there is none."""
    row = db.one(SQL.run, {"run_id": run_id})
    if row is None:
        raise BadInput(f"run {run_id} does not exist: see `python -m llm_monitoring runs list`")
    return row


def day_projects(db: Database, day: date) -> list[Row]:
    """The projects that are asked or have something of the day: `id`, `name`, `user_id`, `enabled_llms`."""
    return db.all(SQL.day_projects, {"day": day})


def completed_days(db: Database, first: date, last: date) -> set[date]:
    """The days of a period that a run has completed."""
    return {row["day"] for row in db.all(SQL.completed_days, {"first": first, "last": last})}


def abandon(db: Database, run_id: int) -> None:
    """Close a run that an error ended, where the database can still be reached."""
    with suppress(DatabaseUnavailable, Locked):
        finish(db, run_id, "crashed", valid=0, failed=0, pending=0, message="ended_in_error")
