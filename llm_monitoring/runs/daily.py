"""One daily run: settles what dead runs left, plans, asks, writes figures and closes the run's record."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from threading import Event
from typing import Final

from llm_monitoring import projects, registry
from llm_monitoring.access.expiry import remove_expired
from llm_monitoring.answers.reanalysis import read_unread
from llm_monitoring.answers.retention import prune
from llm_monitoring.app import App, schedule_day
from llm_monitoring.db import DatabaseUnavailable, require_id_room
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.keys import Clients
from llm_monitoring.ledger import Adjustment, Standing, balance, blocked_users
from llm_monitoring.registry.price_lines import price_change_line
from llm_monitoring.runs import records, tasks
from llm_monitoring.runs.batches.collection import Collected, collect
from llm_monitoring.runs.batches.records import Batch, due, late_days, still_out
from llm_monitoring.runs.day_plans import plan_paced_days, unjudged_days, with_choices
from llm_monitoring.runs.execution import (
    Executor,
    RunContext,
    RunRequest,
    execute_in_modes,
    execute_locally,
    longest_let_go,
    run_seconds,
)
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.held_steps import paced_days
from llm_monitoring.runs.orders import close_served
from llm_monitoring.runs.plan import (
    KeyStates,
    Plan,
    ReadProjects,
    anyone_may_spend,
    log_unreadable_keys,
    plan_projects,
    read_projects,
    usable_keys,
)
from llm_monitoring.runs.reasons import StopReason
from llm_monitoring.runs.records import RunLock
from llm_monitoring.runs.recovery import recover, settle_received, wait_for_owners
from llm_monitoring.runs.report import DayReport, coverage, project_reports
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.settings import Settings

__all__ = [
    "Executor",
    "RunContext",
    "RunListener",
    "RunRequest",
    "collect_batches",
    "execute_locally",
    "figures",
    "longest_ending",
    "longest_let_go",
    "longest_run",
    "run_day",
    "run_seconds",
]

log = logging.getLogger(__name__)

ENDING_SECONDS: Final = 900.0  # figures of all projects, retention, reports, notifications


class RunListener:
    """Is called while a run starts, under the run lock; this one does nothing."""

    def on_budgets(self, standings: Sequence[Standing], *, may_spend: bool) -> None:
        """The accounts are read; `may_spend`: some user has budget left."""

    def on_keys(self, states: KeyStates, usable: Sequence[ProviderName]) -> None:
        """The keys are read; `usable`: the providers for which there is a key that can be used."""

    def on_asking(self) -> None:
        """Some user has budget and a key: the asking begins."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """What a start reads under the lock, each once. `obstacle`: why it can ask no one."""

    read: ReadProjects
    catalogue: registry.Catalogue
    adjustments: Sequence[Adjustment]
    standings: Sequence[Standing]
    keys: KeyStates
    obstacle: StopReason | None


def longest_ending(settings: Settings) -> float:
    """Seconds in which a run that is to stop has drained, saved, written its figures and reported."""
    return longest_let_go(settings) + ENDING_SECONDS


def longest_run(settings: Settings) -> float:
    """Seconds in which a whole run has ended: the wait for former owners, the deadline, the ending."""
    return longest_let_go(settings) + run_seconds(settings) + longest_ending(settings)


def run_day(
    app: App,
    request: RunRequest,
    execute: Executor = execute_locally,
    listener: RunListener | None = None,
    lock: RunLock | None = None,
) -> DayReport:
    """Run a day under the run lock, `lock` if the caller holds it: ask what is open and write the day's figures.

    Calls that dead runs left open are settled first, so that the accounts that decide who may spend are true. If no
    user has budget or a key, nothing is asked and the report's stats say why.

    Raises AlreadyRunning, StillAtWork while another machine works for a run that is over, and DatabaseUnavailable.
    """
    with RunLock(app.db) if lock is None else nullcontext(lock) as held:
        start = prepare(app, request, listener or RunListener())
        with recorded(app, request.day) as run_id:
            report = ask(app, request, start, run_id, held, execute)
            with app.errors.guard("close_orders", f"Ejecución #{run_id}"):
                close_served(app.db, request.day, report)
            tidy(app, request, held)
        return report


def prepare(app: App, request: RunRequest, listener: RunListener) -> RunStart:
    """Settle dead runs, put the accounts in line with the ledger, and read what the plan needs."""
    records.close_dead_runs(app.db, app.errors)
    wait_for_owners(app.db, longest_let_go(app.settings), request.stop)
    read, catalogue = read_projects(app), registry.read_catalogue(app.db, app.errors)
    settle_open_calls(app, read, catalogue, request.stop)
    adjustments = balance(app.budget, app.errors)
    standings = app.budget.standings()
    may_spend = anyone_may_spend(standings)
    listener.on_budgets(standings, may_spend=may_spend)
    keys = app.keys.available(key_owners(read, standings))
    usable = usable_providers(app, keys)
    if may_spend:
        listener.on_keys(keys, usable)
    if may_spend and usable:
        listener.on_asking()
    return RunStart(read, catalogue, adjustments, standings, keys, obstacle(may_spend=may_spend, usable=bool(usable)))


def obstacle(*, may_spend: bool, usable: bool) -> StopReason | None:
    """Why a start can ask no one."""
    if not may_spend:
        return StopReason.NO_BUDGET
    return None if usable else StopReason.NO_KEYS


def settle_open_calls(app: App, read: ReadProjects, catalogue: registry.Catalogue, stop: Event) -> None:
    """Collect batches, close the calls that dead runs left open, read answers that are unread, write their figures."""
    with closing(Clients(app.keys, app.settings, stop)) as clients:
        executor = settling_executor(app, clients, read, catalogue)
        days = collect(executor, should_stop=stop.is_set).days | recover(executor).days
        figures(executor, days | read_unread(app.db, app.errors, sentiment=app.settings.sentiment))


def settling_executor(app: App, clients: Clients, read: ReadProjects, catalogue: registry.Catalogue) -> TaskExecutor:
    """What stores the answers of earlier calls."""
    return TaskExecutor(
        app.budget,
        clients,
        catalogue,
        read.tracked,
        app.settings,
        run_id=None,
        errors=app.errors,
        unjudged=unjudged_days(app, schedule_day(app.settings)),
    )


def collect_batches(app: App, stop: Event, on_batch: Callable[[Batch], None] = lambda batch: None) -> Collected:
    """Collect what has come of batches between two runs, and write the figures of its days; raises AlreadyRunning."""
    with RunLock(app.db), closing(Clients(app.keys, app.settings, stop)) as clients:
        read, catalogue = read_projects(app), registry.read_catalogue(app.db, app.errors)
        executor = settling_executor(app, clients, read, catalogue)
        collected = collect(executor, on_batch, stop.is_set)
        figures(executor, collected.days)
    return collected


def key_owners(read: ReadProjects, standings: Sequence[Standing]) -> list[int]:
    """The users with active projects; if there are none, every user."""
    owners = read.owners | {standing.user_id for standing in standings if standing.has_active_projects}
    return sorted(owners) or [standing.user_id for standing in standings]


def usable_providers(app: App, keys: KeyStates) -> list[ProviderName]:
    """The providers for which some user has a usable key; without users, those of the operator's keys."""
    usable = {key.provider for key in usable_keys(keys)[0].values()} if keys else set(app.keys.operator_keys)
    return [name for name in PROVIDERS if name in usable]


