"""The tasks of a day: what is left to ask, what failed and why, and what it cost."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from llm_monitoring.db import Database, Row, Transaction, load
from llm_monitoring.domain import ProviderName, Task, read_task, task_key

SQL = load("runs")
PAGE: Final = 500


def pending_tasks(
    db: Database,
    provider: ProviderName,
    day: date,
    project_ids: Sequence[int],
    page: int = PAGE,
    *,
    in_full: bool = False,
) -> Iterator[Task]:
    """A provider's tasks of the day that are unanswered now, users taking turns.

    With `in_full` those are among them that the plan of a paced day leaves out.

    They are planned once, as numbers; their texts are read a page at a time, so that 100,000 tasks take a few MB.
    """
    params = {"provider": provider, "day": day, "projects": list(project_ids), "page": page, "in_full": in_full}
    pages = deque((array("i", row["queries"]), array("h", row["samples"])) for row in db.all(SQL.open_tasks, params))
    while pages:
        queries, samples = pages.popleft()
        page_params = {"queries": queries.tolist(), "samples": samples.tolist()}
        yield from map(read_task, db.all(SQL.pending_tasks, {**params, **page_params}))


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """Why a task has no answer. `final`: it was paid for and is not asked again that day."""

    reason: str
    message: str
    final: bool = False
    model_id: str | None = None


def record_failure(tx: Transaction | Database, task: Task, failure: TaskFailure, run_id: int | None) -> None:
    """Store why `task` failed; does nothing if it has a result."""
    params = {
        **task_key(task),
        "model_id": failure.model_id,
        "reason": failure.reason,
        "message": failure.message,
        "final": failure.final,
        "run_id": run_id,
    }
    tx.execute(SQL.record_failure, params)


def record_failures(db: Database, tasks: Sequence[Task], failure: TaskFailure, run_id: int | None) -> None:
    """Store why these tasks failed, in one transaction."""

    def record(tx: Transaction) -> None:
        for task in tasks:
            record_failure(tx, task, failure, run_id)

    db.transact(record)


@dataclass(frozen=True, slots=True)
class Completeness:
    """A project's day at one provider, in tasks; `reason` and `message` are of the latest failure.

    `unread`: how many of the `results` are not analysed yet; `out`: how many tasks are out in a batch.
    """

    tasks: int
    results: int
    failures: int
    final: int
    reason: str | None
    message: str | None
    unread: int = 0
    out: int = 0

    @property
    def open(self) -> int:
        """Tasks that are still to be asked: neither answered, nor out in a batch, nor final failures."""
        return max(0, self.tasks - self.results - self.final - self.out)


def completeness(
    db: Database, day: date, projects: Sequence[int], providers: Sequence[ProviderName], *, in_full: bool = False
) -> dict[int, dict[str, Completeness]]:
    """How far the day is, by project and provider; `in_full` as in `pending_tasks`."""
    params = {"day": day, "projects": list(projects), "providers": list(providers), "in_full": in_full}
    rows = db.all(SQL.completeness, params)
    cells: dict[int, dict[str, Completeness]] = {}
    for row in rows:
        cell = Completeness(**{name: row[name] for name in Completeness.__slots__})
        cells.setdefault(row["project_id"], {})[row["provider"]] = cell
    return cells


@dataclass(frozen=True, slots=True)
class Spend:
    """What a run's calls for one project cost, brought and took."""

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
class Economy:
    """The calls of a run that were asked in a cheaper mode, and what that saved in USD."""

    calls: int = 0
    saved_usd: Decimal = Decimal(0)


def economy(db: Database, run_id: int) -> Economy:
    row = db.one(SQL.economy, {"run_id": run_id})
    return Economy(**row) if row else Economy()


@dataclass(frozen=True, slots=True)
class UnknownCalls:
    """Calls that may have been billed: their ceilings are charged until the truth arrives."""

    calls: int
    usd: Decimal


def unknown_calls(db: Database, day: date) -> UnknownCalls:
    """The calls of a day that are `unknown`."""
    row = db.one(SQL.unknown_calls, {"day": day})
    assert row is not None
    return UnknownCalls(row["calls"], row["usd"])


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


def failure_reasons(db: Database, project_id: int, day: date) -> list[Row]:
    """A project's failures of the day by provider and reason, most frequent first."""
    return db.all(SQL.failure_reasons, {"project_id": project_id, "day": day})
