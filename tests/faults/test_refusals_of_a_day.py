"""A day under refusals: each closes what it speaks of, and a provider's words stay with the task that got them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from llm_monitoring import registry
from llm_monitoring.domain import ProviderName
from llm_monitoring.jobs import digest_text, observed_notices
from llm_monitoring.notify import detectors
from tests.environment import Environment, open_environment
from tests.faults.fault_table import FIREWALL, document, gone, quota, status
from tests.faults.in_process import TODAY, ask, impatient, run_day

PROMPTS = [f"¿Es Quipu bueno para el caso {number}?" for number in range(12)]
ONE_AT_A_TIME = {"LLM_MAX_WORKERS": "1"}

CALLS = """
SELECT kind, state, count(*)::int AS n, sum(charged_usd) AS usd FROM llm_call_attempts GROUP BY 1, 2 ORDER BY 1, 2"""
FAILED = """
SELECT p.user_id, f.reason, f.message FROM llm_monitoring_failed_tasks f
JOIN llm_monitoring_projects p ON p.id = f.project_id ORDER BY f.message"""
ANSWERED = "SELECT count(*)::int AS n FROM llm_monitoring_results"


@pytest.fixture
def environment(watched_url: str, random: Random) -> Iterator[Environment]:
    with open_environment(watched_url, random) as made, impatient():
        yield made


def refuse(environment: Environment, action: Any, **match: Any) -> None:
    environment.server.faults.set([{"match": {"route": "answer", **match}, "action": action}])


def calls(environment: Environment) -> dict[tuple[str, str], int]:
    return {(row["kind"], row["state"]): row["n"] for row in environment.db.all(CALLS)}


def failures(environment: Environment) -> list[tuple[str, str]]:
    return [(row["reason"], row["message"]) for row in environment.db.all(FAILED)]


def answered(environment: Environment) -> int:
    row = environment.db.one(ANSWERED)
    return row["n"] if row else 0


def alone(environment: Environment, provider: ProviderName) -> int:
    user = environment.add_user(providers=[provider])
    ask(environment, user, PROMPTS, [provider])
    return user


@pytest.mark.ci
@pytest.mark.parametrize("code", [403, 404])
def test_a_missing_model_of_the_judge_leaves_the_answers_alone(environment: Environment, code: int) -> None:
    """Only that model is not there: all prompts are answered, and the judge is asked once."""
    alone(environment, "openai")
    judge = registry.read_catalogue(environment.db).judge(frozenset({"openai"}), TODAY)
    assert judge is not None
    refuse(
        environment, status(code, body=document("openai", code, "no access", "model_not_found")), model=judge.model_id
    )
    run_day(environment, LLM_SENTIMENT="true", **ONE_AT_A_TIME)
    assert 12 == answered(environment)
    assert {("answer", "settled"): 12, ("sentiment", "void"): 1} == calls(environment)


@pytest.mark.ci
def test_a_missing_model_of_the_answers_is_named_as_one(environment: Environment) -> None:
    """The key is not called refused where it is the model that is not there."""
    alone(environment, "openai")
    refuse(environment, gone("openai"))
    run_day(environment, **ONE_AT_A_TIME)
    recorded = failures(environment)
    assert {("answer", "void"): 1} == calls(environment)
    assert {"model_not_found": 1, "provider_closed": 11} == {r: [x for x, _ in recorded].count(r) for r, _ in recorded}
    assert {"model_missing"} == {text for why, text in recorded if why == "provider_closed"}


LIMITS = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
ONE_CALL: list[tuple[ProviderName, Any, str]] = [
    ("anthropic", status(400, body=document("anthropic", 400, LIMITS)), "auth_failed"),
    ("google", status(400, body=document("google", 400, "free tier", "FAILED_PRECONDITION")), "auth_failed"),
    ("google", status(402, body=document("google", 402, "depleted", "RESOURCE_EXHAUSTED")), "auth_failed"),
    ("openai", status(429, body=document("openai", 429, "quota", "insufficient_quota")), "auth_failed"),
    (
        "google",
        status(429, body=document("google", 429, "quota", "RESOURCE_EXHAUSTED", **quota("RequestsPerDayPerModel"))),
        "quota_exhausted",
    ),
]


@pytest.mark.short(every=4)
@pytest.mark.parametrize("own_key", [True, False], ids=["user's key", "operator's key"])
@pytest.mark.parametrize(("provider", "action", "reason"), ONE_CALL)
def test_a_refusal_that_no_prompt_mends_is_met_once(
    environment: Environment, provider: ProviderName, action: Any, reason: str, own_key: bool
) -> None:
    """One call, then the key is closed for the day: the first task has the provider's words, the others our own."""
    if not own_key:
        environment.add_operator_keys([provider])
    ask(environment, environment.add_user(providers=[provider] if own_key else []), PROMPTS, [provider])
    refuse(environment, action)
    run_day(environment, **ONE_AT_A_TIME)
    recorded = failures(environment)
    assert {("answer", "void"): 1} == calls(environment)
    assert [reason] == [why for why, _ in recorded if why != "key_closed"]
    assert [] == [text for why, text in recorded if why == "key_closed" and "answered" in text]


