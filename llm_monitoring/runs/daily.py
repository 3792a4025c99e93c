"""One day of every active project: who is asked what with whose key, the run over it, the figures after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from threading import Event
from typing import Final

from llm_monitoring import projects, registry
from llm_monitoring.answers.reanalysis import read_unread
from llm_monitoring.answers.retention import prune
from llm_monitoring.app import App
from llm_monitoring.db.database import DatabaseUnavailable
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.figures import snapshots
from llm_monitoring.keys.clients import Clients
from llm_monitoring.ledger.accounts import Standing
from llm_monitoring.ledger.balancing import Adjustment, balance
from llm_monitoring.providers import LONGEST_CALL
from llm_monitoring.registry.price_lines import price_change_line
from llm_monitoring.runs import records, tasks
from llm_monitoring.runs.dispatcher import Dispatcher
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.limits import Limits
from llm_monitoring.runs.plan import Plan, make_plan, read_projects
from llm_monitoring.runs.reasons import Cause, ProjectProblem, StopReason, standing_line
from llm_monitoring.runs.records import RunLock
from llm_monitoring.runs.recovery import recover, wait_for_owners
from llm_monitoring.runs.report import DayReport, ProjectReport
from llm_monitoring.runs.runner import Runner
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.stop_check import StopCheck
from llm_monitoring.runs.tasks import Completeness
from llm_monitoring.runs.work_items import work_items_by_provider
from llm_monitoring.settings.fields import Settings

__all__ = ["Plan", "make_plan", "standing_line"]

log = logging.getLogger(__name__)

ENDING_SECONDS: Final = 900.0  # figures of all projects, retention, reports, notifications
LET_GO_SECONDS: Final = 30.0  # in which a worker notices that its run is over and has saved its last call


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to analyse: a day, one project or all, and what ends the run early or wants to see its progress."""

    day: date
    project_id: int | None = None
    stop: Event = field(default_factory=Event)
    on_start: Callable[[int], None] = lambda pending: None
    on_progress: Callable[[RunStats], None] = lambda tally: None

    @property
    def project_ids(self) -> list[int] | None:
        return None if self.project_id is None else [self.project_id]


def longest_let_go(settings: Settings) -> float:
    """Seconds in which a worker that is to stop has ended its last call and saved it."""
    return LONGEST_CALL * max(settings.timeout_seconds.values(), default=0.0) + LET_GO_SECONDS


def longest_ending(settings: Settings) -> float:
    """Seconds in which a run that is to stop has drained, saved, written its figures and reported."""
    return longest_let_go(settings) + ENDING_SECONDS


def longest_run(settings: Settings) -> float:
    """Seconds in which a whole run has ended: the wait for former owners, the deadline, the ending."""
    return longest_let_go(settings) + 60 * settings.run_deadline_minutes + longest_ending(settings)


