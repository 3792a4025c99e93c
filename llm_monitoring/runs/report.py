"""What became of a day: one report a project, and the figures of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from llm_monitoring.db.row_errors import RowError
from llm_monitoring.domain import ProviderName
from llm_monitoring.runs.reasons import ProjectProblem
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.tasks import Completeness, Doubtful, Unfinished


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
    error: ProjectProblem | None
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
        return report | ({"error": self.error.text("es")} if self.error else {})


@dataclass(frozen=True, slots=True)
class DayReport:
    """What a run did and how it ended. `in_balance`: the ledger adds up; `row_errors`: the rows that were left alone.

    `unfinished` are the projects with answers of the day that lack an analysis or a readable sentiment.
    `cost_usd` is the cost of all its calls, those of projects that were deleted meanwhile too; `doubtful` the part that
    no provider has confirmed.
    """

    run_id: int
    projects: Sequence[ProjectReport]
    stats: RunStats
    cost_usd: Decimal
    in_balance: bool
    doubtful: Doubtful
    row_errors: Sequence[RowError] = ()
    unfinished: Sequence[Unfinished] = ()

    @property
    def open(self) -> Sequence[ProjectReport]:
        """The projects with questions that the day still lacks."""
        return [project for project in self.projects if project.pending and not project.error]

    @property
    def wanted(self) -> Sequence[ProjectReport]:
        """The projects that were to have answers of the day."""
        return [each for each in self.projects if each.error or any(cell.tasks for cell in each.completeness.values())]

    @property
    def unread(self) -> int:
        """How many answers of the day are stored and not analysed yet."""
        return sum(cell.unread for project in self.projects for cell in project.completeness.values())

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