@contextmanager
def recorded(app: App, day: date) -> Iterator[int]:
    """The record of a run, which is closed as crashed if an error ends the block."""
    run_id = records.start(app.db, day)
    try:
        yield run_id
    except BaseException:
        records.abandon(app.db, run_id)
        raise


def ask(app: App, request: RunRequest, start: RunStart, run_id: int, lock: RunLock, execute: Executor) -> DayReport:
    """Plan the day, have it asked, write its figures and close its record."""
    read, clients = start.read.only(request.project_ids), Clients(app.keys, app.settings, request.stop)
    if start.obstacle is None:
        log_unreadable_keys({user_id: start.keys[user_id] for user_id in sorted(read.owners)})
        log_undecided_prices(app)
    plan = plan_asking(app, request, start)
    executor = executor_of(app, clients, plan, run_id, request.day)
    before = coverage(app.db, plan, request.day)
    pending = sum(cell.open for cells in before.values() for cell in cells.values())
    if start.obstacle is None:
        require_id_room(app.db, pending)
    request.on_start(pending)
    context = RunContext(
        executor,
        plan,
        request,
        before,
        lambda: lock.held() and records.is_open(app.db, run_id),
        deadline=time.monotonic() + run_seconds(app.settings),
    )
    late = late_days(app.db, request.day)
    try:
        stats = execute_in_modes(context, execute) if start.obstacle is None else RunStats(stopped=start.obstacle)
    finally:
        clients.close()
    late |= settle_received(executor).days
    missing = plan.projects.keys() - stats.snapshotted
    figures(executor, {(project_id, request.day) for project_id in missing} | late | stats.late)
    projects.mark_analysed(app.db, [tracked.project for tracked in plan.projects.values()], app.errors)
    return settle_day(app, context, start, run_id, stats)


def plan_asking(app: App, request: RunRequest, start: RunStart) -> Plan:
    """Plan what is asked: of all projects first, as a user's budget is paced over all of them."""
    blocked = blocked_users(list(start.standings))
    whole = plan_projects(start.read, start.keys, blocked, start.catalogue, app.budget.today())
    if start.obstacle is None:
        whole = with_choices(whole, plan_paced_days(app, whole, start.standings, request.day))
    return whole.only(request.project_ids)


