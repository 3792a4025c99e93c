"""Everything that a report shows, as plain values: the step between rows and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from llm_monitoring.figures.answer_set import answer_set
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting.answers import PromptView, latest_answers, prompt_views
from llm_monitoring.reporting.citations import CitationView
from llm_monitoring.reporting.gaps import GapRow, gap_rows
from llm_monitoring.reporting.overview import Overview, overview
from llm_monitoring.reporting.report_data import ReportData
from llm_monitoring.reporting.showing import showable
from llm_monitoring.reporting.trends import Trend, trend
from llm_monitoring.runs.held_steps import HeldStep


@dataclass(frozen=True, slots=True)
class Report:
    """A project's period. `left_out` answers are in no figure: former names read them, and their text is gone."""

    project: str
    brand: str
    competitors: tuple[str, ...]
    language: str
    country: str | None
    web_search: bool
    first: date
    last: date
    today: date
    latest: date | None
    overview: Overview
    trends: tuple[Trend, ...]
    citations: CitationView
    prompts: tuple[PromptView, ...]
    gaps: tuple[GapRow, ...]
    blocked: bool
    left_out: int
    held: Sequence[HeldStep]
    chosen: bool

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def age_days(self) -> int:
        """How many days ago the period ended."""
        return max(0, (self.today - self.last).days)


def view(data: ReportData) -> Report:
    """Return what a report of these data shows; reads nothing from the database."""
    project, observations = data.project, data.observations
    gaps = gap_rows(project, observations, data.absences, Period(data.first, data.last))
    providers = [row.provider for row in gaps if row.answers]
    names = [entity.name for entity in project.competitors]
    answers = answer_set(observations, names)
    parts = {name: answers.of_provider(name) for name in providers}
    return Report(
        project=showable(project.name),
        brand=showable(project.brand.name),
        competitors=tuple(showable(name) for name in names),
        language=project.language,
        country=project.country,
        web_search=project.web_search,
        first=data.first,
        last=data.last,
        today=data.today,
        latest=data.latest,
        overview=overview(answers, project.brand.name, parts, data.versus),
        trends=tuple(trend(name, part, data.first, data.last) for name, part in parts.items()),
        citations=data.citations.view(),
        prompts=prompt_views(
            project,
            data.prompts,
            data.texts,
            latest_answers(observations),
            data.failed_prompts,
        ),
        gaps=gaps,
        blocked=data.absences.access.blocked,
        left_out=data.left_out,
        held=data.held,
        chosen=data.chosen,
    )
