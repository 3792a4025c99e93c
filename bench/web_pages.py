"""The portfolio of many projects, and the pages of one with 6,000 answers: the first visit and the next ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final, Protocol

from bench.reanalysis import BEFORE, add_project, fill
from bench.web_clients import Place, answered
from llm_monitoring import projects
from llm_monitoring.db import Database
from llm_monitoring.db.queries import Queries, parse
from llm_monitoring.figures.periods import PeriodRequest, default_days, measured_days, period_of
from llm_monitoring.reporting.stored_figures import figures_text

SQL: Final = Queries("web_pages", parse("web_pages", Path(__file__).with_name("web_pages.sql").read_text("utf-8")))

PROMPTS: Final = 5
ASK_AGAIN_SECONDS: Final = 0.5
PAGES: Final = ("names", "sources", "prompts", "rivals", "changes", "answers")


class Service(Protocol):
    """The running service."""

    @property
    def address(self) -> str: ...

    def cpu_ms(self) -> float: ...


def fill_portfolio(db: Database, count: int, days: Sequence[date]) -> list[int]:
    """Store projects of some hundred answers each: one as the daily run does, the others as copies of it."""
    first = add_project(db, "Portfolio 1", BEFORE, PROMPTS).id
    made = [first]
    fill(db, projects.find(db, first), days)
    for number in range(2, count + 1):
        row = db.one(SQL.copy_project, {"project_id": first, "name": f"Portfolio {number}"})
        assert row is not None
        ids = {"project_id": first, "copy_id": row["id"]}
        db.execute(SQL.copy_prompts, ids)
        db.execute(SQL.copy_answers, ids)
        made.append(row["id"])
    return made


def store_all(db: Database, project_ids: Sequence[int]) -> None:
    """Store what each row of the portfolio shows, as a daily run does at its end."""
    for project_id in project_ids:
        measured = measured_days(db, project_id)
        assert measured is not None
        period = period_of(None, None, measured.last, days=default_days(measured))
        figures_text(db, PeriodRequest(project_id, period, period.previous()))


def portfolio(db: Database, service: Service, person: Mapping[str, str], project_ids: Sequence[int]) -> dict[str, Any]:
    """The portfolio with all figures stored, and with none."""
    place = Place("/", person)
    found: dict[str, Any] = {"projects": len(project_ids)}
    answered(service.address, place)
    for state, before in (("warm", lambda: None), ("cold", lambda: forget(db))):
        store_all(db, project_ids)
        found |= {f"portfolio_{state}_{name}": each for name, each in visits(service, place, 7, before).items()}
    for project_id in project_ids:
        projects.set_active(db, project_id, is_active=False)  # the daily run that follows asks others
    return found


def pages(db: Database, service: Service, person: Mapping[str, str], project_id: int, repeats: int) -> dict[str, Any]:
    """Each page that is not the overview: the first visit until the page itself is there, and the next ones."""
    found: dict[str, Any] = {}
    for name in PAGES:
        place = Place(f"/projects/{project_id}/{name}", person)
        answered(service.address, place)
        for state, before in (("cold", lambda: forget(db)), ("warm", lambda: None)):
            found |= {
                f"{name}_{state}_{each}": value for each, value in visits(service, place, repeats, before).items()
            }
    return found


def forget(db: Database) -> None:
    db.execute(SQL.forget_figures)


def visits(service: Service, place: Place, repeats: int, before: Callable[[], None]) -> dict[str, float]:
    """Medians of visits: the first answer, the page itself if that one was being measured; processor time of one."""
    firsts, wholes = [], []
    began = service.cpu_ms()
    for _ in range(repeats):
        before()
        start = time.perf_counter()
        status = answered(service.address, place)
        firsts.append(1000 * (time.perf_counter() - start))
        while status != 200:
            time.sleep(ASK_AGAIN_SECONDS)
            status = answered(service.address, place)
        wholes.append(1000 * (time.perf_counter() - start))
    cpu = (service.cpu_ms() - began) / repeats
    return {"ms": round(median(firsts), 1), "page_ms": round(median(wholes), 1), "cpu_ms": round(cpu, 1)}
