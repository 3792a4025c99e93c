"""Everything that a report shows, as plain values: the step between rows and the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from llm_monitoring.figures.answer_set import answer_set
from llm_monitoring.reporting.answers import PromptView, latest_answers, prompt_views
from llm_monitoring.reporting.citations import CitationView
from llm_monitoring.reporting.gaps import GapRow, gap_rows
from llm_monitoring.reporting.overview import Overview, overview
from llm_monitoring.reporting.report_data import ReportData
from llm_monitoring.reporting.showing import showable
from llm_monitoring.reporting.trends import Trend, trend


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
    chosen: bool

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def age_days(self) -> int:
        """How many days ago the period ended."""
        return max(0, (self.today - self.last).days)


def view(material: ReportData) -> Report:
    """Return what the report of this material shows; reads nothing."""
    project, observations = material.project, material.observations
    gaps = gap_rows(project, observations, material.failures, material.access, material.first, material.last)
    providers = [row.provider for row in gaps if row.answers]
    names = [entity.name for entity in project.competitors]
    answers = answer_set(observations, names)
    return Report(
        project=showable(project.name),
        brand=showable(project.brand.name),
        competitors=tuple(showable(name) for name in names),
        language=project.language,
        country=project.country,
        web_search=project.web_search,
        first=material.first,
        last=material.last,
        today=material.today,
        latest=material.latest,
        overview=overview(answers, project.brand.name, providers, material.versus),
        trends=tuple(trend(name, answers.of_provider(name), material.first, material.last) for name in providers),
        citations=material.citations.view(),
        prompts=prompt_views(
            project,
            material.prompts,
            material.texts,
            latest_answers(observations),
            material.failed_prompts,
        ),
        gaps=gaps,
        blocked=material.access.blocked,
        left_out=material.left_out,
        chosen=material.chosen,
    )
