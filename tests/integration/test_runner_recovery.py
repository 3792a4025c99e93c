"""What a dead run left, and what changes under a run: the next start settles the one and leaves the other."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal

import pytest

from llm_monitoring.domain import Secret, Task
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.providers import Question, open_provider
from llm_monitoring.runs import daily, records
from llm_monitoring.runs.records import RunLock
from tests.admission import admits
from tests.environment import KEYS, Environment
from tests.integration.one_run import PROMPTS, TODAY, in_balance, one_task, run, states


def dead_call(environment: Environment, user: int, project: int) -> tuple[Attempt, Question]:
    """A call that a run made and then died."""
    query = environment.rows("SELECT id, query_text FROM llm_monitoring_queries")[0]
    task = Task(user, project, query["id"], "openai", TODAY, 1, query["query_text"], "es")
    call = Attempt(uuid.uuid4(), "answer", user, "openai", "gpt-6.1-terra", "user", Decimal("0.0125"), task=task)
    assert admits(environment.budget, call)
    return call, Question(task.prompt, call.model_id, 2000, language="es")


def test_a_kept_receipt_is_settled_and_its_answer_saved(environment: Environment) -> None:
    """A reply that was stored before the run died is charged exactly and not asked again."""
    user = environment.add_user("a@example.com", ["openai"])
    project = environment.add_project(user, PROMPTS[:1], ["openai"])
    call, question = dead_call(environment, user, project)
    assert environment.budget.mark_sent(call)
    client = open_provider(
        "openai", Secret(KEYS["openai"]), base_url=environment.server.url("openai"), timeout_seconds=5
    )
    reply = client.send(question)
    client.close()
    environment.budget.keep_receipt(call.id, reply, reply.body)
    report = run(environment)
    assert ["settled"] == states(environment)
    assert 1 == environment.count("llm_monitoring_results")
    assert report.projects[0].skipped
    assert environment.spent(user) == environment.billed() > 0


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("was_sent", "expected"), [(False, ["void", "settled"]), (True, ["unknown", "settled"])])
def test_a_dead_runs_calls_are_released_or_charged_in_doubt(
    environment: Environment, was_sent: bool, expected: list[str]
) -> None:
    """What was only reserved is free again; what was sent is charged its ceiling; both tasks are asked again."""
    user = environment.add_user("a@example.com", ["openai"])
    call, _ = dead_call(environment, user, environment.add_project(user, PROMPTS[:1], ["openai"]))
    if was_sent:
        environment.budget.mark_sent(call)
    run(environment)
    assert states(environment) == expected
    assert 1 == environment.count("llm_monitoring_results")
    assert in_balance(environment, user)


def test_a_dead_call_of_a_deleted_prompt_is_settled_all_the_same(environment: Environment) -> None:
    """Recovery does not need the prompt to be there."""
    user = environment.add_user("a@example.com", ["openai"])
    call, _ = dead_call(environment, user, environment.add_project(user, PROMPTS[:1], ["openai"]))
    environment.budget.mark_sent(call)
    environment.db.execute("DELETE FROM llm_monitoring_projects")
    run(environment)
    assert ["unknown"] == states(environment)
    assert in_balance(environment, user)


def test_an_answer_that_cannot_be_analysed_is_stored_unread(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is charged exactly and kept with its reason, and the next start analyses it without asking again."""
    user = one_task(environment)
    monkeypatch.setattr("llm_monitoring.analysis.Matcher.analyse", lambda *_: 1 / 0)
    report = run(environment)
    unread = environment.rows("SELECT unread_reason, brand_mentioned, analysis_version FROM llm_monitoring_results")
    assert [{"unread_reason": "ZeroDivisionError", "brand_mentioned": None, "analysis_version": None}] == unread
    assert not report.complete
    assert ["read_answer"] == [each.stage for each in report.row_errors]
    assert [(0, 1)] == [
        (row["total_queries"], row["unread_queries"])
        for row in environment.rows("SELECT * FROM llm_monitoring_snapshots")
    ]
    monkeypatch.undo()
    assert run(environment).complete
    assert 1 == environment.count("llm_monitoring_results WHERE unread_reason IS NULL AND analysis_version IS NOT NULL")
    assert [(1, 0)] == [
        (row["total_queries"], row["unread_queries"])
        for row in environment.rows("SELECT * FROM llm_monitoring_snapshots")
    ]
    assert states(environment) == ["settled"]
    assert environment.spent(user) == environment.billed() > 0


