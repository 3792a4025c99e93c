"""What people see of batches: the run's summary, `collect`, `budget show`, `doctor` and a dry run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from llm_monitoring.cli.root import root
from llm_monitoring.runs.records import RunLock
from tests.environment import Environment, open_environment

ECONOMY = {"LLM_ECONOMY": "anthropic:batch", "LLM_SENTIMENT": "false", "LLM_ECONOMY_WAIT_MINUTES": "0.005"}
PROMPTS = 22


@pytest.fixture
def environment(database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """A patient project, of which batches have brought answers before."""
    with open_environment(database_url) as made:
        for name, value in made.variables(ECONOMY).items():
            monkeypatch.setenv(name, value)
        made.add_numbered_project(made.add_user(providers=["anthropic"]), PROMPTS, ["anthropic"])
        made.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
        yield made


@pytest.fixture
def out(environment: Environment) -> Environment:
    """A trial has brought an answer, and the others are out in a batch."""
    environment.run("--date", "2026-11-20", extra={**ECONOMY, "LLM_ECONOMY_WAIT_MINUTES": "0.05"})
    environment.server.batches.set_plan({"ends_after": None})
    environment.run("--date", "2026-11-21", extra=ECONOMY)
    assert PROMPTS == environment.count("llm_call_attempts WHERE state = 'sent'")
    return environment


def command(*arguments: str) -> Any:
    return CliRunner().invoke(root, list(arguments))


def results_of(subject: str) -> list[tuple[str, str]]:
    found = json.loads(command("doctor", "--json", "--offline").stdout)
    return [(each["colour"], each["message"]) for each in found if each["subject"] == subject]


def test_a_run_says_what_is_out(out: Environment) -> None:
    """Its summary has the number and when the last is due, its project no missing answer, and it ends well."""
    output = out.processes[-1].said()
    assert f"{PROMPTS} respuesta(s) aún fuera en lotes, a más tardar a las" in output
    assert "sin respuesta" not in output
    assert "COMPLETED SUCCESSFULLY" in output


def test_collect_reports_what_came(out: Environment) -> None:
    """First nothing, then every answer, then no batch."""
    first = command("collect")
    out.server.batches.set_plan({"ends_after": 0})
    second, third = command("collect"), command("collect")
    assert 0 == first.exit_code
    assert 0 == second.exit_code
    assert 0 == third.exit_code
    assert "Nothing has come." in first.output
    assert f"{PROMPTS} answers still out, due by" in first.output
    assert f"{PROMPTS} answers collected, 1 batch done." in second.output
    assert "No batch is out." in third.output
    assert out.billed() == out.charged()


@pytest.mark.ci
def test_collected_answers_are_in_the_figures_of_their_day(out: Environment) -> None:
    """The snapshot of the day that asked them counts them."""
    out.server.batches.set_plan({"ends_after": 0})
    command("collect")
    rows = out.rows(
        "SELECT total_queries + branded_total_queries AS n FROM llm_monitoring_snapshots ORDER BY snapshot_date"
    )
    assert [PROMPTS, PROMPTS] == [row["n"] for row in rows]


@pytest.mark.ci
def test_collect_leaves_batches_to_a_run_at_work(out: Environment) -> None:
    """It says so and ends well: a second cron is no error."""
    with RunLock(out.db):
        result = command("collect")
    assert 0 == result.exit_code
    assert "it collects the batches itself" in result.output


@pytest.mark.ci
def test_collect_fails_if_a_batch_cannot_be_looked_at(out: Environment) -> None:
    """The exit code is 1, and the batch with its trouble is named."""
    out.db.execute("UPDATE user_llm_api_keys SET anthropic_api_key_encrypted = NULL")
    result = command("collect", "--json")
    assert 1 == result.exit_code
    assert "is not collected: its API key cannot be used" in result.stderr
    assert ["key_unusable"] == [each["code"] for each in json.loads(result.stdout)["troubles"]]


@pytest.mark.ci
def test_budget_show_names_what_is_out(out: Environment) -> None:
    """The number of answers and when they are due, for people and for programs."""
    (row,) = json.loads(command("budget", "show", "--json").stdout)
    assert PROMPTS == row["answers_out"]
    assert row["out_until"] is not None
    assert f"User 1: {PROMPTS} answers still out in batches, due by" in command("budget", "show").output


@pytest.mark.ci
def test_doctor_names_what_is_out_and_what_is_late(out: Environment) -> None:
    """What is in time is green; a batch that should have come is yellow."""
    (first,) = results_of("batches")
    assert "green" == first[0]
    assert first[1].startswith(f"{PROMPTS} answers still out, due by")
    out.db.execute(
        "UPDATE llm_batches SET posted_at = posted_at - INTERVAL '27 hours', expires_at = now() - INTERVAL '2 hours'"
    )
    assert [("green", False), ("yellow", True)] == [
        (colour, "is not collected" in text) for colour, text in results_of("batches")
    ]


@pytest.mark.ci
def test_doctor_names_a_trial_that_failed(environment: Environment) -> None:
    """Its model is asked at the standard price for the day."""
    environment.server.batches.set_plan({"ending": "expired", "ran": 0})
    environment.run("--date", "2026-11-20", extra=ECONOMY)
    assert [("yellow", "anthropic/claude-sonnet-5-5: a trial in a batch brought no answer")] == results_of("batches")
    assert PROMPTS == environment.count("llm_monitoring_results WHERE mode = 'standard'")


def test_a_dry_run_is_honest_about_batches(environment: Environment) -> None:
    """About half without web search; too few tasks for a batch are asked at once, and save nothing."""
    environment.add_project(environment.add_user(providers=["anthropic"]), ["¿Qué programa conviene?"], ["anthropic"])
    _, output = environment.run("--dry-run", extra=ECONOMY)
    lines = [line for line in output.splitlines() if "(claude-sonnet-5-5)" in line]
    assert ["en modo batch se ahorra alrededor del 50 %" in line for line in lines] == [True, False]


@pytest.mark.ci
def test_doctor_says_what_batches_save(environment: Environment) -> None:
    """A line a provider, with and without a search."""
    text = "saves about 50 % of an answer without web search, 34 % with one search"
    assert [("green", f"anthropic/claude-sonnet-5-5 in batch mode {text}")] == results_of("economy")
