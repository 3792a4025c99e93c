"""The overview of a project: its figures, what changed and why, trends, competitors and gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response

from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.figures import Change, PromptChange
from llm_monitoring.figures.periods import PeriodFigures, PeriodRequest, measured_days, period_figures
from llm_monitoring.projects import Project
from llm_monitoring.reporting.gaps import GapRow, gap_rows
from llm_monitoring.reporting.period_view import (
    Column,
    PeriodFigure,
    PeriodView,
    RivalFigures,
    period_view,
    rival_figures,
)
from llm_monitoring.reporting.report_data import Access, access_of, read_failures
from llm_monitoring.reporting.trends import Trend, trend
from llm_monitoring.web.api.periods import refuse_long
from llm_monitoring.web.pages.filters import FilterBar, Given
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False)

CARDS: Final[tuple[tuple[Column, str], ...]] = (
    ("mention_rate", "percent"),
    ("share_of_voice", "percent"),
    ("avg_position", "places"),
    ("citation_rate", "percent"),
    ("avg_sentiment_score", "score"),
)
MOST_PROMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Movement:
    """A prompt that changed beyond noise; `answers` are all of the period's, None if the change is of some of them."""

    text: str
    change: PromptChange
    answers: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page shows."""

    measured: PeriodFigures
    view: PeriodView
    trends: Sequence[Trend]
    rivals: Sequence[RivalFigures]
    movements: Sequence[Movement]
    gaps: Sequence[GapRow]
    is_blocked: bool

    @property
    def headline(self) -> PeriodFigure:
        return self.view.total["mention_rate"]

    @property
    def changed_providers(self) -> list[Change]:
        """The providers of which the mention rate went up or down."""
        comparison = self.measured.comparison
        return [each for each in comparison.by_provider if each.improved is not None] if comparison else []


@router.get("/projects/{project_id}")
def show_overview(
    request: Request, here: Annotated[ProjectVisitor, on_page("figures:read")], filters: Given
) -> Response:
    """The overview of a project."""
    today = schedule_day(here.app.settings)
    project = projects.find(here.app.db, here.project_id)
    days = measured_days(here.app.db, here.project_id)
    period, compared = filters.periods(days, today)
    refuse_long(period)
    found = read_overview(here, project, PeriodRequest(project.id, period, compared, filters.provider, filters.tag))
    return render(
        request,
        "overview.html",
        here=here,
        project=project,
        filters=filters,
        bar=FilterBar(f"/projects/{project.id}", filters, period, compared, project.providers, tag_names(here)),
        found=found,
        links=Links(project.id, filters, period),
        cards=CARDS,
        today=today,
        latest=days.last if days else None,
    )


def tag_names(here: ProjectVisitor) -> list[str]:
    """The tags of the project's prompts, for the filters."""
    return [row["tag"] for row in projects.tags_of(here.app.db, here.project_id)]


def read_overview(here: ProjectVisitor, project: Project, wanted: PeriodRequest) -> Overview:
    """Measure the period; keys, budget and the reasons of failures are for the owner alone."""
    db, period = here.app.db, wanted.period
    measured = period_figures(db, wanted)
    view = period_view(measured)
    is_owner = here.role == "owner"
    access = access_of(project, here.app.keys, here.app.budget) if is_owner else Access()
    failures = read_failures(db, project.id, period, wanted.tag)
    gaps = gap_rows(project, measured.total.answers.observations, failures, access, period.first, period.last)
    return Overview(
        measured=measured,
        view=view,
        trends=[
            trend(name, each.answers, period.first, period.last)
            for name, each in measured.by_provider.items()
            if each.answers.observations
        ],
        rivals=rival_figures(measured),
        movements=list(movements(measured)),
        gaps=[each for each in gaps if wanted.provider in (None, each.provider)],
        is_blocked=access.blocked,
    )


def movements(measured: PeriodFigures) -> Iterator[Movement]:
    """The prompts that changed beyond noise, most changed first."""
    counts = answers_by_prompt(measured)
    changed = [each for each in measured.by_prompt if each.verdict in ("up", "down")]
    for each in changed[:MOST_PROMPTS]:
        whole = counts.get(each.query_id) == each.answers
        yield Movement(measured.prompts.get(each.query_id, ""), each, each.answers if whole else None)


def answers_by_prompt(measured: PeriodFigures) -> Mapping[int, int]:
    counts: dict[int, int] = {}
    for observed in measured.total.answers.headline:
        counts[observed.query_id] = counts.get(observed.query_id, 0) + 1
    return counts
