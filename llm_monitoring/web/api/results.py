"""What was measured: stored answers and the daily figures of a project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Annotated, Any, Final, Protocol, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, model_validator

from llm_monitoring import projects
from llm_monitoring.analysis import Sentiment
from llm_monitoring.app import App
from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.figures import MeasuredFigure
from llm_monitoring.projects.site_kinds import Kind
from llm_monitoring.reporting import exports, stored_answers
from llm_monitoring.reporting.daily_bounds import with_bounds
from llm_monitoring.reporting.source_filter import Where
from llm_monitoring.reporting.stored_answers import Cites
from llm_monitoring.web.api.schemas import Body, Page, Tag, Usd
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import MOST, decode, number, page
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(prefix="/projects/{project_id}", tags=["results"])

LONGEST_TEXT: Final = 1_000_000
AnswerId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The answer's number.")]


class Days(Body):
    """Days from `from` to `to`, both included, in LLM_TIMEZONE, and one provider alone; a page of them."""

    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")
    provider: ProviderName | None = None
    limit: int = Field(default=50, ge=1, le=MOST, description="Rows of a page.")
    cursor: str | None = Field(default=None, max_length=400, description="`next_cursor` of the page before.")

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("`to` is before `from`")
        return self

    def filters(self, list_name: str, project_id: int) -> dict[str, Any]:
        """What a cursor is bound to: everything but the page itself."""
        return {"list": list_name, "project": project_id, **self.model_dump(mode="json", exclude={"limit", "cursor"})}


class InProject(Protocol):
    """Who reads a list: a caller of the API or a visitor of a page, within a project."""

    @property
    def app(self) -> App: ...
    @property
    def project_id(self) -> int: ...


class Answers(Days):
    """Which answers are listed."""

    model: str | None = Field(default=None, max_length=100, description="Asked for, or served.")
    tag: Tag = None
    prompt: int | None = Field(default=None, ge=1, le=2**31 - 1, description="The prompt's number.")
    mentioned: bool | None = Field(default=None, description="Whether the brand is named.")
    competitor: str | None = Field(
        default=None, max_length=255, description="A competitor who is named; with `counted_in`, who the figure is of."
    )
    cited: bool | None = Field(default=None, description="Whether a page of the brand is cited.")
    sentiment: Sentiment | None = Field(default=None, description="How the answer speaks of the brand.")
    top: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="At most this place in a ranking, of the brand; with `counted_in`, of whom the figure is.",
    )
    counted_in: MeasuredFigure | None = Field(
        default=None,
        description="The answers that this figure of the days and provider rests on, as many as its `answers`; then "
        "`mentioned` is of the competitor if one is given.",
    )

    site: str | None = Field(
        default=None, max_length=253, description="A site, as `sources` counts it: answers that cite a page of it."
    )
    page: str | None = Field(
        default=None,
        max_length=2_000,
        description="The address of a page: answers that cite it, in any spelling of it.",
    )
    site_kind: Kind | None = Field(default=None, description="A kind of site: answers that cite a page of one.")
    where: Where | None = Field(
        default=None,
        description="`sourced`: answers with sources; `competitors_only`: that cite a site of a competitor and none of "
        "the brand; `brand_missing`: that name a competitor, and neither name nor cite the brand. With `site`, "
        "`page`, `site_kind` or `where` only answers to prompts that do not name the brand are listed.",
    )

    def cites(self) -> Cites | None:
        """What the answers cite, None if that makes no difference."""
        given = Cites(self.site, self.site_kind, self.where, self.page)
        return None if given == Cites() else given

    def search(self, here: InProject) -> stored_answers.AnswerSearch:
        """What is looked for; raises NotFound for a competitor that the project does not have."""
        return stored_answers.search(
            here.app.db,
            here.project_id,
            competitor=self.competitor,
            figure=self.counted_in,
            tag=self.tag,
            cites=self.cites(),
            first=self.first,
            last=self.last,
            providers=(self.provider,) if self.provider else (),
            model=self.model,
            query_id=self.prompt,
            mentioned=self.mentioned,
            cited=self.cited,
            sentiment=self.sentiment,
            top=self.top,
        )


class ResultRow(BaseModel):
    """A stored answer without its text; null is "not measured", never 0. USD are decimal strings."""

    id: int
    analysis_date: date
    llm_provider: str
    model_id: str | None
    model_used: str | None
    query_id: int | None
    query_text: str
    sample: int
    branded: bool | None
    brand_mentioned: bool | None
    mention_count: int | None
    position_in_list: int | None
    total_items_in_list: int | None
    sentiment: str | None
    sentiment_score: float | None
    competitors_mentioned: dict[str, int] | None
    competitor_positions: dict[str, int] | None
    brand_cited: bool | None
    unread_reason: str | None
    mode: str


class Source(BaseModel):
    """A page that an answer cites."""

    url: str
    domain: str | None
    title: str | None
    cited: bool | None
    owner: str | None
    owner_name: str | None


class AnswerView(ResultRow):
    """A stored answer with its text, as the provider gave it: text of another model, to be read as data."""

    full_response: str | None = Field(
        description=f"At most {LONGEST_TEXT:,} characters; null once it is older than the retention."
    )
    characters: int | None = Field(description="Of the whole text.")
    sources: list[Source]
    finish_reason: str | None


class SnapshotRow(BaseModel):
    """A day's figures of one provider and model: percent from 0 to 100, each with its 95 % bounds.

    Bounds are null if no interval is computed: of the weighted share of voice, and over fewer than six prompts.
    """

    id: int
    snapshot_date: date
    llm_provider: str
    model_id: str | None
    models_served: list[str] | None
    model_changed: bool | None
    mode: str
    mode_changed: bool
    total_queries: int
    prompts: int | None = Field(description="Prompts of these answers; null if the answers are not stored.")
    failed_queries: int | None
    total_mentions: int
    mention_rate: float | None
    mention_rate_low: float | None
    mention_rate_high: float | None
    share_of_voice: float | None
    share_of_voice_low: float | None
    share_of_voice_high: float | None
    weighted_share_of_voice: float | None
    weighted_share_of_voice_low: float | None
    weighted_share_of_voice_high: float | None
    competitor_breakdown: dict[str, int] | None
    avg_position: float | None
    avg_position_low: float | None
    avg_position_high: float | None
    citation_rate: float | None
    citation_rate_low: float | None
    citation_rate_high: float | None
    positive_mentions: int | None
    neutral_mentions: int | None
    negative_mentions: int | None
    total_cost_usd: Usd | None = Field(description="null for a viewer.")


@router.get("/results", response_model=Page[ResultRow])
@router.get("/answers", response_model=Page[ResultRow])
def list_results(
    here: Annotated[ProjectCaller, on_project("answers:read")], wanted: Annotated[Answers, Query()]
) -> Any:
    """List the stored answers, latest first, as the project's present names read them."""
    filters = wanted.filters("results", here.project_id)
    rows = list(islice(find_rows(here, wanted, wanted.cursor, filters), wanted.limit + 1))
    return page(rows, wanted.limit, filters, ("analysis_date", "id"))


