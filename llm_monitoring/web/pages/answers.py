"""The answers of a project, and one of them with its text, its sources and what changed since the day before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.db import Row
from llm_monitoring.figures.periods import Period, measured_days
from llm_monitoring.projects import Project, fingerprints
from llm_monitoring.reporting import stored_answers
from llm_monitoring.reporting.answer_page import read_answer
from llm_monitoring.reporting.files import slug
from llm_monitoring.web.api.results import AnswerId, Answers, find_rows
from llm_monitoring.web.pages.filters import FilterBar, Filters, Given
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import awaited
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.paging import encode
from llm_monitoring.web.problems import Problem, refusals
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False)

ROWS: Final = 50
MOST_COUNTED: Final = 2_000
LONGEST_CONTEXT: Final = 220
OF_THE_BAR: Final = frozenset({"from", "to", "compare_from", "compare_to", "provider", "tag"})
OF_THE_PAGE: Final = frozenset({"compare_from", "compare_to", "lang", "cursor"})
Place = Annotated[str, Query(max_length=400)]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the answers that fit: `count` are all of them, at least so many if `is_more_than` is set."""

    rows: Sequence[Row]
    count: int
    is_more_than: bool
    next_cursor: str | None
    is_first: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter that is chosen besides those of the bar, and the address of the list without it."""

    name: str
    value: Any
    without: str


@router.get("/projects/{project_id}/answers")
def show_answers(
    request: Request, here: Annotated[ProjectVisitor, on_page("answers:read")], filters: Given, cursor: Place = ""
) -> Response:
    """The answers of a period, latest first, or those that a figure counts."""
    project = projects.find(here.app.db, here.project_id)
    days = measured_days(here.app.db, here.project_id)
    period, compared = filters.periods(days, schedule_day(here.app.settings))
    wanted = chosen(request, period)
    path = f"/projects/{project.id}/answers"
    query = {name: text for name, text in request.query_params.items() if text and name not in OF_THE_PAGE}
    return render(
        request,
        "answers.html",
        here=here,
        project=project,
        filters=filters,
        bar=FilterBar(
            path, filters, period, compared, project.providers, tags_of(here), own=without(query, OF_THE_BAR)
        ),
        links=Links(project.id, filters, period),
        found=found_for(request, here, project, wanted, cursor),
        wanted=wanted,
        choices=choices(path, filters, query),
        prompt=prompt_of(here, wanted),
        path=path,
        query=query,
        longest=LONGEST_CONTEXT,
    )


def chosen(request: Request, period: Period) -> Answers:
    """The filters of the list, which are those of the API, over the period of the bar; raises Problem."""
    given = {name: text for name, text in request.query_params.items() if text and name not in OF_THE_PAGE}
    try:
        return Answers.model_validate({**given, "from": period.first, "to": period.last, "limit": ROWS})
    except ValidationError as exc:
        errors = [replace(each, pointer="query:" + each.pointer.strip("/").replace("/", ".")) for each in refusals(exc)]
        raise Problem("invalid", errors=errors) from exc


def found_for(request: Request, here: ProjectVisitor, project: Project, wanted: Answers, cursor: str) -> Found:
    """A page of the list; raises PageInProgress if many answers have to be read with the present names for it."""
    work = partial(find, here, wanted, cursor)
    if not fingerprints.stale_answers(here.app.db, project):
        return work()
    key = ("answers", project.id, here.role, fingerprints.fingerprint(project), wanted.model_dump_json(), cursor)
    return awaited(request, here, key, work)


def find(here: ProjectVisitor, wanted: Answers, cursor: str) -> Found:
    """A page of the list, and how many answers it has in all."""
    filters = wanted.filters("answers page", here.project_id)
    rows = find_rows(here, wanted, cursor or None, filters)
    page = list(islice(rows, ROWS + 1))
    count = len(page) + sum(1 for _ in islice(rows, MOST_COUNTED))
    last = page[ROWS - 1] if len(page) > ROWS else None
    return Found(
        rows=page[:ROWS],
        count=count,
        is_more_than=count > MOST_COUNTED,
        next_cursor=encode([last["analysis_date"], last["id"]], filters) if last else None,
        is_first=not cursor,
    )


def without(query: Mapping[str, str], names: Sequence[str] | frozenset[str]) -> dict[str, str]:
    return {name: text for name, text in query.items() if name not in names}


def choices(path: str, filters: Filters, query: Mapping[str, str]) -> list[Choice]:
    """The filters of the list alone, each with the address without it."""
    own = without(query, OF_THE_BAR)
    return [Choice(name, text, filters.link(path, **without(own, (name,)))) for name, text in own.items()]


def prompt_of(here: ProjectVisitor, wanted: Answers) -> str | None:
    """The words of the prompt of which the answers are listed; None for all prompts."""
    if wanted.prompt is None:
        return None
    return str(projects.find_prompt(here.app.db, here.project_id, wanted.prompt)["query_text"])


def tags_of(here: ProjectVisitor) -> list[str]:
    return [row["tag"] for row in projects.tags_of(here.app.db, here.project_id)]


@router.get("/projects/{project_id}/answers/{answer_id}/text")
def download_text(answer_id: AnswerId, here: Annotated[ProjectVisitor, on_page("answers:read")]) -> Response:
    """The whole visible text of an answer as a file, of which the page shows the beginning."""
    found = stored_answers.find_in(here.app.db, here.project_id, answer_id)
    if found is None or found.row["full_response"] is None:
        raise Problem("not_found")
    text = "\n".join("".join(piece.text for piece in line) for line in found.text)
    name = f"{here.project_id}-{slug(found.project.name)}-answer-{answer_id}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text.encode("utf-8", "replace"), media_type="text/plain; charset=utf-8", headers=headers)


@router.get("/projects/{project_id}/answers/{answer_id}")
def show_answer(
    request: Request, answer_id: AnswerId, here: Annotated[ProjectVisitor, on_page("answers:read")], filters: Given
) -> Response:
    """One answer as people see it, names marked, with what it rests on."""
    project: Project = projects.find(here.app.db, here.project_id)
    found = read_answer(here.app.db, project.id, answer_id)
    if found is None:
        raise Problem("not_found")
    day = found.row["analysis_date"]
    path = f"/projects/{project.id}/answers"
    query = urlencode([(name, text) for name, text in request.query_params.items() if text and name != "lang"])
    tail = f"?{query}" if query else ""
    return render(
        request,
        "answer.html",
        here=here,
        project=project,
        filters=filters,
        links=Links(project.id, filters, Period(day, day)),
        found=found,
        row=found.row,
        path=path,
        tail=tail,
        list=path + tail,
    )
