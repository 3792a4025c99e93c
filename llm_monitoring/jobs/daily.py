"""The daily job: opens the installation, runs the day, logs the summary and sends the digest."""

from __future__ import annotations

import argparse
import dataclasses
import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Final

from llm_monitoring import projects
from llm_monitoring.app import App, asking_day, open_app, schedule_day
from llm_monitoring.db import require_id_room
from llm_monitoring.errors import MonitoringError, NotReady
from llm_monitoring.host import check_budget_limits, get_api_keys_from_db, update_monthly_spend
from llm_monitoring.jobs import daily_log, demo_log, terminal
from llm_monitoring.jobs.startup import job_settings
from llm_monitoring.ledger import blocked_users
from llm_monitoring.process.signals import ending_within
from llm_monitoring.process.wording import DAILY_PROGRAM, PROGRAM
from llm_monitoring.runs.asked_days import LONGEST_AGO, require_askable
from llm_monitoring.runs.daily import Executor, RunRequest, execute_locally, longest_ending, longest_run, run_day
from llm_monitoring.runs.day_plans import foresee
from llm_monitoring.runs.estimate import estimate
from llm_monitoring.runs.order_service import daily_lock
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.records import AlreadyRunning, RunLock, held_too_long
from llm_monitoring.runs.report import DayReport
from llm_monitoring.settings import Settings

__all__ = ["check_budget_limits", "get_api_keys_from_db", "main", "update_monthly_spend"]

DONE: Final = 0
STORING_SECONDS: Final = 60  # after which no more figures are begun
LONGEST_STORING_SECONDS: Final = 180  # with the ones that were begun


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    project_id: int | None
    day: date | None
    dry_run: bool
    demo: bool
    any_past: bool = False

    @property
    def project_ids(self) -> list[int] | None:
        return None if self.project_id is None else [self.project_id]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daily job and return its exit code: 0 done, also with warnings; 1 critical."""
    options = read_options(argv)
    try:
        with job_settings(demo=options.demo, day=options.day) as settings:
            return run(settings, options)
    except MonitoringError as exc:
        return daily_log.crashed(exc)
    except Exception as exc:  # noqa: BLE001 - the job's last resort (design, section 9)
        return daily_log.crashed(exc, with_traceback=True)


def run(settings: Settings, options: Options) -> int:
    daily_log.started()
    with (
        ending_within(longest_run(settings) + LONGEST_STORING_SECONDS),
        terminal.stoppable(longest_ending(settings)) as stop,
        open_app(settings, stop) as app,
    ):
        day = asking_day(app) if options.day is None else require_askable(app, options.day, any_past=options.any_past)
        check_project(app, options)
        if options.dry_run:
            return dry_run(app, options, day)
        executor = select_executor(app, options)
        try:
            with daily_lock(app.db, stop) as lock:
                if options.demo:
                    demo_log.write_history(app, lock, stop)
                report = analyse(app, RunRequest(day, options.project_id, stop), executor, lock)
                code = conclude(app, options, day, report)
        except AlreadyRunning as exc:
            return leave(app, day, exc)
        store_figures(app, report, stop)
        return code


def analyse(app: App, request: RunRequest, executor: Executor, lock: RunLock) -> DayReport:
    """Run the day, with its log lines and a progress bar."""
    with terminal.progress() as bar:
        shown = dataclasses.replace(request, on_start=bar.start, on_progress=bar.advance)
        return run_day(app, shown, executor, daily_log.StartLog(), lock)


def conclude(app: App, options: Options, day: date, report: DayReport) -> int:
    """Log the summary, write the reports, send the digest; return the job's exit code."""
    from llm_monitoring.jobs import digest

    if report.obstacle is not None:
        return digest.aborted(app, day, report.obstacle, report.adjustments)
    code = daily_log.summary(report)
    digest.finished(app, day, report, code, write_reports(app, report))
    if options.demo and code == DONE:
        demo_log.next_steps(app)
    return code


