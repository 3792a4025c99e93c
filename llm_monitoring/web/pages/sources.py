"""The sources of a project: which kinds of site and which sites answers cite, and where competitors stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.figures.periods import measured_days
from llm_monitoring.projects.site_kinds import KINDS, SETTABLE, Kind
from llm_monitoring.reporting.citations import CitationView
from llm_monitoring.reporting.sources import (
    GapPrompt,
    GapSite,
    KindRow,
    SiteRow,
    SourceTotals,
)
from llm_monitoring.reporting.stored_tables import SourcesRequest, StoredSources
from llm_monitoring.web.api.sources import store_kind, withdraw_kind
from llm_monitoring.web.pages.error_texts import errors_of
from llm_monitoring.web.pages.filters import FilterBar, Filters, Given
from llm_monitoring.web.pages.forms import Form, Sent, done
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import measured_for
from llm_monitoring.web.pages.overview import tag_names
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.stored_figures import SOURCES
from llm_monitoring.web.visitor import ProjectVisitor, on_page

LONGEST_ADDRESS: Final = 2_000  # of a cited page in a link to its answers: one with a longer one may not arrive
router: Final = APIRouter(include_in_schema=False)

ROWS: Final = 50
MOST_GAPS: Final = 15
RESET: Final = "reset"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sites the list shows: of one kind alone, from row `after` on."""

    kind: Kind | None
    after: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the page shows."""

    totals: SourceTotals
    kinds: Sequence[KindRow]
    sites: Sequence[SiteRow]
    has_more: bool
    gap_sites: Sequence[GapSite]
    gap_prompts: Sequence[GapPrompt]
    pages: CitationView


@router.get("/projects/{project_id}/sources")
def show_sources(
    request: Request,
    here: Annotated[ProjectVisitor, on_page("answers:read")],
    filters: Given,
    kind: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    site: Annotated[str, Query(max_length=253)] = "",
    saved: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The sources of a period; `site` is one of which the kind is to be corrected."""
    form = Form({"site": (site,)})
    return page(request, here, filters, Wanted(kind_of(kind), after), form, saved=saved)


@router.post("/projects/{project_id}/sources")
def set_kind(
    request: Request, here: Annotated[ProjectVisitor, on_page("projects:write")], filters: Given, form: Sent
) -> Response:
    """Set the kind of a site, or return it to the kind of the list."""
    site, kind = form.text("site"), form.text("kind")
    try:
        if kind == RESET:
            here.visitor.change(lambda app: withdraw_kind(app, here.visitor.actor, here.project_id, site))
        else:
            here.visitor.change(lambda app: store_kind(app, here.visitor.actor, here.project_id, site, kind))
    except Invalid as exc:
        return page(request, here, filters, Wanted(None, 0), form.refused(**errors_of(request, exc)))
    except NotFound:
        return page(request, here, filters, Wanted(None, 0), form.refused(site="not_set"))
    return done(filters.link(request.url.path, saved="kind"))


def page(
    request: Request, here: ProjectVisitor, filters: Filters, wanted: Wanted, form: Form, *, saved: str = ""
) -> Response:
    project = projects.find(here.app.db, here.project_id)
    period, compared = filters.periods(measured_days(here.app.db, project.id), schedule_day(here.app.settings))
    asked = SourcesRequest(project.id, period, filters.provider, filters.tag)
    stored = measured_for(request, here, SOURCES, asked)
    return render(
        request,
        "sources.html",
        status=422 if form.errors else 200,
        here=here,
        project=project,
        filters=filters,
        bar=FilterBar(request.url.path, filters, period, compared, project.providers, tag_names(here)),
        links=Links(project.id, filters, period),
        found=found(stored, wanted),
        wanted=wanted,
        rows=ROWS,
        longest_address=LONGEST_ADDRESS,
        kinds=KINDS,
        settable=SETTABLE,
        form=form,
        saved=saved == "kind",
    )


def found(stored: StoredSources, wanted: Wanted) -> Found:
    sites = stored.of_kind(wanted.kind)[wanted.after :]
    return Found(
        totals=stored.totals,
        kinds=stored.kinds,
        sites=sites[:ROWS],
        has_more=len(sites) > ROWS,
        gap_sites=stored.gap_sites[:MOST_GAPS],
        gap_prompts=stored.gap_prompts[:MOST_GAPS],
        pages=stored.pages,
    )


def kind_of(text: str) -> Kind | None:
    chosen = next((each for each in KINDS if each == text), None)
    if text and chosen is None:
        raise Problem("invalid")
    return chosen
