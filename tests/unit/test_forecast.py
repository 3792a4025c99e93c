"""What a month will cost: arithmetic on past days, its range, and the day on which a budget ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from statistics import mean
from zoneinfo import ZoneInfo

import pytest

from llm_monitoring.ledger import Standing
from llm_monitoring.runs.forecast import CellCosts, Forecast, days_until_charged, end_of_budget, forecast

TODAY, END = date(2026, 11, 20), date(2026, 11, 30)
USER = Standing(1, Decimal(20), Decimal(0), Decimal(100), Decimal(80), True)


def past(costs: Sequence[str | float], answers: int = 10, until: date = TODAY) -> dict[date, tuple[Decimal, int]]:
    """Days before `until` with these costs and so many answers each."""
    return {until - timedelta(days=n): (Decimal(str(cost)), answers) for n, cost in enumerate(costs, 1)}


def made(*cells: CellCosts, user: Standing = USER, today: date = TODAY) -> Forecast:
    found = forecast(user, cells, today, END)
    assert found is not None
    return found


def test_equal_days_have_no_range() -> None:
    """Ten days at a dollar after what is spent: thirty dollars, for certain."""
    found = made(CellCosts(10, 0, past(["1"] * 8)))
    assert Decimal(30) == found.expected_usd
    assert Decimal(30) == found.low_usd
    assert Decimal(30) == found.high_usd
    assert 8 == found.days
    assert found.ends_on is None


def test_a_month_of_less_than_a_dollar_is_not_rounded_to_none() -> None:
    """Ten days at a fiftieth of a cent cost 0.0020 dollars, not 0.00."""
    user = replace(USER, spent_usd=Decimal(0))
    assert Decimal("0.0020") == made(CellCosts(10, 0, past(["0.0002"] * 8)), user=user).expected_usd


def test_a_day_that_the_next_month_is_charged_is_not_in_this_one() -> None:
    """East of UTC the day after the month's last is begun before the month ends: its tasks are not this month's."""
    assert Decimal(20) == made(CellCosts(10, 10, past(["1"] * 8)), today=END + timedelta(days=1)).expected_usd


def test_what_is_open_today_is_added() -> None:
    """Five open tasks of ten cost half a day more."""
    assert Decimal("30.50") == made(CellCosts(10, 5, past(["1"] * 8))).expected_usd


def test_prompts_that_were_added_count_at_the_cost_of_the_others() -> None:
    """Twice as many tasks a day as the past days answered cost twice as much from now on."""
    assert Decimal(40) == made(CellCosts(20, 0, past(["1"] * 8))).expected_usd


def test_a_price_that_begins_counts_from_its_day_on() -> None:
    """Five days at a dollar and five at two: fifteen dollars more, and a budget of ten ends on the third dear day."""
    cell = CellCosts(10, 0, past(["1"] * 8), {date(2026, 11, 26): past(["2"] * 8)})
    found = made(cell, user=replace(USER, budget_usd=Decimal(30)))
    assert Decimal(35) == found.expected_usd == found.low_usd == found.high_usd
    assert date(2026, 11, 28) == found.ends_on


def test_the_latest_of_several_prices_counts() -> None:
    """Each day is at the price that began last before it."""
    later = {date(2026, 11, day): past([usd] * 8) for day, usd in ((22, "2"), (29, "3"))}
    assert Decimal(20 + 1 + 7 * 2 + 2 * 3) == made(CellCosts(10, 0, past(["1"] * 8), later)).expected_usd


def test_a_day_that_was_half_asked_does_not_halve_the_forecast() -> None:
    """The cost is one a task: a day with half the answers at half the cost is as dear as the others."""
    days = past(["1"] * 7) | {TODAY - timedelta(days=8): (Decimal("0.5"), 5)}
    assert Decimal(30) == made(CellCosts(10, 0, days)).expected_usd


def test_a_provider_that_lacks_a_day_counts_with_its_mean() -> None:
    """A project with two providers, one of which was down for some days, is not forecast as if it were away."""
    whole, gap = past(["1"] * 8), dict(list(past(["2"] * 8).items())[:3])
    assert Decimal(50) == made(CellCosts(10, 0, whole), CellCosts(10, 0, gap)).expected_usd


def test_days_that_differ_give_a_range() -> None:
    """It holds the expected cost, is the wider the more days are left, and is never below what is spent."""
    cell = CellCosts(10, 0, past(["0.5", "1.5"] * 4))
    found, earlier = (
        made(cell),
        made(replace(cell, days=past(["0.5", "1.5"] * 4, until=date(2026, 11, 10))), today=date(2026, 11, 10)),
    )
    assert found.low_usd < found.expected_usd == Decimal(30) < found.high_usd
    assert found.high_usd - found.low_usd < earlier.high_usd - earlier.low_usd
    wild = made(CellCosts(10, 0, past(["0", "9"] * 4)))
    assert USER.spent_usd == wild.low_usd


@pytest.mark.parametrize("number", [0, 5])
def test_few_days_are_no_forecast(number: int) -> None:
    """Five days do not show how much one day differs from another."""
    cells = [CellCosts(10, 0, past(["1"] * number))] if number else []
    assert None is forecast(USER, cells, TODAY, END)


def test_the_range_holds_the_month_95_times_in_100() -> None:
    """Of simulated users with days of any difference, about one in twenty ends outside."""
    random, inside = Random(11), 0
    for _ in range(400):
        costs = [max(0.01, random.gauss(1, 0.3)) for _ in range(24)]
        found = made(CellCosts(10, 0, past([round(cost, 6) for cost in costs[:14]])))
        truth = 20 + sum(costs[14:])
        inside += float(found.low_usd) - 0.01 <= truth <= float(found.high_usd) + 0.01
    assert 0.92 < inside / 400 < 0.98


def test_the_expected_cost_is_the_mean() -> None:
    """Ten days at the mean of the past ones."""
    costs = ["0.4", "0.9", "1.1", "1.3", "0.7", "1.6"]
    expected = round(Decimal(str(20 + 10 * mean(map(float, costs)))), 2)
    assert expected == made(CellCosts(10, 0, past(costs))).expected_usd


@pytest.mark.parametrize(
    ("budget", "soon", "day", "ends"),
    [
        ("100", "20", "1", None),
        ("30", "20", "1", None),  # exactly ten days more
        ("29.99", "20", "1", date(2026, 11, 30)),
        ("23", "20", "1", date(2026, 11, 24)),
        ("22.5", "20", "1", date(2026, 11, 23)),
        ("20", "20", "1", date(2026, 11, 21)),
        ("19", "20", "1", TODAY),
        ("0", "0", "1", date(2026, 11, 21)),
        ("100", "20", "0", None),
    ],
)
def test_the_first_day_that_a_budget_does_not_cover(budget: str, soon: str, day: str, ends: date | None) -> None:
    """A day is covered if all of it is."""
    assert ends == end_of_budget(Decimal(budget), Decimal(soon), [Decimal(day)] * 10, TODAY)


@pytest.mark.parametrize(
    ("zone", "began", "days"),
    [
        ("America/Mexico_City", "2026-11-10T04:00+00:00", 1),
        ("America/Mexico_City", "2026-11-09T13:00+00:00", 0),
        ("Asia/Tokyo", "2026-11-09T04:00+00:00", 0),
        ("Asia/Tokyo", "2026-11-08T20:00+00:00", -1),
        ("Asia/Tokyo", "2026-11-12T04:00+00:00", 0),
    ],
    ids=["the evening before", "in the morning", "the same day", "the next morning", "a run of a past day"],
)
def test_days_are_charged_in_the_month_of_their_run(zone: str, began: str, days: int) -> None:
    """A run at 04:00 UTC asks the day before in America, so the last day of a month is charged in the next one."""
    rows = [
        {"day": date(2026, 11, 8), "began_at": datetime(2026, 11, 8, 12, tzinfo=ZoneInfo(zone))},
        {"day": date(2026, 11, 9), "began_at": datetime.fromisoformat(began)},
    ]
    assert timedelta(days=days) == days_until_charged(rows, ZoneInfo(zone))
