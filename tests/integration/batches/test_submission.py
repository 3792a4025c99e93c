"""Which calls go into a batch, and which are made one by one at once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llm_monitoring.runs import records as runs
from llm_monitoring.runs.batches.batch_run import BatchRun
from tests.environment import Environment
from tests.integration.batches.in_memory import ANSWER_USD, DAY, Scene, answered, broken, not_run
from tests.integration.batches.test_states import is_balanced, submitted

EXPIRED_TWICE = """
UPDATE llm_batches SET outcome = 'expired';
INSERT INTO llm_batches
SELECT (jsonb_populate_record(b, jsonb_build_object('id', gen_random_uuid(), 'remote_id', 'other'))).*
FROM llm_batches b
"""


def run_of(scene: Scene) -> BatchRun:
    """The batches of a new run, submitted."""
    batches = scene.batch_run(scene.executor(runs.start(scene.environment.db, DAY)))
    batches.submit()
    return batches


def sizes(scene: Scene) -> list[int]:
    return [len(made.requests) for made in scene.batches.made.values()]


def unprove(scene: Scene) -> None:
    scene.environment.db.execute("UPDATE llm_batches SET model_id = 'earlier-model'")


def test_a_day_goes_out_in_one_batch(scene: Scene) -> None:
    """All calls of a key and model, each reserved with its own ceiling in batch mode."""
    submitted(scene)
    rows = scene.environment.rows("SELECT DISTINCT mode, state FROM llm_call_attempts WHERE project_id IS NOT NULL")
    assert [24] == sizes(scene)
    assert [{"mode": "batch", "state": "sent"}] == rows


def test_the_ceiling_has_the_factor_of_batches(scene: Scene) -> None:
    """Each call reserves half of what it would in standard mode."""
    submitted(scene)
    half = scene.environment.rows("SELECT sum(ceiling_usd) AS usd FROM llm_call_attempts WHERE state = 'sent'")
    scene.environment.db.execute("UPDATE llm_model_registry SET batch_factor = 1 WHERE llm_provider = 'anthropic'")
    whole = Scene(scene.environment, variables={"LLM_MAX_ATTEMPTS": "1"})
    scene.environment.db.execute("UPDATE llm_call_attempts SET state = 'void' WHERE state = 'sent'")
    submitted(whole)
    full = scene.environment.rows("SELECT sum(ceiling_usd) AS usd FROM llm_call_attempts WHERE state = 'sent'")
    assert Decimal(2) == round(Decimal(full[0]["usd"]) / Decimal(half[0]["usd"]), 2)


@pytest.mark.ci
def test_a_batch_has_at_most_so_many_calls(scene: Scene) -> None:
    """LLM_BATCH_REQUESTS divides a group; a rest that is too small for a batch is asked one by one."""
    scene.environment.add_numbered_project(1, 40, ["anthropic"])
    scene.variables["LLM_BATCH_REQUESTS"] = "25"
    submitted(scene)
    assert [25, 25] == sizes(scene)


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE llm_monitoring_projects SET pace = 'prompt'",
        "DELETE FROM llm_monitoring_queries WHERE id > 19",
        "UPDATE llm_model_registry SET batch_factor = NULL WHERE llm_provider = 'anthropic'",
        EXPIRED_TWICE,
        "UPDATE user_llm_api_keys SET monthly_budget_usd = 0.2",
    ],
    ids=["prompt pace", "fewer than 20", "no factor", "two expired", "budget too small"],
)
def test_calls_that_are_made_at_once(scene: Scene, change: str) -> None:
    """No batch is made, nothing is held back and nothing stays reserved."""
    scene.environment.db.execute(change)
    batches = run_of(scene)
    assert [] == sizes(scene)
    assert set() == batches.held
    assert {} == {name: n for name, n in scene.states().items() if name != "void"}
    assert is_balanced(scene)


def test_the_economy_is_off_by_default(scene: Scene) -> None:
    """Without LLM_ECONOMY no batch is made."""
    scene.variables["LLM_ECONOMY"] = "none"
    submitted(scene)
    assert [] == sizes(scene)


def test_a_batch_leaves_half_of_the_budget_to_other_calls(scene: Scene) -> None:
    """What does not fit waits for the batch: its tasks are held back and asked afterwards."""
    scene.environment.add_numbered_project(1, 100, ["anthropic"])
    ceiling = 124 * Decimal("0.012")
    scene.environment.budget.set_limits(1, ceiling, None)
    batches = run_of(scene)
    (standing,) = scene.environment.budget.standings()
    assert standing.reserved_usd <= ceiling / 2
    assert 20 <= sizes(scene)[0] < 124
    assert {("anthropic", 1), ("anthropic", 2)} == batches.held


@pytest.mark.ci
def test_projects_of_different_paces_do_not_share_a_batch(scene: Scene) -> None:
    """A punctual one is cancelled at the end of the wait, a patient one is not."""
    other = scene.environment.add_numbered_project(1, 30, ["anthropic"])
    scene.environment.db.execute(f"UPDATE llm_monitoring_projects SET pace = 'patient' WHERE id = {other}")
    submitted(scene)
    assert [24, 30] == sizes(scene)


def test_a_task_that_was_answered_meanwhile_is_left_out(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reservation is released right before the batch is posted."""
    from llm_monitoring import failpoints

    def answer(point: str) -> None:
        if point == "batch_reserved":
            environment: Environment = scene.environment
            environment.db.execute(
                "INSERT INTO llm_monitoring_failed_tasks (project_id, query_id, llm_provider, analysis_date, sample,"
                f" reason, message, final) VALUES (1, 3, 'anthropic', '{DAY}', 1, 'refused', '', TRUE)"
            )

    monkeypatch.setattr(failpoints, "hook", answer)
    submitted(scene)
    assert [23] == sizes(scene)
    assert {"sent": 23, "void": 1} == scene.states()


