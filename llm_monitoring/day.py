"""One day of every active project: who is asked what with whose key, the run over it, the figures after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from threading import Event
from typing import Any, Final

from llm_monitoring import projects, registry, results, runs
from llm_monitoring.agenda import plans
from llm_monitoring.asking import Clients, Desk, Watched
from llm_monitoring.budget import Budget, Standing
from llm_monitoring.db.database import Database, DatabaseUnavailable
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys import KeyStore
from llm_monitoring.limits import KeyId, Limits
from llm_monitoring.providers import LONGEST_CALL
from llm_monitoring.recovery import recover, wait_for_owners
from llm_monitoring.retention import prune
from llm_monitoring.runner import Runner, Tally
from llm_monitoring.runs import Completeness, RunLock
from llm_monitoring.schedule import Schedule
from llm_monitoring.settings import Settings

log = logging.getLogger(__name__)

Problems = dict[int, str]

LET_GO_SECONDS: Final = 30.0  # in which a worker notices that its run is over and has saved its last call


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with."""

    db: Database
    budget: Budget
    keys: KeyStore
    settings: Settings


@dataclass(frozen=True, slots=True)
class Order:
    """What to analyse: a day, one project or all, and what ends the run early or wants to see its progress."""

    day: date
    project_id: int | None = None
    stop: Event = field(default_factory=Event)
    on_start: Callable[[int], None] = lambda pending: None
    on_progress: Callable[[Tally], None] = lambda tally: None

    @property
    def project_ids(self) -> list[int] | None:
        return None if self.project_id is None else [self.project_id]


@dataclass(frozen=True, slots=True)
class Plan:
    """The projects that can be asked, each user's keys, each project's judge, and why other projects stay out."""

    projects: Mapping[int, Watched]
    keys: Mapping[tuple[int, ProviderName], KeyId]
    judges: Mapping[int, KeyId]
    catalogue: registry.Catalogue
    problems: Problems

    def providers(self, watched: Watched) -> tuple[ProviderName, ...]:
        """The project's providers that its user can call."""
        return tuple(name for name in watched.project.providers if (watched.project.user_id, name) in self.keys)

    def keyless(self, watched: Watched) -> tuple[ProviderName, ...]:
        """The project's providers that nobody is asked at, as its user has no usable key for them."""
        return tuple(name for name in watched.project.providers if (watched.project.user_id, name) not in self.keys)


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """A project's day. `completeness` covers the providers that its user has a key for; costs are this run's."""

    project_id: int
    name: str
    user_id: int | None
    duration_seconds: float
    answers: int
    cost_usd: Decimal
    completeness: Mapping[str, Completeness]
    skipped: bool
    error: str | None
    keyless: tuple[ProviderName, ...] = ()

    @property
    def llms_analyzed(self) -> int:
        return sum(cell.results > 0 for cell in self.completeness.values())

    @property
    def failed(self) -> int:
        return sum(cell.failures for cell in self.completeness.values())

    @property
    def pending(self) -> int:
        return sum(cell.open for cell in self.completeness.values())

    def as_dict(self) -> dict[str, Any]:
        """The form that callers of `analyze_all_active_projects` rely on."""
        report: dict[str, Any] = {
            "project_id": self.project_id,
            "duration_seconds": round(self.duration_seconds, 3),
            "total_queries_executed": self.answers,
            "llms_analyzed": self.llms_analyzed,
            "total_cost_usd": self.cost_usd,
            "completeness_by_llm": {
                name: {"planned": cell.tasks, "valid": cell.results, "failed": cell.failures,
                       "percent": round(100 * cell.results / cell.tasks, 1) if cell.tasks else None}
                for name, cell in self.completeness.items()
            },
            "skipped": self.skipped,
        }  # fmt: skip
        return report | ({"error": self.error} if self.error else {})


