"""Prompts and sources of a period and the names that answers list, as pages and REST API show them, stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from llm_monitoring import projects
from llm_monitoring.db import Database
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.figures.prompt_table import PromptRow, prompt_table
from llm_monitoring.figures.stored_figures import stored_text
from llm_monitoring.projects import NameInbox
from llm_monitoring.projects.site_kinds import Kind
from llm_monitoring.reporting.citations import CitationTally, CitationView
from llm_monitoring.reporting.sources import (
    GapPrompt,
    GapSite,
    KindRow,
    SiteRow,
    SourceTotals,
    prompt_texts,
    read_sources,
)
from llm_monitoring.reporting.stored_figures import as_text, code_version


@dataclass(frozen=True, slots=True)
class SourcesRequest:
    """What is asked: the sources of a project's period, at one provider or all, of one tag's prompts or all."""

    project_id: int
    period: Period
    provider: str | None = None
    tag: str | None = None
    compared: None = None
    what: str = "sources"


@dataclass(frozen=True, slots=True)
class PromptsRequest:
    """What is asked: the prompts of a project in a period, and their change from another one if it is given."""

    project_id: int
    period: Period
    compared: Period | None = None
    provider: str | None = None
    tag: str | None = None
    what: str = "prompts"


@dataclass(frozen=True, slots=True)
class NamesRequest:
    """What is asked: the untracked names in the answers of a project's period, which holds the latest ones."""

    project_id: int
    period: Period
    compared: None = None
    what: str = "names"


@dataclass(frozen=True, slots=True)
class StoredPrompts:
    """The prompts of a period by provider; `left_out` answers are in no figure."""

    providers: tuple[str, ...]
    rows: tuple[PromptRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class StoredSources:
    """The sources of a period: every kind and every site, the most cited first, and where competitors stand alone."""

    totals: SourceTotals
    kinds: tuple[KindRow, ...]
    sites: tuple[SiteRow, ...]
    gap_sites: tuple[GapSite, ...]
    gap_prompts: tuple[GapPrompt, ...]
    pages: CitationView

    def of_kind(self, kind: Kind | None) -> tuple[SiteRow, ...]:
        """The sites of one kind, or all."""
        return tuple(each for each in self.sites if kind in (None, each.site.kind))


def prompts_text(db: Database, wanted: PromptsRequest, waited: float = 0.0) -> str:
    """Return a period's prompts as JSON, stored or measured now; raises what `prompt_table` raises."""
    return stored_text(db, wanted, code_version(), lambda state: as_text(measure_prompts(state, wanted)), waited)


def measure_prompts(db: Database, wanted: PromptsRequest) -> StoredPrompts:
    request = PeriodRequest(wanted.project_id, wanted.period, wanted.compared, wanted.provider, wanted.tag)
    found = prompt_table(db, request)
    return StoredPrompts(tuple(found.providers), tuple(found.rows), found.left_out)


def sources_text(db: Database, wanted: SourcesRequest, waited: float = 0.0) -> str:
    """Return a period's sources as JSON, stored or counted now; raises NotFound and TooManyStale."""
    return stored_text(db, wanted, code_version(), lambda state: as_text(count_sources(state, wanted)), waited)


def count_sources(db: Database, wanted: SourcesRequest) -> StoredSources:
    project = projects.find(db, wanted.project_id)
    pages = CitationTally(project.brand, project.competitors)
    tally = read_sources(db, project, wanted.period, wanted.provider, wanted.tag, pages=pages)
    every = len(tally.sites)
    return StoredSources(
        totals=tally.totals(),
        kinds=tuple(tally.kind_rows()),
        sites=tuple(tally.site_rows(most=every)),
        gap_sites=tuple(tally.gap_sites(most=every)),
        gap_prompts=tuple(tally.gap_prompts(prompt_texts(db, project.id))),
        pages=pages.view(),
    )


def names_request(db: Database, project_id: int, first: date | None, last: date | None) -> NamesRequest | None:
    """The request for the untracked names of the latest answers of these days; None if there is no answer."""
    days = projects.searched_days(db, project_id, first, last)
    return None if days is None else NamesRequest(project_id, Period(*days))


def names_text(db: Database, wanted: NamesRequest, waited: float = 0.0) -> str:
    """Return the names of a period's answers as JSON, stored or read now; raises NotFound."""
    return stored_text(db, wanted, code_version(), lambda state: as_text(find_names(state, wanted)), waited)


def find_names(db: Database, wanted: NamesRequest) -> NameInbox:
    return projects.listed_names(db, wanted.project_id, wanted.period.first, wanted.period.last)
