"""The competitors page: the brand next to its competitors, in all and at each assistant, and its places in rankings."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request, Response

from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.figures.periods import PeriodRequest, measured_days
from llm_monitoring.web.pages.filters import FilterBar, Given
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import figures_for
from llm_monitoring.web.pages.overview import tag_names
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False)


@router.get("/projects/{project_id}/rivals")
def show_rivals(request: Request, here: Annotated[ProjectVisitor, on_page("figures:read")], filters: Given) -> Response:
    """Mention rate, share of voice and position of the brand and of each competitor."""
    project = projects.find(here.app.db, here.project_id)
    period, compared = filters.periods(measured_days(here.app.db, project.id), schedule_day(here.app.settings))
    wanted = PeriodRequest(project.id, period, compared, filters.provider, filters.tag)
    return render(
        request,
        "rivals.html",
        here=here,
        project=project,
        filters=filters,
        bar=FilterBar(request.url.path, filters, period, compared, project.providers, tag_names(here)),
        links=Links(project.id, filters, period),
        view=figures_for(request, here, wanted).view,
    )