@dataclass(frozen=True, slots=True)
class DayReport:
    """What a run did and how it ended. `stopped` says why it ended early; `in_balance` that the ledger adds up."""

    run_id: int
    projects: Sequence[ProjectReport]
    tally: Tally
    in_balance: bool

    @property
    def cost_usd(self) -> Decimal:
        return sum((project.cost_usd for project in self.projects), Decimal(0))

    @property
    def complete(self) -> bool:
        troubled = any(project.error or project.failed or project.pending for project in self.projects)
        return self.in_balance and not troubled and self.tally.stopped is None


def make_plan(
    tools: Tools,
    project_ids: Sequence[int] | None,
    blocked: Mapping[int, Standing],
    catalogue: registry.Catalogue | None = None,
) -> Plan:
    """Decide which projects, of these or all, can be asked, with whose keys, and by whom their mentions are judged."""
    watched, problems = read_projects(tools.db, project_ids)
    owners = {item.project.user_id for item in watched.values() if item.project.user_id is not None}
    keys, faults = usable_keys(tools.keys, owners)
    plan = Plan(watched, keys, {}, catalogue or registry.read_catalogue(tools.db), problems)
    for item in list(watched.values()):
        problem = obstacle(plan, item, blocked, faults)
        if problem is not None:
            problems[item.project.id] = problem
            del watched[item.project.id]
    judges = {item.project.id: judge for item in watched.values() if (judge := judge_of(plan, item)) is not None}
    return replace(plan, judges=judges)


def read_projects(db: Database, project_ids: Sequence[int] | None) -> tuple[dict[int, Watched], Problems]:
    """The active projects; one that cannot be read stays out alone."""
    watched: dict[int, Watched] = {}
    problems: Problems = {}
    for row in projects.active(db, project_ids):
        try:
            watched[row["id"]] = Watched(projects.read_project(row))
        except (MonitoringError, ValueError, TypeError) as exc:
            problems[row["id"]] = f"la definición del proyecto no es válida: {exc}"
    return watched, problems


def usable_keys(
    store: KeyStore, owners: set[int]
) -> tuple[dict[tuple[int, ProviderName], KeyId], dict[int, list[str]]]:
    """Whose key each user's calls use, and what is wrong with the keys that cannot be read."""
    keys: dict[tuple[int, ProviderName], KeyId] = {}
    faults: dict[int, list[str]] = {}
    for user_id, states in store.available(sorted(owners)).items():
        for provider, state in states.items():
            if state.problem is None:
                keys[user_id, provider] = KeyId(provider, user_id if state.source == "user" else None)
            else:
                faults.setdefault(user_id, []).append(str(state.problem))
                log.error("❌ User #%s: %s", user_id, state.problem,
                          extra={"event": "key.unreadable", "user_id": user_id, "provider": provider})  # fmt: skip
    return keys, faults


def obstacle(
    plan: Plan, item: Watched, blocked: Mapping[int, Standing], faults: Mapping[int, Sequence[str]]
) -> str | None:
    """Why nothing of a project can be asked, or None."""
    user_id = item.project.user_id
    if user_id is None:
        return "el proyecto no tiene usuario que lo pague; asígnele uno"
    if user_id in blocked:
        return f"bloqueado, presupuesto mensual agotado: {standing_line(blocked[user_id])}"
    if not item.project.providers:
        return (
            "no tiene ningún asistente activado; elíjalos con "
            f"`python -m llm_monitoring projects edit {item.project.id} --provider …`"
        )
    if plan.providers(item):
        return None
    return "; ".join(faults.get(user_id, [])) or (
        f"User #{user_id} no tiene API keys para {', '.join(item.project.providers)}; "
        f"guárdelas con `python -m llm_monitoring keys set`"
    )


def standing_line(standing: Standing) -> str:
    return f"User #{standing.user_id}: ${standing.spent_usd:.2f} / ${standing.budget_usd:.2f} ({standing.percent:.1f}%)"


