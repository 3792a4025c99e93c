"""The brand next to its competitors, and its places in rankings."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from llm_monitoring.reporting.overview import BUCKETS
from llm_monitoring.reporting.period_view import PositionFigures, RivalFigures
from llm_monitoring.web.api.figures import CompetitorSet, Figure, FiguresQuery, competitor_set, figure, measured_period
from llm_monitoring.web.api.periods import MeasuredDays
from llm_monitoring.web.conditional import respond
from llm_monitoring.web.guard import ProjectCaller, on_project

router: Final = APIRouter(prefix="/projects/{project_id}", tags=["figures"])


class RivalRow(CompetitorSet):
    """The brand or a competitor; only the brand's figures have a change."""

    is_brand: bool
    share_by_provider: dict[str, Figure] = Field(description="The share of voice among each provider's answers.")


class RivalsView(MeasuredDays):
    """The brand and its competitors, the most mentioned first."""

    data: list[RivalRow]


class PlaceCount(BaseModel):
    """How many answers put the brand on a place from `first` to `last`; null: there is no last one."""

    first: int
    last: int | None
    answers: int


class PositionRow(BaseModel):
    """The brand's places at one provider, or over all (`provider` null): counts of answers."""

    provider: str | None
    answers: int = Field(description="Answers to prompts that do not name the brand.")
    mentioned: int = Field(description="Of these, how many name the brand.")
    avg_position: Figure = Field(description="Over the answers that rank the brand; a lower number is better.")
    appeared_in_top3: int
    appeared_in_top5: int
    appeared_in_top10: int
    places: list[PlaceCount]


class PositionsView(MeasuredDays):
    """The brand's places over all providers, then at each one."""

    data: list[PositionRow]


@router.get("/rivals", response_model=RivalsView, responses={304: {"description": "The caller has these rows."}})
def show_rivals(
    request: Request,
    here: Annotated[ProjectCaller, on_project("figures:read")],
    wanted: Annotated[FiguresQuery, Query()],
) -> Response:
    """Show the brand next to its competitors: mention rate, share of voice and position, each with its interval."""
    return respond(request, rivals_of(here, wanted).model_dump(mode="json", by_alias=True))


@router.get("/positions", response_model=PositionsView, responses={304: {"description": "The caller has these rows."}})
def show_positions(
    request: Request,
    here: Annotated[ProjectCaller, on_project("figures:read")],
    wanted: Annotated[FiguresQuery, Query()],
) -> Response:
    """Show the brand's places in the rankings of answers, and their mean with its interval."""
    return respond(request, positions_of(here, wanted).model_dump(mode="json", by_alias=True))


def rivals_of(here: ProjectCaller, wanted: FiguresQuery) -> RivalsView:
    measured = measured_period(here, wanted, wanted.compared())
    return RivalsView.of(here, measured, data=[rival_row(each) for each in measured.view.rivals])


def rival_row(found: RivalFigures) -> RivalRow:
    return RivalRow(
        **dict(competitor_set(found.figures)),
        is_brand=found.is_brand,
        share_by_provider={name: figure(each) for name, each in found.share_by_provider.items()},
    )


def positions_of(here: ProjectCaller, wanted: FiguresQuery) -> PositionsView:
    measured = measured_period(here, wanted, wanted.compared())
    return PositionsView.of(here, measured, data=[position_row(each) for each in measured.view.positions])


def position_row(found: PositionFigures) -> PositionRow:
    row = found.row
    return PositionRow(
        provider=row.provider,
        answers=row.answers,
        mentioned=row.mentioned,
        avg_position=figure(found.average),
        appeared_in_top3=row.top3,
        appeared_in_top5=row.top5,
        appeared_in_top10=row.top10,
        places=[
            PlaceCount(first=first, last=last, answers=count)
            for (first, last), count in zip(BUCKETS, row.buckets, strict=True)
        ],
    )
