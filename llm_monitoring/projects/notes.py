"""Notes of a project's own work on the time line: what was done on a day, by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from llm_monitoring.db import Database, Row, load
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.projects.store import hold

SQL = load("notes")

AuthorKind = Literal["token", "person", "command"]
LONGEST_NOTE: Final = 500
MOST_NOTES: Final = 2000
MOST_LISTED: Final = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """A note. `author` is the e-mail address of who wrote it: None for a command, or if the user is gone."""

    id: int
    day: date
    text: str
    author_kind: AuthorKind
    author_id: int | None
    author: str | None
    created_at: datetime


def notes(
    db: Database,
    project_id: int,
    first: date | None = None,
    last: date | None = None,
    *,
    before: tuple[date, int] | None = None,
    limit: int = MOST_LISTED,
) -> list[Note]:
    """The notes of a project between two days, the latest first, after the one of the day and number `before`."""
    day, number = before or (None, None)
    params = {"first": first, "last": last, "before_day": day, "before_id": number, "limit": limit}
    return [read_note(row) for row in db.all(SQL.notes, {"project_id": project_id, **params})]


def find_note(db: Database, project_id: int, note_id: int) -> Note:
    """One note; raises NotFound if the project has none of this number."""
    row = db.one(SQL.note, {"project_id": project_id, "id": note_id})
    if row is None:
        raise NotFound("note", note_id, project_id=project_id)
    return read_note(row)


def add_note(db: Database, project_id: int, day: date, text: str, author: tuple[AuthorKind, int | None]) -> Note:
    """Add a note in the caller's transaction and return it; raises NotFound, and Invalid for a text or one too many."""
    hold(db, project_id)
    words = " ".join(text.split())
    if not words or len(words) > LONGEST_NOTE:
        sentence = f"a note has 1 to {LONGEST_NOTE} characters, not {len(words)}"
        raise Invalid("text", sentence, code="note_length", most=LONGEST_NOTE)
    kind, author_id = author
    fields = {"day": day, "text": words, "author_kind": kind, "author_id": author_id, "most": MOST_NOTES}
    row = db.one(SQL.add_note, {"project_id": project_id, **fields})
    if row is None:
        sentence = f"a project has at most {MOST_NOTES} notes: remove one"
        raise Invalid("text", sentence, code="notes_too_many", most=MOST_NOTES)
    return find_note(db, project_id, row["id"])


def remove_note(db: Database, project_id: int, note_id: int) -> Note:
    """Remove a note in the caller's transaction and return it; raises NotFound."""
    hold(db, project_id)
    found = find_note(db, project_id, note_id)
    db.execute(SQL.remove_note, {"project_id": project_id, "id": note_id})
    return found


def read_note(row: Row) -> Note:
    return Note(**row)