def judge_of(plan: Plan, item: Watched) -> KeyId | None:
    """The key of the cheapest approved model of the project's providers, which scores the sentiment of mentions."""
    model = plan.catalogue.judge(frozenset(plan.providers(item)))
    return None if model is None or item.project.user_id is None else plan.keys[item.project.user_id, model.provider]


def longest_let_go(settings: Settings) -> float:
    """Seconds in which a worker that is to stop has ended its last call and saved it."""
    return LONGEST_CALL * max(settings.timeout_seconds.values(), default=0.0) + LET_GO_SECONDS


def settle_dead_runs(tools: Tools, stop: Event | None = None) -> None:
    """Settle the calls that dead runs left open, also where nothing may be spent; needs the run lock.

    Raises StillAtWork where another machine works on for one of them, which `stop` waits for no longer.
    """
    runs.bury_dead(tools.db)
    wait_for_owners(tools.db, longest_let_go(tools.settings), stop or Event())
    catalogue, clients = registry.read_catalogue(tools.db), Clients(tools.keys, tools.settings)
    watched, _ = read_projects(tools.db, None)
    desk = Desk(tools.budget, clients, catalogue, watched, tools.settings, run_id=None)
    figures(desk, recover(desk).days)


@dataclass(frozen=True, slots=True)
class Shift:
    """The asking of one run. `before` is how far the day was; `still_ours` whether no other process took over."""

    desk: Desk
    plan: Plan
    order: Order
    before: Mapping[int, Mapping[str, Completeness]]
    still_ours: Callable[[], bool]


Work = Callable[[Shift], Tally]


def analyse(
    tools: Tools, order: Order, blocked: Mapping[int, Standing], lock: RunLock, work: Work | None = None
) -> DayReport:
    """Run the day under the lock: settle what a dead run left, ask what is open, write figures, check the ledger.

    `work` does the asking: by default this process alone.
    """
    settle_dead_runs(tools, order.stop)
    run_id = runs.start(tools.db, order.day)
    clients = Clients(tools.keys, tools.settings)
    try:
        plan = make_plan(tools, order.project_ids, blocked)
        desk = Desk(tools.budget, clients, plan.catalogue, plan.projects, tools.settings, run_id)
        before = coverage(tools, plan, order.day)
        order.on_start(sum(cell.open for cells in before.values() for cell in cells.values()))
        shift = Shift(desk, plan, order, before, lambda: lock.held() and runs.is_open(tools.db, run_id))
        tally = (work or ask_here)(shift)
        figures(desk, {(project_id, order.day) for project_id in plan.projects if project_id not in tally.figured})
        projects.mark_analysed(tools.db, list(plan.projects))
        report = settle_day(tools, plan, order, run_id, tally, before)
        tidy(tools, order, lock)
    except BaseException:
        runs.abandon(tools.db, run_id)
        raise
    finally:
        clients.close()
    return report


def tidy(tools: Tools, order: Order, lock: RunLock) -> None:
    """Prune what is older than the retention; a database that goes away now is said, as the day itself is done."""
    days = tools.settings.receipt_retention_days
    try:
        done = prune(tools.db, days, go_on=lambda: lock.held() and not order.stop.is_set())
    except DatabaseUnavailable as exc:
        log.warning("⚠️ No se pudo borrar lo anterior a %d días: %s", days, exc, extra={"event": "retention.failed"})
        return
    if done.receipts or done.answers:
        log.info(
            "🧹 Más de %d días: %d recibo(s) borrados, %d texto(s) de respuesta vaciados",
            days, done.receipts, done.answers,
            extra={"event": "retention.pruned", "receipts": done.receipts, "answers": done.answers},
        )  # fmt: skip


