"""How a project's calls are made cheaper: its modes and what they save, and what is left out so that a budget lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from llm_monitoring import projects, registry
from llm_monitoring.app import App, schedule_day
from llm_monitoring.domain import Mode, Pace, PacingStep, ProviderName
from llm_monitoring.projects import Project
from llm_monitoring.runs.batches.records import due, still_out
from llm_monitoring.runs.estimate import saving
from llm_monitoring.runs.held_steps import LATEST_DAYS, HeldStep, PacedDay, PacingState, held_steps, pacing_states
from llm_monitoring.runs.questions import first_mode
from llm_monitoring.web.api.schemas import Usd
from llm_monitoring.web.guard import ProjectCaller, on_project

router: Final = APIRouter(tags=["account"])


class HeldStepView(BaseModel):
    """A step that leaves something out of a project's day, on every planned day since `since`.

    Of `prompts`, `asked` are asked, in as many as `samples` samples, and none by the providers `left_out`.
    """

    project_id: int
    step: PacingStep
    day: date
    since: date | None
    samples: int
    left_out: list[str]
    asked: int
    prompts: int


class PacedDayView(BaseModel):
    """What a planned day may cost, in USD: its share of the month, with what earlier days saved the `allowance_usd`.

    `full_usd`: what it would cost with nothing left out. `suffices`: what is expected is within the allowance.
    """

    day: date
    share_usd: Usd
    allowance_usd: Usd
    expected_usd: Usd
    full_usd: Usd
    suffices: bool


class PacingView(BaseModel):
    """Whether the budget is to last the month, the order in which things are given up, and what is given up now."""

    is_on: bool
    steps: list[PacingStep]
    day: PacedDayView | None = Field(description="The latest planned day; null before the first.")
    held: list[HeldStepView]


class ModeView(BaseModel):
    """How a provider is asked first, and about how much less an answer costs so; null: as in standard mode."""

    provider: ProviderName
    model_id: str | None
    mode: Mode
    saving_percent: float | None
    is_worth: bool | None = Field(description="Whether it saves a tenth or more.")


class OutView(BaseModel):
    """Answers that are still out in batches, and when the last of them is due."""

    answers: int
    due_at: datetime


class EconomyView(BaseModel):
    """How a project's calls are made cheaper, and what is left out of its day so that the budget lasts the month."""

    pace: Pace
    modes: list[ModeView]
    saved_usd: Usd | None = Field(description="What cheaper modes saved this month; null for viewers.")
    held: list[HeldStepView]
    out: OutView | None = Field(description="Answers that are still out in batches; null: none, or for viewers.")


@router.get("/projects/{project_id}/economy", response_model=EconomyView)
def economy(here: Annotated[ProjectCaller, on_project("budget:read")]) -> EconomyView:
    """Show how a project is asked at which saving, and what is left out so that the month's budget lasts."""
    return economy_of(here.app, projects.find(here.app.db, here.project_id), is_owner=here.role == "owner")


def economy_of(app: App, project: Project, *, is_owner: bool) -> EconomyView:
    return EconomyView(
        pace=project.pace,
        modes=modes_of(app, project),
        saved_usd=app.budget.saved_in(project.id) if is_owner else None,
        held=held_views(present_steps(app, project.id)),
        out=out_of(app, project.user_id, project.id) if is_owner else None,
    )


def out_of(app: App, user_id: int | None, project_id: int | None = None) -> OutView | None:
    """What is out of a user's answers, in one project or in all."""
    found = due(part for part in still_out(app.db, user_id) if project_id in (None, part.project_id))
    return None if found is None else OutView(answers=found.answers, due_at=found.due_at)


def modes_of(app: App, project: Project) -> list[ModeView]:
    catalogue, day = registry.read_catalogue(app.db), app.budget.today()
    views = []
    for provider in project.providers:
        model, mode = catalogue.current(provider), first_mode(project, provider, app.settings)
        percent = saving(model, project, mode, day)
        views.append(
            ModeView(
                provider=provider,
                model_id=None if model is None else model.model_id,
                mode="standard" if percent is None else mode,
                saving_percent=None if percent is None else float(percent),
                is_worth=None if percent is None else registry.is_worth(percent),
            )
        )
    return views


def present_steps(app: App, project_id: int) -> list[HeldStep]:
    """The steps that hold for a project now."""
    today = schedule_day(app.settings)
    return held_steps(app.db, [project_id], today - timedelta(days=LATEST_DAYS), today)


def pacing_of_user(app: App, user_id: int) -> PacingView:
    """A user's pacing as it is shown."""
    return pacing_view(pacing_states(app, [user_id])[user_id])


def pacing_view(state: PacingState) -> PacingView:
    return PacingView(
        is_on=state.pacing.is_on,
        steps=list(state.pacing.steps),
        day=None if state.day is None else day_view(state.day),
        held=held_views(state.held),
    )


def day_view(day: PacedDay) -> PacedDayView:
    return PacedDayView(
        day=day.day,
        share_usd=rounded(day.share_usd),
        allowance_usd=rounded(day.day_usd),
        expected_usd=rounded(day.expected_usd),
        full_usd=rounded(day.full_usd),
        suffices=day.suffices,
    )


def held_views(steps: Sequence[HeldStep]) -> list[HeldStepView]:
    return [HeldStepView.model_validate(held, from_attributes=True) for held in steps]


def rounded(amount: Decimal) -> Decimal:
    return round(amount, 4)