def store_figures(app: App, report: DayReport, stop: Event) -> None:
    """Store the figures that the web service shows first. The run is closed: what fails here is only logged."""
    from llm_monitoring.reporting.recent_figures import store_recent

    began = time.monotonic()
    project_ids = [project.project_id for project in report.projects]
    try:
        stored = store_recent(
            app.db, project_ids, lambda: not stop.is_set() and time.monotonic() < began + STORING_SECONDS
        )
    except MonitoringError as exc:
        daily_log.figures_not_stored(str(exc))
        return
    daily_log.figures_stored(stored.figures, [error.sentence for error in stored.errors], stored.is_complete)


def leave(app: App, day: date, running: AlreadyRunning) -> int:
    """Leave the day to the run that has the lock; a lock that no run can hold for so long is an error."""
    too_long = held_too_long(app.db, running.holder, app.budget.database_clock())
    daily_log.already_running(running.holder, too_long=too_long)
    if not too_long:
        return DONE
    from llm_monitoring.jobs import digest

    return digest.locked_out(app, day, running.holder)


def check_project(app: App, options: Options) -> None:
    """Raise BadInput if the one project that is wanted cannot be asked: a slip of a digit is no quiet success."""
    wanted = options.project_ids
    if wanted and not projects.active(app.db, wanted):
        listing = "`python -m llm_monitoring projects list`"
        raise NotReady("project", wanted[0], f"el proyecto {wanted[0]} no existe o está en pausa: véase {listing}")


def select_executor(app: App, options: Options) -> Executor:
    """What asks: this process, or the workers of LLM_DISTRIBUTE; the demo has no workers."""
    if options.demo or not app.settings.distribute:
        return execute_locally
    from llm_monitoring.distributed.coordinator import Coordinator

    return Coordinator(app).execute


def write_reports(app: App, report: DayReport) -> list[Path]:
    """Write the page of every project of the run to LLM_REPORT_DIR, if it is set; a page that fails is logged."""
    directory = app.settings.report_dir
    if directory is None:
        return []
    from llm_monitoring.reporting.files import ReportWriter

    writer = ReportWriter(app.db, app.keys, app.budget, schedule_day(app.settings))
    written = writer.write_all([project.project_id for project in report.projects], directory, app.errors)
    paths = [page.path for page in written]
    daily_log.reports(directory, paths)
    return paths


def dry_run(app: App, options: Options, day: date) -> int:
    """Log what a run would ask and what it would cost at most; calls no provider and writes nothing."""
    standings = app.budget.standings(start_month=False)
    foreseen = foresee(app, make_plan(app, None, blocked_users(standings)), standings, day)
    plan = foreseen.plan.only(options.project_ids)
    cells = estimate(app, plan, day)
    daily_log.estimate(cells, plan, standings, day)
    daily_log.pacing_estimate(plan, foreseen.days)
    require_id_room(app.db, sum(cell.tasks for cell in cells))
    return DONE


def read_options(argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog=DAILY_PROGRAM,
        description="Ask every active project's prompts to the AI assistants, within each user's monthly budget, and "
        "store answers, analyses and the day's figures. What the day already has is not asked again.",
        epilog="Exit codes: 0 done, also with warnings; 1 critical (no usable keys, every user over budget, database "
        "unreachable, configuration wrong, not one project with an answer of the day, or a run that a signal or its "
        "deadline cut short with questions left); 2 bad arguments. "
        f"Examples: {DAILY_PROGRAM} --dry-run; {DAILY_PROGRAM} --project 3 --date 2026-11-28.",
    )
    parser.add_argument("--project", type=project_number, metavar="ID", help="only this project")
    parser.add_argument(
        "--date",
        type=past_day,
        metavar="YYYY-MM-DD",
        help=f"complete this day, of the last {LONGEST_AGO.days}, instead of today (answers are today's)",
    )
    parser.add_argument("--any-past", action="store_true", help="with --date: also a day longer ago")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be asked and its cost at most; no call, no spend",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="sample data and simulated answers, in a database of its own; needs no key",
    )
    arguments = parser.parse_args(argv)
    if arguments.any_past and arguments.date is None:
        parser.error("--any-past needs --date")
    return Options(arguments.project, arguments.date, arguments.dry_run, arguments.demo, arguments.any_past)


def project_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no project number: see `{PROGRAM} projects list`")
    return int(text)


def past_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write YYYY-MM-DD") from exc
    if day > datetime.now(UTC).date() + timedelta(days=1):
        raise argparse.ArgumentTypeError(f"{text} has not come yet")
    return day
