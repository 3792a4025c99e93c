"""The prompts of a project by provider: in how many answers each names the brand, and who is ahead of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from llm_monitoring.figures import PromptChange, Verdict
from llm_monitoring.figures.prompt_table import NamedOf, PromptRow
from llm_monitoring.reporting.stored_tables import PromptsRequest
from llm_monitoring.web.api.figures import PERCENT, FiguresQuery
from llm_monitoring.web.conditional import respond
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.stored_figures import PROMPTS

router: Final = APIRouter(prefix="/projects/{project_id}/prompt-figures", tags=["figures"])


class NamedView(BaseModel):
    """In how many answers an entity is named, and the rate with its bounds, each answer counting alike."""

    named: int
    answers: int
    mention_rate: float | None
    low: float | None
    high: float | None
    confidence: Literal[95]


class PromptChangeView(BaseModel):
    """The change of a prompt's rate over the providers of both periods, in points."""

    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: Literal[95]
    verdict: Verdict
    judged_at: float = Field(description="The confidence, in percent, that the verdict asks for.")


class PromptFigures(BaseModel):
    """A prompt; what has no answers is null. `counted_in` of `answers` lists those behind it."""

    id: int
    query_text: str
    tags: list[str]
    is_active: bool
    counted_in: Literal["mention_rate", "branded_mention_rate"]
    all: NamedView | None
    by_provider: dict[str, NamedView]
    competitor: str | None = Field(description="The competitor that most of the answers name.")
    competitor_all: NamedView | None
    gap: float | None = Field(description="The points by which that competitor is ahead of the brand.")
    change: PromptChangeView | None = Field(description="null without a comparison.")


class PromptTableView(BaseModel):
    """The active prompts and those with answers in the period."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    timezone: str = Field(description="The zone of the days.")
    providers: list[str]
    data: list[PromptFigures]
    answers_left_out: int = Field(description="In no figure: read with former names, and their text is gone.")


@router.get("", response_model=PromptTableView, responses={304: {"description": "The caller has these figures."}})
def show_prompt_figures(
    request: Request,
    here: Annotated[ProjectCaller, on_project("figures:read")],
    wanted: Annotated[FiguresQuery, Query()],
) -> Response:
    """Show each prompt of a period by provider, with the competitor that is named most, and its change."""
    period = wanted.period(here)
    question = PromptsRequest(here.project_id, period, wanted.compared(), wanted.provider, wanted.tag)
    found = PROMPTS.asked(here.app.db, question)
    view = PromptTableView(
        first=period.first,
        last=period.last,
        timezone=str(here.app.settings.timezone),
        providers=list(found.providers),
        data=[prompt_figures(row) for row in found.rows],
        answers_left_out=found.left_out,
    )
    return respond(request, view.model_dump(mode="json", by_alias=True))


def prompt_figures(row: PromptRow) -> PromptFigures:
    return PromptFigures(
        id=row.id,
        query_text=row.text,
        tags=list(row.tags),
        is_active=row.is_active,
        counted_in="branded_mention_rate" if row.branded else "mention_rate",
        all=named_view(row.total),
        by_provider={name: view for name, each in row.by_provider.items() if (view := named_view(each)) is not None},
        competitor=row.rival,
        competitor_all=named_view(row.rival_total),
        gap=None if row.gap is None else float(row.gap),
        change=None if row.change is None else change_view(row.change),
    )


def named_view(found: NamedOf | None) -> NamedView | None:
    if found is None:
        return None
    shown: Mapping[str, Any] = {
        "named": found.named,
        "answers": found.answers,
        "mention_rate": found.rate.value,
        "low": found.rate.low,
        "high": found.rate.high,
        "confidence": PERCENT,
    }
    return NamedView.model_validate(shown)


def change_view(found: PromptChange) -> PromptChangeView:
    shown: Mapping[str, Any] = {
        "before": found.before and found.before.value,
        "after": found.after.value,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "confidence": PERCENT,
        "verdict": found.verdict,
        "judged_at": found.judged_at,
    }
    return PromptChangeView.model_validate(shown)
