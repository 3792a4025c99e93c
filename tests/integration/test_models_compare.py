"""`models compare` and the probe of a model: what they ask, cost and leave alone."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring.db.database import Database
from tests.integration.models_command import BRANDED, PROMPTS, Admin, register


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("action", "state", "message"),
    [
        ({"kind": "status", "status": 404}, "void", "which cost 0.0000000000 USD (model_not_found"),
        ({"kind": "status", "status": 500}, "unknown", "USD (unavailable"),
        ({"kind": "empty_text"}, "settled", "USD ("),
        ({"kind": "refusal"}, "settled", "USD (refused"),
    ],
    ids=["404", "500", "empty", "refused"],
)
def test_a_model_that_does_not_answer_is_not_switched_to(admin: Admin, action: Any, state: str, message: str) -> None:
    """Without an answer the old model stays, the cost is said, and the ledger holds at least the bill."""
    admin.environment.server.faults.set([{"match": {"route": "answer"}, "action": action}])
    result = admin.run("activate", "openai", "gpt-6-luna", "--user", "1", "--yes", "--reason", "x")
    attempt = admin.environment.rows("SELECT state, charged_usd FROM llm_call_attempts")[0]
    assert 1 == result.exit_code
    assert ["gpt-6.1-terra"] == admin.current()
    assert state == attempt["state"]
    assert admin.row("openai", "gpt-6-luna")["validated_at"] is None
    assert "openai/gpt-6-luna gave no answer, which cost" in result.stderr
    assert message in result.stderr
    assert admin.environment.billed() <= attempt["charged_usd"] == admin.environment.spent(1)


def test_a_budget_that_is_spent_asks_nothing(admin: Admin) -> None:
    """A question that does not fit the user's month is not asked, and nothing is switched."""
    admin.environment.budget.correct(1, Decimal("99.9999"), "spent")
    result = admin.run("activate", "anthropic", "claude-haiku-5-5", "--user", "1", "--yes", "--reason", "x")
    assert 1 == result.exit_code
    assert Decimal(0) == admin.environment.billed()
    assert ["claude-sonnet-5-5"] == admin.current("anthropic")
    assert "error: what user 1 has left this month does not cover the call's ceiling of 0.0007 USD\n" == result.stderr


@pytest.mark.ci
def test_perplexity_is_asked_within_its_cap(admin: Admin) -> None:
    """A model that always searches is asked only with a cap on its fees, and charged what the provider says."""
    register(admin, "perplexity", "perplexity/glm-5.3")
    admin.done("price", "perplexity", "perplexity/glm-5.3", "--suggested", "--search-fee", "2.5", "--reason", "x")
    admin.done("approve", "perplexity", "perplexity/glm-5.3", "--reason", "x")
    before = admin.state()
    refused = ("probe", "perplexity", "perplexity/glm-5.3", "--user", "1", "--reason", "x")
    assert admin.refused(*refused).startswith("perplexity/perplexity/glm-5.3: web search has no cap on its fees")
    assert before == admin.state()
    admin.done("price", "perplexity", "perplexity/glm-5.3", "--max-searches", "5", "--reason", "x")
    result = admin.run("probe", "perplexity", "perplexity/sonar", "--user", "1", "--reason", "x")
    assert 0 == result.exit_code
    assert admin.environment.billed() > 0
    assert admin.environment.billed() == admin.environment.spent(1)
    assert ["perplexity/sonar"] == admin.current("perplexity")


@pytest.fixture
def cli(admin: Admin) -> Admin:
    admin.environment.add_project(1, [*PROMPTS, BRANDED], ["openai"])
    return admin


def test_compare_asks_both_and_stores_no_result(cli: Admin) -> None:
    """Both models get the same unbranded prompts, paid to the digit, and the difference has its interval."""
    shown = json.loads(
        cli.done("compare", "gpt-6.1-terra", "gpt-5.4-mini", "--project", "1", "--samples", "2", "--yes", "--json")
    )
    environment = cli.environment
    asked = [(line.model, line.prompt) for line in environment.server.bill.lines]
    assert 28 == len(asked)
    assert 14 == len(set(asked))
    assert 14 == shown["new"]["answers"]
    assert environment.spent(1) == environment.billed()
    assert environment.billed() == Decimal(shown["old"]["charged_usd"]) + Decimal(shown["new"]["charged_usd"])
    assert {"probe"} == {row["kind"] for row in environment.rows("SELECT kind FROM llm_call_attempts")}
    for table in ("llm_monitoring_results", "llm_monitoring_snapshots", "llm_monitoring_failed_tasks"):
        assert 0 == environment.count(table)
    rate = shown["mention_rate"]
    assert 7 == rate["prompts"]
    assert rate["low"] is not None
    assert rate["verdict"] != "too little data"
    assert Decimal(rate["difference"]) == Decimal(rate["after"]) - Decimal(rate["before"])
    assert Decimal(rate["low"]) <= Decimal(rate["difference"]) <= Decimal(rate["high"])
    assert Decimal(shown["ceiling_usd"]) >= environment.billed()
    audit = environment.audit()
    assert [] == audit.differences
    assert [] == audit.open_attempts
    assert [] == audit.over_ceiling


