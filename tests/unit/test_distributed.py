"""How a day is divided into chunks, and which settings every machine must have in common."""

from __future__ import annotations

import pytest

from llm_monitoring.distributed.partition import divide
from llm_monitoring.distributed.shared_settings import SettingsMismatch, check, digests
from llm_monitoring.runs.tasks import Completeness
from llm_monitoring.settings.fields import load_settings

OWNERS = {number: 1 + number % 2 for number in range(400)}


def settings(**variables: str) -> dict[str, str]:
    return digests(load_settings(variables, dotenv=False))


def test_every_project_is_in_one_chunk() -> None:
    """No project is split, left out or given out twice; a chunk has the number of its tasks."""
    tasks = dict.fromkeys(range(400), 40)
    plans = divide(tasks, OWNERS, 500)
    assert list(range(400)) == sorted(project for plan in plans for project in plan.project_ids)
    assert all(plan.tasks == 40 * len(plan.project_ids) for plan in plans)


def test_chunks_have_about_the_wanted_size_and_the_last_are_small() -> None:
    """Full chunks first; towards the end a sixteenth of the tasks left, no less than a tenth of a full chunk."""
    sizes = [plan.tasks for plan in divide(dict.fromkeys(range(400), 40), OWNERS, 500)]
    assert 520 == sizes[0]
    assert 80 == sizes[-1]
    assert sorted(sizes, reverse=True) == sizes


def test_projects_without_an_open_task_stay_out() -> None:
    """A project that is done is in no chunk, and a day that is done has none."""
    assert [(2,)] == [plan.project_ids for plan in divide({1: 0, 2: 7}, {1: 1, 2: 1}, 500)]
    assert [] == divide({1: 0}, {1: 1}, 500)


def test_a_large_project_is_a_chunk_of_its_own() -> None:
    """A project with more tasks than a chunk should have is not split, and comes early."""
    assert [((7,), 900), ((1,), 5)] == [(p.project_ids, p.tasks) for p in divide({1: 5, 7: 900}, {1: 1, 7: 1}, 100)]


def test_users_take_turns() -> None:
    """A user with many projects does not fill the first chunks alone."""
    owners = dict.fromkeys(range(80), 1) | {80: 2, 81: 3}
    first = divide(dict.fromkeys(owners, 10), owners, 30)[0].project_ids
    assert {1, 2, 3} == {owners[project] for project in first}


@pytest.mark.parametrize(
    ("results", "final", "left"),
    [(0, 0, 6), (2, 0, 4), (2, 3, 1), (3, 3, 0), (8, 0, 0)],
)
def test_a_paid_failure_is_not_open(results: int, final: int, left: int) -> None:
    """Answered tasks and final failures are not asked again."""
    cell = Completeness(tasks=6, results=results, failures=final, final=final, reason=None, message=None)
    assert left == cell.open


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LLM_KEYS_ENCRYPTION_KEY", "another"),
        ("GOOGLE_API_KEY", "AQ.another"),
        ("OPENAI_BASE_URL", "https://gateway.example.com/v1"),
        ("LLM_MAX_OUTPUT_TOKENS", "100"),
        ("LLM_MAX_SEARCHES", "1"),
        ("LLM_MAX_ATTEMPTS", "1"),
        ("LLM_SENTIMENT", "false"),
        ("LLM_DEFAULT_MONTHLY_BUDGET_USD", "5"),
        ("LLM_OPERATOR_MONTHLY_BUDGET_USD", "5"),
        ("LLM_OPERATOR_KEYS_FOR", "1,2"),
    ],
)
def test_a_setting_that_a_worker_has_otherwise_is_named(variable: str, value: str) -> None:
    """Each setting that changes what is asked, with which key or within which limit, is compared and named."""
    with pytest.raises(SettingsMismatch, match=f"^{variable}: "):
        check(settings(**{variable: value}), settings())


def test_digests_hold_no_secret_and_no_setting_of_one_machine() -> None:
    """A key is stored as a digest; how fast a machine works is not compared."""
    mine = settings(GOOGLE_API_KEY="AQ.secret-0123456789", LLM_MAX_WORKERS="50", LLM_OPENAI_TIMEOUT_SECONDS="9")
    check(mine, settings(GOOGLE_API_KEY="AQ.secret-0123456789"))
    assert "secret" not in str(mine)
