"""Finds stored answers of a project, as its present names read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from llm_monitoring import projects
from llm_monitoring.db import Database, Row, load
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.figures import CountedIn, MeasuredFigure, Observation, counted_in
from llm_monitoring.figures.periods import observed_row
from llm_monitoring.figures.readings import MAPPINGS, PLAIN, Readings
from llm_monitoring.projects import Project
from llm_monitoring.projects.site_kinds import Kind, site_kinds
from llm_monitoring.reporting.answers import Piece, lines, pieces
from llm_monitoring.reporting.source_filter import SourceFilter, Where

SQL = load("stored_answers")

PAGE: Final = 200
READ: Final = (*PLAIN, *MAPPINGS, "branded", "sources", "mention_contexts")


@dataclass(frozen=True, slots=True)
class AnswerSearch:
    """Which answers are looked for; None and () leave a condition out. `competitor` is a name of the project.

    With `counted`, the answers that its figure rests on, and `mentioned` is of the entity of that figure. `top`: the
    brand, or the entity of the figure, stands at this place or before it.
    """

    project: Project
    first: date | None = None
    last: date | None = None
    providers: tuple[str, ...] = ()
    model: str | None = None
    query_id: int | None = None
    mentioned: bool | None = None
    competitor: str | None = None
    cited: bool | None = None
    sentiment: str | None = None
    tag: str | None = None
    counted: CountedIn | None = None
    sources: SourceFilter | None = None
    top: int | None = None

    def fits(self, row: Row) -> bool:
        """Whether an answer as it is read now is looked for."""
        named = self.competitor is None or self.competitor in (row["competitors_mentioned"] or {})
        return (
            named
            and self.has_sources(row)
            and self.mentioned in (None, row["brand_mentioned"])
            and self.cited in (None, row["brand_cited"])
            and self.sentiment in (None, row["sentiment"])
            and self.is_in_top(row["position_in_list"])
        )

    def is_in_top(self, place: int | None) -> bool:
        return self.top is None or (place is not None and place <= self.top)

    def has_sources(self, row: Row) -> bool:
        """Whether an answer cites what is looked for."""
        return self.sources is None or self.sources.fits(row)

    def is_counted(self, observed: Observation) -> bool:
        """Whether the figure rests on an answer that is looked for."""
        return (
            self.counted is not None
            and self.counted.counts(observed)
            and self.mentioned in (None, self.counted.names(observed))
            and self.cited in (None, observed.brand_cited)
            and self.sentiment in (None, observed.sentiment)
            and self.is_in_top(self.counted.place(observed))
        )


@dataclass(frozen=True, slots=True)
class Cites:
    """What answers cite: a site, a kind of site, or where competitors stand alone."""

    site: str | None = None
    kind: Kind | None = None
    where: Where | None = None
    page: str | None = None


def search(
    db: Database,
    project_id: int,
    *,
    competitor: str | None = None,
    figure: MeasuredFigure | None = None,
    tag: str | None = None,
    cites: Cites | None = None,
    **conditions: Any,
) -> AnswerSearch:
    """Return a search; with `figure`, of the answers that it counts, of `competitor` if one is given.

    Raises NotFound if the project or its competitor does not exist, Invalid for a figure that competitors do not have
    and for a text that is no tag.
    """
    conditions["tag"] = None if tag is None else projects.clean_tag(tag)
    project = projects.find(db, project_id)
    if cites is not None:
        conditions["sources"] = SourceFilter(site_kinds(db, project), cites.site, cites.kind, cites.where, cites.page)
    name = None if competitor is None else competitor_named(project, competitor)
    if figure is None:
        return AnswerSearch(project, competitor=name, **conditions)
    counted = counted_in(figure, [each.name for each in project.competitors], name)
    if counted is None:
        sentence = f"{figure} is a figure of the brand alone: leave the competitor out"
        raise Invalid("counted_in", sentence, code="figure_of_brand")
    return AnswerSearch(project, competitor=name, counted=counted, **conditions)


def competitor_named(project: Project, name: str) -> str:
    """The competitor's name as the project has it; raises NotFound."""
    found = next((each.name for each in project.competitors if each.name.casefold() == name.casefold()), None)
    if found is None:
        raise NotFound("competitor", repr(name), project_id=project.id)
    return found


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
        "tag": wanted.tag,
        "with_sources": wanted.sources is not None,
        "page": PAGE,
    }
    day, number = after or (None, None)
    before: dict[str, Any] = {"before_day": day, "before_id": number}
    while True:
        rows = db.all(SQL.page, {**params, **before})
        yield from fitting(readings, rows, wanted)
        if len(rows) < PAGE:
            return
        before = {"before_day": rows[-1]["analysis_date"], "before_id": rows[-1]["id"]}


def fitting(readings: Readings, rows: Sequence[Row], wanted: AnswerSearch) -> Iterator[Row]:
    """The rows that are looked for, as they are read now."""
    for row, present in zip(rows, readings.present(rows), strict=True):
        observed = observed_as(readings, row, present)
        found = as_read(row, None if observed is None else present)
        if wanted.counted is None:
            fits = wanted.fits(found)
        else:
            fits = observed is not None and wanted.is_counted(observed) and wanted.has_sources(found)
        if fits:
            yield {name: value for name, value in found.items() if name != "sources"}


def observed_as(readings: Readings, row: Row, present: Row | None) -> Observation | None:
    """What figures see of a row; None of one that is unread, left out, or holds what no analysis stores."""
    return None if present is None or row["unread_reason"] else observed_row(readings, present)


def as_read(row: Row, present: Row | None) -> Row:
    if present is None:
        return {**row, **{name: None for name in READ if name in row}}
    return present


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One answer: its row as present names read it, and its visible text line by line, with the names in it marked."""

    readings: Readings
    row: Row
    text: tuple[tuple[Piece, ...], ...]

    @property
    def project(self) -> Project:
        return self.readings.project


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
    return read_with(Readings(db, projects.find(db, row["project_id"])), row)


def find_next_to(found: StoredAnswer, answer_id: int) -> StoredAnswer | None:
    """Another answer of the project of one that was found, read with the same matcher; None if there is none."""
    row = found.readings.db.one(SQL.answer, {"id": answer_id})
    return None if row is None or row["project_id"] != found.project.id else read_with(found.readings, row)


def read_with(readings: Readings, row: Row) -> StoredAnswer:
    (present,) = readings.present([row])
    found = as_read(row, None if observed_as(readings, row, present) is None else present)
    return StoredAnswer(readings, found, tuple(lines(marked(readings, row, read=not row["unread_reason"]))))


def marked(readings: Readings, row: Row, *, read: bool) -> Iterator[Piece]:
    """The answer's visible text in pieces; the text itself if it could not be analysed."""
    text = row["full_response"] or ""
    if not read:
        yield Piece(text)
        return
    document = readings.matcher.read(text, row["language"])
    yield from pieces(readings.matcher.mentions_in(document), readings.project.brand.name, document.text)
