"""`runs retry`: asks again what a day has no answer to."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import click

from llm_monitoring.app import App
from llm_monitoring.cli.base.command import Failed, Number, example
from llm_monitoring.cli.base.output import Columns, print_table, say, usd
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Row
from llm_monitoring.errors import NotReady
from llm_monitoring.process.progress import bar
from llm_monitoring.process.signals import stoppable
from llm_monitoring.process.wording import counted
from llm_monitoring.runs import records as table
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.reason_texts import problem_text, stop_text
from llm_monitoring.runs.records import AlreadyRunning

if TYPE_CHECKING:
    from llm_monitoring.runs.estimate import Estimate
    from llm_monitoring.runs.report import DayReport, ProjectReport
    from llm_monitoring.runs.stats import RunStats

RUN: Final = Number("run", "runs list")
SHOWN: Final[Columns] = {
    "Project": "project_id",
    "Name": "name",
    "Answered": "answers",
    "Open": "pending",
    "Cost USD": lambda row: usd(row["cost_usd"]),
    "Why": "error",
}


@click.command(epilog=example("runs retry 12", "runs retry 12 --yes"))
@click.argument("run", type=RUN)
@click.option("--any-past", is_flag=True, help="Also if the day is more than a week ago.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def retry(session: Session, run: int, *, any_past: bool, yes: bool) -> None:
    """Ask again what the day of RUN has no answer to, within each user's budget.

    What was answered is neither asked nor paid again. It is a run of its own; the answers are today's.
    """
    from llm_monitoring.ledger import blocked_users
    from llm_monitoring.runs.asked_days import require_askable
    from llm_monitoring.runs.estimate import estimate

    with session.app() as app:
        day = day_of(table.find(app.db, run))
        require_askable(app, day, any_past=any_past)
        blocked = blocked_users(app.budget.standings(start_month=False))
        open_tasks = list(estimate(app, make_plan(app, None, blocked), day))
        total = sum(cell.tasks for cell in open_tasks)
        if not total:
            say(f"Nothing that can be asked is open on {day}.")
            return
        say(cost_at_most(open_tasks, total))
        if not yes and not click.confirm("Ask them?"):
            return
        report = ask_again(app, day, total)
    show_report(report)


def day_of(run: Row) -> date:
    """The day of a run; raises NotReady for a value that the calendar does not have."""
    day = run["analysis_date"]
    if not isinstance(day, date):
        raise NotReady("run", run["id"], f"run {run['id']} has {day} as its day, which cannot be asked")
    return day


def cost_at_most(open_tasks: list[Estimate], total: int) -> str:
    """What is open, and its price."""
    ceiling = sum((cell.ceiling_usd for cell in open_tasks), Decimal(0))
    asked = counted(total, "prompt is", "prompts are")
    return f"{asked} open; asking them costs at most {usd(ceiling)} USD, and the sentiment of mentions extra."


def ask_again(app: App, day: date, total: int) -> DayReport:
    """Run the day as the daily job does, with a progress bar."""
    from llm_monitoring.runs.daily import RunRequest, run_day

    shown = [0]
    with stoppable() as stop, bar("Prompts", total) as advance:

        def on_progress(stats: RunStats) -> None:
            done = stats.answered + stats.failed
            advance(done - shown[0])
            shown[0] = done

        try:
            return run_day(app, RunRequest(day, stop=stop, in_batches=False, on_progress=on_progress))
        except AlreadyRunning as exc:
            raise Failed(f"{exc}: wait until it has ended") from exc


def show_report(report: DayReport) -> None:
    rows = [row_of(project) for project in report.projects]
    if rows:
        print_table(rows, SHOWN)
    stats = report.stats
    ended = f" Ended early: {stop_text(stats.stopped, 'en')}." if stats.stopped else ""
    say(f"Run {report.run_id}: {stats.answered} answered, {stats.failed} failed, {usd(report.cost_usd)} USD.{ended}")


def row_of(project: ProjectReport) -> dict[str, object]:
    return {
        "project_id": project.project_id,
        "name": project.name,
        "answers": project.answers,
        "pending": project.pending,
        "cost_usd": project.cost_usd,
        "error": project.error and problem_text(project.error, "en"),
    }
