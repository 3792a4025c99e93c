"""How often the brand is named, day by day at each provider, and which models answered."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from llm_monitoring.figures import Change
from llm_monitoring.reporting.period_view import PeriodFigure
from llm_monitoring.reporting.trends import Point, Trend
from llm_monitoring.web.api.figures import (
    PERCENT,
    Figure,
    FiguresQuery,
    ModelChangeView,
    figure,
    measured_period,
    model_changes,
)
from llm_monitoring.web.api.periods import MeasuredDays
from llm_monitoring.web.conditional import respond
from llm_monitoring.web.guard import ProjectCaller, on_project

router: Final = APIRouter(prefix="/projects/{project_id}/trends", tags=["figures"])


class Rate(BaseModel):
    """A mention rate in percent; `value` null: there was no answer."""

    value: float | None
    low: float | None
    high: float | None
    confidence: Literal[95] | None = Field(description="Of `low` and `high`, in percent; null if they are.")
    answers: int
    prompts: int


class PointView(BaseModel):
    """One day. A day without answers is a gap: both rates are null."""

    day: date
    mention_rate: Rate
    smoothed: Rate = Field(description="The rate of the last `window_days` days up to this one.")


class ModelUseView(BaseModel):
    """A model that answered, from its first day to its last within the period."""

    model: str
    first_day: date
    last_day: date
    answers: int


class TrendView(BaseModel):
    """One provider's period, a point a day."""

    provider: str
    mention_rate: Figure = Field(description="Of the whole period; compared if the figures of a provider are.")
    window_days: int
    points: list[PointView]
    models: list[ModelUseView]
    model_changes: list[ModelChangeView]


class TrendsView(MeasuredDays):
    """The trend of each provider with answers."""

    data: list[TrendView]


@router.get("", response_model=TrendsView, responses={304: {"description": "The caller has this trend."}})
def show_trends(
    request: Request,
    here: Annotated[ProjectCaller, on_project("figures:read")],
    wanted: Annotated[FiguresQuery, Query()],
) -> Response:
    """Show the mention rate of each provider day by day, gaps included, with the changes of model."""
    return respond(request, trends_of(here, wanted).model_dump(mode="json", by_alias=True))


def trends_of(here: ProjectCaller, wanted: FiguresQuery) -> TrendsView:
    """The trends of a query; raises Invalid for a period that is too long to be shown day by day."""
    measured = measured_period(here, wanted, wanted.compared(), by_day=True)
    changes = {each.provider: each for each in measured.comparison.by_provider} if measured.comparison else {}
    return TrendsView.of(
        here,
        measured,
        data=[trend_view(each, changes.get(each.provider)) for each in measured.trends],
    )


def trend_view(found: Trend, change: Change | None) -> TrendView:
    whole = PeriodFigure(found.mention_rate, found.low, found.high, found.answers, found.prompts, change)
    return TrendView(
        provider=found.provider,
        mention_rate=figure(whole),
        window_days=found.window,
        points=[point_view(each) for each in found.points],
        models=[
            ModelUseView(model=each.model, first_day=each.first, last_day=each.last, answers=each.answers)
            for each in found.models
        ],
        model_changes=model_changes(found.changes),
    )


def point_view(found: Point) -> PointView:
    own = rate(found.rate, (found.rate_low, found.rate_high), found.answers, found.prompts)
    smoothed = rate(found.smooth, (found.low, found.high), found.smooth_answers, found.smooth_prompts)
    return PointView(day=found.day, mention_rate=own, smoothed=smoothed)


def rate(value: Decimal | None, bounds: tuple[Decimal | None, Decimal | None], answers: int, prompts: int) -> Rate:
    low, high = bounds
    shown = {"value": value, "low": low, "high": high, "confidence": None if low is None else PERCENT}
    return Rate.model_validate({**shown, "answers": answers, "prompts": prompts})
