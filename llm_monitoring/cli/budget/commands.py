"""`budget`: monthly budgets of users, their spend, and checks of the ledger."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, date
from decimal import Decimal
from typing import Any, Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.cli.base.command import LateGroup, example, json_option
from llm_monitoring.cli.base.output import Columns, say, show_rows, usd
from llm_monitoring.cli.base.periods import Month
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Row
from llm_monitoring.domain import parse_usd
from llm_monitoring.errors import Invalid
from llm_monitoring.ledger import Standing
from llm_monitoring.process.wording import counted
from llm_monitoring.runs.batches.records import Due, due, still_out
from llm_monitoring.runs.forecast import Forecast, forecasts
from llm_monitoring.runs.held_steps import PacingState, pacing_states
from llm_monitoring.runs.pacing_texts import step_text
from llm_monitoring.settings import parsers


def month_shown(row: Row) -> str:
    """What the month will cost, its range, and the day on which the budget ends before the month does.

    With pacing the month would cost so much if every day was asked in full, which it is not.
    """
    found = row["forecast"]
    if found is None:
        return ""
    ends = f", ends on {found['ends_on']}" if found["ends_on"] else ""
    if row["pacing"]["is_on"]:
        ends = ", in full"
    return f"{found['expected_usd']} ({found['low_usd']} to {found['high_usd']}){ends}"


def pacing_shown(row: Row) -> str:
    """Whether the budget is to last the month, and what the last planned day may cost."""
    pacing = row["pacing"]
    if not pacing["is_on"]:
        return ""
    day = pacing["day"]
    if day is None:
        return "on"
    short = "" if day["suffices"] else ", the ladder does not suffice"
    return f"{day['day']}: {usd(day['expected_usd'])} of {usd(day['day_usd'])}{short}"


SHOWN: Final[Columns] = {
    "User": "user_id",
    "E-mail": "email",
    "Spent": lambda row: usd(row["spent_usd"]),
    "Reserved": lambda row: usd(row["reserved_usd"]),
    "Saved": lambda row: usd(row["saved_usd"]),
    "Limit": "budget_usd",
    "Used %": "percent",
    "Alert %": "threshold",
    "State": "state",
    "Month, about": month_shown,
    "Pacing": pacing_shown,
}


LATE: Final = {
    "audit": ("budget.audit", "Check the ledger and its counters; changes nothing without --fix."),
    "history": ("budget.history", "Show what every user, or USER, was charged month by month, from the ledger."),
    "pace": (
        "budget.pacing",
        "Make USER's budget last the month, by leaving out of each day what does not fit its share.",
    ),
    "reconcile": (
        "budget.reconcile",
        "Compare a month of the ledger with a provider's cost export, key by key and model by model.",
    ),
}


@click.group(cls=LateGroup, late=LATE, epilog=example("budget show", "budget set ana@agency.example --limit 50"))
def budget() -> None:
    """Manage the monthly budgets of users, in USD: a month is a calendar month in UTC."""


@budget.command(epilog=example("budget show", "budget show ana@agency.example --json"))
@click.argument("user", required=False)
@json_option
@pass_session
def show(session: Session, user: str | None, *, as_json: bool) -> None:
    """Show this month of every user, or of USER.

    “Reserved” is the most that open calls can cost, “Saved” how much more the same calls cost in standard mode. A user
    is blocked when the spend reaches the limit.

    “Month, about” is what the month will cost with the prompts of now, each at its cost in the last two weeks, then the
    range that holds it 95 times in 100 and the day that the limit does not cover any more. It needs six days of
    answers.

    “Pacing” is shown for users who pace their budget (`budget pace`): what the last planned day is expected
    to cost, of what it may cost. Below the table is what is left out since when.
    """
    with session.app() as app:
        owner = projects.find_user(app.db, user)["id"] if user is not None else None
        standings = [each for each in app.budget.standings(start_month=False) if owner in (None, each.user_id)]
        emails = {row["id"]: row["email"] for row in projects.list_users(app.db)}
        limit, saved = app.settings.default_monthly_budget_usd, app.budget.saved()
        expected = forecasts(app, standings, owner)
        paced = pacing_states(app, [each.user_id for each in standings])
        out = still_out(app.db)
    rows = [
        standing_row(each, emails.get(each.user_id), saved.get(each.user_id), expected.get(each.user_id))
        | {"pacing": pacing_fields(paced[each.user_id])}
        | out_fields(due(part for part in out if part.user_id == each.user_id))
        for each in standings
    ]
    empty = f"Nothing spent and no limit set: the first call opens an account with {limit} USD a month."
    show_rows(rows, SHOWN, as_json=as_json, empty=empty)
    for row in [] if as_json else rows:
        if row["answers_out"]:
            until = f"due by {row['out_until']:%Y-%m-%d %H:%M} UTC"
            say(f"User {row['user_id']}: {counted(row['answers_out'], 'answer')} still out in batches, {until}.")
        for held in row["pacing"]["held"]:
            say(f"User {row['user_id']}, project {held['project_id']}: {held['text']}.")


def out_fields(found: Due | None) -> Row:
    """The answers of a user that are out in batches."""
    return {
        "answers_out": 0 if found is None else found.answers,
        "out_until": None if found is None else found.due_at.astimezone(UTC),
    }


def standing_row(standing: Standing, email: str | None, saved_usd: Decimal | None, forecast: Forecast | None) -> Row:
    state = "blocked" if standing.blocked else "near the limit" if standing.near_limit else "ok"
    return {
        "user_id": standing.user_id,
        "email": email,
        "spent_usd": standing.spent_usd,
        "reserved_usd": standing.reserved_usd,
        "saved_usd": saved_usd or Decimal(0),
        "budget_usd": standing.budget_usd,
        "percent": standing.shown_percent,
        "threshold": standing.threshold.quantize(Decimal("0.01")),
        "state": state,
        "forecast": None if forecast is None else forecast_fields(forecast),
    }


def forecast_fields(forecast: Forecast) -> Row:
    return {name: value for name, value in asdict(forecast).items() if name not in ("user_id", "budget_usd")}


def pacing_fields(state: PacingState) -> Row:
    """A user's pacing, the last planned day, and the steps that hold since when."""
    day = state.day
    return {
        "is_on": state.pacing.is_on,
        "steps": list(state.pacing.steps),
        "day": None if day is None else asdict(day) | {"suffices": day.suffices},
        "held": [asdict(held) | {"text": step_text(held, "en")} for held in state.held],
    }


