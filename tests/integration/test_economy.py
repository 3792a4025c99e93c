"""What cheaper modes save, as it is said before a run, after it, in budgets and by doctor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from llm_monitoring.cli.root import root
from llm_monitoring.db import Rejected
from llm_monitoring.domain import Mode, ProviderName
from llm_monitoring.registry import is_worth, saving_percent
from llm_monitoring.registry.models import find_model
from tests.environment import Environment, open_environment

ECONOMY = {"LLM_ECONOMY": "openai:flex,google:flex", "LLM_SENTIMENT": "false"}
BOTH: Sequence[ProviderName] = ("openai", "google")


@pytest.fixture
def environment(
    database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Environment]:
    with open_environment(database_url) as made:
        for name, value in made.variables(ECONOMY).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield made


def command(*arguments: str) -> Any:
    return CliRunner().invoke(root, list(arguments))


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("model_id", "mode", "percents"),
    [
        ("openai/gpt-6.1-terra", "flex", (50, 26, 24)),
        ("openai/gpt-6-luna", "flex", (50, 5, 4)),
        ("anthropic/claude-sonnet-5-5", "batch", (50, 34, 33)),
        ("anthropic/claude-haiku-5-5", "batch", (50, 5, 4)),
        ("google/gemini-3.8-flash", "flex", (50, 19, 17)),
        ("google/gemini-3.5-flash-lite", "flex", (50, 11, 9)),
        ("perplexity/perplexity/sonar", "flex", (None, None, None)),
        ("anthropic/claude-sonnet-5-5", "flex", (None, None, None)),
    ],
)
def test_half_price_halves_tokens_and_no_search_fees(
    environment: Environment, model_id: str, mode: Mode, percents: tuple[int | None, ...]
) -> None:
    """The saving of an answer without a search, with one and with two, at the prices of November 2026."""
    provider, _, name = model_id.partition("/")
    model = find_model(environment.db, provider, name)  # type: ignore[arg-type]
    assert model is not None
    assert model.prices is not None
    price = model.prices.decided[0].price
    assert percents == tuple(saving_percent(price, mode, searches) for searches in range(3))


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("percent", "worth"), [("50", True), ("10", True), ("9", False), ("0", False)])
def test_less_than_a_tenth_is_not_worth_it(percent: str, worth: bool) -> None:
    """A saving under 10 % of an answer is not worth a wait."""
    assert worth is is_worth(Decimal(percent))


def test_a_run_says_what_it_saved_to_the_cent(environment: Environment) -> None:
    """Its summary, `budget show` and the ledger agree with the simulator's bill and what the calls cost otherwise."""
    user = environment.add_user("a@example.com", BOTH)
    environment.add_project(user, ["¿Qué programa conviene?", "¿Y para una pyme?"], BOTH)
    code, output = environment.run(extra=ECONOMY)
    billed = environment.billed()
    assert 0 == code, output
    assert billed == environment.charged(), output
    saved = Decimal(environment.rows("SELECT sum(saved_usd) AS usd FROM llm_call_attempts")[0]["usd"])
    percent = round(100 * saved / (billed + saved))
    assert f"💶 Modo económico: 4 llamada(s), ${saved:.4f} ahorrados ({percent} %)" in output
    (row,) = json.loads(command("budget", "show", "--json").stdout)
    assert saved == Decimal(str(row["saved_usd"])) > 0
    assert [{"mode": "flex", "n": 4}] == environment.rows(
        "SELECT mode, count(*) AS n FROM llm_monitoring_results GROUP BY mode"
    )


@pytest.mark.ci
def test_a_run_in_standard_mode_says_nothing_of_economy(environment: Environment) -> None:
    """Without a cheaper call there is no line of what it saved."""
    environment.add_project(environment.add_user("a@example.com", BOTH), ["¿Qué programa conviene?"], BOTH)
    _, output = environment.run(extra={"LLM_ECONOMY": "none"})
    assert "Modo económico" not in output


