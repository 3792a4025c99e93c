"""Several samples a day: each a task of its own, and figures in which every prompt weighs the same."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.db.database import Database
from llm_monitoring.runs import daily, tasks
from llm_monitoring.runs import report as report_module
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment, open_environment
from tests.integration.stored import Book, done

TODAY = date(2026, 11, 23)
PROMPTS = ["¿Qué programa de facturación recomiendas?", "Mejores alternativas para autónomos", "¿Qué es Quipu?"]
WITH, WITHOUT = "1. **Quipu**\n2. Holded", "1. **Sage**\n2. Holded"


def asked_thrice(environment: Environment) -> int:
    project_id = environment.add_project(
        environment.add_user("a@example.com", ["openai", "google"]), PROMPTS, ["openai", "google"]
    )
    environment.db.execute("UPDATE llm_monitoring_projects SET samples_per_query = 3")
    return project_id


def run(environment: Environment) -> report_module.DayReport:
    settings = load_settings({**environment.server.environment(), "LLM_SENTIMENT": "false"}, dotenv=False)
    app = App(environment.db, environment.budget, environment.store, settings)
    return daily.run_day(app, daily.RunRequest(TODAY))


@pytest.mark.ci
def test_each_sample_is_a_task_of_its_own(database_url: str) -> None:
    """Three samples a prompt are three paid calls with three answers; a second run asks only what is missing."""
    with open_environment(database_url) as environment:
        project_id = asked_thrice(environment)
        report = run(environment)
        found = environment.rows(
            "SELECT llm_provider, query_id, array_agg(sample ORDER BY sample) AS samples FROM llm_monitoring_results "
            "GROUP BY 1, 2"
        )
        assert 18 == report.stats.answered
        assert 18 == len(environment.server.bill.lines)
        assert {(1, 2, 3)} == {tuple(row["samples"]) for row in found}
        planned = tasks.completeness(environment.db, TODAY, [project_id], ["openai"])[project_id]["openai"]
        assert 9 == planned.tasks
        assert 9 == planned.results
        assert 0 == planned.failures
        environment.db.execute(
            "DELETE FROM llm_monitoring_results WHERE query_id = 1 AND llm_provider = 'google' AND sample = 2"
        )
        assert 1 == run(environment).stats.answered
        assert 18 == environment.count("llm_monitoring_results")
        assert [] == environment.audit().differences


@pytest.mark.ci
def test_samples_are_different_answers(database_url: str) -> None:
    """The samples of a prompt are asked anew, not copied."""
    with open_environment(database_url) as environment:
        asked_thrice(environment)
        run(environment)
        texts = environment.rows("SELECT count(DISTINCT full_response) AS n FROM llm_monitoring_results")
        assert texts[0]["n"] > len(PROMPTS) * 2


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("answers", "rate"),
    [
        ([[True, True, True], [False]], "50.00"),  # 75.00 if answers weighed the same
        ([[True, False, False], [True, True, True], [False, False, False]], "44.44"),
        ([[True], [True, False]], "75.00"),
    ],
)
def test_prompts_weigh_the_same_however_often_they_were_answered(
    db: Database, monkeypatch: pytest.MonkeyPatch, database_url: str, answers: list[list[bool]], rate: str
) -> None:
    """A prompt with three answers counts as much as one with one, in the snapshot and in a period's figures."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    prompts = [f"¿Qué programa conviene en el caso {n}?" for n in range(len(answers))]
    book = Book.open(db, Entity("Quipu"), prompts, [Entity("Holded")], samples=3)
    for number, mentions in enumerate(answers):
        for sample, mentioned in enumerate(mentions, start=1):
            book.store(number, TODAY, WITH if mentioned else WITHOUT, sample=sample)
    book.figures(TODAY)
    [snapshot] = book.snapshots()
    period = json.loads(
        done("metrics", "--project", "1", "--from", TODAY.isoformat(), "--to", TODAY.isoformat(), "--json")
    )
    assert Decimal(rate) == snapshot["mention_rate"]
    assert rate == period["all"]["mention_rate"]
    assert sum(map(len, answers)) == snapshot["total_queries"]
