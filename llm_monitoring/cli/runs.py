"""`runs`: what the daily job did."""

from __future__ import annotations

import click

from llm_monitoring import runs as table
from llm_monitoring.cli.command import example, json_option
from llm_monitoring.cli.output import Columns, show_rows, usd
from llm_monitoring.cli.session import Session, pass_session


@click.group(epilog=example("runs list"))
def runs() -> None:
    """Look at the daily runs."""


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
    show_rows(rows, columns, as_json=as_json, empty="There was no run yet: `python daily_llm_monitoring_cron.py`.")