def executor_of(app: App, clients: Clients, plan: Plan, run_id: int, day: date) -> TaskExecutor:
    return TaskExecutor(
        app.budget,
        clients,
        plan.catalogue,
        plan.projects,
        app.settings,
        run_id,
        errors=app.errors,
        unjudged=unjudged_days(app, day),
    )


def figures(executor: TaskExecutor, touched: set[tuple[int, date]]) -> set[int]:
    """Write the snapshots of every project and day that may have new answers; return the projects that have them."""
    written: set[int] = set()
    if not touched:
        return written
    from llm_monitoring.figures import snapshots  # not before the first call

    for project_id, day in sorted(touched):
        row, tracked = f"Proyecto #{project_id}, {day}", executor.find_project(project_id)
        user_id = None if tracked is None else tracked.project.user_id
        if tracked is None or executor.errors.is_left_alone("write_figures", row, user_id, project_id=project_id):
            continue
        with executor.errors.guard("write_figures", row, project_id=project_id, user_id=user_id):
            snapshots.write_snapshots(executor.budget.db, tracked.project, day, executor.errors)
            written.add(project_id)
    return written


def settle_day(app: App, context: RunContext, start: RunStart, run_id: int, stats: RunStats) -> DayReport:
    """Check the ledger, close the run's record and report project by project."""
    day = context.request.day
    with app.errors.guard("count_usage", f"Ejecución #{run_id}"):
        registry.count_usage(app.db, run_id, app.errors)
    report = DayReport(
        run_id,
        list(project_reports(app, context.plan, day, run_id, context.before, stopped=stats.stopped)),
        stats,
        tasks.cost(app.db, run_id),
        in_balance=check_ledger(app),
        unknown_calls=tasks.unknown_calls(app.db, day),
        row_errors=tuple(app.errors.found),
        unfinished=tasks.unfinished_answers(app.db, day),
        standings=start.standings,
        adjustments=start.adjustments,
        economy=tasks.economy(app.db, run_id),
        out=due(still_out(app.db)),
        paced_days=list(paced_days(app.db, day, day).values()),
    )
    with app.errors.guard("finish_run", f"Ejecución #{run_id}"):  # if it stays open the next start closes it
        records.finish(
            app.db,
            run_id,
            status_of(report),
            valid=stats.answered,
            failed=stats.failed,
            pending=sum(project.pending for project in report.projects),
            message=stats.stopped,
            errors=report.row_errors,
        )
    return replace(report, row_errors=tuple(app.errors.found))


def status_of(report: DayReport) -> records.Status:
    if report.obstacle is not None:
        return "aborted"
    return "completed" if report.complete else "warnings"


def check_ledger(app: App) -> bool:
    """Whether every counter is the sum of its calls; each that is not is logged."""
    differences = app.budget.differences()
    for row in differences:
        fields = {"event": "budget.difference", "user_id": row["user_id"]}
        log.error(
            "❌ User #%s: los contadores no cuadran con el libro de llamadas: %s", row["user_id"], row, extra=fields
        )
    operator = app.budget.operator_difference()
    if operator is not None:
        fields = {"event": "budget.difference"}
        log.error("❌ Operador: los contadores no cuadran con el libro de llamadas: %s", operator, extra=fields)
    return not differences and operator is None


def log_undecided_prices(app: App) -> None:
    """Log the models that are charged a known rise that no admin has decided on."""
    for price in registry.coming_changes(app.db, app.budget.today()):
        if price.change.begun:
            fields = {
                "event": "model.price_undecided",
                "provider": price.provider,
                "model_id": price.model_id,
                "valid_from": price.change.valid_from.isoformat(),
            }
            log.warning("%s", price_change_line(price.provider, price.model_id, price.change), extra=fields)


def tidy(app: App, request: RunRequest, lock: RunLock) -> None:
    """Prune what is older than the retention; a database that goes away now is logged, as the day itself is done."""
    days = app.settings.receipt_retention_days

    def goes_on() -> bool:
        return lock.held() and not request.stop.is_set()

    try:
        done = prune(app.db, days, app.errors, go_on=goes_on)
        with app.errors.guard("prune", "Accesos caducados"):
            remove_expired(app.db, go_on=goes_on)
    except DatabaseUnavailable as exc:
        log.warning("⚠️ No se pudo borrar lo anterior a %d días: %s", days, exc, extra={"event": "retention.failed"})
        return
    if done.receipts or done.answers:
        log.info(
            "🧹 Más de %d días: %d recibo(s) borrados, %d texto(s) de respuesta vaciados",
            days,
            done.receipts,
            done.answers,
            extra={"event": "retention.pruned", "receipts": done.receipts, "answers": done.answers},
        )
