"""The overview of a project: its figures, what changed and why, trends, competitors and gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request, Response

from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.figures import Change, PromptChange
from llm_monitoring.figures.periods import PeriodRequest, measured_days
from llm_monitoring.projects import Project
from llm_monitoring.projects.notes import Note, notes
from llm_monitoring.reporting.gaps import GapRow, gaps_between
from llm_monitoring.reporting.period_view import Column, PeriodFigure, PeriodView, RivalFigures
from llm_monitoring.reporting.report_data import Access, access_of, read_absences
from llm_monitoring.reporting.stored_figures import StoredFigures
from llm_monitoring.reporting.trends import Trend
from llm_monitoring.runs.held_steps import HeldStep, held_steps
from llm_monitoring.web.api.periods import refuse_long
from llm_monitoring.web.pages.filters import FilterBar, Given
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import figures_for
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


NextDay = Literal["asks", "without_prompts", "paused", "archived"]
"""What the next daily run does with a project, and if it asks nothing, why."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page shows."""

    measured: StoredFigures
    movements: Sequence[Movement]
    gaps: Sequence[GapRow]
    is_blocked: bool
    notes: Sequence[Note]
    held: Sequence[HeldStep]
    next_day: NextDay

    @property
    def noted(self) -> list[date]:
        """The days with notes, which trends mark."""
        return [note.day for note in self.notes]

    @property
    def view(self) -> PeriodView:
        return self.measured.view

    @property
    def rivals(self) -> Sequence[RivalFigures]:
        return self.measured.view.rivals

    @property
    def trends(self) -> Sequence[Trend]:
        return self.measured.trends

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
    wanted = PeriodRequest(project.id, period, compared, filters.provider, filters.tag)
    found = read_overview(here, project, wanted, figures_for(request, here, wanted))
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


def read_overview(here: ProjectVisitor, project: Project, wanted: PeriodRequest, measured: StoredFigures) -> Overview:
    """What the page shows next to a period's figures; keys, budget and reasons of failures are for the owner alone."""
    db = here.app.db
    is_owner = here.role == "owner"
    access = access_of(project, here.app.keys, here.app.budget) if is_owner else Access()
    absences = read_absences(db, project.id, wanted.period, access, wanted.tag)
    gaps = gaps_between(project, measured.answered, absences, wanted.period)
    prompts = projects.list_prompts(db, project.id)
    texts = {row["id"]: row["query_text"] for row in prompts}
    return Overview(
        measured=measured,
        movements=list(movements(measured, texts)),
        gaps=[each for each in gaps if wanted.provider in (None, each.provider)],
        is_blocked=access.blocked,
        notes=notes(db, project.id, wanted.period.first, wanted.period.last),
        held=held_steps(db, [project.id], wanted.period.first, wanted.period.last),
        next_day=next_day(here, project, any(row["is_active"] for row in prompts)),
    )


def next_day(here: ProjectVisitor, project: Project, has_prompts: bool) -> NextDay:
    if here.is_archived:
        return "archived"
    if not project.is_active:
        return "paused"
    return "asks" if has_prompts else "without_prompts"


def movements(measured: StoredFigures, texts: Mapping[int, str]) -> Iterator[Movement]:
    """The prompts that changed beyond noise, most changed first."""
    changed = [each for each in measured.by_prompt if each.verdict in ("up", "down")]
    for each in changed[:MOST_PROMPTS]:
        whole = measured.answers_by_prompt.get(each.query_id) == each.answers
        yield Movement(texts.get(each.query_id, ""), each, each.answers if whole else None)
