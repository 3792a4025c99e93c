"""Pacing as users set it, as runs follow it and as everyone is told of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from click.testing import CliRunner

from llm_monitoring.app import App, schedule_day
from llm_monitoring.cli.root import root
from llm_monitoring.db import Rejected
from llm_monitoring.figures import compare
from llm_monitoring.figures.periods import Period, observations
from llm_monitoring.figures.readings import Readings
from llm_monitoring.jobs import daily_log
from llm_monitoring.jobs.digest_text import Names
from llm_monitoring.jobs.run_notices import pacing_notices
from llm_monitoring.ledger import blocked_users
from llm_monitoring.projects import find
from llm_monitoring.runs import orders
from llm_monitoring.runs.day_plans import days_left, foresee, read_day
from llm_monitoring.runs.order_service import serve
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.settings import load_settings
from tests.environment import Environment, open_environment
from tests.integration.simulated_month import SimulatedMonth

ROTATION_ONLY = "--last-month", "on", "--ladder", "rotation"
SEPTEMBER = date(2026, 9, 1)


@pytest.fixture
def environment(
    database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Environment]:
    with open_environment(database_url) as made:
        for name, value in made.variables({"LLM_SENTIMENT": "false"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield made


def command(*arguments: str) -> Any:
    return CliRunner().invoke(root, list(arguments))


def app_of(environment: Environment) -> App:
    return App(environment.db, environment.budget, environment.store, load_settings(dotenv=False))


def asked(environment: Environment, project: int) -> set[int]:
    rows = environment.rows(f"SELECT query_id FROM llm_monitoring_results WHERE project_id = {project}")
    return {row["query_id"] for row in rows}


def run(environment: Environment, *arguments: str, **extra: str) -> tuple[int, str]:
    return environment.run(*arguments, extra={"LLM_SENTIMENT": "false", **extra})


def tight_user(environment: Environment, prompts: int = 12) -> tuple[int, int]:
    """A user with a budget that covers about two thirds of each day of a project, and the project."""
    month, today = environment.budget.month(), environment.budget.today()
    user = environment.add_user(budget=str(Decimal("0.10") * days_left(month, today)), providers=["openai"])
    return user, environment.add_numbered_project(user, prompts, ["openai"])


def test_a_user_sets_pacing_and_its_ladder(environment: Environment) -> None:
    """Off at first; on with the ladder of before, or another; each change is in the record."""
    user = environment.add_user("ana@agency.example")
    shown = [json.loads(command("budget", "show", "--json").stdout)[0]["pacing"]]
    assert 0 == command("budget", "pace", str(user), "--last-month", "on").exit_code
    assert 0 == command("budget", "pace", "ana@agency.example", "--ladder", "rotation, sentiment").exit_code
    shown.append(json.loads(command("budget", "show", "--json").stdout)[0]["pacing"])
    assert 0 == command("budget", "pace", str(user), "--last-month", "off").exit_code
    shown.append(json.loads(command("budget", "show", "--json").stdout)[0]["pacing"])
    every = ["sentiment", "samples", "mode", "rotation", "providers"]
    assert [(False, every), (True, ["rotation", "sentiment"]), (False, ["rotation", "sentiment"])] == [
        (each["is_on"], each["steps"]) for each in shown
    ]
    changes = environment.rows("SELECT action, actor_kind, after FROM llm_audit_log WHERE action = 'pacing.set'")
    assert [(True, every), (True, ["rotation", "sentiment"]), (False, ["rotation", "sentiment"])] == [
        (each["after"]["is_on"], each["after"]["steps"]) for each in changes
    ]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to set: --last-month on or off, --ladder STEPS, or both"),
        (("--ladder", "rotation,weather"), "'rotation,weather' is no ladder: name some of sentiment, samples, mode"),
        (("--ladder", "rotation,rotation"), "each once, in the order in which they are given up"),
        (("--ladder", ""), "'' is no ladder"),
        (("--last-month", "maybe"), "'maybe' is not one of 'on', 'off'"),
    ],
)
def test_a_wrong_ladder_is_refused(environment: Environment, arguments: tuple[str, ...], message: str) -> None:
    """With what can be named, and nothing is stored."""
    user = environment.add_user()
    result = command("budget", "pace", str(user), *arguments)
    assert 2 == result.exit_code, result.stderr
    assert message in result.stderr, result.stderr
    assert 0 == environment.count("llm_pacing")


@pytest.mark.short(every=2)
@pytest.mark.parametrize("steps", ["'{}'", "'{weather}'", "'{mode,mode}'", "'{mode,NULL}'"])
def test_the_database_holds_no_wrong_ladder(environment: Environment, steps: str) -> None:
    """None that is empty, names something else, or names a step twice."""
    with pytest.raises(Rejected):
        environment.db.execute(f"INSERT INTO llm_pacing (user_id, steps) VALUES (1, {steps})")


def test_a_day_is_planned_once_and_what_it_leaves_out_is_not_open(environment: Environment) -> None:
    """A run, a rerun, a run of one project and `runs retry` ask the same prompts; the day is complete with them."""
    user, project = tight_user(environment)
    command("budget", "pace", str(user), *ROTATION_ONLY)
    code, output = run(environment)
    first = asked(environment, project)
    assert 0 == code, output
    assert 0 < len(first) < 12, output
    assert "🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY" in output
    assert f"prompts por turnos, {len(first)} de 12 el " in output
    for arguments in ((), ("--project", str(project))):
        code, output = run(environment, *arguments)
        assert 0 == code, output
        assert first == asked(environment, project), output
    retried = command("runs", "retry", "1", "--yes")
    assert "Nothing that can be asked is open" in retried.stdout
    assert first == asked(environment, project)


@pytest.mark.ci
def test_a_dry_run_foresees_the_plan_and_stores_nothing(environment: Environment) -> None:
    """What would be left out is logged and not counted, and the run then asks as many."""
    user, project = tight_user(environment)
    command("budget", "pace", str(user), *ROTATION_ONLY)
    _, output = run(environment, "--dry-run")
    assert 0 == environment.count("llm_paced_days")
    run(environment)
    n = len(asked(environment, project))
    assert f"🪜 Proyecto #{project}, para que dure el mes: prompts por turnos, {n} de 12 el " in output
    assert f"openai (gpt-6.1-terra): {n} prompts, como máximo $" in output


@pytest.mark.ci
def test_an_ordered_analysis_asks_its_project_in_full(environment: Environment) -> None:
    """Also what the plan of the day had left out; the day's other project keeps its plan."""
    user, project = tight_user(environment)
    other = environment.add_numbered_project(user, 12, ["openai"])
    command("budget", "pace", str(user), *ROTATION_ONLY)
    run(environment)
    before = len(asked(environment, other))
    app = app_of(environment)
    preview = orders.preview(app, project)
    assert 12 - len(asked(environment, project)) == preview.open_calls
    order, _ = orders.place(app.db, project, user, preview)
    assert preview.open_calls == orders.progress(app, order).open
    assert 1 == serve(app, Event(), once=True)
    assert 12 == len(asked(environment, project))
    assert before == len(asked(environment, other))
    assert "completed" == orders.orders_of(app.db, project)[0].status


