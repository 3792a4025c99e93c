"""Months day by day on the simulator: with pacing the budget lasts, without it the last days are dark."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from llm_monitoring.jobs import daily_log
from llm_monitoring.runs.report import DayReport
from tests.environment import Environment, open_environment
from tests.integration.simulated_month import SimulatedMonth

PROMPTS = 10


@pytest.fixture
def environment(database_url: str, quiet: None) -> Iterator[Environment]:
    with open_environment(database_url) as made:
        yield made


def cost_of_a_day(month: SimulatedMonth) -> Decimal:
    """What a day of a project costs in full, by a user of the month before."""
    user = month.add_user("1000")
    project = month.environment.add_numbered_project(user, PROMPTS, ("openai", "google"))
    month.run(month.first - timedelta(days=1))
    month.environment.db.execute("DELETE FROM llm_monitoring_projects WHERE id = %(id)s", {"id": project})
    return month.spent(user)


def add_user(month: SimulatedMonth, days: str) -> tuple[int, int, Decimal]:
    """A user with a budget of so many days in full: the user, a project, the budget in USD."""
    budget = round(cost_of_a_day(month) * Decimal(days), 2)
    user = month.add_user(str(budget))
    return user, month.environment.add_numbered_project(user, PROMPTS, ("openai", "google")), budget


def answers_by_day(month: SimulatedMonth, project: int) -> dict[date, int]:
    rows = month.app.db.all(
        "SELECT analysis_date AS day, count(*) AS n FROM llm_monitoring_results WHERE project_id = %(id)s GROUP BY 1",
        {"id": project},
    )
    return {row["day"]: row["n"] for row in rows}


@pytest.mark.ci
@pytest.mark.parametrize(
    ("first", "last", "affordable"),
    [
        pytest.param(date(2026, 9, 22), 30, "6", id="a user who begins on the 22nd"),
        pytest.param(date(2026, 9, 1), 30, "20", id="thirty days"),
        pytest.param(date(2026, 2, 1), 28, "10", id="February"),
        pytest.param(date(2026, 9, 15), 30, "12", id="a user who begins on the 15th"),
    ],
)
@pytest.mark.timeout(240)
def test_a_paced_budget_lasts_the_month(
    environment: Environment, caplog: pytest.LogCaptureFixture, first: date, last: int, affordable: str
) -> None:
    """Every day has answers and almost all of the budget is used, with each step said; without it the end is dark."""
    month = SimulatedMonth(environment, first, {"LLM_SENTIMENT": "true"})
    _, dark, budget = add_user(month, affordable)
    paced = month.add_user(str(budget))
    project = environment.add_numbered_project(paced, PROMPTS, ("openai", "google"))
    month.pace(paced)
    days = month.days(first.day, last)
    month.run_all(days)
    with_answers = answers_by_day(month, dark)
    assert set(days[: int(affordable) - 1]) <= set(with_answers)
    assert not set(days[int(affordable) + 1 :]) & set(with_answers)
    assert set(days) == set(answers_by_day(month, project))
    assert Decimal("0.97") * budget <= month.spent(paced) <= budget
    assert [] == [day for day, report in month.reports.items() if day in days and failed(report, project)]
    caplog.set_level(logging.INFO)
    daily_log.summary(month.reports[days[-2]])
    assert "   🪜 Para que dure el mes: sentimiento sin evaluar, desde el " in caplog.text
    assert "prompts por turnos, " in caplog.text


def failed(report: DayReport, project: int) -> bool:
    """Whether a project's day has an open task or a failure."""
    (own,) = [each for each in report.projects if each.project_id == project]
    return own.error is not None or own.failed > 0 or own.pending > 0
