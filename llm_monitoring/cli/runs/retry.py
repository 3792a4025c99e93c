"""`runs retry`: asks again what a day has no answer to."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import click

from llm_monitoring.app import App
from llm_monitoring.cli.base.command import Failed, Number, example
from llm_monitoring.cli.base.output import Columns, print_table, say, usd
from llm_monitoring.cli.base.progress import bar
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.process.signals import stoppable
from llm_monitoring.process.wording import counted
from llm_monitoring.runs import records as table
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.reasons import stop_text
from llm_monitoring.runs.records import AlreadyRunning, RunLock

if TYPE_CHECKING:
    from llm_monitoring.ledger.accounts import Standing
    from llm_monitoring.runs.daily import RunRequest
    from llm_monitoring.runs.estimate import Estimate
    from llm_monitoring.runs.report import DayReport, ProjectReport
    from llm_monitoring.runs.stats import RunStats

RUN: Final = Number("run", "runs list")
SHOWN: Final[Columns] = {
    "Project": "project_id", "Name": "name", "Answered": "answers", "Open": "pending",
    "Cost USD": lambda row: usd(row["cost_usd"]), "Why": "error",
}  # fmt: skip


@click.command(epilog=example("runs retry 12", "runs retry 12 --yes"))
@click.argument("run", type=RUN)
@click.option("--yes", is_flag=True, help="Ask nobody: for scripts.")
@pass_session
def retry(session: Session, run: int, *, yes: bool) -> None:
    """Ask again what the day of RUN has no answer to, within each user's budget.

    What was answered is neither asked nor paid again. It is a run of its own; the answers are today's.
    """
    from llm_monitoring.ledger.accounts import blocked_users
    from llm_monitoring.runs import daily
    from llm_monitoring.runs.estimate import estimate

    with session.app() as app:
        order_day = table.find(app.db, run)["analysis_date"]
        blocked = blocked_users(app.budget.standings(start_month=False))
        open_tasks = list(estimate(app, make_plan(app, None, blocked), order_day))
        total = sum(each.tasks for each in open_tasks)
        if not total:
            say(f"Nothing that can be asked is open on {order_day}.")
            return
        say(cost_at_most(open_tasks, total))
        if not yes and not click.confirm("Ask them?"):
            return
        report = work(app, daily.RunRequest(order_day), total)
    tell(report)


def cost_at_most(open_tasks: list[Estimate], total: int) -> str:
    """What is open, and its price."""
    ceiling = sum((each.ceiling_usd for each in open_tasks), Decimal(0))
    asked = counted(total, "prompt is", "prompts are")
    return f"{asked} open; asking them costs at most {usd(ceiling)} USD, and the tone of mentions extra."


def work(app: App, order: RunRequest, total: int) -> DayReport:
    """Run the day as the daily job does."""
    from dataclasses import replace

    from llm_monitoring.ledger.accounts import blocked_users
    from llm_monitoring.runs import daily

    seen = [0]
    with stoppable() as stop, bar("Prompts", total) as advance:

        def on_progress(tally: RunStats) -> None:
            done = tally.answered + tally.failed
            advance(done - seen[0])
            seen[0] = done

        try:
            with RunLock(app.db) as lock:
                daily.settle_dead_runs(app, stop)
                standings: list[Standing] = app.budget.standings()
                tracked = replace(order, stop=stop, on_progress=on_progress)
                return daily.analyse(app, tracked, blocked_users(standings), lock)
        except AlreadyRunning as exc:
            raise Failed(f"{exc}: wait until it has ended") from exc


def tell(report: DayReport) -> None:
    rows = [row_of(project) for project in report.projects]
    if rows:
        print_table(rows, SHOWN)
    ended = f" Ended early: {stop_text(report.stats.stopped, 'en')}." if report.stats.stopped else ""
    say(f"Run {report.run_id}: {report.stats.answered} answered, {report.stats.failed} failed, "
        f"{usd(report.cost_usd)} USD.{ended}")  # fmt: skip


def row_of(project: ProjectReport) -> dict[str, object]:
    return {
        "project_id": project.project_id, "name": project.name, "answers": project.answers,
        "pending": project.pending, "cost_usd": project.cost_usd, "error": project.error and project.error.text("en"),
    }  # fmt: skip
