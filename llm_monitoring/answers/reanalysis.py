"""Reanalysis: reads stored answers with the present names and stores what changed; no provider is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from threading import Event
from typing import Any, ClassVar, Final

from llm_monitoring import projects
from llm_monitoring.analysis import Matcher
from llm_monitoring.answers import store as results
from llm_monitoring.answers.changes import BY_NAME, Changes, Reading
from llm_monitoring.db.database import Database, Json, Row
from llm_monitoring.db.locks import AlreadyHeld, ExclusiveLock
from llm_monitoring.db.queries import load
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.figures import snapshots
from llm_monitoring.projects import fingerprints
from llm_monitoring.projects.definition import Project

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
class DayWork:
    """A day with figures of another fingerprint; `stale` of its answers have one too."""

    day: date
    stale: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a reanalysis has to read: days in order, none if all is up to date."""

    project: Project
    days: Sequence[DayWork]

    @property
    def stale(self) -> int:
        return sum(day.stale for day in self.days)


@dataclass(frozen=True, slots=True)
class Watch:
    """What ends the work early, between two pages, what wants to see its progress, and what could not be read."""

    stop: Event = field(default_factory=Event)
    on_progress: Callable[[int], None] = lambda answers: None
    errors: RowErrors = field(default_factory=RowErrors)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: `days` have their figures again; not `finished` is gone on with by the next start."""

    changes: Changes
    days: int
    finished: bool


@dataclass(slots=True)
class Reader:
    """Reads rows with the project's present names, and finds out what counted by those of before."""

    db: Database
    project: Project
    matcher: Matcher = field(init=False)
    earlier: dict[str | None, Matcher | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.matcher = Matcher(self.project.brand, self.project.competitors)

    def read(self, row: Row) -> Reading:
        """An answer's new reading; where its text was never kept, only whether its prompt names the brand."""
        branded = {"branded": self.matcher.names_brand(row["query_text"], row["language"])}
        brand, text = self.project.brand.name, row["full_response"]
        if text is None:
            return Reading(brand, branded)
        analysis = self.matcher.analyse(text, row["citations"] or (), row["language"])
        columns = plain(results.analysis_columns(analysis)) | branded
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

    def matcher_before(self, mark: str | None) -> Matcher | None:
        if mark not in self.earlier:
            self.earlier[mark] = fingerprints.matcher_for(self.db, mark, self.project.id)
        return self.earlier[mark]


def plain(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns without what adapts them to a statement."""
    return {name: value.adapted if isinstance(value, Json) else value for name, value in columns.items()}


def plan(db: Database, project_id: int, first: date | None = None, last: date | None = None) -> Work:
    """What of a project's answers, from `first` to `last`, was not read with its present names and rules."""
    project = projects.find(db, project_id)
    params = {
        "project_id": project_id,
        "fingerprint": fingerprints.fingerprint(project),
        "first": first,
        "last": last,
    }
    return Work(project, [DayWork(row["day"], row["stale"]) for row in db.all(SQL.days, params)])


def preview(db: Database, work: Work, watch: Watch) -> Outcome:
    """What `run` would change; writes nothing."""
    reader, changes = Reader(db, work.project), Changes()
    for day in work.days:
        changes.add_all(readings(reader, without_text(db, work.project, day.day), watch.errors))
        for rows in pages(db, work.project, day.day):
            if watch.stop.is_set():
                return Outcome(changes, 0, finished=False)
            changes.add_all(readings(reader, rows, watch.errors))
            watch.on_progress(len(rows))
    return Outcome(changes, 0, finished=True)


def run(db: Database, work: Work, watch: Watch, *, sentiment: bool) -> Outcome:
    """Read the answers again, page by page, and each day's figures after its last page.

    Every page is one commit that marks its answers, and figures carry the mark too: whatever ends this, the next start
    finds what is left. A scored sentiment stays where the answer mentions the brand as before, and is taken away where
    that changed; with `sentiment`, a mention that is new waits for a daily run of that day. An answer that cannot be
    read stays as it was, in the errors of `watch`. Raises AlreadyReading.
    """
    reader, changes = Reader(db, work.project), Changes()
    with ReanalysisLock(db, work.project.id):
        db.transact(lambda tx: fingerprints.record(tx, work.project))
        for done, day in enumerate(work.days):
            changes.add_all(store_branded(db, reader, without_text(db, work.project, day.day), watch.errors))
            for rows in pages(db, work.project, day.day):
                if watch.stop.is_set():
                    return Outcome(changes, done, finished=False)
                changes.add_all(store(db, reader, rows, watch.errors, sentiment=sentiment))
                watch.on_progress(len(rows))
            row = f"Proyecto #{work.project.id}, {day.day}"
            with watch.errors.guard("write_figures", row, project_id=work.project.id, day=day.day):
                snapshots.write_snapshots(db, work.project, day.day, watch.errors)
    return Outcome(changes, len(work.days), finished=True)


def pages(db: Database, project: Project, day: date, page: int = PAGE) -> Iterator[list[Row]]:
    """A day's answers that were read with other names or rules."""
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
    """A day's answers that can't be read any more, and were read with other names or rules."""
    params = {"project_id": project.id, "day": day, "fingerprint": fingerprints.fingerprint(project)}
    return db.all(SQL.without_text, params)


def readings(reader: Reader, rows: Sequence[Row], errors: RowErrors) -> list[tuple[Row, Reading]]:
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
    db: Database, reader: Reader, rows: Sequence[Row], errors: RowErrors, *, sentiment: bool
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


def store_branded(db: Database, reader: Reader, rows: Sequence[Row], errors: RowErrors) -> list[tuple[Row, Reading]]:
    """Write whether the prompts of answers without text name the brand; return what was read and written."""

    def write(found: Sequence[tuple[Row, Reading]]) -> None:
        db.execute(SQL.store_branded, {"readings": as_records(found)})

    return errors.write("store_answer", readings(reader, rows, errors), lambda each: label(each[0]), write)


def read_unread(db: Database, errors: RowErrors, *, sentiment: bool) -> set[tuple[int, date]]:
    """Analyse the answers that were stored unread; return the projects and days that have new readings.

    What still cannot be read stays unread, in `errors`.
    """
    read: set[tuple[int, date]] = set()
    readers: dict[int, Reader | None] = {}
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


def open_reader(db: Database, project_id: int, errors: RowErrors) -> Reader | None:
    """A reader with the project's present names; None if the project cannot be read."""
    reader: Reader | None = None
    with errors.guard("read_project", f"Proyecto #{project_id}", project_id=project_id):
        reader = Reader(db, projects.find(db, project_id))
        fingerprints.record(db, reader.project)
    return reader


def as_records(found: Sequence[tuple[Row, Reading]]) -> Json:
    return Json([{"id": row["id"], **reading.columns} for row, reading in found])
