"""`budget history`: the spend month by month."""

from __future__ import annotations

from typing import Final

import click

from llm_monitoring import projects
from llm_monitoring.cli.base.command import example, json_option
from llm_monitoring.cli.base.output import Columns, show_rows, usd
from llm_monitoring.cli.base.session import Session, pass_session

SHOWN: Final[Columns] = {
    "Month": lambda row: f"{row['month']:%Y-%m}",
    "User": "user_id",
    "E-mail": "email",
    "Calls": "calls",
    "Calls USD": lambda row: usd(row["calls_usd"]),
    "In doubt": lambda row: usd(row["in_doubt_usd"]),
    "Corrections": lambda row: usd(row["corrected_usd"]),
    "In all USD": lambda row: usd(row["charged_usd"]),
    "Reached %": "reached",
}


@click.command(epilog=example("budget history", "budget history ana@agency.example --months 3 --json"))
@click.argument("user", required=False)
@click.option("--months", type=click.IntRange(1, 1200), default=12, show_default=True, help="Number of months.")
@json_option
@pass_session
def history(session: Session, user: str | None, months: int, *, as_json: bool) -> None:
    """Show what every user, or USER, was charged month by month, from the ledger.

    “In doubt” is the part of calls that may not have been billed and are charged at their ceiling.
    """
    with session.app() as app:
        owner = projects.find_user(app.db, user)["id"] if user is not None else None
        rows = app.budget.history(owner, months)
    show_rows(rows, SHOWN, as_json=as_json, empty="Nothing was spent in these months.")