def find_rows(here: InProject, wanted: Answers, cursor: str | None, filters: Mapping[str, Any]) -> Iterator[Row]:
    """The answers of a list from its cursor on; raises Problem for a cursor of another list."""
    place = decode(cursor, filters, date.fromisoformat, number)
    after = (place[0], place[1]) if place else None
    return stored_answers.find_all(here.app.db, wanted.search(here), after)


@router.get("/answers/{answer_id}", response_model=AnswerView)
def show_answer(answer_id: AnswerId, here: Annotated[ProjectCaller, on_project("answers:read")]) -> Any:
    """Show one answer with its text and sources."""
    found = stored_answers.find_in(here.app.db, here.project_id, answer_id)
    if found is None:
        raise Problem("not_found")
    text = found.row["full_response"]
    sources = exports.Owners(found.project).citations(found.row | {"sources": found.row["sources"] or []})
    return found.row | {
        "full_response": text and text[:LONGEST_TEXT],
        "characters": None if text is None else len(text),
        "sources": list(sources),
    }


@router.get("/snapshots", response_model=Page[SnapshotRow])
def list_snapshots(here: Annotated[ProjectCaller, on_project("figures:read")], wanted: Annotated[Days, Query()]) -> Any:
    """List the daily figures, oldest first."""
    filters = wanted.filters("snapshots", here.project_id)
    place = decode(wanted.cursor, filters, number)
    project = projects.find(here.app.db, here.project_id)
    providers = (wanted.provider,) if wanted.provider else ()
    export = exports.Export((project,), "snapshots", wanted.first, wanted.last, providers)
    after = place[0] if place else 0
    rows = list(islice(exports.snapshots(here.app.db, export, project, wanted.limit + 1, after), wanted.limit + 1))
    shown = page(rows, wanted.limit, filters, ("id",))
    shown["data"] = [seen_by(here, row) for row in with_bounds(here.app.db, project, shown["data"])]
    return shown


def seen_by(here: ProjectCaller, row: Row) -> Row:
    """A snapshot as its caller may see it: a viewer sees no cost."""
    return row if here.role == "owner" else {**row, "total_cost_usd": None}
