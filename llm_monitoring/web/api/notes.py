"""Notes of one's own work on the time line of a project: listed, added, removed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, model_validator

from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.app import App
from llm_monitoring.projects import notes
from llm_monitoring.projects.notes import LONGEST_NOTE, AuthorKind, Note
from llm_monitoring.web.api.schemas import Body, Page
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import MOST, decode, number, page

router: Final = APIRouter(prefix="/projects/{project_id}/notes", tags=["notes"])

Written = tuple[date, str, tuple[AuthorKind, int | None]]
"""A note that was written: its day, its text, and by whom."""

NoteId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The note's number.")]


class NotesQuery(Body):
    """Days from `from` to `to`, both included; without them all."""

    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")
    limit: int = Field(default=50, ge=1, le=MOST, description="Rows of a page.")
    cursor: str | None = Field(default=None, max_length=400, description="`next_cursor` of the page before.")

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("`to` is before `from`")
        return self


class NoteBody(Body):
    """A note: the day of the work, and what was done."""

    day: date
    text: str = Field(min_length=1, max_length=LONGEST_NOTE)


class NoteView(BaseModel):
    """A note. `author` is an e-mail address: null for a command, for a user who is gone, and for a viewer."""

    id: int
    day: date
    text: str
    author_kind: Literal["token", "person", "command"]
    author: str | None
    created_at: datetime


@router.get("", response_model=Page[NoteView])
def list_notes(
    here: Annotated[ProjectCaller, on_project("projects:read")], wanted: Annotated[NotesQuery, Query()]
) -> Any:
    """List the project's notes, the latest day first."""
    filters = {"list": "notes", "project": here.project_id, "first": wanted.first, "last": wanted.last}
    place = decode(wanted.cursor, filters, date.fromisoformat, number)
    found = notes.notes(here.app.db, here.project_id, wanted.first, wanted.last, before=place, limit=wanted.limit + 1)
    rows = [note_view(each, is_owner=here.role == "owner") for each in found]
    return page(rows, wanted.limit, filters, ("day", "id"))


@router.post("", status_code=201, response_model=NoteView)
def add_note(
    body: NoteBody,
    request: Request,
    response: Response,
    here: Annotated[ProjectCaller, on_project("projects:write")],
) -> Any:
    """Add a note on a day: trends show it as a mark."""

    written: Written = (body.day, body.text, ("token", here.caller.user_id))
    added = here.caller.change(lambda app: store_note(app, here.caller.actor, here.project_id, written))
    response.headers["Location"] = f"{request.url.path}/{added.id}"
    return note_view(added, is_owner=True)


@router.delete("/{note_id}", status_code=204)
def remove_note(note_id: NoteId, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Remove a note."""

    here.caller.change(lambda app: withdraw_note(app, here.caller.actor, here.project_id, note_id))
    return Response(status_code=204)


def store_note(app: App, actor: Actor, project_id: int, written: Written) -> Note:
    """Add a note, with its record; raises Invalid."""
    added = notes.add_note(app.db, project_id, *written)
    audit.record(app.db, actor, "note.add", project_id=project_id, object_id=added.id, after=recorded(added))
    return added


def withdraw_note(app: App, actor: Actor, project_id: int, note_id: int) -> None:
    """Remove a note, with its record; raises NotFound."""
    removed = notes.remove_note(app.db, project_id, note_id)
    audit.record(app.db, actor, "note.remove", project_id=project_id, object_id=note_id, before=recorded(removed))


def recorded(note: Note) -> dict[str, str]:
    return {"day": note.day.isoformat(), "text": note.text}


def note_view(note: Note, *, is_owner: bool) -> dict[str, Any]:
    return {
        "id": note.id,
        "day": note.day,
        "text": note.text,
        "author_kind": note.author_kind,
        "author": note.author if is_owner else None,
        "created_at": note.created_at,
    }