def test_a_dry_run_is_honest_about_search_fees(environment: Environment) -> None:
    """About half without web search, and not worth it with it for a cheap model; a prompt project says nothing."""
    user = environment.add_user("a@example.com", BOTH)
    plain = environment.add_project(user, ["¿Qué programa conviene?"], BOTH, "plain")
    searching = environment.add_project(user, ["¿Qué programa conviene?"], BOTH, "searching")
    hurried = environment.add_project(user, ["¿Qué programa conviene?"], ["openai"], "hurried")
    environment.db.execute(f"UPDATE llm_monitoring_projects SET web_search = TRUE WHERE id = {searching}")
    environment.db.execute(f"UPDATE llm_monitoring_projects SET pace = 'prompt' WHERE id = {hurried}")
    environment.db.execute(
        "UPDATE llm_model_registry SET is_current = FALSE WHERE llm_provider = 'openai' AND is_current"
    )
    environment.db.execute("UPDATE llm_model_registry SET is_current = TRUE WHERE model_id = 'gpt-6-luna'")
    environment.db.execute("UPDATE llm_model_registry SET max_searches_per_call = 3 WHERE llm_provider = 'google'")
    _, output = environment.run("--dry-run", extra=ECONOMY)
    lines = [line.rpartition("; ")[2] for line in output.splitlines() if "(gpt-6-luna)" in line]
    assert plain < searching < hurried
    assert [
        "en modo flex se ahorra alrededor del 50 %",
        "el modo flex no compensa: ahorra alrededor del 5 %",
    ] == lines[:2]
    assert "modo flex" not in lines[2]


def results_of(subject: str) -> list[tuple[str, str]]:
    found = json.loads(command("doctor", "--json", "--offline").stdout)
    return [(each["colour"], each["message"]) for each in found if each["subject"] == subject]


def test_doctor_tells_what_flex_saves(environment: Environment) -> None:
    """A line a provider, with and without a search."""
    saves = "{} in flex mode saves about 50 % of an answer without web search, {} % with one search"
    expected = [saves.format("openai/gpt-6.1-terra", 26), saves.format("google/gemini-3.8-flash", 19)]
    assert [("green", message) for message in expected] == results_of("economy")


def test_doctor_tells_where_flex_does_not_help(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without a factor, projects with search fees that eat the saving, and a service that is cut too early."""
    project = environment.add_project(environment.add_user(), ["¿Qué programa conviene?"], ["openai"])
    environment.db.execute("UPDATE llm_monitoring_projects SET web_search = TRUE")
    environment.db.execute("UPDATE llm_model_registry SET cost_per_1k_searches = 90 WHERE model_id = 'gpt-6.1-terra'")
    environment.db.execute("UPDATE llm_model_registry SET flex_factor = NULL WHERE model_id = 'gemini-3.8-flash'")
    monkeypatch.setenv("RAILWAY_ENVIRONMENT_NAME", "production")
    yellow = [message for colour, message in results_of("economy") if colour == "yellow"]
    assert [
        f"flex mode is not worth it for openai/gpt-6.1-terra: it saves 5 % in projects #{project} with web search",
        "google/gemini-3.8-flash has no flex factor: it is asked at the standard price",
        "a flex call may take 900 s; one that is cut by a stop of the service is charged its ceiling",
    ] == yellow


def test_a_pace_is_chosen_by_command(environment: Environment) -> None:
    """`projects edit --pace` changes it, `projects show` shows it, and one that does not exist is refused."""
    project = str(environment.add_project(environment.add_user(), ["¿Qué programa conviene?"]))
    assert "punctual" == json.loads(command("projects", "show", project, "--json").stdout)["pace"]
    assert 0 == command("projects", "edit", project, "--pace", "prompt").exit_code
    assert "prompt" == json.loads(command("projects", "show", project, "--json").stdout)["pace"]
    assert 0 == command("projects", "edit", project, "--pace", "patient").exit_code
    refused = command("projects", "edit", project, "--pace", "leisurely")
    assert 2 == refused.exit_code
    assert "leisurely" in refused.stderr


def test_the_database_knows_three_paces(environment: Environment) -> None:
    """A pace that nothing does cannot be stored."""
    environment.add_project(environment.add_user(), ["¿Qué programa conviene?"])
    environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    with pytest.raises(Rejected):
        environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'leisurely'")


@pytest.mark.ci
def test_a_change_of_mode_is_marked_like_a_change_of_model(environment: Environment) -> None:
    """The day's figures name their mode and that it is another one; trends and comparisons name the change."""
    environment.add_project(environment.add_user(providers=["openai"]), ["¿Qué programa conviene?"], ["openai"])
    environment.run("--date", "2026-11-20", extra={"LLM_ECONOMY": "none", "LLM_SENTIMENT": "false"})
    environment.run("--date", "2026-11-21", extra=ECONOMY)
    assert [("standard", False, False), ("flex", True, False)] == [
        (row["mode"], row["mode_changed"], row["model_changed"])
        for row in environment.rows("SELECT * FROM llm_monitoring_snapshots ORDER BY snapshot_date")
    ]
    shown = json.loads(command("metrics", "1", "--from", "2026-11-20", "--to", "2026-11-21", "--json").stdout)
    assert [("gpt-6.1-terra", "gpt-6.1-terra (flex)")] == [
        (each["before"], each["after"]) for each in shown["all"]["model_changes"]
    ]
