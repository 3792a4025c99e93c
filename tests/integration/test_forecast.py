"""The forecast of a month from the ledger: in `budget show`, over the API and in the digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from llm_monitoring import registry
from llm_monitoring.app import App, schedule_day
from llm_monitoring.cli.root import root
from llm_monitoring.jobs.digest_text import Names
from llm_monitoring.jobs.run_notices import forecast_notices
from llm_monitoring.registry import PriceUpdate, admin
from llm_monitoring.registry.admin import Author, Since
from llm_monitoring.runs.forecast import forecasts
from llm_monitoring.settings import load_settings
from tests.environment import Environment, open_environment

CALL = """
INSERT INTO llm_call_attempts (id, kind, state, user_id, month, project_id, query_id, task_provider, analysis_date,
                               sample, llm_provider, model_id, key_source, ceiling_usd, charged_usd, committed_usd,
                               budget_usd, sent_at)
SELECT gen_random_uuid(), kind, 'settled', %(user)s, date_trunc('month', now() AT TIME ZONE 'UTC'), %(project)s, q.id,
       'openai', %(day)s, 1, 'openai', 'm', 'user', 9, CASE kind WHEN 'answer' THEN 0.8 ELSE 0.2 END, 1, 100, now()
FROM llm_monitoring_queries q CROSS JOIN unnest(ARRAY ['answer', 'sentiment']) AS kind
WHERE q.project_id = %(project)s"""


@pytest.fixture
def environment(
    database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Environment]:
    with open_environment(database_url) as made:
        for name, value in made.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield made


def app_of(environment: Environment) -> App:
    return App(environment.db, environment.budget, environment.store, load_settings({}, dotenv=False))


def add_history(environment: Environment, user: int, days: int) -> int:
    """A project of one provider with two prompts, each asked on so many days for a dollar."""
    project = environment.add_project(user, ["¿Qué programa conviene?", "¿Y para una pyme?"], ["openai"])
    today = schedule_day(load_settings({}, dotenv=False))
    for number in range(1, days + 1):
        environment.db.execute(CALL, {"user": user, "project": project, "day": today - timedelta(days=number)})
    return project


def test_a_month_is_forecast_from_answers_and_sentiments(environment: Environment) -> None:
    """Two dollars a day with two tasks open: what is spent, today and the days after it; few days are no forecast."""
    user, other = environment.add_user(), environment.add_user()
    add_history(environment, user, 8)
    add_history(environment, other, 5)
    app = app_of(environment)
    found = forecasts(app, app.budget.standings())
    today, month = schedule_day(app.settings), app.budget.month()
    left = ((month + timedelta(days=32)).replace(day=1) - timedelta(days=1) - today).days
    standing = next(each for each in app.budget.standings() if each.user_id == user)
    assert {user} == set(found)
    assert Decimal(2 * (1 + left)) + standing.spent_usd == found[user].expected_usd
    assert 8 == found[user].days


@pytest.mark.parametrize("starts", ["today", "tomorrow", "in the list"])
def test_a_month_is_forecast_at_the_prices_of_its_days(environment: Environment, starts: str) -> None:
    """Prices that are twice those of the past days count twice, from the day on which they begin."""
    user = environment.add_user()
    project, app = add_history(environment, user, 8), app_of(environment)
    terra = registry.find_model(environment.db, "openai", "gpt-6.1-terra")
    assert terra is not None
    rates = registry.write_rates(terra.tariff(None).at(app.budget.clock()))
    environment.db.execute(
        "UPDATE llm_call_attempts SET model_id = 'gpt-6.1-terra', input_tokens = 500, output_tokens = 100,"
        " rates = %(rates)s::jsonb WHERE project_id = %(project)s",
        {"rates": rates, "project": project},
    )
    standings = app.budget.standings()
    plain = forecasts(app, standings)[user].expected_usd
    today = schedule_day(app.settings)
    if starts == "in the list":
        environment.db.execute(
            "INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, cost_per_1m_input_tokens,"
            " cost_per_1m_output_tokens) VALUES ('openai', 'gpt-6.1-terra', %(day)s, 'library', 2, 10)",
            {"day": today + timedelta(days=1)},
        )
    else:
        since = Since(today if starts == "today" else today + timedelta(days=1), today)
        entry = admin.find(environment.db, "openai", "gpt-6.1-terra")
        prices = PriceUpdate(input=Decimal(2), output=Decimal(10), tiers=())
        admin.set_prices(environment.db, entry, prices, Author("test", "a test"), since)
    spent_and_today = standings[0].spent_usd + 2
    dearer = plain + (plain - standings[0].spent_usd if starts == "today" else plain - spent_and_today)
    assert dearer == forecasts(app, standings)[user].expected_usd


@pytest.mark.ci
def test_tasks_that_were_answered_today_are_not_counted_twice(environment: Environment) -> None:
    """Once today's tasks are stored, the forecast holds the days after today alone."""
    user = environment.add_user(providers=["openai"])
    add_history(environment, user, 8)
    app = app_of(environment)
    before = forecasts(app, app.budget.standings(), user)[user].expected_usd
    code, output = environment.run(extra={"LLM_SENTIMENT": "false"})
    assert 0 == code, output
    after = forecasts(app, app.budget.standings(), user)[user].expected_usd
    assert environment.spent(user) == pytest.approx(after - before + 2, abs=Decimal("0.02"))


