"""The report of a run: one part a project, and the totals."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from llm_monitoring import projects
from llm_monitoring.app import App
from llm_monitoring.db import Database, RowError
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.ledger import Adjustment, Standing
from llm_monitoring.projects import Project
from llm_monitoring.runs import tasks
from llm_monitoring.runs.batches.records import Due
from llm_monitoring.runs.held_steps import HeldStep, PacedDay, by_project, held_steps
from llm_monitoring.runs.plan import Plan
from llm_monitoring.runs.reasons import Cause, ProblemCode, ProjectProblem, StopReason
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.tasks import Completeness, Economy, Spend, Unfinished, UnknownCalls

log = logging.getLogger(__name__)

NOTHING_SPENT: Final = Spend(Decimal(0), 0, 0.0)

Coverage = Mapping[int, Mapping[str, Completeness]]
"""How far a day is, by project and provider."""


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """A project's day. `completeness` covers the providers that its user has a key for; costs are this run's.

    `held`: what was left out of the day so that the user's budget lasts the month; it is no open work.
    """

    project_id: int
    name: str
    user_id: int | None
    duration_seconds: float
    answers: int
    cost_usd: Decimal
    completeness: Mapping[str, Completeness]
    skipped: bool
    error: ProjectProblem | None
    keyless: tuple[ProviderName, ...] = ()
    held: tuple[HeldStep, ...] = ()

    @property
    def llms_analyzed(self) -> int:
        return sum(cell.results > 0 for cell in self.completeness.values())

    @property
    def failed(self) -> int:
        return sum(cell.failures for cell in self.completeness.values())

    @property
    def pending(self) -> int:
        return sum(cell.open for cell in self.completeness.values())

    @property
    def out(self) -> int:
        """How many answers are out in batches."""
        return sum(cell.out for cell in self.completeness.values())


@dataclass(frozen=True, slots=True)
class DayReport:
    """What a run did and how it ended. `in_balance`: the ledger adds up; `row_errors`: the rows that were left alone.

    `unfinished` are the projects with answers of the day that lack an analysis or a readable sentiment.
    `cost_usd` is the cost of all its calls, those of projects that were deleted meanwhile too; `unknown_calls` those
    that no provider has confirmed; `economy` those in a cheaper mode; `out` the answers that are out in batches.
    `paced_days` are those of users who pace. `standings` are the accounts at the start, after `adjustments` to them.
    """

    run_id: int
    projects: Sequence[ProjectReport]
    stats: RunStats
    cost_usd: Decimal
    in_balance: bool
    unknown_calls: UnknownCalls
    row_errors: Sequence[RowError] = ()
    unfinished: Sequence[Unfinished] = ()
    standings: Sequence[Standing] = ()
    adjustments: Sequence[Adjustment] = ()
    economy: Economy = field(default_factory=Economy)
    out: Due | None = None
    paced_days: Sequence[PacedDay] = ()

    @property
    def open(self) -> Sequence[ProjectReport]:
        """The projects with tasks that the day still lacks."""
        return [project for project in self.projects if project.pending and not project.error]

    @property
    def wanted(self) -> Sequence[ProjectReport]:
        """The projects that were to have answers of the day."""
        return [
            project
            for project in self.projects
            if project.error or any(cell.tasks for cell in project.completeness.values())
        ]

    @property
    def unread(self) -> int:
        """How many answers of the day are stored and not analysed yet."""
        return sum(cell.unread for project in self.projects for cell in project.completeness.values())

    @property
    def obstacle(self) -> StopReason | None:
        """Why the run could ask no one: no user has budget, or there is no key."""
        return self.stats.stopped if self.stats.stopped in (StopReason.NO_BUDGET, StopReason.NO_KEYS) else None

    @property
    def cut(self) -> bool:
        """Whether the run ended before it had asked everything."""
        return self.stats.stopped is not None and any(project.pending for project in self.projects)

    @property
    def complete(self) -> bool:
        troubled = any(project.error or project.failed or project.pending for project in self.projects)
        return (
            self.in_balance and not troubled and not self.row_errors and not self.unread and self.stats.stopped is None
        )


def coverage(db: Database, plan: Plan, day: date) -> dict[int, dict[str, Completeness]]:
    """How far the day is, by project, for the providers that its user can call."""
    cells = tasks.completeness(db, day, list(plan.projects), PROVIDERS)
    return {
        project_id: {name: cell for name, cell in cells.get(project_id, {}).items() if name in plan.providers(tracked)}
        for project_id, tracked in plan.projects.items()
    }


def project_reports(
    app: App, plan: Plan, day: date, run_id: int, before: Coverage, *, stopped: StopReason | None
) -> Iterator[ProjectReport]:
    """A report for each project that still exists."""
    spend = tasks.project_spend(app.db, run_id)
    held = by_project(held_steps(app.db, list(plan.projects), day, day))
    after = coverage(app.db, plan, day)
    existing = projects.existing(app.db, list(plan.projects))
    for project_id, tracked in plan.projects.items():
        if project_id not in existing:
            fields = {"event": "project.deleted", "project_id": project_id}
            log.warning("🗑️ Proyecto #%d: se borró durante la ejecución", project_id, extra=fields)
            continue
        spent = spend.get(project_id, NOTHING_SPENT)
        cells, cells_before = after[project_id], before[project_id]
        yield ProjectReport(
            project_id=project_id,
            name=tracked.project.name,
            user_id=tracked.project.user_id,
            duration_seconds=spent.seconds,
            answers=sum(cells[name].results - cells_before[name].results for name in cells_before.keys() & cells),
            cost_usd=spent.cost_usd,
            completeness=cells,
            skipped=all(not cell.open for cell in cells_before.values()),
            error=project_error(tracked.project, cells, stopped=stopped),
            keyless=plan.keyless(tracked),
            held=tuple(held.get(project_id, ())),
        )
    for project_id, problem in sorted(plan.problems.items()):
        yield ProjectReport(project_id, problem.name, problem.user_id, 0.0, 0, Decimal(0), {}, False, problem)


def project_error(
    project: Project, cells: Mapping[str, Completeness], *, stopped: StopReason | None
) -> ProjectProblem | None:
    """Why a project has nothing to show for the day: no valid answer and none out, although some were wanted."""
    if any(cell.results or cell.out for cell in cells.values()) or not any(cell.tasks for cell in cells.values()):
        return None
    causes = tuple(Cause(name, cell.reason, cell.message) for name, cell in cells.items() if cell.message)
    early = stopped if any(cell.open for cell in cells.values()) else None
    return ProjectProblem(
        ProblemCode.NO_ANSWER, project.id, project.name, project.user_id, causes=causes, stopped=early
    )
