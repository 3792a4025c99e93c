"""Downloads of a project for people: the report as one page, and exports of answers, daily figures and cited pages."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from llm_monitoring import projects
from llm_monitoring.access.agencies import agency_of_project
from llm_monitoring.app import schedule_day
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting.export_files import Format
from llm_monitoring.reporting.exports import Kind
from llm_monitoring.reporting.files import file_name
from llm_monitoring.reporting.page import render as render_report
from llm_monitoring.reporting.report_data import Access, ReportRequest, read, without_reasons
from llm_monitoring.reporting.view import view
from llm_monitoring.web.api.exports import ExportQuery, Reader, download
from llm_monitoring.web.api.periods import refuse_long
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.filters import Filters, Given
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.streaming import only_headers
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False, prefix="/projects/{project_id}/reports")

HTML: Final = "text/html; charset=utf-8"
Here = Annotated[ProjectVisitor, on_page("figures:read", "answers:read")]
FileFormat = Annotated[Format, Query(alias="format")]


@router.get("/report.html")
def download_report(request: Request, here: Here, filters: Given) -> Response:
    """The report of a period as one HTML page, without keys and budget; for a viewer without reasons of failures.

    It is counted as an export is.
    """
    service: Service = request.app.state.service
    account = require_person(here)
    service.export_rate.take(account)
    project = projects.find(here.app.db, here.project_id)
    period = None
    if filters.first is not None and filters.last is not None:
        period = Period(filters.first, filters.last)
        refuse_long(period)
    if only_headers(request):
        return Response(media_type=HTML, headers={"Cache-Control": "no-store"})
    with service.export_slots.held(account):
        data = read(here.app.db, ReportRequest(project.id, period), schedule_day(here.app.settings), Access())
        shown = data if here.is_owner else without_reasons(data)
        page = render_report(view(shown), agency_of_project(here.app.db, project.id))
    name = file_name(project.id, project.name, data.last, "html")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(page.encode("utf-8"), media_type=HTML, headers=headers)


@router.get("/exports/results")
def download_answers(request: Request, here: Here, filters: Given, form: FileFormat = "csv") -> Response:
    """The stored answers with their analysis."""
    return exported(request, here, filters, "results", form)


@router.get("/exports/snapshots")
def download_figures(request: Request, here: Here, filters: Given, form: FileFormat = "csv") -> Response:
    """The daily figures."""
    return exported(request, here, filters, "snapshots", form)


@router.get("/exports/citations")
def download_citations(request: Request, here: Here, filters: Given, form: FileFormat = "csv") -> Response:
    """The pages that answers cite."""
    return exported(request, here, filters, "citations", form)


def exported(request: Request, here: ProjectVisitor, filters: Filters, kind: Kind, form: Format) -> Response:
    account = require_person(here)
    wanted = ExportQuery.model_validate(
        {
            "from": filters.first,
            "to": filters.last,
            "provider": [filters.provider] if filters.provider else [],
            "format": form,
            "bom": form == "csv",
        }
    )
    reader = Reader(here.app, here.project_id, account, here.is_owner)
    return download(request, reader, kind, wanted)


def require_person(here: ProjectVisitor) -> int:
    """The user who downloads; raises Problem for a visitor by a link."""
    if here.visitor.user_id is None:
        raise Problem("not_found")
    return here.visitor.user_id
