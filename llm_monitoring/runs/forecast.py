"""What a user's month will cost: what is spent, and the days that are left at the cost of the last ones."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta, tzinfo
from decimal import Decimal
from itertools import chain
from typing import Final

from llm_monitoring import registry
from llm_monitoring.app import App, schedule_day
from llm_monitoring.db import Row, load
from llm_monitoring.domain import PROVIDERS, usd_places
from llm_monitoring.figures import CONFIDENCE, t_quantile
from llm_monitoring.ledger import Standing
from llm_monitoring.registry import Catalogue
from llm_monitoring.runs.call_costs import CallCosts

SQL = load("forecast")

MOST_DAYS: Final = 14
FEWEST_DAYS: Final = 6
"""Days with answers that a forecast rests on: fewer do not show how much one day differs from another."""


Days = Mapping[date, tuple[Decimal, int]]
"""What each day's calls cost in USD, and how many tasks they answered."""


@dataclass(frozen=True, slots=True)
class CellCosts:
    """One project at one provider: its tasks a day as planned now, those of today that are open, and its past days.

    `days` are at the prices of today; `later` has the same days at the prices that begin on a day to come.
    """

    tasks: int
    open_today: int
    days: Days
    later: Mapping[date, Days] = field(default_factory=dict)

    def on(self, day: date) -> CellCosts:
        """The cell at the prices of a day to come."""
        begun = [start for start in self.later if start <= day]
        return replace(self, days=self.later[max(begun)], later={}) if begun else self

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
class DayCost:
    """What a day to come costs: the mean of the past ones at its prices, and their variance."""

    mean: Decimal
    variance: Decimal


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
    past: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in app.db.all(SQL.history, params):
        past[row["project_id"], row["provider"]].append(row)
    delay = days_until_charged(chain.from_iterable(past.values()), app.settings.timezone)
    end = month.replace(day=monthrange(month.year, month.month)[1]) - delay
    catalogue = registry.read_catalogue(app.db)
    starts = price_starts(catalogue, today, end)
    cells: dict[int, list[CellCosts]] = defaultdict(list)
    for row in app.db.all(SQL.planned, params):
        rows = past.get((row["project_id"], row["provider"]))
        if rows:
            days, *later = (repriced(CallCosts(catalogue, start), rows) for start in (today, *starts))
            made = CellCosts(row["tasks"], row["open"], days, dict(zip(starts, later, strict=True)))
            cells[row["user_id"]].append(made)
    found = (forecast(each, cells[each.user_id], today, end) for each in standings if each.user_id in cells)
    return {each.user_id: each for each in found if each is not None}


def days_until_charged(rows: Iterable[Row], zone: tzinfo) -> timedelta:
    """How many days after a day of `zone` its calls are charged, by the latest of `rows` that was asked on its own day.

    A month of the ledger is one of UTC: where a run at 04:00 UTC asks the evening's day, that of America, the month's
    last day is charged in the next month.
    """
    for row in sorted(rows, key=lambda row: row["day"], reverse=True):
        if row["began_at"].astimezone(zone).date() == row["day"]:
            return timedelta(days=(row["began_at"].astimezone(UTC).date() - row["day"]).days)
    return timedelta()


def price_starts(catalogue: Catalogue, today: date, end: date) -> list[date]:
    """The days to come until `end` on which a price begins."""
    prices = [model.prices for model in catalogue.models if model.prices is not None]
    return sorted({each.valid_from for own in prices for each in own.beginning(today + timedelta(days=1), end)})


def repriced(costs: CallCosts, rows: Sequence[Row]) -> Days:
    """What each day of a project at one provider would cost with the present model at the prices of another day."""
    days: dict[date, tuple[Decimal, int]] = {}
    for row in rows:
        model = costs.catalogue.current(row["provider"]) if row["kind"] == "answer" else costs.former(row)
        usd, _ = days.get(row["day"], (Decimal(0), 0))
        days[row["day"]] = usd + costs.at_present(row, model, row["mode"]), row["answers"]
    return days


def forecast(standing: Standing, cells: Sequence[CellCosts], today: date, end: date) -> Forecast | None:
    """The forecast of a month in which `end` is the last day that is charged; None if its days are too few.

    The range is that of a sum of as many days as are left, each as different from the others as the past ones were at
    its prices, and with a mean that is known as well as they tell it. A provider that was never asked is not in it.
    """
    days = sorted({day for cell in cells for day in cell.days})
    if len(days) < FEWEST_DAYS:
        return None
    coming = [today + timedelta(days=number) for number in range(1, (end - today).days + 1)]
    costs = [cost_of_day([cell.on(day) for cell in cells], days) for day in coming]
    open_now = [cell.open_today * cell.task_usd for cell in cells if today <= end]
    soon = standing.spent_usd + sum(open_now, Decimal(0))
    expected = soon + sum((cost.mean for cost in costs), Decimal(0))
    known = sum((cost.variance.sqrt() for cost in costs), Decimal(0)) ** 2 / len(days)
    spread = (sum((cost.variance for cost in costs), Decimal(0)) + known).sqrt()
    half = Decimal(str(t_quantile(CONFIDENCE, len(days) - 1))) * spread
    return Forecast(
        standing.user_id,
        expected_usd=shown(expected),
        low_usd=shown(max(soon, expected - half)),
        high_usd=shown(expected + half),
        budget_usd=standing.budget_usd,
        days=len(days),
        ends_on=end_of_budget(standing.budget_usd, soon, [cost.mean for cost in costs], today),
    )


def cost_of_day(cells: Sequence[CellCosts], days: Sequence[date]) -> DayCost:
    """What a day costs, by what the tasks of now would have cost on the past days."""
    costs = [sum((cell.day_usd(day) for cell in cells), Decimal(0)) for day in days]
    mean = sum(costs, Decimal(0)) / len(costs)
    return DayCost(mean, sum(((cost - mean) ** 2 for cost in costs), Decimal(0)) / (len(costs) - 1))


def end_of_budget(budget_usd: Decimal, soon: Decimal, coming_usd: Sequence[Decimal], today: date) -> date | None:
    """The first day that a budget does not cover whole, if today brings the spend to `soon`; None if it lasts."""
    if soon > budget_usd:
        return today
    spent = soon
    for number, day_usd in enumerate(coming_usd, start=1):
        spent += day_usd
        if spent > budget_usd or soon == budget_usd:
            return today + timedelta(days=number)
    return None


def shown(amount: Decimal) -> Decimal:
    return round(amount, usd_places(amount))
