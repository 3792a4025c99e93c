"""`runs`: lists the daily runs, shows one, and asks again what one left open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Final

import click

from llm_monitoring.app import App
from llm_monitoring.cli.base.command import LateGroup, Number, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_fields, show_json, show_rows, usd
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Row
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.process.wording import DAILY
from llm_monitoring.projects import enabled_providers
from llm_monitoring.runs import records as table
from llm_monitoring.runs import tasks
from llm_monitoring.runs.reason_texts import cause_text, stop_text
from llm_monitoring.runs.reasons import Cause

RUN: Final = Number("run", "runs list")
NO_KEY: Final = "no API key: `keys set`"
NO_RUN: Final = f"There was no run yet: `{DAILY}`."
CELLS: Final[Columns] = {
    "Project": "project_id",
    "Name": "name",
    "User": "user_id",
    "Provider": "provider",
    "Prompts of the day": "tasks",
    "Answered": "results",
    "Unread": "unread",
    "Failed": "failures",
    "Answered in this run": "run_answers",
    "Failed in this run": "run_failures",
    "Cost of this run, USD": lambda row: None if row["cost_usd"] is None else usd(row["cost_usd"]),
    "Why": "message",
}


LEFT_ALONE: Final[Columns] = {"Row": "row", "Stage": "stage", "Code": "code", "Message": "message"}


LATE: Final = {"retry": ("runs.retry", "Ask again what the day of RUN has no answer to, within each user's budget.")}


@click.group(cls=LateGroup, late=LATE, epilog=example("runs list", "runs show 12", "runs retry 12"))
def runs() -> None:
    """Look at the daily runs, and ask again what one left open."""


@runs.command("list", epilog=example("runs list --limit 7"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, latest first.")
@json_option
@pass_session
def list_runs(session: Session, limit: int, *, as_json: bool) -> None:
    """List the latest runs: how they ended and what they cost."""
    with session.app() as app:
        rows = table.recent(app.db, limit)
    columns: dict[str, str | Callable[[Any], object]] = {
        "Run": "id",
        "Day": "analysis_date",
        "Status": "status",
        "Start (UTC)": start_shown,
        "Answered": "valid_results",
        "Failed": "failed_tasks",
        "Open": "pending_tasks",
        "USD": lambda row: usd(row["total_cost_usd"]),
    }
    if any(row["message"] for row in rows):
        columns["Why"] = why_shown
    show_rows(rows, columns, as_json=as_json, empty=NO_RUN)


@runs.command(epilog=example("runs show 12", "runs show 12 --json"))
@click.argument("run", type=RUN)
@json_option
@pass_session
def show(session: Session, run: int, *, as_json: bool) -> None:
    """Show how RUN ended, what it cost at each provider, and how far its day is by now.

    A day may have had several runs: columns without `this run` in their title are of the whole day.
    """
    with session.app() as app:
        fields = table.find(app.db, run)
        cells = list(day_cells(app, fields))
        unfinished = tasks.unfinished_answers(app.db, fields["analysis_date"])
    if as_json:
        show_json(fields | {"day": cells, "unfinished": [asdict(part) for part in unfinished]})
        return
    titles: Columns = {
        "Run": "id",
        "Day": "analysis_date",
        "Status": "status",
        "Started (UTC)": "started_at",
        "Ended (UTC)": "finished_at",
        "Answered in this run": "valid_results",
        "Failed in this run": "failed_tasks",
        "Open at its end": "pending_tasks",
        "Cost USD": lambda row: usd(row["total_cost_usd"]),
        "Process": "owner",
        "Why it ended early": why_shown,
    }
    show_fields(fields, titles)
    say("")
    if cells:
        print_table(cells, CELLS)
    if fields["row_errors"]:
        say("Left alone, so that the rest could go on:")
        print_table(fields["row_errors"], LEFT_ALONE)
    unread = sorted({cell["project_id"] for cell in cells if cell["unread"]})
    if unread:
        say(f"Answers unread are in no figure: `reanalyse --project {unread[0]}`.")
    for part in unfinished:
        say_unfinished(part)
    if any(cell["results"] < cell["tasks"] and cell["message"] != NO_KEY for cell in cells):
        say(f"Ask again what is open: `runs retry {run}`.")


def start_shown(row: Row) -> str:
    """When a run started: the time alone if it was on the day that it asked for."""
    started, day = row["started_at"], row["analysis_date"]
    return f"{started:%H:%M}" if started.date() == day else f"{started:%Y-%m-%d %H:%M}"


def why_shown(row: Row) -> str | None:
    return stop_text(row["message"], "en")


def say_unfinished(part: tasks.Unfinished) -> None:
    project = f"Project {part.project_id}, {part.name}"
    if part.without_sentiment:
        say(f"{project}: {part.without_sentiment} of the day's answers have no readable sentiment.")


def day_cells(app: App, run: Row) -> Iterator[Row]:
    """How far the run's day is, by project and provider, with what this run did and cost there."""
    day = run["analysis_date"]
    listed = {row["id"]: row for row in table.day_projects(app.db, day)}
    of_run = table.cells_of_run(app.db, run["id"])
    keys = app.keys.available({row["user_id"] for row in listed.values() if row["user_id"] is not None})
    for project_id, by_provider in tasks.completeness(app.db, day, list(listed), PROVIDERS).items():
        project = listed[project_id]
        wanted = enabled_providers(project["enabled_llms"])
        for provider, cell in by_provider.items():
            own = of_run.get((project_id, provider), table.CellOfRun())
            if provider in wanted or cell.results or cell.failures or own.cost_usd:
                keyless = cell.results < cell.tasks and provider not in keys.get(project["user_id"], {})
                why = cause_text(Cause(provider, cell.reason, cell.message), "en") or (NO_KEY if keyless else None)
                yield cell_fields(project, provider, cell, own) | {"message": why}


def cell_fields(project: Row, provider: str, cell: tasks.Completeness, own: table.CellOfRun) -> dict[str, Any]:
    return {
        "project_id": project["id"],
        "name": project["name"],
        "user_id": project["user_id"],
        "provider": provider,
        "tasks": cell.tasks,
        "results": cell.results,
        "unread": cell.unread,
        "failures": cell.failures,
        "reason": cell.reason,
        "run_answers": own.answers,
        "run_failures": own.failures,
        "cost_usd": own.cost_usd,
    }
