"""Checks of what users' months will cost: a budget that ends before its month does."""

from __future__ import annotations

from collections.abc import Iterator

from llm_monitoring.app import App
from llm_monitoring.health.check_result import CheckResult, green, yellow
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.runs.forecast import Forecast, forecasts


def forecast(app: App) -> Iterator[CheckResult]:
    """One result a user with a forecast; a user who is blocked already has a result of the budgets."""
    standings = app.budget.standings(start_month=False)
    blocked = {standing.user_id for standing in standings if standing.blocked}
    for user_id, each in sorted(forecasts(app, standings).items()):
        if user_id not in blocked:
            yield of_month(each)


def of_month(found: Forecast) -> CheckResult:
    month = f"{found.expected_usd} USD ({found.low_usd} to {found.high_usd}) of {found.budget_usd} USD"
    if found.ends_on is None:
        return green("forecast", f"user {found.user_id}: the month will cost about {month}")
    ends = f"user {found.user_id}: the budget ends on {found.ends_on} at this pace; the month would cost about {month}"
    fix = f"`{PROGRAM} budget set {found.user_id} --limit USD`, or ask fewer prompts, samples or providers"
    return yellow("forecast", ends, fix)
