"""Reanalysis: reads stored answers with the present names and stores what changed; no provider is asked.

Every answer carries the fingerprint of the names that it was read with, and so do the figures of a day. An answer
with another fingerprint is stale. `plan` finds the days with stale answers or figures, `preview` computes what would
change, and `run` writes it: page by page, each page one commit, then a day's figures. A run that stops halfway
therefore needs no record of its own: the next one finds what is still stale. Answers without a text keep their
reading and their fingerprint; only whether their prompt names the brand is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from threading import Event
from typing import Any, ClassVar, Final

from llm_monitoring import analysis, projects
from llm_monitoring.answers import store as results
from llm_monitoring.answers.changes import BY_NAME, Changes, Reading
from llm_monitoring.db import AlreadyHeld, Database, ExclusiveLock, Json, Row, RowErrors, load
from llm_monitoring.projects import Project, fingerprints

SQL = load("reanalysis")

LOCK_CLASS: Final = 0x4C4C4D52  # "LLMR", the upper half of each project's lock
PAGE: Final = 200


class AlreadyReading(AlreadyHeld):
    """Another session holds the lock of the project's reanalysis."""

    work: ClassVar[str] = "another reanalysis of this project is under way"


class ReanalysisLock(ExclusiveLock):
    """The lock that allows one reanalysis of a project at a time; raises AlreadyReading."""

    refusal: ClassVar[type[AlreadyHeld]] = AlreadyReading

    def __init__(self, db: Database, project_id: int) -> None:
        super().__init__(db, LOCK_CLASS << 32 | project_id)


@dataclass(frozen=True, slots=True)
class StaleDay:
    """A day with figures of another fingerprint; `stale` of its answers have one too."""

    day: date
    stale: int


@dataclass(frozen=True, slots=True)
class ReanalysisPlan:
    """What a reanalysis has to read: days in order, none if all is up to date."""

    project: Project
    days: Sequence[StaleDay]

    @property
    def stale(self) -> int:
        return sum(day.stale for day in self.days)


@dataclass(frozen=True, slots=True)
class ReanalysisControl:
    """How a reanalysis is stopped between two pages, reports its progress, and collects row errors."""

    stop: Event = field(default_factory=Event)
    on_progress: Callable[[int], None] = lambda answers: None
    errors: RowErrors = field(default_factory=RowErrors)


@dataclass(frozen=True, slots=True)
class ReanalysisResult:
    """What was done: `days` have new figures; the next start continues one that is not `finished`."""

    changes: Changes
    days: int
    finished: bool


