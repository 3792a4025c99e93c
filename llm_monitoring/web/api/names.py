"""Names that answers list and that no one tracks: an inbox, what tracking one would change, and dismissing one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from llm_monitoring import edits, projects
from llm_monitoring.access.audit import Actor
from llm_monitoring.app import App, schedule_day
from llm_monitoring.figures.periods import Period, latest_day
from llm_monitoring.projects import NameCandidate, NameInbox
from llm_monitoring.reporting.name_preview import NamePreview, preview_name
from llm_monitoring.reporting.overview import EntityRow
from llm_monitoring.reporting.stored_tables import names_request
from llm_monitoring.web.api.figures import PERCENT
from llm_monitoring.web.api.results import InProject
from llm_monitoring.web.api.schemas import Body, Text
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.stored_figures import NAMES

router: Final = APIRouter(prefix="/projects/{project_id}/names", tags=["names"])

PREVIEW_DAYS: Final = 7
NO_NAMES: Final = NameInbox(0, (), ())
Name = Annotated[str, Path(min_length=1, max_length=255, description="A dismissed name, in any spelling.")]


class NamesQuery(Body):
    """Days from `from` to `to`, both included; without them the latest answers."""

    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")


class NameExample(BaseModel):
    """An answer that lists the name."""

    answer_id: int
    provider: str
    day: date


class NameRow(BaseModel):
    """A name that answers list next to tracked ones: text of other models, to be read as data."""

    name: str
    spellings: list[str] = Field(description="Other spellings of it.")
    answers: int
    prompts: int
    providers: list[str]
    examples: list[NameExample]


class DismissedName(BaseModel):
    """A name that is offered no more."""

    name: str


class Names(BaseModel):
    """The names that are offered, most listed first, and those that were dismissed."""

    data: list[NameRow]
    dismissed: list[DismissedName]
    answers: int = Field(description="Answers that were searched: the latest of the days.")


class NameText(Body):
    """A name."""

    name: Text


class EntityFigures(BaseModel):
    """An entity's figures; null is "not measured"."""

    name: str
    mention_rate: float | None
    mention_rate_low: float | None
    mention_rate_high: float | None
    share_of_voice: float | None
    share_of_voice_low: float | None
    share_of_voice_high: float | None


class ChangedEntity(BaseModel):
    """A tracked entity's figures now, and with the new name."""

    now: EntityFigures
    then: EntityFigures


class NamePreviewView(BaseModel):
    """What tracking a name would change in the figures of the days; nothing is stored."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    confidence: int = Field(description="Of the bounds, in percent.")
    answers: int
    prompts: int
    added: EntityFigures
    others: list[ChangedEntity]


class PreviewQuery(NamesQuery):
    """The name, and the days over which it is read; without them the last seven with answers."""

    name: Text
    alias: list[Text] = Field(default=[], max_length=50, description="Other spellings of it.")


@router.get("", response_model=Names)
def list_names(
    here: Annotated[ProjectCaller, on_project("answers:read")], wanted: Annotated[NamesQuery, Query()]
) -> Any:
    """List the names that answers list next to tracked ones and that the project does not track."""
    found = names_of(here, wanted.first, wanted.last)
    return {
        "data": [name_row(each) for each in found.candidates],
        "dismissed": [{"name": row["name"]} for row in found.dismissed],
        "answers": found.answers,
    }


def names_of(here: InProject, first: date | None = None, last: date | None = None) -> NameInbox:
    """The names of the latest answers of a period, without the dismissed ones."""
    db = here.app.db
    wanted = names_request(db, here.project_id, first, last)
    listed = NO_NAMES if wanted is None else NAMES.asked(db, wanted)
    return projects.without_dismissed(db, here.project_id, listed)


def name_row(found: NameCandidate) -> Mapping[str, Any]:
    return {
        "name": found.name,
        "spellings": found.spellings,
        "answers": found.answers,
        "prompts": found.prompts,
        "providers": found.providers,
        "examples": [
            {"answer_id": each.answer_id, "provider": each.provider, "day": each.day} for each in found.examples
        ],
    }


@router.get("/preview", response_model=NamePreviewView)
def show_preview(
    here: Annotated[ProjectCaller, on_project("figures:read")], wanted: Annotated[PreviewQuery, Query()]
) -> Any:
    """Show the figures of stored answers with the name as a competitor, and what that changes for the others."""
    found = preview_of(here, wanted.name, wanted.alias, (wanted.first, wanted.last))
    return {
        "first": found.period.first,
        "last": found.period.last,
        "confidence": PERCENT,
        "answers": found.answers,
        "prompts": found.prompts,
        "added": entity_figures(found.added),
        "others": [
            {"now": entity_figures(each.now), "then": entity_figures(each.then)} for each in found.others if each.now
        ],
    }


def preview_of(
    here: InProject, name: str, aliases: Iterable[str], days: tuple[date | None, date | None] = (None, None)
) -> NamePreview:
    """The preview of a name over days, or over the last PREVIEW_DAYS with answers."""
    last = days[1] or latest_day(here.app.db, here.project_id) or schedule_day(here.app.settings)
    first = days[0] or last - timedelta(days=PREVIEW_DAYS - 1)
    return preview_name(
        here.app.db, here.project_id, projects.make_entity(name, aliases=tuple(aliases)), Period(first, last)
    )


def entity_figures(row: EntityRow) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "mention_rate": row.mention_rate,
        "mention_rate_low": row.low,
        "mention_rate_high": row.high,
        "share_of_voice": row.share.value,
        "share_of_voice_low": row.share.low,
        "share_of_voice_high": row.share.high,
    }


@router.post("/dismissed", status_code=201, response_model=DismissedName)
def dismiss(body: NameText, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Any:
    """Offer a name no more; one that is dismissed already stays so."""
    here.caller.change(lambda app: dismiss_as(app, here.caller.actor, here.project_id, body.name))
    return {"name": body.name}


@router.delete("/dismissed/{name:path}", status_code=204)
def restore(name: Name, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Offer a dismissed name again."""
    here.caller.change(lambda app: restore_as(app, here.caller.actor, here.project_id, name))
    return Response(status_code=204)


def dismiss_as(app: App, actor: Actor, project_id: int, name: str) -> None:
    """Dismiss a name and record who did it."""
    edits.dismiss_name(app.db, actor, project_id, name)


def restore_as(app: App, actor: Actor, project_id: int, name: str) -> None:
    """Offer a name again and record who did it."""
    edits.restore_name(app.db, actor, project_id, name)
