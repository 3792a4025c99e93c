"""The outermost command: which commands there are, and the options before them."""

from __future__ import annotations

from typing import Final

import click

from llm_monitoring.cli.base.command import LateGroup, example
from llm_monitoring.cli.base.session import Session

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "setup": ("setup.commands", "From nothing to the first dry run, a question at a time."),
    "doctor": ("doctor", "Whether this installation can run, and how to mend it."),
    "users": ("users", "Whose money is spent: add and list users."),
    "keys": ("keys.commands", "Users' API keys: set, list, verify, remove, rotate."),
    "projects": ("projects.commands", "Brands under watch: add, edit, list, show, check, pause, resume, remove."),
    "queries": ("projects.queries", "A project's prompts: add, import, generate, pause, list."),
    "competitors": ("projects.competitors", "Whom a brand is measured against: add, list, edit, remove."),
    "budget": ("budget.commands", "Monthly limits and spend: show, set, history, correct, audit, reconcile."),
    "models": ("models.commands", "The registry of models and their prices."),
    "runs": ("runs.commands", "The daily runs: list, show, retry."),
    "worker": ("worker", "One more machine for a daily run that is spread over several."),
    "metrics": ("results.metrics", "A period's figures, and what changed since another."),
    "report": ("results.report", "A project's period as one HTML page."),
    "answers": ("results.answers", "Stored answers: list, show."),
    "export": ("results.export", "Answers, daily figures or cited pages as CSV, JSON lines or a spreadsheet."),
    "reanalyse": ("results.reanalyse", "Read stored answers anew after names changed."),
    "orders": ("orders", "Serve analyses that were ordered through the web service."),
    "tokens": ("tokens", "Access tokens of the web service: create, list, revoke."),
    "web": ("web", "Serve the REST API."),
    "migrate": ("migrate", "Bring the database up to date."),
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
    """Set up who is monitored and with whose money, and look at what a run did.

    USER is a user's number or e-mail address, PROJECT a project's number. Without DATABASE_URL the commands work on
    the embedded database of this machine, as the daily job does.

    Exit codes: 0 done, 1 something is wrong with the database, the configuration or the ledger, 2 bad input.
    """
    ctx.obj = Session(demo)
