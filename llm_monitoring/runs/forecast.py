"""What a user's month will cost: what is spent, and the days that are left at the cost of the last ones."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring.app import App, schedule_day
from llm_monitoring.db import load
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.figures import CONFIDENCE, t_quantile
from llm_monitoring.ledger import Standing

SQL = load("forecast")

MOST_DAYS: Final = 14
FEWEST_DAYS: Final = 6
"""Days with answers that a forecast rests on: fewer do not show how much one day differs from another."""


@dataclass(frozen=True, slots=True)
class CellCosts:
    """One project at one provider: its tasks a day as planned now, those of today that are open, and its past days.

    `days` has what a day's calls cost in USD and how many tasks they answered.
    """

    tasks: int
    open_today: int
    days: Mapping[date, tuple[Decimal, int]]

    @property
    def task_usd(self) -> Decimal:
        """What a task has cost on average."""
        cost = sum((usd for usd, _ in self.days.values()), Decimal(0))
        return cost / sum(answers for _, answers in self.days.values())

    def day_usd(self, day: date) -> Decimal:
        """What the tasks of now would have cost on a day."""
        usd, answers = self.days.get(day, (self.task_usd, 1))
        return self.tasks * usd / answers


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a user's month will cost in USD if nothing stops it, with the range that holds it 95 times in 100.

    It rests on `days` days. `ends_on` is the first day that the budget does not cover whole; None if it lasts.
    """

    user_id: int
    expected_usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    budget_usd: Decimal
    days: int
    ends_on: date | None


def forecasts(app: App, standings: Sequence[Standing], user_id: int | None = None) -> dict[int, Forecast]:
    """The forecasts of these users, or of one; users with too few days of answers are left out."""
    today, month = schedule_day(app.settings), app.budget.month()
    params = {
        "user_id": user_id,
        "today": today,
        "first": today - timedelta(days=MOST_DAYS),
        "providers": list(PROVIDERS),
    }
    past: dict[tuple[int, str], dict[date, tuple[Decimal, int]]] = defaultdict(dict)
    for row in app.db.all(SQL.history, params):
        past[row["project_id"], row["provider"]][row["day"]] = row["cost_usd"], row["answers"]
    cells: dict[int, list[CellCosts]] = defaultdict(list)
    for row in app.db.all(SQL.planned, params):
        days = past.get((row["project_id"], row["provider"]))
        if days:
            cells[row["user_id"]].append(CellCosts(row["tasks"], row["open"], days))
    end = month.replace(day=monthrange(month.year, month.month)[1])
    made = (forecast(each, cells[each.user_id], today, end) for each in standings if each.user_id in cells)
    return {each.user_id: each for each in made if each is not None}


def forecast(standing: Standing, cells: Sequence[CellCosts], today: date, end: date) -> Forecast | None:
    """The forecast of a month that ends on `end`; None if its days are too few.

    The range is that of a sum of as many days as are left, each as different from the others as the past ones were, and
    with a mean that is known as well as they tell it. A provider that was never asked is not in it.
    """
    days = sorted({day for cell in cells for day in cell.days})
    if len(days) < FEWEST_DAYS:
        return None
    costs = [sum((cell.day_usd(day) for cell in cells), Decimal(0)) for day in days]
    mean = sum(costs, Decimal(0)) / len(costs)
    variance = sum(((cost - mean) ** 2 for cost in costs), Decimal(0)) / (len(costs) - 1)
    left = max(0, (end - today).days)
    soon = standing.spent_usd + sum((cell.open_today * cell.task_usd for cell in cells), Decimal(0))
    expected = soon + left * mean
    spread = (variance * (left + Decimal(left * left) / len(costs))).sqrt()
    half = Decimal(str(t_quantile(CONFIDENCE, len(costs) - 1))) * spread
    return Forecast(
        standing.user_id,
        expected_usd=cents(expected),
        low_usd=cents(max(soon, expected - half)),
        high_usd=cents(expected + half),
        budget_usd=standing.budget_usd,
        days=len(days),
        ends_on=end_of_budget(standing.budget_usd, soon, mean, today, end),
    )


def end_of_budget(budget_usd: Decimal, soon: Decimal, day_usd: Decimal, today: date, end: date) -> date | None:
    """The first day that a budget does not cover whole, if today brings the spend to `soon`; None if it lasts."""
    if soon > budget_usd or (soon == budget_usd and today < end):
        return today if soon > budget_usd else today + timedelta(days=1)
    if not day_usd:
        return None
    ends = today + timedelta(days=int((budget_usd - soon) / day_usd) + 1)
    return ends if ends <= end else None


def cents(amount: Decimal) -> Decimal:
    return round(amount, 2)
