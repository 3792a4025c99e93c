"""Exports of a project, as the command `export` writes them, streamed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, model_validator

from llm_monitoring import projects
from llm_monitoring.app import App
from llm_monitoring.domain import ProviderName
from llm_monitoring.reporting.export_files import Form, Format, export_chunks
from llm_monitoring.reporting.exports import Export, Kind, check
from llm_monitoring.reporting.files import slug
from llm_monitoring.reporting.prompt_sheet import prompt_sheet
from llm_monitoring.reporting.sheets import Delimiter
from llm_monitoring.web.api.schemas import Body
from llm_monitoring.web.context import Service
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.streaming import Stream, only_headers

router: Final = APIRouter(prefix="/projects/{project_id}/exports", tags=["exports"])

MOST_SHEET_ROWS: Final = 50_000  # a spreadsheet is written whole before it is sent
MEDIA_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
DELIMITERS: Final[dict[str, Delimiter]] = {",": ",", ";": ";", "tab": "\t"}
FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The rows, day by day. A connection that is cut before the last chunk gave a part of them.",
        "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()},
    }
}


PROMPTS_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The prompts, a row each.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


class ExportQuery(Body):
    """Days from `from` to `to`, both included, and the form of the file; without days all that is stored."""

    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")
    provider: list[ProviderName] = Field(default=[], description="Of these providers alone; repeatable.")
    format: Format = Field(default="csv", description=f"xlsx has {MOST_SHEET_ROWS} rows at most.")
    delimiter: Literal[",", ";", "tab"] | None = Field(
        default=None, description="Of CSV; `;` also writes decimal commas."
    )
    bom: bool = Field(default=False, description="Begin CSV with a byte order mark, so that Excel reads it as UTF-8.")

    @model_validator(mode="after")
    def fit_together(self) -> Self:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("`to` is before `from`")
        if self.format != "csv" and (self.bom or self.delimiter):
            raise ValueError("`delimiter` and `bom` are for CSV")
        return self

    @property
    def form(self) -> Form:
        return Form(self.format, self.bom, DELIMITERS[self.delimiter or ","])


class LongQuery(ExportQuery):
    """With a form for pivot tables."""

    long: bool = Field(default=False, description="A row for the brand and for each competitor.")


class CitationsQuery(ExportQuery):
    """With a choice of answers."""

    mentioned: bool | None = Field(default=None, description="Only answers that name the brand, or that do not.")


class ResultsQuery(LongQuery, CitationsQuery):
    """With both."""


@router.get("/results", response_class=Response, responses=FILE)
def export_results(
    request: Request,
    here: Annotated[ProjectCaller, on_project("answers:read")],
    wanted: Annotated[ResultsQuery, Query()],
) -> Response:
    """Download the stored answers with their analysis. What a spreadsheet would run has an apostrophe before it."""
    return download(request, reader_of(here), "results", wanted, mentioned=wanted.mentioned, long=wanted.long)


@router.get("/snapshots", response_class=Response, responses=FILE)
def export_snapshots(
    request: Request, here: Annotated[ProjectCaller, on_project("figures:read")], wanted: Annotated[LongQuery, Query()]
) -> Response:
    """Download the daily figures."""
    return download(request, reader_of(here), "snapshots", wanted, long=wanted.long)


@router.get("/citations", response_class=Response, responses=FILE)
def export_citations(
    request: Request,
    here: Annotated[ProjectCaller, on_project("answers:read")],
    wanted: Annotated[CitationsQuery, Query()],
) -> Response:
    """Download the pages that the stored answers cite, one row each, with the owner of the site."""
    return download(request, reader_of(here), "citations", wanted, mentioned=wanted.mentioned)


@router.get("/prompts", response_class=Response, responses=PROMPTS_FILE)
def export_prompts(request: Request, here: Annotated[ProjectCaller, on_project("projects:read")]) -> Response:
    """Download the prompts as CSV with language, type and tags, as `queries import` reads them."""
    return prompts_file(request, here.app, here.project_id, here.caller.user_id)


def prompts_file(request: Request, app: App, project_id: int, account: int) -> Response:
    service: Service = request.app.state.service
    service.export_rate.take(account)
    name = f"{project_id}-{slug(projects.find(app.db, project_id).name)}-prompts.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(prompt_sheet(projects.list_prompts(app.db, project_id)), 200, headers, MEDIA_TYPES["csv"])


@dataclass(frozen=True, slots=True)
class Reader:
    """Who downloads from a project: downloads of a minute and those at once are counted by `account`."""

    app: App
    project_id: int
    account: int
    sees_cost: bool


def reader_of(here: ProjectCaller) -> Reader:
    caller = here.caller
    return Reader(here.app, here.project_id, caller.user_id, here.role == "owner")


def download(request: Request, reader: Reader, kind: Kind, wanted: ExportQuery, **choices: Any) -> Response:
    """Send an export as a file; a viewer gets it without cost. HEAD reads no rows."""
    service: Service = request.app.state.service
    if request.scope["http_version"] == "1.0":
        raise Problem("bad_request", "an export needs HTTP/1.1, in which a part is no whole")
    service.export_rate.take(reader.account)
    project = projects.find(reader.app.db, reader.project_id)
    export = Export(
        (project,),
        kind,
        wanted.first,
        wanted.last,
        tuple(dict.fromkeys(wanted.provider)),
        without_cost=not reader.sees_cost,
        **choices,
    )
    name = f"{project.id}-{slug(project.name)}-{kind}.{wanted.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    check(export)
    made = nothing() if only_headers(request) else chunks(service, reader, export, wanted.form)
    return Stream(made, headers, MEDIA_TYPES[wanted.format])


def nothing() -> Generator[bytes]:
    yield b""


def chunks(service: Service, reader: Reader, export: Export, form: Form) -> Generator[bytes]:
    with service.export_slots.held(reader.account):
        yield from export_chunks(reader.app.db, export, form, MOST_SHEET_ROWS)
