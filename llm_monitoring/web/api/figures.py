"""The figures of a period, each with its interval, and their change from another period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, model_validator

from llm_monitoring.app import schedule_day
from llm_monitoring.domain import ProviderName
from llm_monitoring.figures import CONFIDENCE, Change, ModelChange, Verdict, periods
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.reporting.period_view import CompetitorFigures, Figures, PeriodFigure
from llm_monitoring.reporting.stored_figures import StoredFigures
from llm_monitoring.web.api.periods import refuse_long
from llm_monitoring.web.api.schemas import Body, Tag
from llm_monitoring.web.conditional import respond
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.stored_figures import figures_of

router: Final = APIRouter(prefix="/projects/{project_id}/figures", tags=["figures"])

PERCENT: Final = round(100 * CONFIDENCE)


class PeriodQuery(Body):
    """Days from `from` to `to`, both included, in LLM_TIMEZONE; without them the last 30 up to the latest answers."""

    first: date | None = Field(default=None, alias="from", description="First day, as 2026-11-16.")
    last: date | None = Field(default=None, alias="to", description="Last day, as 2026-11-30.")
    provider: ProviderName | None = Field(default=None, description="The answers of this provider alone.")
    tag: Tag = None

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("`to` is before `from`")
        return self

    def period(self, here: ProjectCaller) -> Period:
        """The period of the query, chosen as the command `metrics` does."""
        latest = periods.latest_day(here.app.db, here.project_id) or schedule_day(here.app.settings)
        return periods.period_of(self.first, self.last, latest)


class FiguresQuery(PeriodQuery):
    """A period, and another one to compare it with, which shares no day with it."""

    compare_from: date | None = None
    compare_to: date | None = None

    @model_validator(mode="after")
    def whole_comparison(self) -> Self:
        if (self.compare_from is None) != (self.compare_to is None):
            raise ValueError("a comparison needs both `compare_from` and `compare_to`")
        if self.compare_from is not None and self.compare_to is not None and self.compare_to < self.compare_from:
            raise ValueError("`compare_to` is before `compare_from`")
        return self

    def compared(self) -> Period | None:
        if self.compare_from is None or self.compare_to is None:
            return None
        return Period(self.compare_from, self.compare_to)


class ChangeView(BaseModel):
    """The change from the earlier period to the later one, over the prompts and providers that both have.

    `difference`, `low` and `high` are percentage points, places for `avg_position`.
    """

    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: Literal[95] | None = Field(description="Of `low` and `high`, in percent; null if they are.")
    verdict: Verdict
    judged_at: float = Field(description="The confidence, in percent, that the verdict asks for.")
    prompts: int


class Figure(BaseModel):
    """A figure; `value` null is "not measured", `low` and `high` null: there is no interval."""

    value: float | None
    low: float | None
    high: float | None
    confidence: Literal[95] | None = Field(description="Of `low` and `high`, in percent; null if they are.")
    answers: int = Field(description="Answers that the figure rests on.")
    prompts: int = Field(description="Prompts of these answers.")
    change: ChangeView | None = Field(default=None, description="null without a comparison of this figure.")


class FigureSet(BaseModel):
    """The brand's figures over answers to prompts that do not name it: percent, places, a score from 0 to 1."""

    mention_rate: Figure
    share_of_voice: Figure = Field(description="null without competitors or mentions; no interval below six prompts.")
    weighted_share_of_voice: Figure = Field(
        description="No interval is computed: `low`, `high` and `confidence` are always null. Nor is a change."
    )
    avg_position: Figure = Field(description="No interval below six prompts with a position.")
    citation_rate: Figure = Field(description="null without a declared site of the brand.")
    avg_sentiment_score: Figure = Field(description="No change is computed.")


class CompetitorSet(BaseModel):
    """A competitor's figures over the same answers; none has a change."""

    name: str
    mention_rate: Figure
    share_of_voice: Figure
    avg_position: Figure = Field(description="No interval below six prompts with a position.")


class ModelChangeView(BaseModel):
    """On `day` the provider answered with another model, or in another mode, than on its last day with answers.

    A mode other than standard stands behind the model, as in `gpt-6.1-terra (flex)`.
    """

    provider: str
    day: date
    before: str
    after: str
    before_mode: str
    after_mode: str


