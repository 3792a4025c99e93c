"""The root command: the list of commands, and the options before them."""

from __future__ import annotations

from typing import Final

import click

from llm_monitoring.cli.base.command import LateGroup, example
from llm_monitoring.cli.base.session import Session

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "setup": ("setup.commands", "Set up user, keys, project and prompts, step by step."),
    "doctor": ("doctor", "Check this installation and show how to fix it."),
    "users": ("users", "Manage users, and let them sign in."),
    "keys": ("keys.commands", "Manage API keys: set, list, verify, remove, rotate."),
    "projects": ("projects.commands", "Manage projects: add, edit, list, show, check, pause, resume, remove."),
    "queries": ("projects.queries", "Manage prompts: add, import, generate, list, pause, edit, remove."),
    "competitors": ("projects.competitors", "Manage competitors: add, list, import, edit, remove."),
    "budget": ("budget.commands", "Manage budgets and spend: show, set, history, correct, audit, reconcile."),
    "models": ("models.commands", "Manage models and their prices."),
    "runs": ("runs.commands", "Show and retry daily runs."),
    "collect": ("runs.collect", "Collect the answers of batches that are out."),
    "worker": ("worker", "Work on a daily run that several machines share."),
    "metrics": ("results.metrics", "Show the figures of a period, and compare periods."),
    "report": ("results.report", "Write the report of a project as one HTML page."),
    "answers": ("results.answers", "List and show stored answers."),
    "sources": ("results.sources", "List the sites that answers cite, by kind, and set kinds."),
    "notes": ("projects.notes", "Note your own work on a project's time line."),
    "export": ("results.export", "Export answers, daily figures or cited pages as CSV, JSON lines or a spreadsheet."),
    "reanalyse": ("results.reanalyse", "Read stored answers again after names changed."),
    "orders": ("orders", "Serve analyses that were ordered through the web service."),
    "tokens": ("tokens", "Manage access tokens of the web service: create, list, revoke."),
    "agency": ("agency", "Set the name and logo on shared pages and reports."),
    "web": ("web", "Serve the pages, the REST API and MCP."),
    "mcp": ("mcp", "Serve one user's data to a model's client over standard input and output."),
    "migrate": ("migrate", "Create or update the tables of the database."),
    "completion": ("completion", "Print a script that completes commands with Tab."),
}


@click.group(
    cls=LateGroup,
    late=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=example("users add ana@agency.example", "keys set ana@agency.example openai", "--demo projects list"),
)
@click.option("--demo", is_flag=True, help="Work on the demo's own database instead of yours.")
@click.pass_context
def root(ctx: click.Context, /, *, demo: bool) -> None:
    """Manage users, projects and budgets, and look at runs and figures.

    USER is a user's number or e-mail address, PROJECT a project's number. Without DATABASE_URL the commands work on
    the embedded database of this machine, as the daily job does.

    Exit codes: 0 done, 1 something is wrong with the database, the configuration or the ledger, 2 bad input.
    """
    ctx.obj = Session(demo)