def test_a_paused_project_costs_nothing_more(environment: Environment) -> None:
    """A user with no active project has no forecast."""
    user = environment.add_user()
    add_history(environment, user, 8)
    environment.db.execute("UPDATE llm_monitoring_projects SET is_active = FALSE")
    app = app_of(environment)
    assert {} == forecasts(app, app.budget.standings())


def test_budget_show_has_the_forecast(environment: Environment) -> None:
    """With its range, for people and for programs; a user with few days has none."""
    user, other = environment.add_user(), environment.add_user()
    add_history(environment, user, 8)
    add_history(environment, other, 2)
    shown = json.loads(CliRunner().invoke(root, ["budget", "show", "--json"]).stdout)
    assert [True, False] == [each["forecast"] is not None for each in shown]
    assert {"expected_usd", "low_usd", "high_usd", "days", "ends_on"} == set(shown[0]["forecast"])
    line = f"{shown[0]['forecast']['expected_usd']} ({shown[0]['forecast']['low_usd']} to"
    assert line in CliRunner().invoke(root, ["budget", "show", str(user)]).stdout


def test_the_digest_says_when_a_budget_will_end(environment: Environment) -> None:
    """Once for a budget that does not last, not for one that does, and not for one that is spent already."""
    short, ample = environment.add_user(budget="0.50"), environment.add_user(budget="1000")
    for user in (short, ample):
        add_history(environment, user, 8)
    app = app_of(environment)
    standings = app.budget.standings()
    month, names = app.budget.month(), Names.read(app.db)
    (notice,) = forecast_notices(forecasts(app, standings), standings, month, names)
    today = schedule_day(app.settings)
    assert f"📉 {names.user(short)}: a este ritmo el presupuesto se acaba el {today}; el mes costaría $" in notice.line
    assert "budget" == notice.kind
    assert f"forecast {short} {month:%Y-%m}" == notice.subject
    app.budget.correct(short, Decimal("0.50"), "spent elsewhere")
    standings = app.budget.standings()
    assert [] == list(forecast_notices(forecasts(app, standings), standings, month, names))


def test_doctor_says_when_a_budget_will_end(environment: Environment) -> None:
    """Yellow for a budget that does not last, green for one that does, nothing of one that is spent already."""
    short, ample, spent = (environment.add_user(budget=usd) for usd in ("0.50", "1000", "0.25"))
    for user in (short, ample, spent):
        add_history(environment, user, 8)
    app = app_of(environment)
    app.budget.correct(spent, Decimal("0.25"), "spent elsewhere")
    shown = json.loads(CliRunner().invoke(root, ["doctor", "--offline", "--json"]).stdout)
    found = [(each["colour"], each["message"]) for each in shown if each["subject"] == "forecast"]
    ends = f"user {short}: the budget ends on {schedule_day(app.settings)} at this pace; the month would cost about "
    assert [("yellow", ends), ("green", f"user {ample}: the month will cost about ")] == [
        (colour, message.partition("about ")[0] + "about ") for colour, message in found
    ]
