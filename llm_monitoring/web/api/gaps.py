"""What was not measured in a period, and why."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from llm_monitoring import projects
from llm_monitoring.reporting.gaps import FailureRow, GapRow, gaps_between
from llm_monitoring.reporting.report_data import Access, access_of, read_absences
from llm_monitoring.web.api.figures import PeriodQuery, measured_period
from llm_monitoring.web.api.periods import MeasuredDays
from llm_monitoring.web.conditional import respond
from llm_monitoring.web.guard import ProjectCaller, on_project

router: Final = APIRouter(prefix="/projects/{project_id}/gaps", tags=["figures"])

FOR_OWNERS: Final = "null for a viewer."


class DaySpan(BaseModel):
    """Days from the first to the last, both included."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")


class FailureView(BaseModel):
    """Tasks without an answer for one reason, on how many days and when last; a viewer sees all reasons as one."""

    reason: str | None = Field(description=f"The code of the reason; {FOR_OWNERS}")
    tasks: int
    days: int | None = Field(description=f"Days with such a task; {FOR_OWNERS}")
    last_day: date


class GapView(BaseModel):
    """What is missing of one provider."""

    provider: str
    answers: int
    days_measured: int
    days: int
    is_complete: bool
    without_answers: list[DaySpan]
    failures: list[FailureView]
    is_keyless: bool | None = Field(description=f"Whether it has no usable key now; {FOR_OWNERS}")
    days_left_out: int = Field(description="Days on which pacing did not ask it, so that the budget lasts.")
    last_day_left_out: date | None = Field(description="The last of these days.")


class GapsView(MeasuredDays):
    """What was not measured, of each provider that the project asks or asked. What is missing is in no figure."""

    data: list[GapView]
    is_over_budget: bool | None = Field(description=f"Whether the month's budget is spent now; {FOR_OWNERS}")
    answers_left_out: int = Field(description="In no figure: read with former names, and their text is gone.")
    answers_unread: int = Field(description="In no figure: not analysed yet.")


@router.get("", response_model=GapsView, responses={304: {"description": "The caller has these rows."}})
def show_gaps(
    request: Request,
    here: Annotated[ProjectCaller, on_project("figures:read")],
    wanted: Annotated[PeriodQuery, Query()],
) -> Response:
    """Show what was not measured in a period and why, by provider."""
    return respond(request, gaps_of(here, wanted).model_dump(mode="json", by_alias=True))


def gaps_of(here: ProjectCaller, wanted: PeriodQuery) -> GapsView:
    """The gaps of a query; keys, budget and reasons are the owner's alone."""
    measured = measured_period(here, wanted, None, by_day=True)
    project = projects.find(here.app.db, here.project_id)
    is_owner = here.role == "owner"
    access = access_of(project, here.app.keys, here.app.budget) if is_owner else Access()
    absences = read_absences(here.app.db, here.project_id, measured.period, access, wanted.tag)
    rows = gaps_between(project, measured.answered, absences, measured.period)
    return GapsView.of(
        here,
        measured,
        data=[gap_view(each, is_owner) for each in rows if wanted.provider in (None, each.provider)],
        is_over_budget=access.blocked if is_owner else None,
        answers_left_out=measured.left_out,
        answers_unread=measured.unread,
    )


def gap_view(found: GapRow, is_owner: bool) -> GapView:
    return GapView(
        provider=found.provider,
        answers=found.answers,
        days_measured=found.days_measured,
        days=found.days,
        is_complete=found.complete,
        without_answers=[DaySpan(first=first, last=last) for first, last in found.stretches],
        failures=failure_views(found.failures) if is_owner else failures_for_viewers(found.failures),
        is_keyless=found.keyless if is_owner else None,
        days_left_out=found.left_out.days if found.left_out else 0,
        last_day_left_out=found.left_out.last if found.left_out else None,
    )


def failure_views(found: tuple[FailureRow, ...]) -> list[FailureView]:
    return [FailureView(reason=each.reason, tasks=each.tasks, days=each.days, last_day=each.last) for each in found]


def failures_for_viewers(found: tuple[FailureRow, ...]) -> list[FailureView]:
    if not found:
        return []
    tasks, last = sum(each.tasks for each in found), max(each.last for each in found)
    return [FailureView(reason=None, tasks=tasks, days=None, last_day=last)]
