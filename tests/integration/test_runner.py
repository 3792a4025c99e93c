"""Runs in this process against a provider that fails in every way: states, charges, retries, other providers."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from llm_monitoring import failpoints
from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.providers import load_sdk
from llm_monitoring.runs import runner
from tests.environment import KEYS, Environment
from tests.integration.one_run import PROMPTS, fault, in_balance, one_task, run, states


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [("refusal", "refused"), ("content_filter", "refused"), ("empty_text", "bad_response")],
)
def test_a_paid_answer_without_content_is_final_for_the_day(environment: Environment, kind: str, reason: str) -> None:
    """A refusal, a filter or an empty text is charged its usage, counted as failed, and never paid for again."""
    user = one_task(environment)
    environment.server.faults.set([fault(kind)])
    run(environment)
    run(environment)
    failed = environment.rows("SELECT reason, final FROM llm_monitoring_failed_tasks")
    assert ["settled"] == states(environment)
    assert failed == [{"reason": reason, "final": True}]
    assert environment.spent(user) == environment.billed() > 0
    snapshot = environment.rows("SELECT total_queries, failed_queries, mention_rate FROM llm_monitoring_snapshots")
    assert snapshot == [{"total_queries": 0, "failed_queries": 1, "mention_rate": None}]


@pytest.mark.short(every=4)
@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_dead_key_stops_alone(environment: Environment, status: int) -> None:
    """A refused key is used no more in the run; its tasks are recorded, the other providers finish."""
    user = environment.add_user("a@example.com", ["openai", "google"])
    environment.add_project(user, PROMPTS, ["openai", "google"])
    environment.server.faults.set([fault("status", times=99, status=status)])
    report = run(environment, LLM_OPENAI_CONCURRENCY="1")
    assert environment.count("llm_call_attempts WHERE llm_provider = 'openai' AND state = 'void'") == 1
    assert environment.count("llm_monitoring_failed_tasks WHERE llm_provider = 'openai'") == 4
    assert report.projects[0].completeness["google"].results == 4
    assert in_balance(environment, user)
    environment.server.faults.set([])
    assert run(environment).complete
    assert environment.count("llm_monitoring_failed_tasks") == 0


@pytest.mark.ci
def test_two_users_keys_fail_apart(environment: Environment) -> None:
    """One user's dead key does not stop another user at the same provider."""
    users = [environment.add_user(f"{name}@example.com", []) for name in "ab"]
    for user, key in zip(users, ["sk-proj-refused-0000000000000000", KEYS["openai"]], strict=True):
        environment.store.store(user, "openai", Secret(key))
        environment.add_project(user, PROMPTS, ["openai"])
    from llm_monitoring.demo.bill import fingerprint

    refused = {
        "match": {"key": fingerprint("sk-proj-refused-0000000000000000")},
        "action": {"kind": "status", "status": 401},
    }
    environment.server.faults.set([refused])
    report = run(environment)
    assert [bool(project.error) for project in report.projects] == [True, False]
    assert (
        environment.count(
            f"llm_monitoring_results r JOIN llm_call_attempts a ON a.id = r.attempt_id WHERE a.user_id = {users[1]}"
        )
        == 4
    )


