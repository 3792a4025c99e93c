"""Triggers of the host that never end: they cost a run their time once for each user, and others nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_monitoring.app import App
from llm_monitoring.db import database
from llm_monitoring.db.database import Database
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.runs.daily import RunRequest, run_day
from llm_monitoring.runs.limits import thread_count
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment
from tests.faults.in_process import TODAY

PROJECTS, PROMPTS, WORKERS = 3, 4, 1
OF_USER = "project_id IN (SELECT id FROM llm_monitoring_projects WHERE user_id = 1)"
TRIGGER = """
CREATE SEQUENCE hangs;
CREATE FUNCTION never_ends() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.{rows} THEN PERFORM nextval('hangs'); PERFORM pg_sleep(60); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER never_ends BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION never_ends();
"""


@pytest.fixture
def hurried(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Two users with projects, and an installation that ends statements soon."""
    monkeypatch.setattr(database, "CANCELLED_SECONDS", 0.1)
    for user in (environment.add_user(providers=["openai"]), environment.add_user(providers=["openai"])):
        for number in range(PROJECTS):
            prompts = [f"¿Qué programa conviene para {number}-{each}?" for each in range(PROMPTS)]
            environment.add_project(user, prompts, ["openai"], name=f"P{number}")
    named = {**environment.server.environment(), "LLM_SENTIMENT": "false", "LLM_MAX_WORKERS": str(WORKERS)}
    with Database(environment.url, retry_seconds=10.0, statement_seconds=0.2) as db:
        yield App(db, Budget(db), environment.store, load_settings(named, dotenv=False))


def hangs(environment: Environment) -> int:
    """How often a statement has hung: a sequence keeps its value if its transaction does not."""
    row = environment.rows("SELECT last_value - 1 + is_called::int AS times FROM hangs")[0]
    return int(row["times"])


@pytest.mark.short("results", "snapshots")
@pytest.mark.parametrize(
    ("table", "rows", "most"),
    [
        ("llm_monitoring_results", OF_USER, thread_count(WORKERS)),
        ("llm_monitoring_snapshots", OF_USER, 1),
        ("llm_monitoring_projects", "user_id = 1", 1),
        ("user_llm_api_keys", "user_id = 1", thread_count(WORKERS)),
        ("llm_call_attempts", "user_id = 1 AND NEW.state = 'sent'", thread_count(WORKERS)),
    ],
    ids=["results", "snapshots", "projects", "accounts", "attempts"],
)
def test_a_trigger_that_hangs_is_met_once(
    environment: Environment, hurried: App, table: str, rows: str, most: int
) -> None:
    """No further statement of its user is tried, in any thread; the other user's day is whole, and the ledger."""
    environment.db.execute(TRIGGER.format(table=table, rows=rows))
    report = run_day(hurried, RunRequest(TODAY))
    assert 1 <= hangs(environment) <= most
    assert PROJECTS * PROMPTS == environment.count(
        "llm_monitoring_results r JOIN llm_monitoring_projects p ON p.id = r.project_id WHERE p.user_id = 2"
    )
    assert PROJECTS == environment.count(
        "llm_monitoring_snapshots s JOIN llm_monitoring_projects p ON p.id = s.project_id WHERE p.user_id = 2"
    )
    assert report.in_balance
    assert any("never_ends()" in each.message for each in report.row_errors), report.row_errors
    assert {1} == {dict(each.fields)["user_id"] for each in report.row_errors}


def test_nothing_more_is_paid_for_answers_that_cannot_be_stored(environment: Environment, hurried: App) -> None:
    """The calls that are out end, and no further one of their user is made; the next start after the cause asks all."""
    environment.db.execute(TRIGGER.format(table="llm_monitoring_results", rows=OF_USER))
    run_day(hurried, RunRequest(TODAY))
    assert environment.count("llm_call_attempts WHERE user_id = 1") <= thread_count(WORKERS)
    environment.db.execute("DROP TRIGGER never_ends ON llm_monitoring_results")
    again = App(hurried.db, hurried.budget, hurried.keys, hurried.settings)
    assert run_day(again, RunRequest(TODAY)).complete
    assert 2 * PROJECTS * PROMPTS == environment.count("llm_monitoring_results")
    assert environment.billed() == environment.charged()
