"""`budget pace`: whether a user's budget is to last the month, and what is given up for it first."""

from __future__ import annotations

from typing import Literal

import click

from llm_monitoring import edits, projects
from llm_monitoring.cli.base.command import example
from llm_monitoring.cli.base.output import say
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.errors import Invalid
from llm_monitoring.ledger import Pacing


@click.command(
    epilog=example(
        "budget pace ana@agency.example --last-month on",
        "budget pace ana@agency.example --ladder rotation,sentiment,samples",
        "budget pace ana@agency.example --last-month off",
    )
)
@click.argument("user")
@click.option("--last-month", type=click.Choice(["on", "off"]), help="Whether the budget is to last the month.")
@click.option("--ladder", metavar="STEPS", help="What is given up, in this order, separated by commas.")
@pass_session
def pace(session: Session, user: str, last_month: Literal["on", "off"] | None, ladder: str | None) -> None:
    """Make USER's budget last the month, by leaving out of each day what does not fit its share.

    The steps, in the order of the ladder as it is at first: “sentiment” is not judged; “samples” beyond the first are
    not asked; “mode”: everything is asked in the cheaper mode that LLM_ECONOMY allows; “rotation”: prompts take turns,
    those with the least certain mention rate more often; “providers”: the dearest are not asked. A step that is not
    named is never taken.

    A change holds from the next day that is planned, which is by its first run. Off at first.
    """
    if last_month is None and ladder is None:
        raise Invalid("pacing", "say what to set: --last-month on or off, --ladder STEPS, or both")
    steps = None if ladder is None else ladder.split(",")
    with session.app() as app:
        owner = projects.find_user(app.db, user)
        is_on = None if last_month is None else last_month == "on"
        pacing = edits.set_pacing(app, edits.COMMAND, owner["id"], is_on=is_on, steps=steps)
    say(f"User {owner['id']} ({owner['email']}): {pacing_line(pacing)}")


def pacing_line(pacing: Pacing) -> str:
    ladder = ", ".join(pacing.steps)
    if pacing.is_on:
        return f"the budget is to last the month. Given up first to last: {ladder}."
    return f"every day is asked in full, as far as the budget goes. The ladder that is kept: {ladder}."