def test_a_dead_provider_ends_and_the_others_finish(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that always fails opens its breaker; the day of the others is complete."""
    monkeypatch.setattr("llm_monitoring.runs.limits.COOL_DOWN_SECONDS", (0.05,))
    user = environment.add_user("a@example.com")
    environment.add_project(user, PROMPTS)
    environment.server.faults.set([fault("reset", "anthropic", times=9999, when="after_body")])
    report = run(environment)
    cells = report.projects[0].completeness
    assert {name: cell.results for name, cell in cells.items()} == {
        "anthropic": 0,
        "google": 4,
        "openai": 4,
        "perplexity": 4,
    }
    assert environment.count("llm_call_attempts WHERE llm_provider = 'anthropic'") <= 8
    assert in_balance(environment, user)


@pytest.mark.ci
def test_giving_up_the_tasks_of_a_dead_key_delays_no_other(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tasks of a refused key are given up while the other providers are called, not before that."""
    user = environment.add_user("a@example.com", ["openai", "google"])
    environment.add_project(user, [f"¿Qué programa, caso {n}?" for n in range(20)], ["openai"], name="refused")
    environment.add_project(user, PROMPTS, ["google"])
    environment.server.faults.set([fault("status", times=99, status=401)])
    for provider in ("openai", "google"):  # or openai's are given up while google's SDK is still being imported
        load_sdk(provider)
    asked_before: list[int] = []

    def count_asked(point: failpoints.Point) -> None:
        if point == "giving_up":
            asked_before.append(environment.count("llm_call_attempts WHERE llm_provider = 'google'"))

    monkeypatch.setattr(failpoints, "hook", count_asked)
    run(environment, LLM_MAX_WORKERS="1")
    assert 19 == len(asked_before)  # all but the task that was refused
    assert asked_before.index(4) < 10


@pytest.mark.ci
def test_ceilings_that_fill_the_budget_do_not_block_the_tasks_after_them(environment: Environment) -> None:
    """Ten calls at once reserve more than there is; each waits for the money that others return."""
    user = environment.add_user("a@example.com", ["openai"], budget="0.05")
    environment.add_project(user, [f"¿Qué programa, caso {n}?" for n in range(12)], ["openai"])
    report = run(environment)
    assert report.complete
    assert report.projects[0].completeness["openai"].results == 12
    assert environment.spent(user) == environment.billed() < Decimal("0.05")


def test_a_spent_budget_blocks_what_is_left(environment: Environment) -> None:
    """When not even one ceiling fits, the rest of the day is recorded as blocked, and the next start tries again."""
    user = environment.add_user("a@example.com", ["openai"], budget="0.02")
    environment.add_project(user, [f"¿Qué programa, caso {n}?" for n in range(12)], ["openai"])
    report = run(environment)
    cell = report.projects[0].completeness["openai"]
    assert 12 == cell.results + cell.failures
    assert "budget" == cell.reason
    assert 0 == cell.final
    assert 0 < cell.results < 12
    assert report.stats.blocked_users == {user}
    environment.budget.set_limits(user, Decimal("1.00"), None)
    assert run(environment).complete


def test_a_run_past_its_deadline_starts_nothing(environment: Environment) -> None:
    """The deadline stops admitting; what is left is pending, not failed."""
    one_task(environment)
    report = run(environment, LLM_RUN_DEADLINE_MINUTES="0.000000001")
    assert "deadline" == report.stats.stopped
    assert 1 == report.projects[0].pending
    assert states(environment) == []


def test_a_model_without_a_price_is_not_called(environment: Environment) -> None:
    """Search switched on with no cap on its fees: the task says why, and nothing is sent."""
    user = environment.add_user("a@example.com", ["google"])
    project = environment.add_project(user, PROMPTS[:1], ["google"])
    environment.db.execute("UPDATE llm_monitoring_projects SET web_search = TRUE WHERE id = %(id)s", {"id": project})
    report = run(environment)
    (failed,) = environment.rows("SELECT reason, message FROM llm_monitoring_failed_tasks")
    assert "not_callable" == failed["reason"]
    assert "no cap on its fees" in failed["message"]
    assert [] == states(environment)
    assert report.projects[0].error is not None


@pytest.mark.ci
def test_a_run_finds_the_quota_of_a_provider(environment: Environment, caplog: pytest.LogCaptureFixture) -> None:
    """At a 429 a provider's window is halved and every task is answered; other providers never wait for it."""
    user = environment.add_user("a@example.com", ["openai", "perplexity"])
    prompts = [f"¿Qué programa de facturación conviene, caso {n}?" for n in range(60)]
    environment.add_project(user, prompts, ["openai", "perplexity"])
    refusal = {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}}
    rule = {"match": {"provider": "openai", "nth": 5}, "action": refusal}
    environment.server.faults.set([rule])
    with caplog.at_level(logging.INFO):
        report = run(environment, LLM_MAX_WORKERS="12", LLM_SENTIMENT="false")
    windows = [vars(record)["calls"] for record in caplog.records if "provider.window" in vars(record).values()]
    (refused,) = environment.rows("SELECT closed_at AS at FROM llm_call_attempts WHERE state = 'void'")
    while_paused = (
        "SELECT llm_provider, count(*) AS calls FROM llm_call_attempts "
        "WHERE sent_at BETWEEN %(at)s::timestamptz AND %(at)s::timestamptz + INTERVAL '1 second' GROUP BY 1"
    )
    sent = {row["llm_provider"]: row["calls"] for row in environment.db.all(while_paused, refused)}
    assert report.complete
    assert 120 == environment.count("llm_monitoring_results")
    assert 6 == windows[0]
    assert 0 < sent["perplexity"]
    assert sent.get("openai", 0) < 12  # items that had been started before the reply was read


@pytest.mark.ci
def test_users_take_turns(environment: Environment) -> None:
    """A user with many prompts does not make one with few wait for the end."""
    many, few = (
        environment.add_user("many@example.com", ["openai"]),
        environment.add_user("few@example.com", ["openai"]),
    )
    environment.add_project(many, [f"¿Qué programa, caso {n}?" for n in range(20)], ["openai"])
    environment.add_project(few, PROMPTS, ["openai"])
    run(environment, LLM_MAX_WORKERS="1")
    order = [row["user_id"] for row in environment.rows("SELECT user_id FROM llm_call_attempts ORDER BY reserved_at")]
    assert order[:8] == [many, few] * 4


def test_an_sdk_is_imported_when_the_calls_of_the_one_before_have_left(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first calls of a run do not share the interpreter with the import of the next SDK."""
    order: list[str] = []

    def load(provider: ProviderName) -> None:
        order.append(f"import {provider}")
        load_sdk(provider)

    def on_point(point: failpoints.Point) -> None:
        if point == "sent":
            order.append("sent")

    monkeypatch.setattr(runner, "QUIET_SECONDS", 60.0)
    monkeypatch.setattr(runner, "load_sdk", load)
    monkeypatch.setattr(failpoints, "hook", on_point)
    environment.add_project(environment.add_user("a@example.com"), PROMPTS[:1], ["openai", "google"])
    run(environment)
    assert ["import openai", "sent", "import google", "sent"] == order


@pytest.mark.parametrize("error", [MemoryError(), ConfigurationError("the certificates cannot be read")])
def test_an_import_without_memory_or_certificates_ends_the_run(
    error: Exception, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run in which no call can be made ends at once and asks nothing: each of its tasks would fail alike."""

    def load(provider: ProviderName) -> None:
        raise error

    monkeypatch.setattr(runner, "load_sdk", load)
    one_task(environment)
    with pytest.raises(type(error)):
        run(environment)