@dataclass(slots=True)
class StaleAnswerReader:
    """Re-analyses stored answers with the project's present names; finds the mentions by their former names too."""

    db: Database
    project: Project
    matcher: analysis.Matcher = field(init=False)
    earlier: dict[str | None, analysis.Matcher | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.matcher = analysis.Matcher(self.project.brand, self.project.competitors)

    def read(self, row: Row) -> Reading:
        """An answer's new reading; without its text, only whether its prompt names the brand."""
        branded = {"branded": self.matcher.names_brand(row["query_text"], row["language"])}
        brand, text = self.project.brand.name, row["full_response"]
        if text is None:
            return Reading(brand, branded)
        analysis = self.matcher.analyse(text, row["citations"] or (), row["language"])
        columns = without_adapters(results.analysis_columns(analysis)) | branded
        if all((row[name] or None) == (columns[name] or None) for name in BY_NAME):
            return Reading(brand, columns, analysis.visible_text)
        before = self.matcher_before(row["rules_fingerprint"])
        return Reading(
            brand,
            columns,
            analysis.visible_text,
            self.matcher.mentions(text, row["language"]),
            before.mentions(text, row["language"]) if before else None,
            before.entities[0].name if before else None,
        )

    def matcher_before(self, fingerprint: str | None) -> analysis.Matcher | None:
        if fingerprint not in self.earlier:
            self.earlier[fingerprint] = fingerprints.matcher_for(self.db, fingerprint, self.project.id)
        return self.earlier[fingerprint]


def without_adapters(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as plain values, without the adapters of a statement."""
    return {name: value.adapted if isinstance(value, Json) else value for name, value in columns.items()}


def plan(db: Database, project_id: int, first: date | None = None, last: date | None = None) -> ReanalysisPlan:
    """The stale days of a project from `first` to `last`."""
    return plan_for(db, projects.find(db, project_id), first, last)


def plan_for(db: Database, project: Project, first: date | None = None, last: date | None = None) -> ReanalysisPlan:
    """The same with these names, which need not be stored."""
    params = {
        "project_id": project.id,
        "fingerprint": fingerprints.fingerprint(project),
        "first": first,
        "last": last,
    }
    return ReanalysisPlan(project, [StaleDay(row["day"], row["stale"]) for row in db.all(SQL.days, params)])


def preview(db: Database, work: ReanalysisPlan, control: ReanalysisControl) -> ReanalysisResult:
    """What `run` would change; writes nothing."""
    reader, changes = StaleAnswerReader(db, work.project), Changes()
    for day in work.days:
        changes.add_all(readings(reader, without_text(db, work.project, day.day), control.errors))
        for rows in pages(db, work.project, day.day):
            if control.stop.is_set():
                return ReanalysisResult(changes, 0, finished=False)
            changes.add_all(readings(reader, rows, control.errors))
            control.on_progress(len(rows))
    return ReanalysisResult(changes, 0, finished=True)


def run(db: Database, work: ReanalysisPlan, control: ReanalysisControl, *, sentiment: bool) -> ReanalysisResult:
    """Read the answers again, page by page, and each day's figures after its last page.

    A scored sentiment stays if the answer mentions the brand as before, and is removed if that changed; with
    `sentiment`, a new mention waits for a daily run of that day. An answer that cannot be
    read stays as it was and is in the errors of `control`. Raises AlreadyReading.
    """
    with ReanalysisLock(db, work.project.id):
        return run_locked(db, work, control, sentiment=sentiment)


def run_locked(db: Database, work: ReanalysisPlan, control: ReanalysisControl, *, sentiment: bool) -> ReanalysisResult:
    """The same for a caller that holds the project's reanalysis lock."""
    from llm_monitoring.figures import snapshots  # a daily run needs this module before it needs figures

    reader, changes = StaleAnswerReader(db, work.project), Changes()
    db.transact(lambda tx: fingerprints.record(tx, work.project))
    for done, day in enumerate(work.days):
        changes.add_all(store_branded(db, reader, without_text(db, work.project, day.day), control.errors))
        for rows in pages(db, work.project, day.day):
            if control.stop.is_set():
                return ReanalysisResult(changes, done, finished=False)
            changes.add_all(store(db, reader, rows, control.errors, sentiment=sentiment))
            control.on_progress(len(rows))
        row = f"Proyecto #{work.project.id}, {day.day}"
        with control.errors.guard("write_figures", row, project_id=work.project.id, day=day.day):
            snapshots.write_snapshots(db, work.project, day.day, control.errors)
    return ReanalysisResult(changes, len(work.days), finished=True)


def pages(db: Database, project: Project, day: date, page: int = PAGE) -> Iterator[list[Row]]:
    """A day's stale answers, page by page."""
    after = 0
    while True:
        params = {
            "project_id": project.id,
            "day": day,
            "fingerprint": fingerprints.fingerprint(project),
            "after": after,
        }
        rows = db.all(SQL.page, {**params, "page": page})
        if rows:
            yield rows
        if len(rows) < page:
            return
        after = rows[-1]["id"]


def without_text(db: Database, project: Project, day: date) -> list[Row]:
    """A day's stale answers that have no text any more."""
    params = {"project_id": project.id, "day": day, "fingerprint": fingerprints.fingerprint(project)}
    return db.all(SQL.without_text, params)


def readings(reader: StaleAnswerReader, rows: Sequence[Row], errors: RowErrors) -> list[tuple[Row, Reading]]:
    """What was read in the answers that can be read."""
    found: list[tuple[Row, Reading]] = []
    for row in rows:
        with errors.guard("read_answer", label(row), project_id=reader.project.id, result_id=row["id"]):
            found.append((row, reader.read(row)))
    return found


def label(row: Row) -> str:
    """An answer's name in reports of errors."""
    return f"Respuesta #{row['id']}"


def store(
    db: Database, reader: StaleAnswerReader, rows: Sequence[Row], errors: RowErrors, *, sentiment: bool
) -> list[tuple[Row, Reading]]:
    """Read a page and write it, in one transaction if no row is refused; return what was read and written."""
    params = {
        "brand_name": reader.project.brand.name,
        "fingerprint": fingerprints.fingerprint(reader.project),
        "sentiment": sentiment,
    }

    def write(found: Sequence[tuple[Row, Reading]]) -> None:
        db.transact(lambda tx: tx.execute(SQL.store_readings, {**params, "readings": as_records(found)}))

    return errors.write("store_answer", readings(reader, rows, errors), lambda each: label(each[0]), write)


def store_branded(
    db: Database, reader: StaleAnswerReader, rows: Sequence[Row], errors: RowErrors
) -> list[tuple[Row, Reading]]:
    """Write whether the prompts of answers without text name the brand; return what was read and written."""

    def write(found: Sequence[tuple[Row, Reading]]) -> None:
        db.execute(SQL.store_branded, {"readings": as_records(found)})

    return errors.write("store_answer", readings(reader, rows, errors), lambda each: label(each[0]), write)


def read_unread(db: Database, errors: RowErrors, *, sentiment: bool) -> set[tuple[int, date]]:
    """Analyse the answers that were stored unread; return the projects and days that have new readings.

    What still cannot be read stays unread, in `errors`.
    """
    read: set[tuple[int, date]] = set()
    readers: dict[int, StaleAnswerReader | None] = {}
    after = 0
    while rows := db.all(SQL.unread, {"after": after, "page": PAGE}):
        for project_id in sorted({row["project_id"] for row in rows}):
            if project_id not in readers:
                readers[project_id] = open_reader(db, project_id, errors)
            reader = readers[project_id]
            if reader is not None:
                own = [row for row in rows if row["project_id"] == project_id]
                written = store(db, reader, own, errors, sentiment=sentiment)
                read |= {(project_id, row["analysis_date"]) for row, _ in written}
        after = rows[-1]["id"]
    return read


def open_reader(db: Database, project_id: int, errors: RowErrors) -> StaleAnswerReader | None:
    """A reader with the project's present names; None if the project cannot be read."""
    reader: StaleAnswerReader | None = None
    with errors.guard("read_project", f"Proyecto #{project_id}", project_id=project_id):
        reader = StaleAnswerReader(db, projects.find(db, project_id))
        fingerprints.record(db, reader.project)
    return reader


def as_records(found: Sequence[tuple[Row, Reading]]) -> Json:
    return Json([{"id": row["id"], **reading.columns} for row, reading in found])