def settle_dead_runs(app: App, stop: Event | None = None) -> list[Adjustment]:
    """Settle the calls that dead runs left open, and put every account in line with the ledger; needs the run lock.

    This is done also if nothing may be spent. Returns the accounts that were not in line.

    Raises StillAtWork where another machine works on for one of them, which `stop` waits for no longer.
    """
    records.close_dead_runs(app.db, app.errors)
    wait_for_owners(app.db, longest_let_go(app.settings), stop or Event())
    catalogue, clients = registry.read_catalogue(app.db, app.errors), Clients(app.keys, app.settings)
    tracked, _ = read_projects(app, None)
    executor = TaskExecutor(app.budget, clients, catalogue, tracked, app.settings, run_id=None, errors=app.errors)
    days = recover(executor).days | read_unread(app.db, app.errors, sentiment=app.settings.sentiment)
    figures(executor, days)
    return balance(app.budget, app.errors)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The asking of one run. `before` is how far the day was; `owns_run` whether no other process took over."""

    executor: TaskExecutor
    plan: Plan
    request: RunRequest
    before: Mapping[int, Mapping[str, Completeness]]
    owns_run: Callable[[], bool]


Executor = Callable[[RunContext], RunStats]


def analyse(
    app: App, order: RunRequest, blocked: Mapping[int, Standing], lock: RunLock, work: Executor | None = None
) -> DayReport:
    """Run the day under the lock: settle what a dead run left, ask what is open, write figures, check the ledger.

    `work` does the asking: by default this process alone.
    """
    settle_dead_runs(app, order.stop)
    run_id = records.start(app.db, order.day)
    clients = Clients(app.keys, app.settings)
    try:
        plan = make_plan(app, order.project_ids, blocked)
        log_undecided_prices(app)
        executor = TaskExecutor(
            app.budget, clients, plan.catalogue, plan.projects, app.settings, run_id, errors=app.errors
        )
        before = coverage(app, plan, order.day)
        order.on_start(sum(cell.open for cells in before.values() for cell in cells.values()))
        context = RunContext(executor, plan, order, before, lambda: lock.held() and records.is_open(app.db, run_id))
        tally = (work or execute_locally)(context)
        figures(
            executor, {(project_id, order.day) for project_id in plan.projects if project_id not in tally.snapshotted}
        )
        projects.mark_analysed(app.db, list(plan.projects), app.errors)
        report = settle_day(app, plan, order, run_id, tally, before)
        tidy(app, order, lock)
    except BaseException:
        records.abandon(app.db, run_id)
        raise
    finally:
        clients.close()
    return report


def log_undecided_prices(app: App) -> None:
    """Say which models are charged a known rise that no admin has decided on."""
    for each in registry.coming_changes(app.db, app.budget.today()):
        if each.change.begun:
            log.warning("%s", price_change_line(each.provider, each.model_id, each.change),
                        extra={"event": "model.price_undecided", "provider": each.provider, "model_id": each.model_id,
                               "valid_from": each.change.valid_from.isoformat()})  # fmt: skip


def tidy(app: App, order: RunRequest, lock: RunLock) -> None:
    """Prune what is older than the retention; a database that goes away now is said, as the day itself is done."""
    days = app.settings.receipt_retention_days
    try:
        done = prune(app.db, days, app.errors, go_on=lambda: lock.held() and not order.stop.is_set())
    except DatabaseUnavailable as exc:
        log.warning("⚠️ No se pudo borrar lo anterior a %d días: %s", days, exc, extra={"event": "retention.failed"})
        return
    if done.receipts or done.answers:
        log.info(
            "🧹 Más de %d días: %d recibo(s) borrados, %d texto(s) de respuesta vaciados",
            days, done.receipts, done.answers,
            extra={"event": "retention.pruned", "receipts": done.receipts, "answers": done.answers},
        )  # fmt: skip


def execute_locally(context: RunContext, limits: Limits | None = None, seconds: float | None = None) -> RunStats:
    """Ask what is open in this process, for `seconds` at most (by default the run's deadline)."""
    executor, plan = context.executor, context.plan
    limits = limits or Limits(executor.settings.concurrency)
    items = work_items_by_provider(executor, context.request.day, plan.keys, plan.judges)
    deadline = time.monotonic() + (60 * executor.settings.run_deadline_minutes if seconds is None else seconds)
    stop_check = StopCheck(context.request.stop, deadline, context.owns_run)
    runner = Runner(
        executor, Dispatcher(limits, items), plan.judges, stop_check, on_progress=context.request.on_progress
    )
    return runner.run()


def figures(executor: TaskExecutor, touched: set[tuple[int, date]]) -> set[int]:
    """Write the snapshots of every project and day that may have new answers; return the projects that have them."""
    written: set[int] = set()
    for project_id, day in sorted(touched):
        with executor.errors.guard("write_figures", f"Proyecto #{project_id}, {day}", project_id=project_id):
            tracked = executor.find_project(project_id)
            if tracked is not None:
                snapshots.write_snapshots(executor.budget.db, tracked.project, day, executor.errors)
                written.add(project_id)
    return written


def coverage(app: App, plan: Plan, day: date) -> dict[int, dict[str, Completeness]]:
    """How far the day is, by project, for the providers that its user can call."""
    found = tasks.completeness(app.db, day, list(plan.projects), PROVIDERS)
    return {
        project_id: {name: cell for name, cell in found.get(project_id, {}).items() if name in plan.providers(tracked)}
        for project_id, tracked in plan.projects.items()
    }


def settle_day(
    app: App, plan: Plan, order: RunRequest, run_id: int, tally: RunStats,
    before: Mapping[int, Mapping[str, Completeness]],
) -> DayReport:  # fmt: skip
    """Close the run's books and report project by project."""
    with app.errors.guard("count_usage", f"Ejecución #{run_id}"):
        registry.count_usage(app.db, run_id, app.errors)
    differences = app.budget.differences()
    for row in differences:
        log.error("❌ User #%s: los contadores no cuadran con el libro de llamadas: %s", row["user_id"], row,
                  extra={"event": "budget.difference", "user_id": row["user_id"]})  # fmt: skip
    operator = app.budget.operator_difference()
    if operator is not None:
        log.error("❌ Operador: los contadores no cuadran con el libro de llamadas: %s", operator,
                  extra={"event": "budget.difference"})  # fmt: skip
    reports = list(project_reports(app, plan, order.day, run_id, before, stopped=tally.stopped))
    cost_usd = tasks.cost(app.db, run_id)
    day = DayReport(
        run_id, reports, tally, cost_usd, in_balance=not differences and operator is None,
        doubtful=tasks.doubtful(app.db, order.day), row_errors=tuple(app.errors.found),
        unfinished=tasks.unfinished_answers(app.db, order.day),
    )  # fmt: skip
    with app.errors.guard("finish_run", f"Ejecución #{run_id}"):  # if it stays open the next start closes it
        records.finish(
            app.db,
            run_id,
            "completed" if day.complete else "warnings",
            valid=tally.answered,
            failed=tally.failed,
            pending=sum(report.pending for report in reports),
            message=tally.stopped,
            errors=day.row_errors,
        )
    return replace(day, row_errors=tuple(app.errors.found))


def project_reports(
    app: App,
    plan: Plan,
    day: date,
    run_id: int,
    before: Mapping[int, Mapping[str, Completeness]],
    *,
    stopped: StopReason | None,
) -> Iterator[ProjectReport]:
    """A report for each project that is still there."""
    spend = tasks.project_spend(app.db, run_id)
    after = coverage(app, plan, day)
    there = projects.existing(app.db, list(plan.projects))
    for project_id, tracked in plan.projects.items():
        if project_id not in there:
            log.warning("🗑️ Proyecto #%d: se borró durante la ejecución", project_id,
                        extra={"event": "project.deleted", "project_id": project_id})  # fmt: skip
            continue
        spent = spend.get(project_id, tasks.Spend(Decimal(0), 0, 0.0))
        cells, cells_before = after[project_id], before[project_id]
        yield ProjectReport(
            project_id=project_id,
            name=tracked.project.name,
            user_id=tracked.project.user_id,
            duration_seconds=spent.seconds,
            answers=sum(cells[name].results - cells_before[name].results for name in cells_before.keys() & cells),
            cost_usd=spent.cost_usd,
            completeness=cells,
            skipped=all(cell.tasks <= cell.results + cell.final for cell in cells_before.values()),
            error=project_error(tracked.project, cells, stopped=stopped),
            keyless=plan.keyless(tracked),
        )
    for project_id, problem in sorted(plan.problems.items()):
        name, user_id = problem.name, problem.user_id
        yield ProjectReport(project_id, name, user_id, 0.0, 0, Decimal(0), {}, False, problem)


def project_error(
    project: projects.Project, cells: Mapping[str, Completeness], *, stopped: StopReason | None
) -> ProjectProblem | None:
    """Why a project has nothing to show for the day: not one valid answer although some were wanted."""
    if any(cell.results for cell in cells.values()) or not any(cell.tasks for cell in cells.values()):
        return None
    causes = tuple(Cause(name, cell.reason, cell.message) for name, cell in cells.items() if cell.message)
    early = stopped if any(cell.open for cell in cells.values()) else None
    return ProjectProblem(
        "no_answer", project.id, project.name, project.user_id, causes=causes, stopped=early
    )  # fmt: skip
