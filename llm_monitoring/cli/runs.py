"""`runs`: what the daily job did, and another go at what it left open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from llm_monitoring import runs as table
from llm_monitoring.cli.command import Number, example, json_option
from llm_monitoring.cli.output import Columns, print_table, say, show_fields, show_json, show_rows, usd
from llm_monitoring.cli.retry import retry
from llm_monitoring.cli.session import Session, pass_session
from llm_monitoring.day import Tools
from llm_monitoring.db import Row
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.projects import enabled

RUN: Final = Number("run", "runs list")
NO_KEY: Final = "no API key: `keys set`"
NO_RUN: Final = "There was no run yet: `python daily_llm_monitoring_cron.py`."
CELLS: Final[Columns] = {
    "Project": "project_id", "Name": "name", "User": "user_id", "Provider": "provider", "Prompts": "tasks",
    "Answered": "results", "Unread": "unread", "Failed": "failures",
    "Cost USD": lambda row: None if row["cost_usd"] is None else usd(row["cost_usd"]), "Why": "message",
}  # fmt: skip


LEFT_ALONE: Final[Columns] = {"Row": "row", "Stage": "stage", "Code": "code", "Message": "message"}


@click.group(epilog=example("runs list", "runs show 12", "runs retry 12"))
def runs() -> None:
    """Look at the daily runs, and ask again what one left open."""


runs.add_command(retry)


@runs.command("list", epilog=example("runs list --limit 7"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, latest first.")
@json_option
@pass_session
def list_runs(session: Session, limit: int, *, as_json: bool) -> None:
    """List the latest runs: how they ended and what they cost."""
    with session.tools() as tools:
        rows = table.recent(tools.db, limit)
    columns: Columns = {
        "Run": "id", "Day": "analysis_date", "Status": "status", "Started (UTC)": "started_at",
        "Answered": "valid_results", "Failed": "failed_tasks", "Open": "pending_tasks",
        "Cost USD": lambda row: usd(row["total_cost_usd"]), "Message": "message",
    }  # fmt: skip
    show_rows(rows, columns, as_json=as_json, empty=NO_RUN)


@runs.command(epilog=example("runs show 12", "runs show 12 --json"))
@click.argument("run", type=RUN)
@json_option
@pass_session
def show(session: Session, run: int, *, as_json: bool) -> None:
    """Show how RUN ended, and how far its day is by now.

    A day may have had several runs: answered and failed are the day's, costs are the run's own.
    """
    with session.tools() as tools:
        fields = table.find(tools.db, run)
        cells = list(day_cells(tools, fields))
    if as_json:
        show_json(fields | {"day": cells})
        return
    titles: Columns = {
        "Run": "id", "Day": "analysis_date", "Status": "status", "Started (UTC)": "started_at",
        "Ended (UTC)": "finished_at", "Answered": "valid_results", "Failed": "failed_tasks", "Open": "pending_tasks",
        "Cost USD": lambda row: usd(row["total_cost_usd"]), "Process": "owner", "Message": "message",
    }  # fmt: skip
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
    if any(cell["results"] < cell["tasks"] and cell["message"] != NO_KEY for cell in cells):
        say(f"Ask again what is open: `runs retry {run}`.")


def day_cells(tools: Tools, run: Row) -> Iterator[Row]:
    """How far the run's day is, by project and provider; the cost of a project stands in its first line."""
    day = run["analysis_date"]
    listed = {row["id"]: row for row in table.day_projects(tools.db, day)}
    spent = table.project_spend(tools.db, run["id"])
    keys = tools.keys.available({row["user_id"] for row in listed.values() if row["user_id"] is not None})
    for project_id, by_provider in table.completeness(tools.db, day, list(listed), PROVIDERS).items():
        project = listed[project_id]
        wanted = enabled(project["enabled_llms"])
        cost = spent[project_id].cost_usd if project_id in spent else None
        for provider, cell in by_provider.items():
            if provider in wanted or cell.results or cell.failures:
                keyless = cell.results < cell.tasks and provider not in keys.get(project["user_id"], {})
                why = cell.message or (NO_KEY if keyless else None)
                yield cell_fields(project, provider, cell) | {"cost_usd": cost, "message": why}
                cost = None


def cell_fields(project: Row, provider: str, cell: table.Completeness) -> dict[str, Any]:
    return {
        "project_id": project["id"], "name": project["name"], "user_id": project["user_id"], "provider": provider,
        "tasks": cell.tasks, "results": cell.results, "unread": cell.unread, "failures": cell.failures,
        "reason": cell.reason,
    }  # fmt: skip