def test_a_group_that_was_never_tried_sends_one_task_first(scene: Scene) -> None:
    """The others are held back until it has brought an answer, and go in a batch then."""
    unprove(scene)
    batches = run_of(scene)
    assert [1] == sizes(scene)
    assert {("anthropic", 1)} == batches.held
    batches.wait()
    assert [1, 23] == sizes(scene)
    assert {"settled": 24} == scene.states()


@pytest.mark.short(every=2)
@pytest.mark.parametrize("result", [not_run, broken])
def test_a_trial_without_an_answer_ends_batches_for_the_day(scene: Scene, result: object) -> None:
    """Its group is asked one by one, in this run and in further starts of the day."""
    unprove(scene)
    scene.batches.result = result  # type: ignore[assignment]
    run_of(scene).wait()
    scene.batches.result = answered
    run_of(scene).wait()
    assert [1] == sizes(scene)


@pytest.mark.ci
def test_a_trial_with_web_search_needs_a_search(scene: Scene) -> None:
    """An answer without a search does not show that searches work in batches."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET web_search = TRUE")
    run_of(scene).wait()
    assert [1, 23] == sizes(scene)


def test_a_key_of_another_user_is_never_used(scene: Scene) -> None:
    """Each user's calls are in a batch of that user's own key."""
    other = scene.environment.add_user(providers=["anthropic"])
    scene.environment.add_numbered_project(other, 25, ["anthropic"])
    submitted(scene)
    owners = scene.environment.rows(
        "SELECT b.key_user_id, min(a.user_id) AS low, max(a.user_id) AS high FROM llm_batches b"
        " JOIN llm_call_attempts a ON a.batch_id = b.id WHERE b.state = 'running' GROUP BY 1 ORDER BY 1"
    )
    assert [(1, 1, 1), (other, other, other)] == [(row["key_user_id"], row["low"], row["high"]) for row in owners]


def operators_users(scene: Scene) -> list[int]:
    """Two users without a key, each with a project, whom the operator's key serves."""
    scene.environment.add_operator_keys(["anthropic"])
    users = [scene.environment.add_user(providers=[]) for _ in range(2)]
    for user in users:
        scene.environment.add_numbered_project(user, 12, ["anthropic"])
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET is_active = FALSE WHERE user_id = 1")
    scene.environment.db.execute("UPDATE llm_batches SET key_user_id = NULL")
    return users


def test_a_batch_of_the_operators_key_has_calls_of_several_users(scene: Scene) -> None:
    """Each user is charged the own calls, within the own budget and the operator's."""
    users = operators_users(scene)
    submitted(scene)
    scene.collect()
    assert [24] == sizes(scene)
    assert dict.fromkeys(users, 12 * ANSWER_USD) == {
        each.user_id: each.spent_usd for each in scene.environment.budget.standings() if each.user_id in users
    }
    assert is_balanced(scene)


@pytest.mark.ci
def test_what_the_operators_key_has_asked_is_collected_for_a_user_who_may_use_it_no_more(scene: Scene) -> None:
    """The calls are paid: LLM_OPERATOR_KEYS_FOR decides only what is asked."""
    operators_users(scene)
    submitted(scene)
    executor = scene.executor(None)
    executor.clients.keys.operator_keys_for = frozenset()
    assert 24 == scene.collect(executor).answers