def ask_here(shift: Shift, limits: Limits | None = None, seconds: float | None = None) -> Tally:
    """Ask what is open in this process, for `seconds` at most (by default the run's deadline)."""
    desk, plan = shift.desk, shift.plan
    limits = limits or Limits(desk.settings.concurrency)
    runner = Runner(
        desk,
        Schedule(limits, plans(desk, shift.order.day, plan.keys, plan.judges)),
        plan.judges,
        still_ours=shift.still_ours,
        stop=shift.order.stop,
        deadline=time.monotonic() + (60 * desk.settings.run_deadline_minutes if seconds is None else seconds),
        on_progress=shift.order.on_progress,
    )
    return runner.run()


def figures(desk: Desk, touched: set[tuple[int, date]]) -> None:
    """Write the snapshots of every project and day that may have new answers."""
    for project_id, day in sorted(touched):
        watched = desk.watched(project_id)
        if watched is not None:
            results.write_snapshots(desk.budget.db, watched.project, day)


def coverage(tools: Tools, plan: Plan, day: date) -> dict[int, dict[str, Completeness]]:
    """How far the day is, by project, for the providers that its user can call."""
    found = runs.completeness(tools.db, day, list(plan.projects), PROVIDERS)
    return {
        project_id: {name: cell for name, cell in found.get(project_id, {}).items() if name in plan.providers(watched)}
        for project_id, watched in plan.projects.items()
    }


def settle_day(
    tools: Tools, plan: Plan, order: Order, run_id: int, tally: Tally,
    before: Mapping[int, Mapping[str, Completeness]],
) -> DayReport:  # fmt: skip
    """Close the run's books and report project by project."""
    registry.count_usage(tools.db, run_id)
    differences = tools.budget.differences()
    for row in differences:
        log.error("❌ User #%s: los contadores no cuadran con el libro de llamadas: %s", row["user_id"], row,
                  extra={"event": "budget.difference", "user_id": row["user_id"]})  # fmt: skip
    reports = list(project_reports(tools, plan, order.day, run_id, before, stopped=tally.stopped is not None))
    day = DayReport(run_id, reports, tally, in_balance=not differences)
    runs.finish(
        tools.db,
        run_id,
        "completed" if day.complete else "warnings",
        valid=tally.answered,
        failed=tally.failed,
        pending=sum(report.pending for report in reports),
        message=tally.stopped,
    )
    return day


def project_reports(
    tools: Tools, plan: Plan, day: date, run_id: int, before: Mapping[int, Mapping[str, Completeness]], *, stopped: bool
) -> Iterator[ProjectReport]:
    spend = runs.project_spend(tools.db, run_id)
    after = coverage(tools, plan, day)
    for project_id, watched in plan.projects.items():
        spent = spend.get(project_id, runs.Spend(Decimal(0), 0, 0.0))
        cells = after[project_id]
        answered = sum(cells[name].results - cell.results for name, cell in before[project_id].items())
        yield ProjectReport(
            project_id=project_id,
            name=watched.project.name,
            user_id=watched.project.user_id,
            duration_seconds=spent.seconds,
            answers=answered,
            cost_usd=spent.cost_usd,
            completeness=cells,
            skipped=all(cell.tasks <= cell.results + cell.final for cell in before[project_id].values()),
            error=project_error(cells, stopped=stopped),
            keyless=plan.keyless(watched),
        )
    for project_id, problem in sorted(plan.problems.items()):
        yield ProjectReport(project_id, "", None, 0.0, 0, Decimal(0), {}, False, problem)


def project_error(cells: Mapping[str, Completeness], *, stopped: bool) -> str | None:
    """Why a project has nothing to show for the day: not one valid answer where some were wanted and asked for."""
    if stopped and not any(cell.failures for cell in cells.values()):
        return None  # what a run that stopped early did not come to is open, not failed
    if any(cell.results for cell in cells.values()) or not any(cell.tasks for cell in cells.values()):
        return None
    told = [f"{name}: {cell.message}" for name, cell in cells.items() if cell.message]
    return "sin ninguna respuesta válida" + (f" ({'; '.join(dict.fromkeys(told))})" if told else "")