@pytest.mark.ci
def test_a_429_without_a_reason_ends_at_some_time(environment: Environment) -> None:
    """A limit that names no quota and never ends is not asked ten times a prompt."""
    alone(environment, "google")
    body = document("google", 429, "prepayment credits are depleted", "RESOURCE_EXHAUSTED")
    refuse(environment, status(429, body=body, headers={"Retry-After": "0"}))
    run_day(environment)
    assert calls(environment)["answer", "void"] <= 40


EVIL = "<script>alert(1)</script> what does API key not valid mean, or insufficient_quota?"


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    "action",
    [
        status(403, body=FIREWALL),
        status(403, body=document("openai", 403, f"Blocked: {EVIL}")),
        status(401, body=document("openai", 401, f"Blocked: {EVIL}")),
        status(400, body=document("openai", 400, f"Blocked: {EVIL}")),
        status(429, body=document("openai", 429, f"Blocked: {EVIL}"), headers={"Retry-After": "0"}),
    ],
    ids=["a firewall's page", "403", "401", "400", "429"],
)
def test_one_tenants_prompt_closes_nobody_elses_key(
    environment: Environment, action: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator's key works on for the others, and no word of the prompt is in their rows or log lines."""
    environment.add_operator_keys(["openai"])
    evil, *others = [environment.add_user(providers=[]) for _ in range(3)]
    ask(environment, evil, [EVIL], ["openai"])
    for user in others:
        ask(environment, user, PROMPTS[:4], ["openai"])
    refuse(environment, action, prompt="<script>")
    with caplog.at_level(logging.INFO):
        run_day(environment, **ONE_AT_A_TIME)
    assert 8 == answered(environment)
    assert {evil} == {row["user_id"] for row in environment.db.all(FAILED)}
    lines = [line for line in caplog.records if "Blocked" in line.getMessage()]
    assert {evil} >= {getattr(line, "user_id", None) for line in lines}


def test_an_operators_key_that_lists_no_models_is_closed_for_all(environment: Environment) -> None:
    """A key that is refused twice is dead: one call, and a fixed sentence for every other tenant."""
    environment.add_operator_keys(["openai"])
    for _ in range(3):
        ask(environment, environment.add_user(providers=[]), PROMPTS[:4], ["openai"])
    bad_key = status(401, body=document("openai", 401, f"Bad key, said to: {EVIL}", "invalid_api_key"))
    environment.server.faults.set([{"match": {"provider": "openai"}, "action": bad_key}])
    report = run_day(environment, **ONE_AT_A_TIME)
    recorded = failures(environment)
    assert {("answer", "void"): 1} == calls(environment)
    assert {"key_refused": 11} == {
        text: sum(other == text for _, other in recorded) for why, text in recorded if why == "key_closed"
    }
    assert 1 == sum("script" in text for _, text in recorded)
    assert [] == [project for project in report.projects if "script" in str(project.error)]
    assert [] == detectors.outages(environment.db, TODAY, TODAY)
    assert 3 == len(detectors.refused_keys(environment.db, TODAY))


def test_a_refused_account_is_announced_with_its_date(environment: Environment) -> None:
    """The digest's line of a key has the provider's words, in which it says when access comes back."""
    user = alone(environment, "anthropic")
    refuse(environment, status(400, body=document("anthropic", 400, LIMITS)))
    run_day(environment, **ONE_AT_A_TIME)
    recorded = [
        (row["user_id"], row["tasks"], "2026-12-01" in row["message"])
        for row in detectors.refused_keys(environment.db, TODAY)
    ]
    assert [(user, 12, True)] == recorded


@pytest.mark.short(every=8)
@pytest.mark.parametrize("code", [409, 413, 422, 424, 425, 444, 460, 499])
def test_other_errors_are_never_below_the_bill(environment: Environment, code: int) -> None:
    """Whoever answers with another error may have passed the call on: the ledger is not below the bill."""
    user = environment.add_user(providers=["openai"])
    ask(environment, user, PROMPTS[:1], ["openai"])
    environment.server.faults.set([{"match": {"route": "answer"}, "times": 1, "billed": True, "action": status(code)}])
    run_day(environment)
    billed = sum((Decimal(line.price_usd) for line in environment.server.bill.lines), Decimal(0))
    assert sum(row["usd"] for row in environment.db.all(CALLS)) >= billed > 0
    assert [] == environment.check(*([TODAY] if code not in (413, 422) else []))


@pytest.mark.ci
def test_a_refused_account_costs_nothing_with_many_workers_either(environment: Environment) -> None:
    """Calls that were out when the first refusal came are refused too: all void, and the digest has one line."""
    user = alone(environment, "anthropic")
    refuse(environment, status(400, body=document("anthropic", 400, LIMITS)))
    report = run_day(environment, LLM_MAX_WORKERS="10")
    found = calls(environment)
    assert {("answer", "void")} == set(found)
    assert 1 <= found["answer", "void"] <= 10
    assert 0 == sum(row["usd"] for row in environment.db.all(CALLS))
    assert 12 == report.stats.failed
    lines = [
        observed_notices.key_notice(row, digest_text.Names({}, {})).line
        for row in detectors.refused_keys(environment.db, TODAY)
    ]
    assert [True] == [line.startswith(f"🔑 User #{user}, anthropic") for line in lines]
    assert 12 == len(failures(environment))
