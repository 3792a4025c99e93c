"""Checks of what users' months will cost: a budget that ends before its month does, and what makes it last."""

from __future__ import annotations

from collections.abc import Iterator

from llm_monitoring import projects
from llm_monitoring.app import App
from llm_monitoring.db import Database
from llm_monitoring.health.check_result import CheckResult, green, yellow
from llm_monitoring.ledger import read_pacings
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.runs.forecast import Forecast, forecasts
from llm_monitoring.runs.held_steps import PacedDay, by_project, pacing_states
from llm_monitoring.runs.pacing_texts import shortage_text, steps_text
from llm_monitoring.settings import Settings


def forecast(app: App) -> Iterator[CheckResult]:
    """One result a user with a forecast; those who are blocked have one of the budgets, those who pace one of that."""
    standings = app.budget.standings(start_month=False)
    others = {standing.user_id for standing in standings if standing.blocked}
    others |= {user_id for user_id, each in read_pacings(app.db).items() if each.is_on}
    for user_id, each in sorted(forecasts(app, standings).items()):
        if user_id not in others:
            yield of_month(each)


def pacing(app: App) -> Iterator[CheckResult]:
    """What each user who paces does without since when, and whether that is enough."""
    paced = sorted(user_id for user_id, each in read_pacings(app.db).items() if each.is_on)
    for user_id, state in pacing_states(app, paced).items():
        if state.day is None:
            yield green("pacing", f"user {user_id}: the budget is to last the month, from the next run on")
        else:
            yield of_day(state.day)
        for project_id, held in by_project(state.held).items():
            yield green("pacing", f"project {project_id}: {steps_text(held, 'en')}")


def of_day(day: PacedDay) -> CheckResult:
    allowed = f"{day.expected_usd:.4f} USD of the {day.day_usd:.4f} USD that {day.day} may cost"
    if day.suffices:
        return green("pacing", f"user {day.user_id}: the budget lasts the month, with {allowed}")
    fix = f"`{PROGRAM} budget pace {day.user_id} --ladder …` with more steps, such as rotation"
    return yellow("pacing", f"user {day.user_id}: {shortage_text(day, 'en')}", fix)


def of_month(found: Forecast) -> CheckResult:
    month = f"{found.expected_usd} USD ({found.low_usd} to {found.high_usd}) of {found.budget_usd} USD"
    if found.ends_on is None:
        return green("forecast", f"user {found.user_id}: the month will cost about {month}")
    ends = f"user {found.user_id}: the budget ends on {found.ends_on} at this pace; the month would cost about {month}"
    fix = f"`{PROGRAM} budget set {found.user_id} --limit USD`, or ask fewer prompts, samples or providers"
    return yellow("forecast", ends, fix)


def named_users(db: Database, settings: Settings) -> Iterator[CheckResult]:
    """Whether the users that settings name exist."""
    known = {int(row["id"]) for row in projects.list_users(db)}
    payer = settings.operator_user_id
    named = {
        "LLM_OPERATOR_KEYS_FOR": settings.operator_keys_for or frozenset(),
        "LLM_OPERATOR_USER_ID": frozenset() if payer is None else frozenset({payer}),
    }
    for name, users in named.items():
        if missing := sorted(users - known):
            who = ", ".join(f"#{each}" for each in missing)
            yield yellow("users", f"{name} names users that do not exist: {who}", f"`{PROGRAM} users list`")