@pytest.mark.ci
def test_a_lost_sentiment_is_asked_by_the_next_start(environment: Environment) -> None:
    """A mention that was never scored is scored by the next run of the day, and the snapshot has it."""
    user = environment.add_user("a@example.com", ["openai"])
    environment.add_project(user, ["¿Qué es Quipu?"], ["openai"])
    run(environment, LLM_SENTIMENT="true", LLM_MAX_ATTEMPTS="1")
    assert environment.count("llm_monitoring_results WHERE sentiment_status = 'scored'") == 1
    environment.db.execute(
        "UPDATE llm_monitoring_results SET sentiment_status = 'pending', sentiment = NULL, sentiment_score = NULL"
    )
    run(environment, LLM_SENTIMENT="true")
    assert (
        environment.count("llm_monitoring_results WHERE sentiment_status = 'scored' AND sentiment_score IS NOT NULL")
        == 1
    )
    assert states(environment) == ["settled"] * 3
    assert environment.spent(user) == environment.billed()


@pytest.mark.ci
def test_a_project_that_changes_hands_under_way_is_left_to_the_next_start(environment: Environment) -> None:
    """Neither user is charged for it in this run, other projects go on, and the next start asks for the new user."""
    users = [environment.add_user(f"{name}@example.com", ["openai"]) for name in "ab"]
    heir = environment.add_user("heir@example.com", [])
    handed, kept = (environment.add_project(user, PROMPTS[:2], ["openai"]) for user in users)
    owner = {"id": handed, "user": heir}
    hand_over = "UPDATE llm_monitoring_projects SET user_id = %(user)s WHERE id = %(id)s"
    run(environment, meanwhile=lambda: environment.db.execute(hand_over, owner))
    asked = environment.rows("SELECT project_id, count(*)::int AS n FROM llm_monitoring_results GROUP BY 1")
    assert asked == [{"project_id": kept, "n": 2}]
    environment.give_keys(heir, ["openai"])
    assert run(environment).complete
    assert environment.spent(heir) > environment.spent(users[0]) == 0


def test_a_key_stored_during_a_run_stops_no_user_of_the_operators(environment: Environment) -> None:
    """A user who stores a key of their own during the run is no reason to give up the operator's key."""
    users = [environment.add_user(f"{name}@example.com", []) for name in "ab"]
    for user in users:
        environment.add_project(user, PROMPTS[:2], ["openai"])
    report = run(
        environment,
        meanwhile=lambda: environment.give_keys(users[0], ["openai"]),
        OPENAI_API_KEY=KEYS["openai"],
        LLM_MAX_WORKERS="1",
    )
    assert report.complete
    assert {row["key_source"] for row in environment.rows("SELECT key_source FROM llm_call_attempts")} == {"operator"}


def test_a_start_waits_for_the_longest_call_of_a_worker(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call with a reply that arrives slowly ends after twice its timeout; a start waits that long for workers."""
    waited: list[float] = []
    monkeypatch.setattr(daily, "wait_for_owners", lambda db, seconds, stop: waited.append(seconds))
    run(environment, LLM_GOOGLE_TIMEOUT_SECONDS="200")
    assert waited[0] > 2 * 200


def test_the_connection_of_the_lock_is_replaced(environment: Environment) -> None:
    """A terminated lock connection is noticed and the lock taken again."""
    with RunLock(environment.db) as lock:
        environment.db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        time.sleep(0.1)
        assert lock.held()
        with pytest.raises(records.AlreadyRunning), RunLock(environment.db):
            pass
