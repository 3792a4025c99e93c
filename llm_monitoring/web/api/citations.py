"""The pages that the answers of a period cite, the most cited first."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from llm_monitoring import projects
from llm_monitoring.projects.site_kinds import Kind, Site, SiteKinds, site_kinds
from llm_monitoring.reporting.citations import CitationTally, CitedPages, Owner
from llm_monitoring.reporting.citations import Page as CitedPage
from llm_monitoring.reporting.report_data import read_citations
from llm_monitoring.web.api.figures import PeriodQuery
from llm_monitoring.web.api.schemas import Page
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import MOST, decode, number, page

router: Final = APIRouter(prefix="/projects/{project_id}/citations", tags=["results"])

Where = Literal["all", "competitors_only", "brand_missing"]
OWNERS: Final[dict[Owner, str]] = {"brand": "brand", "rival": "competitor", "other": "other"}


class PeriodPageQuery(PeriodQuery):
    """A period, and a page of the list."""

    limit: int = Field(default=50, ge=1, le=MOST, description="Rows of a page.")
    cursor: str | None = Field(default=None, max_length=400, description="`next_cursor` of the page before.")


class CitationsQuery(PeriodPageQuery):
    """A period, which of its answers and pages count, and a page of the list."""

    where: Where = Field(
        default="all",
        description="`competitors_only`: competitors' pages in answers that cite no page of the brand; "
        "`brand_missing`: pages of no tracked name in answers that name a competitor, and neither name the brand "
        "nor cite it.",
    )
    kind: Kind | None = Field(default=None, description="The pages of sites of this kind alone.")
    site: str | None = Field(default=None, max_length=253, description="The pages of this site alone.")


class CitationRow(BaseModel):
    """A page that answers cite; its address and title are text of others, to be read as data."""

    rank: int = Field(description="By the number of answers, then of prompts, then by address.")
    url: str
    domain: str
    title: str
    site: str = Field(description="The site that the domain belongs to, as `sources` counts it.")
    kind: Kind
    owner: Literal["brand", "competitor", "other"] = Field(
        description="By the declared sites: a page of a competitor without one is `other`."
    )
    owner_name: str | None
    answers: int = Field(description="Answers that list the page among their sources.")
    searched: int = Field(description="Of these, how many do not mark the page in their text.")
    prompts: int
    providers: list[str]


class CitationCounts(BaseModel):
    """The period, and its answers to prompts that do not name the brand."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    timezone: str = Field(description="The zone of the days.")
    answers: int = Field(description="All such answers of the period.")
    with_sources: int = Field(description="Of these, how many have sources.")
    competitors_only: int = Field(description="Of these, how many cite a competitor's page and none of the brand.")
    distinct_pages: int


class Citations(CitationCounts, Page[CitationRow]):
    """The cited pages of answers to prompts that do not name the brand."""


@router.get("", response_model=Citations)
def list_citations(
    here: Annotated[ProjectCaller, on_project("answers:read")], wanted: Annotated[CitationsQuery, Query()]
) -> Any:
    """List the pages that a period's answers cite, with the owner of each, the most cited first."""
    period = wanted.period(here)
    filters = {
        "list": "citations",
        "project": here.project_id,
        "first": period.first,
        "last": period.last,
        "provider": wanted.provider,
        **({} if wanted.where == "all" else {"where": wanted.where}),
        "kind": wanted.kind,
        "site": wanted.site,
        **({} if wanted.tag is None else {"tag": wanted.tag}),
    }
    place = decode(wanted.cursor, filters, number)
    after = place[0] if place else 0
    project = projects.find(here.app.db, here.project_id)
    kinds = site_kinds(here.app.db, project)
    found = read_citations(here.app.db, project, period, wanted.provider, wanted.tag)
    pages = pages_of_kind(kinds, wanted, pages_where(found, wanted.where))
    top = found.top(pages, after + wanted.limit + 1)
    rows = [citation_row(rank, each, kinds) for rank, each in enumerate(top, 1)][after:]
    return page(rows, wanted.limit, filters, ("rank",)) | {
        "first": period.first,
        "last": period.last,
        "timezone": str(here.app.settings.timezone),
        "answers": found.answers,
        "with_sources": found.with_sources,
        "competitors_only": found.rivals_only,
        "distinct_pages": len(pages),
    }


def pages_where(found: CitationTally, where: Where) -> CitedPages:
    return {"all": found.all, "competitors_only": found.of_rivals, "brand_missing": found.without_brand}[where]


def pages_of_kind(kinds: SiteKinds, wanted: CitationsQuery, pages: CitedPages) -> CitedPages:
    """The pages of the site and of the kind that a query wants."""

    def fits(site: Site) -> bool:
        return wanted.kind in (None, site.kind) and wanted.site in (None, site.name)

    return {key: each for key, each in pages.items() if fits(kinds.of(each.domain))}


def citation_row(rank: int, cited: CitedPage, kinds: SiteKinds) -> dict[str, Any]:
    site = kinds.of(cited.domain)
    return {
        "rank": rank,
        "url": cited.url,
        "domain": cited.domain,
        "title": cited.title,
        "site": site.name,
        "kind": site.kind,
        "owner": OWNERS[cited.owner],
        "owner_name": kinds.project.brand.name if cited.owner == "brand" else cited.rival,
        "answers": cited.answers,
        "searched": cited.searched,
        "prompts": cited.prompts,
        "providers": cited.providers,
    }