def test_compare_says_first_what_it_costs(cli: Admin) -> None:
    """The ceiling comes before anything is asked; without a terminal and --yes nothing is."""
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1")
    assert 2 == result.exit_code
    assert Decimal(0) == cli.environment.billed()
    assert result.stdout.startswith("7 prompts of project 1 (1 that name the brand are left out) are 14 questions to")
    assert "error: there is no terminal to confirm on: add --yes\n" == result.stderr
    output = cli.done("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    header, mention = (line for line in output.splitlines() if line.startswith(("Figure", "Mention rate, %")))
    assert "95 % interval" in header
    assert " to " in mention
    assert output.endswith("Neither results nor figures of any day were touched.\n")


@pytest.mark.ci
def test_compare_stays_within_the_budget(cli: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the month is used up the comparison ends, says so, and has spent no cent beyond the limit."""
    monkeypatch.setenv("LLM_MAX_WORKERS", "1")  # both models have answers before the budget is used up
    cli.environment.budget.set_limits(1, Decimal("0.02"), None)
    output = cli.done("compare", "gpt-6.1-terra", "gpt-5.4-mini", "--project", "1", "--samples", "3", "--yes")
    spent = cli.environment.spent(1)
    assert Decimal("0.01") < spent <= Decimal("0.02")
    assert spent == cli.environment.billed()
    assert "It ended early: the next call does not fit into what is left of the monthly budget." in output
    assert [] == cli.environment.audit().differences


@pytest.mark.ci
def test_compare_asks_again_where_the_provider_asks_to_wait(cli: Admin) -> None:
    """A 429 is waited out and asked again as an attempt of its own; every answer comes, every charge is the bill's."""
    wait = {"kind": "status", "status": 429, "headers": {"Retry-After": "0.05"}}
    cli.environment.server.faults.set([{"match": {"route": "answer", "every": 4}, "times": 3, "action": wait}])
    shown = json.loads(cli.done("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes", "--json"))
    states = cli.environment.rows("SELECT state, count(*) AS n FROM llm_call_attempts GROUP BY state ORDER BY state")
    assert 7 == shown["old"]["answers"]
    assert 7 == shown["new"]["answers"]
    assert shown["stopped"] is None
    assert [{"state": "settled", "n": 14}, {"state": "void", "n": 3}] == states
    assert cli.environment.billed() == cli.environment.spent(1)


@pytest.mark.ci
def test_compare_leaves_a_provider_alone_that_asks_for_it(cli: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one question waits out a 429 no other goes to the provider."""
    monkeypatch.setenv("LLM_MAX_WORKERS", "2")
    environment = cli.environment
    environment.server.service.behaviour = replace(environment.server.service.behaviour, latency_ms=100.0)
    wait = {"kind": "status", "status": 429, "headers": {"Retry-After": "2"}}
    environment.server.faults.set([{"match": {"route": "answer"}, "times": 1, "action": wait}])
    cli.done("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    sooner = (
        "llm_call_attempts a JOIN llm_call_attempts refused ON refused.state = 'void' AND a.reserved_at "
        "BETWEEN refused.closed_at + INTERVAL '1 s' AND refused.closed_at + INTERVAL '2 s'"
    )
    assert 15 == environment.count("llm_call_attempts")
    assert 0 == environment.count(sooner)


@pytest.mark.ci
def test_compare_ends_where_the_provider_asks_for_too_much(cli: Admin) -> None:
    """A provider that wants to be left alone for longer than a comparison waits is not asked again before."""
    wait = {"kind": "status", "status": 429, "headers": {"Retry-After": "600"}}
    cli.environment.server.faults.set([{"match": {"route": "answer"}, "times": 99, "action": wait}])
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    assert 1 == result.exit_code
    assert "openai asks for a longer wait" in result.stderr
    assert cli.environment.count("llm_call_attempts WHERE state = 'void'") <= 10


@pytest.mark.ci
def test_compare_does_not_repeat_a_call_in_doubt(cli: Admin) -> None:
    """A call that may have been billed is charged its ceiling once, so that the announced ceiling holds."""
    failure = {"kind": "status", "status": 500}
    cli.environment.server.faults.set([{"match": {"route": "answer"}, "times": 1, "action": failure}])
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes", "--json")
    shown = json.loads(result.stdout)
    states = cli.environment.rows("SELECT state, count(*) AS n FROM llm_call_attempts GROUP BY state ORDER BY state")
    assert [{"state": "settled", "n": 13}, {"state": "unknown", "n": 1}] == states
    assert 1 == shown["old"]["failures"] + shown["new"]["failures"]
    assert cli.environment.spent(1) <= Decimal(shown["ceiling_usd"])
    assert "openai answered 500" in result.stderr


@pytest.mark.ci
def test_compare_reports_a_code(cli: Admin) -> None:
    """Programs get a code for why a comparison ended early, and no failed task of the day is stored."""
    cli.environment.budget.set_limits(1, Decimal("0.02"), None)
    result = cli.run(
        "compare", "gpt-6.1-terra", "gpt-5.4-mini", "--project", "1", "--samples", "3", "--yes", "--json"
    )  # the last calls that fit may all be of one model, so the exit code is not fixed
    assert "budget" == json.loads(result.stdout)["stopped"]
    assert 0 == cli.environment.count("llm_monitoring_failed_tasks")


@pytest.mark.ci
def test_compare_with_a_model_that_is_gone(cli: Admin) -> None:
    """A model that the provider no longer serves ends the comparison with code 1; what was asked is paid."""
    cli.environment.server.models.change("openai", retire=["gpt-6-luna"])
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    assert 1 == result.exit_code
    assert "error: there is nothing to compare: " in result.stderr
    assert cli.environment.billed() == cli.environment.spent(1)


@pytest.mark.short(every=8)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gpt-6.1-terra", "claude-haiku-5-5"), "gpt-6.1-terra and claude-haiku-5-5 are of two providers"),
        (("gpt-6.1-terra", "gpt-6.1-terra"), "a model is compared with another one, not with itself"),
        (("gpt-6.1-terra", "gpt-0"), "model gpt-0 is not registered"),
        (("gpt-6.1-terra", "gpt-6.2-sol"), "openai/gpt-6.2-sol has no price above zero"),
        (("gpt-6.1-terra", "gpt-6-luna", "--samples", "21"), "Invalid value for '--samples'"),
    ],
)
def test_compare_refused(cli: Admin, arguments: tuple[str, ...], message: str) -> None:
    """What cannot be compared is refused in one line with code 2, before anything is asked."""
    register(cli, "openai", "gpt-6.2-sol")
    line = cli.refused("compare", *arguments, "--project", "1", "--yes")
    assert Decimal(0) == cli.environment.billed()
    assert message == line[: len(message)]


@pytest.mark.ci
def test_a_killed_probe_is_settled_by_the_next_run(cli: Admin) -> None:
    """What a probe left open is closed by the next daily run, and never becomes a day's answer."""
    with Database(cli.environment.url) as db:
        db.execute(
            "INSERT INTO llm_call_attempts (id, kind, state, user_id, month, llm_provider, model_id, key_source, "
            "ceiling_usd, committed_usd, budget_usd, sent_at) VALUES (gen_random_uuid(), 'probe', 'sent', 1, "
            "date_trunc('month', now() AT TIME ZONE 'UTC'), 'openai', 'gpt-6-luna', 'user', 0.01, 0.01, 100, now())"
        )
        db.execute("UPDATE user_llm_api_keys SET reserved_spend_usd = 0.01 WHERE user_id = 1")
    code, output = cli.environment.run()
    audit = cli.environment.audit()
    assert 0 == code, output
    assert 8 == cli.environment.count("llm_monitoring_results"), output
    assert [] == audit.differences, output
    assert [] == audit.open_attempts, output
    unknown = cli.environment.rows("SELECT state FROM llm_call_attempts WHERE kind = 'probe'")
    assert [{"state": "unknown"}] == unknown