@pytest.mark.ci
def test_a_past_day_without_a_plan_is_asked_in_full(environment: Environment) -> None:
    """An explicit order of the operator, as far as the ledger goes; today's plan leaves the more out."""
    user, project = tight_user(environment)
    command("budget", "pace", str(user), *ROTATION_ONLY)
    yesterday = schedule_day(load_settings(dotenv=False)) - timedelta(days=1)
    run(environment, "--date", yesterday.isoformat())
    assert 12 == len(asked(environment, project))
    assert 0 == environment.count("llm_paced_days")


@pytest.mark.ci
def test_a_user_without_pacing_is_asked_in_full(environment: Environment) -> None:
    """Pacing of one user leaves nothing out of another's day."""
    user, _ = tight_user(environment)
    command("budget", "pace", str(user), *ROTATION_ONLY)
    _, free = tight_user(environment)
    run(environment)
    assert 12 == len(asked(environment, free))


@pytest.mark.ci
def test_sentiment_that_is_left_out_is_not_judged_later(environment: Environment) -> None:
    """Its answers are stored without a sentiment to come, by this run and by the next of the day."""
    user, _ = tight_user(environment)
    command("budget", "pace", str(user), "--last-month", "on", "--ladder", "sentiment")
    for _ in range(2):
        run(environment, LLM_SENTIMENT="true")
    assert [{"sentiment_status": "none"}] == environment.rows(
        "SELECT DISTINCT sentiment_status FROM llm_monitoring_results"
    )
    assert 0 == environment.count("llm_call_attempts WHERE kind = 'sentiment'")