class Limit(click.ParamType[Decimal, Any]):
    """A monthly limit in USD."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            return parsers.budget(str(value))
        except ValueError as exc:
            raise Invalid("limit", f"{value!r} is no limit: it must be {exc}") from exc


class Percent(click.ParamType[Decimal, Any]):
    """A percentage, with two decimals at most."""

    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        text = str(value).removesuffix("%").strip()
        if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", text) or Decimal(text) > 100:
            raise Invalid("threshold", f"{value!r} is no percentage from 0 to 100, with two decimals at most")
        return Decimal(text)


@budget.command("set", epilog=example("budget set ana@agency.example --limit 50 --threshold 80"))
@click.argument("user")
@click.option("--limit", type=Limit(), help="Most that USER may spend in a month.")
@click.option("--threshold", type=Percent(), help="Part of the limit at which an alert goes out.")
@pass_session
def set_limits(session: Session, user: str, limit: Decimal | None, threshold: Decimal | None) -> None:
    """Change USER's monthly limit, alert threshold, or both."""
    if limit is None and threshold is None:
        raise Invalid("limit", "say what to set: --limit USD, --threshold PERCENT, or both")
    with session.app() as app:
        owner = projects.find_user(app.db, user)
        standing = edits.set_limits(app, edits.COMMAND, owner["id"], limit, threshold)
    say(
        f"User {standing.user_id} ({owner['email']}) may spend {standing.budget_usd} USD a month, with an alert at "
        f"{standing.threshold} %; {usd(standing.spent_usd)} USD are spent this month."
    )


@budget.command(
    epilog=example('budget correct ana@agency.example -0.35 --reason "refunded by OpenAI"'),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("user")
@click.argument("amount")
@click.option("--reason", required=True, help="The reason, which is kept in the ledger.")
@click.option("--month", type=Month(), help="A month that is over, in UTC; the current one by default.")
@pass_session
def correct(session: Session, user: str, amount: str, reason: str, month: date | None) -> None:
    """Correct what USER has spent this month, or in a month that is over, by AMOUNT.

    AMOUNT in USD is added as a ledger entry of its own; a negative amount lowers the spend.
    """
    change = parse_usd(amount)
    if not change or change != round(change, 10):
        raise Invalid("amount", f"{amount!r} is no correction: give an amount other than 0, with ten decimals at most")
    if not reason.strip():
        raise Invalid("reason", "a correction needs a reason: --reason TEXT")
    with session.app() as app:
        if month is not None and month > app.budget.month():
            raise Invalid("month", f"{month:%Y-%m} has not come yet")
        owner = projects.find_user(app.db, user)
        spent = edits.correct_spend(app, edits.COMMAND, owner["id"], change, reason.strip(), month)
    when = "this month" if month is None else f"in {month:%Y-%m}"
    say(f"User {owner['id']} ({owner['email']}): {change:+f} USD entered; {usd(spent)} USD are spent {when}.")
