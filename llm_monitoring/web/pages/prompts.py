"""The prompts of a project by assistant, and one prompt day by day with its tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, get_args

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from llm_monitoring import edits, projects
from llm_monitoring.app import schedule_day
from llm_monitoring.db import Database
from llm_monitoring.figures.periods import PeriodRequest, measured_days
from llm_monitoring.figures.prompt_table import PromptRow, prompt_history
from llm_monitoring.reporting.stored_tables import PromptsRequest
from llm_monitoring.web.api.periods import refuse_long
from llm_monitoring.web.api.prompts import PromptId
from llm_monitoring.web.pages.filters import FilterBar, Given
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import measured_for
from llm_monitoring.web.pages.overview import tag_names
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.stored_figures import PROMPTS
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False)

Order = Literal["gap", "rate", "change", "text"]
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
LAST: Final = Decimal("Infinity")
ROWS: Final = 100


@router.get("/projects/{project_id}/prompts")
def show_prompts(
    request: Request,
    here: Annotated[ProjectVisitor, on_page("figures:read")],
    filters: Given,
    sort: Annotated[Order | Literal[""], Query()] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """The prompts of a project, those where a competitor is furthest ahead first, so many on a page."""
    project = projects.find(here.app.db, here.project_id)
    period, compared = filters.periods(measured_days(here.app.db, project.id), schedule_day(here.app.settings))
    wanted = PromptsRequest(project.id, period, compared, filters.provider, filters.tag)
    found = measured_for(request, here, PROMPTS, wanted)
    path = f"/projects/{project.id}/prompts"
    own = {"sort": sort} if sort else {}
    return render(
        request,
        "prompts.html",
        here=here,
        project=project,
        filters=filters,
        bar=FilterBar(path, filters, period, compared, project.providers, tag_names(here), own),
        links=Links(project.id, filters, period),
        found=found,
        rows=in_order(found.rows, sort or "gap")[ROWS * (page - 1) : ROWS * page],
        pages=[(each, filters.link(path, **own, page=each), each == page) for each in pages_of(found.rows)],
        orders=[(each, filters.link(path, sort=each), each == (sort or "gap")) for each in ORDERS],
    )


def pages_of(rows: Sequence[PromptRow]) -> range:
    return range(1, -(-len(rows) // ROWS) + 1)


def in_order(rows: Sequence[PromptRow], order: Order) -> list[PromptRow]:
    """The rows in an order; those without a value come last, prompts that name the brand after all others."""
    keys: Mapping[Order, Callable[[PromptRow], Any]] = {
        "gap": lambda row: LAST if row.gap is None else -row.gap,
        "rate": lambda row: LAST if row.total is None or row.total.rate.value is None else row.total.rate.value,
        "change": lambda row: LAST if row.change is None else -abs(row.change.difference or Decimal(0)),
        "text": lambda row: row.text.casefold(),
    }
    return sorted(rows, key=lambda row: (row.branded, keys[order](row), row.id))


@router.get("/projects/{project_id}/prompts/{prompt_id}")
def show_prompt(
    request: Request, prompt_id: PromptId, here: Annotated[ProjectVisitor, on_page("figures:read")], filters: Given
) -> Response:
    """One prompt: its figures of a period and its answers day by day."""
    project = projects.find(here.app.db, here.project_id)
    period, compared = filters.periods(measured_days(here.app.db, project.id), schedule_day(here.app.settings))
    refuse_long(period)
    path = f"/projects/{project.id}/prompts/{prompt_id}"
    return render(
        request,
        "prompt.html",
        here=here,
        project=project,
        filters=filters,
        bar=FilterBar(path, filters, period, compared, project.providers),
        links=Links(project.id, filters, period),
        found=prompt_history(here.app.db, PeriodRequest(project.id, period, None, filters.provider), prompt_id),
        most_tags=projects.MOST_TAGS,
    )


@router.post("/projects/{project_id}/prompts/{prompt_id}/tags")
def change_tags(
    prompt_id: PromptId,
    here: Annotated[ProjectVisitor, on_page("projects:write")],
    tags: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Give a prompt the tags of the form, which commas part, and no others."""
    wanted = projects.clean_tags(each for each in tags.split(",") if each.strip())

    def work(db: Database) -> None:
        projects.set_tags(db, here.project_id, prompt_id, wanted)

    edits.change_prompts(here.app.db, here.visitor.actor, here.project_id, [prompt_id], work)
    return RedirectResponse(f"/projects/{here.project_id}/prompts/{prompt_id}", 303, {"Cache-Control": "no-store"})