def test_a_ladder_that_does_not_suffice_is_said_by_run_digest_and_doctor(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """The user allowed sentiment alone to be left out: everything else is asked, and everyone is told."""
    month = SimulatedMonth(environment, SEPTEMBER, {"LLM_SENTIMENT": "true"})
    user = month.add_user("0.01")
    environment.add_numbered_project(user, 4, ["openai"])
    month.pace(user, "sentiment")
    report = month.run(SEPTEMBER)
    caplog.set_level(logging.INFO)
    daily_log.summary(report)
    assert f"⚠️ User #{user}: la escalera no basta para que el presupuesto dure el mes" in caplog.text
    lines = [notice.line for notice in pacing_notices(report, Names.read(environment.db))]
    step = "sentimiento sin evaluar, desde el 2026-09-01"
    assert f"🪜 Para que el presupuesto dure el mes, en #1 (P2): {step}" == lines[0]
    assert "la escalera no basta" in lines[1]
    environment.db.execute("UPDATE llm_paced_days SET analysis_date = (now() AT TIME ZONE 'UTC')::date")
    found = json.loads(command("doctor", "--offline", "--json").stdout)
    (paced,) = [each for each in found if each["subject"] == "pacing"]
    assert "yellow" == paced["colour"]
    assert "the ladder does not make the budget last" in paced["message"]


@pytest.mark.ci
def test_steps_are_said_since_the_first_day_without_a_break(environment: Environment) -> None:
    """Days without a run do not break it; a day on which a step did not hold does."""
    month = SimulatedMonth(environment, SEPTEMBER)
    user = month.add_user("1")
    project = environment.add_numbered_project(user, 4, ["openai"])
    month.pace(user)
    month.run_all(month.days(1, 2))
    environment.db.execute("UPDATE llm_paced_projects SET steps = '{rotation}' WHERE analysis_date = '2026-09-02'")
    for day in (6, 7):
        environment.db.execute(
            "INSERT INTO llm_paced_projects (project_id, analysis_date, user_id, steps, samples, left_out, resting, "
            "prompts, expected_usd) SELECT project_id, %(day)s, user_id, '{sentiment,rotation}', 1, '{}', '{}', 4, 0 "
            "FROM llm_paced_projects WHERE analysis_date = '2026-09-02'",
            {"day": date(2026, 9, day)},
        )
    report = month.run(date(2026, 9, 7))
    (own,) = [each for each in report.projects if each.project_id == project]
    assert [("sentiment", date(2026, 9, 6)), ("rotation", date(2026, 9, 2))] == [
        (held.step, held.since) for held in own.held
    ]


@pytest.mark.ci
def test_a_price_that_changes_changes_what_is_expected_on_that_day(environment: Environment) -> None:
    """Past answers count at the prices of today: the day of the change is planned with the new one."""
    month = SimulatedMonth(environment, SEPTEMBER)
    user = month.add_user("10", ["openai"])
    environment.add_numbered_project(user, 4, ["openai"])
    month.pace(user)
    month.run_all(month.days(1, 2))
    environment.db.execute(
        "INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, cost_per_1m_input_tokens, "
        "cost_per_1m_output_tokens) SELECT llm_provider, model_id, '2026-09-03', 'admin', "
        "2 * cost_per_1m_input_tokens, 2 * cost_per_1m_output_tokens "
        "FROM llm_model_registry WHERE llm_provider = 'openai' AND is_current"
    )
    month.run_all(month.days(3, 3))
    full = [row["full_usd"] for row in environment.rows("SELECT full_usd FROM llm_paced_days ORDER BY analysis_date")]
    assert 2 == round(full[2] / full[1], 2)


@pytest.mark.ci
def test_two_projects_of_one_user_share_a_day(environment: Environment) -> None:
    """Both have answers, within what the user's day may cost, and a run of one plans for both."""
    month = SimulatedMonth(environment, SEPTEMBER)
    user = month.add_user("0.30")
    ids = [environment.add_numbered_project(user, prompts, ["openai"]) for prompts in (10, 20)]
    month.pace(user, "rotation")
    month.run(SEPTEMBER, ids[0])
    assert [True, False] == [bool(asked(environment, each)) for each in ids]
    month.run(SEPTEMBER)
    assert all(asked(environment, each) for each in ids)
    (day,) = environment.rows("SELECT * FROM llm_paced_days")
    assert month.spent(user) <= day["day_usd"]


@pytest.mark.ci
def test_a_skipped_day_and_a_raised_budget_leave_more_for_the_days_that_follow(environment: Environment) -> None:
    """Three days without a run, then more money: each time the day's share is larger, and nothing is owed."""
    month = SimulatedMonth(environment, SEPTEMBER)
    user = month.add_user("0.30", ["openai"])
    environment.add_numbered_project(user, 20, ["openai"])
    month.pace(user, "rotation")
    month.run_all([*month.days(1, 2), *month.days(6, 6)])
    environment.budget.set_limits(user, Decimal("0.60"), None)
    month.run_all(month.days(7, 7))
    environment.budget.set_limits(user, Decimal("0.10"), None)
    month.run_all(month.days(8, 8))
    share = [
        row["share_usd"] for row in environment.rows("SELECT share_usd FROM llm_paced_days ORDER BY analysis_date")
    ]
    assert share[1] < share[2] < share[3] > share[4]


@pytest.mark.ci
def test_periods_with_other_prompts_are_compared_by_what_both_asked(environment: Environment) -> None:
    """Prompts take turns: of two days only those count that were asked on both, and the comparison says how many."""
    month = SimulatedMonth(environment, SEPTEMBER)
    user = month.add_user("0.36", ["openai"])
    project = environment.add_project(user, [f"¿Qué programa conviene al caso {n}?" for n in range(24)], ["openai"])
    month.pace(user, "rotation")
    month.run_all(month.days(1, 4))
    definition = find(environment.db, project)
    first, second = (
        observations(environment.db, Readings(environment.db, definition), Period(day, day)) for day in month.days(3, 4)
    )
    asked = [{each.query_id for each in found} for found in (first, second)]
    shared = asked[0] & asked[1]
    change = compare(first, second, ["Holded"]).mention_rate
    assert asked[0] != asked[1]
    assert len(shared) == change.prompts
    assert len(shared) == change.pairs
    mentions = [each.brand_mentioned for each in first if each.query_id in shared]
    assert round(100 * Decimal(sum(mentions)) / len(mentions), 2) == change.before


PUT_OUT = """
DELETE FROM llm_monitoring_results;
INSERT INTO llm_batches (id, llm_provider, model_id, key_hash, web_search, pace, state, requests, posted_at, remote_id)
VALUES (%(batch)s, 'openai', 'm', 'h', FALSE, 'patient', 'running', 3, now(), 'batch_1');
UPDATE llm_call_attempts
SET state = 'sent', mode = 'batch', batch_id = %(batch)s, charged_usd = 0, closed_at = NULL
"""


def test_a_prompt_that_is_out_in_a_batch_counts_as_asked(environment: Environment) -> None:
    """Its answer is to come: it has had its turn, and is not open on its day."""
    user, project = tight_user(environment, 3)
    run(environment)
    before = len(asked(environment, project))
    environment.db.execute(PUT_OUT, {"batch": "00000000-0000-0000-0000-000000000001"})
    app, today = app_of(environment), environment.budget.today()
    same, following = (
        read_day(app, user, day, frozenset()).prompts[project] for day in (today, today + timedelta(days=1))
    )
    assert 3 == before
    assert {1} == {row["answered"] for row in same}
    assert {today} == {row["last_asked"] for row in following}


@pytest.mark.ci
def test_the_plan_of_what_a_run_would_ask_is_that_of_the_run(environment: Environment) -> None:
    """What is foreseen before the first run is what is stored by it."""
    user, project = tight_user(environment)
    command("budget", "pace", str(user), *ROTATION_ONLY)
    app = app_of(environment)
    standings = app.budget.standings()
    day = schedule_day(app.settings)
    plan = foresee(app, make_plan(app, None, blocked_users(standings)), standings, day).plan
    run(environment)
    (stored,) = environment.rows("SELECT resting FROM llm_paced_projects")
    assert plan.choices[project].resting == set(stored["resting"])
