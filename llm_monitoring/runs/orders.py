"""Ordered analyses: a project's open tasks of today, asked before the next daily run. A row, so that a kill loses none.

An order waits until a run asks its project: one of `python -m llm_monitoring orders`, or the daily run, which asks them
all. That run closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from llm_monitoring import projects
from llm_monitoring.app import App, asking_day
from llm_monitoring.db import Database, Row, load
from llm_monitoring.errors import NotReady
from llm_monitoring.ledger import blocked_users
from llm_monitoring.runs import tasks
from llm_monitoring.runs.estimate import estimate
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.reasons import ProblemCode
from llm_monitoring.runs.report import DayReport, ProjectReport

SQL = load("orders")
Status = Literal["waiting", "running", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Order:
    """An ordered analysis. `open_calls` and `ceiling_usd` are those of the moment when it was placed."""

    id: int
    project_id: int
    user_id: int
    day: date
    status: Status
    reason: str | None
    run_id: int | None
    open_calls: int
    ceiling_usd: Decimal
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would ask and cost at most, without sentiment."""

    day: date
    open_calls: int
    ceiling_usd: Decimal


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order's day is, in tasks, and what the ledger has charged its project since then, in USD.

    The cost is that of every run that worked for the order, those that were killed included.
    """

    answered: int
    failed: int
    open: int
    cost_usd: Decimal


def preview(app: App, project_id: int) -> Preview:
    """What is open of a project today, and its price at most.

    Raises NotReady with the code of why it cannot be asked: no budget, no usable key, a paused project.
    """
    day = asking_day(app)
    plan = make_plan(app, [project_id], blocked_users(app.budget.standings(start_month=False)))
    problem = plan.problems.get(project_id)
    if problem is not None:
        message = f"project {project_id} cannot be asked now: {problem.code}"
        raise NotReady("project", project_id, message, code=problem.code)
    if project_id not in plan.projects:
        raise NotReady("project", project_id, f"project {project_id} is paused", code="paused")
    cells = [cell for cell in estimate(app, plan, day, in_full=True) if cell.problem is None]
    return Preview(day, sum(cell.tasks for cell in cells), sum((cell.ceiling_usd for cell in cells), Decimal(0)))


def place(db: Database, project_id: int, user_id: int, wanted: Preview) -> tuple[Order, bool]:
    """Order a project's analysis; return the order, and whether it is new: while one is open it is that one."""
    params = {
        "project_id": project_id,
        "user_id": user_id,
        "day": wanted.day,
        "open_calls": wanted.open_calls,
        "ceiling_usd": wanted.ceiling_usd,
    }
    while True:  # the open one may end between the two statements
        placed = db.one(SQL.place, params)
        row = db.one(SQL.open_of_project, {"project_id": project_id})
        if row is not None:
            return read_order(row), placed is not None


def orders_of(
    db: Database, project_id: int, *, order_id: int | None = None, before_id: int | None = None, limit: int = 50
) -> list[Order]:
    """A page of a project's orders, latest first, or the one of a number."""
    params = {"project_id": project_id, "id": order_id, "before_id": before_id, "limit": limit}
    return [read_order(row) for row in db.all(SQL.of_project, params)]


def progress(app: App, order: Order) -> Progress:
    """How far an order's day is at the providers that can be asked: the day's own state, which survives a restart."""
    keys = app.keys.available([order.user_id])[order.user_id]
    providers = [
        name for name in projects.find(app.db, order.project_id).providers if name in keys and keys[name].usable
    ]
    days = tasks.completeness(app.db, order.day, [order.project_id], providers, in_full=True)
    cells = days.get(order.project_id, {}).values()
    spent = app.db.one(SQL.spend, {"id": order.id})
    return Progress(
        answered=sum(cell.results for cell in cells),
        failed=sum(cell.failures for cell in cells),
        open=sum(cell.open for cell in cells),
        cost_usd=spent["cost_usd"] if spent else Decimal(0),
    )


def requeue(db: Database) -> None:
    """Have every order wait again that a process has begun and not ended. Needs the run lock."""
    db.execute(SQL.requeue)


def cancel_before(db: Database, day: date) -> None:
    """Cancel the open orders of earlier days: an answer of today would be none of theirs."""
    db.execute(SQL.expire, {"day": day})


def cancel_unaskable(db: Database) -> None:
    """Cancel the open orders of projects that no run asks: they would be begun again and again."""
    db.execute(SQL.cancel_unaskable)


def close_unserved(db: Database, order: Order) -> None:
    """Close an order as failed if the run that was made for it has not closed it, as when its project was paused."""
    db.execute(SQL.close_unserved, {"id": order.id})


def is_any_open(db: Database) -> bool:
    """Whether an order waits, or was begun and not ended."""
    return db.one(SQL.any_open) is not None


def begin_next(db: Database) -> Order | None:
    """Begin the order that waits longest; None if none waits. Needs the run lock."""
    row = db.one(SQL.begin_next)
    return None if row is None else read_order(row)


def close_served(db: Database, day: date, report: DayReport) -> None:
    """Close the open orders of the projects that a run has asked to the end."""
    for project in report.projects:
        outcome = outcome_of(report, project)
        if outcome is not None:
            status, reason = outcome
            db.execute(
                SQL.finish,
                {
                    "project_id": project.project_id,
                    "day": day,
                    "status": status,
                    "reason": reason,
                    "run_id": report.run_id,
                },
            )


def outcome_of(report: DayReport, project: ProjectReport) -> tuple[Status, str | None] | None:
    """How an order ended with a run, or None if the run was cut and the order waits for the next."""
    if report.obstacle is not None:
        return "failed", report.obstacle
    if report.stats.stopped is not None and project.pending:
        return None
    if project.error is not None and project.error.code is not ProblemCode.NO_ANSWER:
        return "failed", project.error.code
    if project.error is not None:
        return "failed", ProblemCode.NO_ANSWER
    return "completed", "some_failed" if project.failed or project.pending else None


def read_order(row: Row) -> Order:
    return Order(**{name: row[name] for name in Order.__slots__})
