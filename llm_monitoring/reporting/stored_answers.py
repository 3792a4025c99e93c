"""Finds stored answers of a project, as its present names read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from llm_monitoring import projects
from llm_monitoring.analysis import Matcher
from llm_monitoring.db import Database, Row, load
from llm_monitoring.errors import NotFound
from llm_monitoring.figures.readings import MAPPINGS, PLAIN, Readings
from llm_monitoring.projects import Project
from llm_monitoring.reporting.answers import Piece, lines, pieces

SQL = load("stored_answers")

PAGE: Final = 200
READ: Final = (*PLAIN, *MAPPINGS, "branded", "sources")


@dataclass(frozen=True, slots=True)
class AnswerSearch:
    """Which answers are looked for; None and () leave a condition out. `competitor` is a name of the project."""

    project: Project
    first: date | None = None
    last: date | None = None
    providers: tuple[str, ...] = ()
    model: str | None = None
    query_id: int | None = None
    mentioned: bool | None = None
    competitor: str | None = None

    def fits(self, row: Row) -> bool:
        if self.mentioned is not None and row["brand_mentioned"] is not self.mentioned:
            return False
        return self.competitor is None or self.competitor in (row["competitors_mentioned"] or {})


def search(
    db: Database, project_id: int, *, mentioned: bool | None = None, competitor: str | None = None, **conditions: Any
) -> AnswerSearch:
    """Return a search; raises NotFound if the project or its competitor does not exist."""
    project = projects.find(db, project_id)
    name = None
    if competitor is not None:
        name = next((each.name for each in project.competitors if each.name.casefold() == competitor.casefold()), None)
        if name is None:
            raise NotFound("competitor", repr(competitor), project_id=project_id)
    return AnswerSearch(project, mentioned=mentioned, competitor=name, **conditions)


def find_all(db: Database, wanted: AnswerSearch, after: tuple[date, int] | None = None) -> Iterator[Row]:
    """Yield the answers that fit, latest first; what cannot be read has None for what an analysis says.

    `after`: the day and the number of the answer after which to begin.
    """
    readings = Readings(db, wanted.project, bounded=False)
    params = {
        "project_id": wanted.project.id,
        "first": wanted.first,
        "last": wanted.last,
        "model": wanted.model,
        "providers": list(wanted.providers) or None,
        "query_id": wanted.query_id,
        "page": PAGE,
    }
    day, number = after or (None, None)
    before: dict[str, Any] = {"before_day": day, "before_id": number}
    while True:
        rows = db.all(SQL.page, {**params, **before})
        for row, present in zip(rows, readings.present(rows), strict=True):
            found = as_read(row, present)
            if wanted.fits(found):
                yield found
        if len(rows) < PAGE:
            return
        before = {"before_day": rows[-1]["analysis_date"], "before_id": rows[-1]["id"]}


def as_read(row: Row, present: Row | None) -> Row:
    if present is None or row["unread_reason"]:
        return {**row, **{name: None for name in READ if name in row}}
    return present


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One answer: its row as present names read it, and its visible text line by line, with the names in it marked."""

    project: Project
    row: Row
    text: tuple[tuple[Piece, ...], ...]


def find(db: Database, answer_id: int) -> StoredAnswer:
    """One answer; raises NotFound if there is none."""
    found = find_in(db, None, answer_id)
    if found is None:
        raise NotFound("answer", answer_id)
    return found


def find_in(db: Database, project_id: int | None, answer_id: int) -> StoredAnswer | None:
    """One answer of a project, or of any if none is given; None if there is none."""
    row = db.one(SQL.answer, {"id": answer_id})
    if row is None or project_id not in (None, row["project_id"]):
        return None
    project = projects.find(db, row["project_id"])
    (present,) = Readings(db, project).present([row])
    found = as_read(row, present)
    return StoredAnswer(project, found, tuple(lines(marked(project, row, read=not row["unread_reason"]))))


def marked(project: Project, row: Row, *, read: bool) -> Iterator[Piece]:
    """The answer's visible text in pieces; the text itself if it could not be analysed."""
    text = row["full_response"] or ""
    if not read:
        yield Piece(text)
        return
    matcher = Matcher(project.brand, project.competitors)
    document = matcher.read(text, row["language"])
    yield from pieces(matcher.mentions_in(document), project.brand.name, document.text)
