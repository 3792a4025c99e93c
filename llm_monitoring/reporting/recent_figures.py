"""Stores the figures that pages and API show first, so that their readers do not wait for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_monitoring.db import Database, RowError, RowErrors, load
from llm_monitoring.figures.periods import DEFAULT_DAYS, PeriodRequest, default_days, measured_days, period_of
from llm_monitoring.reporting.stored_figures import figures_text

SQL = load("stored_figures")

SHOWN_DAYS: Final = (7, 30, 90)
MOST_ANSWERS: Final = 40_000
"""Periods with more answers are left to who asks for them: so many take about 50 MB and two seconds."""


@dataclass(slots=True)
class Stored:
    """How many figures were stored, of the projects without an error; `is_complete` unless the time was over."""

    figures: int = 0
    errors: list[RowError] = field(default_factory=list)
    is_complete: bool = True


def store_recent(db: Database, project_ids: Sequence[int], go_on: Callable[[], bool]) -> Stored:
    """Store the recent figures of each project while `go_on()`; a project that fails stops no other.

    The figures of all projects that are read most come first. Raises DatabaseUnavailable.
    """
    done, errors = Stored(), RowErrors()
    waiting = {project_id: recent_requests(db, project_id) for project_id in project_ids}
    while waiting:
        for project_id, requests in list(waiting.items()):
            if not go_on():
                done.is_complete = False
                return done
            is_stored = False
            with errors.guard("write_figures", f"Proyecto #{project_id}", keep=False, project_id=project_id) as work:
                is_stored = store_next(db, requests)
            done.figures += is_stored
            if work.error is not None:
                done.errors.append(work.error)
            if not is_stored:
                del waiting[project_id]
    return done


def store_next(db: Database, requests: Iterator[PeriodRequest]) -> bool:
    """Store the figures of the next request that is not too large; False if there is none left."""
    for wanted in requests:
        if answers_of(db, wanted) <= MOST_ANSWERS:
            figures_text(db, wanted)
            return True
    return False


def recent_requests(db: Database, project_id: int) -> Iterator[PeriodRequest]:
    """What pages ask without a choice and with one click, and what the API asks without parameters."""
    measured = measured_days(db, project_id)
    if measured is None:
        return
    for days in dict.fromkeys((default_days(measured), *SHOWN_DAYS)):
        period = period_of(None, None, measured.last, days=days)
        yield PeriodRequest(project_id, period, period.previous())
    yield PeriodRequest(project_id, period_of(None, None, measured.last, days=DEFAULT_DAYS))


def answers_of(db: Database, wanted: PeriodRequest) -> int:
    """How many answers a request reads: its period and the one right before it are read as one."""
    first = wanted.compared.first if wanted.compared else wanted.period.first
    row = db.one(SQL.answers, {"project_id": wanted.project_id, "first": first, "last": wanted.period.last})
    return int(row["answers"]) if row else 0