class FiguresView(BaseModel):
    """A period's figures over all providers, of each one and of the competitors; of the latter none is compared.

    Of a provider the mention rate alone is compared, if both periods have answers of two providers or more.

    With a comparison, `model_changes` are those from the first day of the earlier period to the last of the later one.
    """

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    compare_from: date | None
    compare_to: date | None
    timezone: str = Field(description="The zone of the days.")
    latest_day: date | None = Field(description="The last day with answers.")
    provider: ProviderName | None
    all: FigureSet
    by_provider: dict[str, FigureSet]
    competitors: list[CompetitorSet]
    model_changes: list[ModelChangeView]
    failed_queries: int
    branded_total_queries: int = Field(description="Answers to prompts that name the brand; in no other figure.")
    branded_total_mentions: int
    answers_read_again: int = Field(description="Read with former names or rules, and now with the present ones.")
    answers_kept_as_read: int = Field(description="Without a text; their former names count the same.")
    answers_left_out: int = Field(description="In no figure: read with former names, and their text is gone.")
    answers_unread: int = Field(description="In no figure: not analysed yet.")


@router.get("", response_model=FiguresView, responses={304: {"description": "The caller has these figures."}})
def show_figures(
    request: Request,
    here: Annotated[ProjectCaller, on_project("figures:read")],
    wanted: Annotated[FiguresQuery, Query()],
) -> Response:
    """Show a period's figures, each with its interval; with a comparison, what changed and whether it is noise."""
    return respond(request, view_of(here, wanted, wanted.compared()).model_dump(mode="json", by_alias=True))


def view_of(here: ProjectCaller, wanted: PeriodQuery, compared: Period | None) -> FiguresView:
    """The figures of a query, and their change from `compared` if it is given."""
    measured = measured_period(here, wanted, compared)
    return figures_view(measured, wanted.provider, str(here.app.settings.timezone))


def measured_period(
    here: ProjectCaller, wanted: PeriodQuery, compared: Period | None, *, by_day: bool = False
) -> StoredFigures:
    """The measured period of a query, and what changed from `compared` if it is given.

    Raises Invalid if it is too long to be shown `by_day`.
    """
    period = wanted.period(here)
    if by_day:
        refuse_long(period)
    request = PeriodRequest(here.project_id, period, compared, wanted.provider, wanted.tag)
    return figures_of(here.app.db, request)


def figures_view(measured: StoredFigures, provider: ProviderName | None, timezone: str) -> FiguresView:
    view = measured.view
    return FiguresView(
        first=measured.period.first,
        last=measured.period.last,
        compare_from=measured.compared.first if measured.compared else None,
        compare_to=measured.compared.last if measured.compared else None,
        timezone=timezone,
        latest_day=measured.latest,
        provider=provider,
        all=figure_set(view.total),
        by_provider={name: figure_set(each) for name, each in view.by_provider.items()},
        competitors=[competitor_set(each) for each in view.competitors],
        model_changes=model_changes(measured.model_changes),
        failed_queries=measured.failed,
        branded_total_queries=measured.branded_answers,
        branded_total_mentions=measured.branded_mentions,
        answers_read_again=measured.read_again,
        answers_kept_as_read=measured.kept,
        answers_left_out=measured.left_out,
        answers_unread=measured.unread,
    )


def competitor_set(found: CompetitorFigures) -> CompetitorSet:
    return CompetitorSet(
        name=found.name,
        mention_rate=figure(found.mention_rate),
        share_of_voice=figure(found.share_of_voice),
        avg_position=figure(found.avg_position),
    )


def model_changes(found: Iterable[ModelChange]) -> list[ModelChangeView]:
    return [ModelChangeView.model_validate(asdict(each)) for each in found]


def figure_set(figures: Figures) -> FigureSet:
    return FigureSet.model_validate({name: figure(each) for name, each in figures.items()})


def figure(found: PeriodFigure) -> Figure:
    shown: Mapping[str, Any] = {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "confidence": None if found.low is None else PERCENT,
        "answers": found.answers,
        "prompts": found.prompts,
        "change": found.change and change(found.change),
    }
    return Figure.model_validate(shown)


def change(found: Change) -> ChangeView:
    shown: Mapping[str, Any] = {
        "before": found.before,
        "after": found.after,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "confidence": None if found.low is None else PERCENT,
        "verdict": found.verdict,
        "judged_at": found.judged_at,
        "prompts": found.prompts,
    }
    return ChangeView.model_validate(shown)
