"""Writes the demo's history: thirty days of the first project, with one change of a provider's model."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Final

from llm_monitoring.app import App, schedule_day
from llm_monitoring.demo.bill import Bill
from llm_monitoring.demo.direct import DirectClients
from llm_monitoring.demo.server.service import Behaviour, Service
from llm_monitoring.domain import ProviderName
from llm_monitoring.registry import admin
from llm_monitoring.registry.admin import Author
from llm_monitoring.runs import records
from llm_monitoring.runs.daily import RunContext, RunRequest, execute_locally, run_day
from llm_monitoring.runs.records import RunLock
from llm_monitoring.runs.report import DayReport
from llm_monitoring.runs.stats import RunStats

log = logging.getLogger(__name__)

DAYS: Final = 30
DAYS_OF_NEW_MODEL: Final = 6  # before today, so that a comparison of this week with the last one shows the change
CHANGED: Final[ProviderName] = "google"
OLD_MODEL: Final = "gemini-3.5-flash-lite"
NEW_MODEL: Final = "gemini-3.8-flash"
WORKERS: Final = 4  # enough without a network


@dataclasses.dataclass(frozen=True, slots=True)
class HistoryProgress:
    """The event that ends the history early, and the callbacks for the total of days and for the written ones."""

    stop: Event
    on_start: Callable[[int], None]
    on_day: Callable[[int], None]


@dataclasses.dataclass(slots=True)
class HistoryTotals:
    """The added days, answers and simulated cost."""

    days: int = 0
    answers: int = 0
    cost_usd: Decimal = Decimal(0)


def write(app: App, lock: RunLock, project_id: int, bill: Path, progress: HistoryProgress) -> HistoryTotals:
    """Run the missing ones of a project's last thirty days, as a daily run would; needs the run lock.

    Every call is on the bill and in the ledger of the current month, as with `--date`.
    """
    today = schedule_day(app.settings)
    missing = missing_days(app, today)
    progress.on_start(len(missing))
    quick = dataclasses.replace(app.settings, max_workers=WORKERS, sentiment=False)  # saves a call a mention
    app = dataclasses.replace(app, settings=quick)
    totals, service = HistoryTotals(), Service(Behaviour(), Bill(bill))
    try:
        for day in missing:
            if progress.stop.is_set():
                break
            choose_model(app, day, today, fresh=len(missing) == DAYS)
            play(service, day)
            request = RunRequest(day, project_id, progress.stop, in_batches=False)
            add(totals, write_day(app, lock, request, service))
            progress.on_day(totals.days)
    finally:
        service.bill.close()
        choose_model(app, today, today, fresh=False)
    return totals


def missing_days(app: App, today: date) -> list[date]:
    first, last = today - timedelta(days=DAYS), today - timedelta(days=1)
    done = records.completed_days(app.db, first, last)
    return [day for back in range(DAYS) if (day := first + timedelta(days=back)) not in done]


def play(service: Service, day: date) -> None:
    """Set the day of the answers, without the markets' trend, so that only the model changes in the history."""
    service.day = service.composer.epoch = day


def write_day(app: App, lock: RunLock, request: RunRequest, service: Service) -> DayReport:
    """Run a day with the answers of `service`, under the run lock."""
    clients = DirectClients(app.keys, app.settings, service)

    def execute(context: RunContext) -> RunStats:
        executor = dataclasses.replace(context.executor, clients=clients)
        return execute_locally(dataclasses.replace(context, executor=executor))

    return run_day(app, request, execute, lock=lock)


def add(totals: HistoryTotals, report: DayReport) -> None:
    totals.days += 1
    totals.answers += report.stats.answered
    totals.cost_usd += report.cost_usd


def choose_model(app: App, day: date, today: date, *, fresh: bool) -> None:
    """Make the model of a day the current one: the new one from its first day, the old one only in a new history."""
    current = admin.current(app.db, CHANGED)
    name = None if current is None else current.model_id
    is_new = day >= today - timedelta(days=DAYS_OF_NEW_MODEL)
    if is_new and name == OLD_MODEL:
        switch(app, NEW_MODEL)
    elif fresh and not is_new and name == NEW_MODEL:
        switch(app, OLD_MODEL)


def switch(app: App, model_id: str) -> None:
    row = admin.find(app.db, CHANGED, model_id)
    admin.switch(app.db, row, Author("demo", "the demo's history changes one assistant's model"))


def commands(python: str, project: int) -> list[str]:
    """Return three commands that show what the history holds."""
    return [
        f"{python} -m llm_monitoring --demo metrics {project} --days 7 --previous",
        f"{python} -m llm_monitoring --demo report {project} --days 30",
        f"{python} -m llm_monitoring --demo models history {CHANGED} {NEW_MODEL}",
    ]
