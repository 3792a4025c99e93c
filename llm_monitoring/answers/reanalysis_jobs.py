"""Reanalyses as jobs: one open job a project, done by one process at a time, and continued by the next after a kill.

A job holds no state of the work. The answers that are still stale say what is left, so whoever takes a job up reads
those, under the lock that every reanalysis of the project takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Final, Literal

from llm_monitoring import projects
from llm_monitoring.answers import reanalysis
from llm_monitoring.answers.reanalysis import AlreadyReading, ReanalysisControl, ReanalysisLock, ReanalysisPlan
from llm_monitoring.db import Database, Row, RowErrors, load
from llm_monitoring.projects import fingerprints

SQL = load("reanalysis_jobs")

Status = Literal["waiting", "running", "completed", "failed", "cancelled"]

MOST_AT_ONCE: Final = 50
"""Open jobs that are looked at in one go."""

UNREAD: Final = "some_unread"
"""The reason of a job that is completed, with answers or days that could not be read or counted."""


@dataclass(frozen=True, slots=True)
class ReanalysisJob:
    """A job: of `answers` to read `done` are read. `reason` is a code of why it ended so."""

    id: int
    project_id: int
    user_id: int
    status: Status
    reason: str | None
    answers: int
    done: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.ended_at is None


def place(db: Database, project_id: int, user_id: int, plan: ReanalysisPlan) -> tuple[ReanalysisJob, bool]:
    """Ask for a reanalysis; return the job, and whether it is new: while one is open it is that one."""
    params = {"project_id": project_id, "user_id": user_id, "answers": plan.stale}
    while True:  # the open one may end between the two statements
        placed = db.one(SQL.place, params)
        if placed is not None:
            return read_job(placed), True
        found = latest(db, project_id)
        if found is not None and found.is_open:
            return found, False


def latest(db: Database, project_id: int, job_id: int | None = None) -> ReanalysisJob | None:
    """The latest job of a project, or the one of a number."""
    row = db.one(SQL.latest, {"project_id": project_id, "id": job_id})
    return None if row is None else read_job(row)


def cancel(db: Database, job_id: int) -> bool:
    """Close an open job; the process that does it stops after its page. False if it is over."""
    return finish(db, job_id, "cancelled", None)


def serve_open(db: Database, owned: Callable[[int], Database], stop: Event, *, sentiment: bool) -> int:
    """Do the jobs that are open and that no other process does; return how many were taken up.

    `owned` gives the database as a user sees it. Raises DatabaseUnavailable.
    """
    taken = 0
    for row in db.all(SQL.open_jobs, {"most": MOST_AT_ONCE}):
        job = read_job(row)
        if stop.is_set():
            break
        try:
            with ReanalysisLock(db, job.project_id):
                taken += serve(owned(job.user_id), job, stop, sentiment=sentiment)
        except AlreadyReading:
            continue
    return taken


def serve(db: Database, job: ReanalysisJob, stop: Event, *, sentiment: bool) -> bool:
    """Do a job to its end, or until `stop`: then it stays open. False if it was over. Needs the reanalysis lock."""
    if db.one(SQL.begin, {"id": job.id}) is None:
        return False
    errors = RowErrors()
    label = f"Proyecto #{job.project_id}"
    with errors.guard("reanalyse", label, project_id=job.project_id) as work:
        if not read_all(db, job, errors, stop, sentiment=sentiment):
            return True
    if work.error is not None:
        finish(db, job.id, "failed", work.error.code)
    else:
        finish(db, job.id, "completed", UNREAD if errors.found else None)
    return True


def read_all(db: Database, job: ReanalysisJob, errors: RowErrors, stop: Event, *, sentiment: bool) -> bool:
    """Read what is stale, and again if the names are changed meanwhile; False if that was stopped before its end."""
    while True:
        plan = reanalysis.plan(db, job.project_id)
        db.execute(SQL.set_left, {"id": job.id, "left": plan.stale})
        if not plan.days:
            return True
        control = control_of(db, job, errors, stop)
        if not reanalysis.run_locked(db, plan, control, sentiment=sentiment).finished:
            return False
        if errors.found or is_present(db, plan):
            return True


def control_of(db: Database, job: ReanalysisJob, errors: RowErrors, stop: Event) -> ReanalysisControl:
    """Report the progress in the job's row; a job that was cancelled and a stop of the process end the work."""
    ending = Event()

    def advance(read: int) -> None:
        if db.one(SQL.advance, {"id": job.id, "read": read}) is None or stop.is_set():
            ending.set()

    return ReanalysisControl(ending, advance, errors)


def is_present(db: Database, plan: ReanalysisPlan) -> bool:
    """Whether the project still has the names of a plan."""
    present = projects.find(db, plan.project.id)
    return fingerprints.fingerprint(present) == fingerprints.fingerprint(plan.project)


def finish(db: Database, job_id: int, status: Status, reason: str | None) -> bool:
    return db.one(SQL.finish, {"id": job_id, "status": status, "reason": reason}) is not None


def read_job(row: Row) -> ReanalysisJob:
    return ReanalysisJob(**{name: row[name] for name in ReanalysisJob.__slots__})
