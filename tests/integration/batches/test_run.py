"""Whole runs with batches: what is asked in which part, and what the report says."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any

import pytest

from llm_monitoring import failpoints
from llm_monitoring.db import DatabaseUnavailable
from llm_monitoring.domain import Secret
from llm_monitoring.providers import BadRequest, RemoteBatch
from llm_monitoring.runs import daily, execution
from llm_monitoring.runs.execution import RunContext
from llm_monitoring.runs.report import DayReport
from llm_monitoring.runs.stats import RunStats
from tests.integration.batches.in_memory import ANSWER_USD, DAY, MemoryClients, Scene, not_run


def run(scene: Scene, monkeypatch: pytest.MonkeyPatch, days: int = 0, *, in_batches: bool = True) -> DayReport:
    """One run of DAY or a day after it, that waits for some hundredths of a second."""
    scene.variables.setdefault("LLM_ECONOMY_WAIT_MINUTES", "0.003")
    app = scene.app
    monkeypatch.setattr(daily, "Clients", lambda keys, settings, stop: MemoryClients(app, scene.batches))
    return daily.run_day(app, daily.RunRequest(DAY + timedelta(days=days), in_batches=in_batches))


def modes(scene: Scene) -> dict[str, int]:
    rows = scene.environment.rows("SELECT mode, count(*) AS n FROM llm_monitoring_results GROUP BY mode")
    return {row["mode"]: row["n"] for row in rows}


def test_a_day_in_a_batch(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer comes from the batch, at half the price, and the day has its figures; no answer took 0 ms."""
    report = run(scene, monkeypatch)
    assert report.complete is True
    assert 24 == report.stats.answered
    assert 24 * ANSWER_USD == report.cost_usd
    assert {"batch": 24} == modes(scene)
    snapshot = scene.environment.rows("SELECT mode, avg_response_time_ms FROM llm_monitoring_snapshots")
    assert ["batch", None] == list(snapshot[0].values())
    assert 0 == scene.environment.count("llm_monitoring_results WHERE response_time_ms IS NOT NULL")


@pytest.mark.ci
def test_a_punctual_day_is_finished_at_the_standard_price(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch does not end in time: it is cancelled, and each task is asked once more, at once."""
    scene.batches.ends_after = None
    report = run(scene, monkeypatch)
    assert report.complete is True
    assert {"standard": 24} == modes(scene)
    assert ["remote-0"] == scene.batches.cancelled
    assert scene.environment.billed() == scene.environment.charged()


def test_a_patient_day_is_finished_by_the_next_start(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run reports what is out and no failure; the next day's run brings the answers under their own day."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    scene.batches.ends_after = None
    report = run(scene, monkeypatch)
    (project,) = report.projects
    assert report.complete is True
    assert 0 == project.pending
    assert 24 == project.out
    assert project.error is None
    scene.batches.ends_after = 0
    run(scene, monkeypatch, days=1)
    rows = scene.environment.rows(
        "SELECT analysis_date AS day, count(*) AS n FROM llm_monitoring_results GROUP BY 1 ORDER BY 1"
    )
    assert [24, 24] == [row["n"] for row in rows]
    assert scene.environment.audit().clean


@pytest.mark.ci
def test_what_expired_is_asked_again_while_its_day_is_wanted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that collects it asks it one by one, at the standard price."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    scene.batches.result = not_run
    run(scene, monkeypatch)
    assert {"standard": 24} == modes(scene)


@pytest.mark.ci
def test_what_expired_after_its_day_is_a_failure(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next day's run does not ask yesterday's tasks again: they keep the reason `expired`."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    scene.batches.ends_after = None
    run(scene, monkeypatch)
    scene.batches.ends_after, scene.batches.result = 0, not_run
    run(scene, monkeypatch, days=1)
    rows = scene.environment.rows("SELECT reason, analysis_date AS day FROM llm_monitoring_failed_tasks")
    assert {("expired", DAY)} == {(row["reason"], row["day"]) for row in rows}


@pytest.mark.ci
def test_a_run_that_someone_waits_for_makes_no_batch(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordered analysis and `runs retry` ask at once."""
    run(scene, monkeypatch, in_batches=False)
    assert {"standard": 24} == modes(scene)
    assert {} == scene.batches.made


def test_two_starts_never_ask_a_task_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start while the batch is out asks nothing of it."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    scene.batches.ends_after = None
    run(scene, monkeypatch)
    second = run(scene, monkeypatch)
    assert {"sent": 24} == scene.states()
    assert 0 == second.stats.answered
    assert 1 == len(scene.batches.made)


@pytest.mark.ci
def test_the_usage_of_a_model_counts_each_call_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of a batch count when it is collected whole, whichever run collects it."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    scene.batches.cut = 10
    run(scene, monkeypatch)
    scene.batches.cut = None
    run(scene, monkeypatch)
    run(scene, monkeypatch)
    rows = scene.environment.rows(
        "SELECT total_queries AS n FROM llm_model_registry WHERE model_id = 'claude-sonnet-5-5'"
    )
    assert 24 + 1 == rows[0]["n"]  # one of the batch that had brought an answer before


@pytest.mark.ci
def test_late_answers_get_their_sentiment(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run scores them one by one, and their day's figures count it."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    scene.batches.ends_after = None
    scene.variables["LLM_SENTIMENT"] = "true"
    run(scene, monkeypatch)
    scene.batches.ends_after = 0
    run(scene, monkeypatch, days=1)
    late = scene.environment.rows(
        "SELECT sentiment_status AS s, count(*) AS n FROM llm_monitoring_results"
        f" WHERE analysis_date = '{DAY}' GROUP BY 1"
    )
    assert [("scored", 24)] == [(row["s"], row["n"]) for row in late]


UNJUDGED = """
INSERT INTO llm_paced_projects (project_id, analysis_date, user_id, steps, samples, left_out, resting, prompts,
                                expected_usd)
SELECT id, %(day)s, user_id, '{sentiment}', 1, '{}', '{}', 24, 0 FROM llm_monitoring_projects
"""


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("unjudged", "status"), [(1, "scored"), (0, "none")])
def test_a_late_answer_gets_the_sentiment_of_its_own_day(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, unjudged: int, status: str
) -> None:
    """The day that it is of decides, not the paced day on which it comes; none stays pending."""
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")
    scene.environment.db.execute(UNJUDGED, {"day": DAY + timedelta(days=unjudged)})
    scene.batches.ends_after = None
    scene.variables["LLM_SENTIMENT"] = "true"
    run(scene, monkeypatch)
    scene.batches.ends_after = 0
    run(scene, monkeypatch, days=1)
    found = scene.environment.rows(
        "SELECT analysis_date AS day, array_agg(DISTINCT sentiment_status) AS s FROM llm_monitoring_results"
        " GROUP BY 1 ORDER BY 1"
    )
    assert [[status], ["none" if unjudged else "scored"]] == [row["s"] for row in found]


def test_no_other_provider_waits_for_the_submission(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is being created while another provider is asked."""
    environment, create, seen = scene.environment, scene.batches.create, []
    environment.store.store(1, "openai", Secret(environment.new_key("openai", 1)))
    environment.add_numbered_project(1, 3, ["openai"])

    def created(*request: Any) -> RemoteBatch:
        for _ in range(600):
            seen.append(environment.count("llm_monitoring_results WHERE llm_provider = 'openai'"))
            if seen[-1] == 3:
                break
            time.sleep(0.05)
        return create(*request)

    monkeypatch.setattr(scene.batches, "create", created)
    assert run(scene, monkeypatch).complete is True
    assert 3 == seen[-1]
    assert {"batch": 24, "standard": 3} == modes(scene)


def test_what_no_batch_takes_is_asked_before_the_wait(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The creation is refused: the tasks are asked one by one, and those of other providers as well."""
    scene.batches.create_error = BadRequest("no", billed="no", status=400)
    report = run(scene, monkeypatch)
    assert report.complete is True
    assert 24 == report.stats.answered
    assert {"standard": 24} == modes(scene)


def test_a_stop_during_the_submission_posts_nothing_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was reserved for the batch is released."""
    stop = Event()
    monkeypatch.setattr(failpoints, "hook", lambda point: stop.set() if point == "batch_reserved" else None)
    scene.variables["LLM_ECONOMY_WAIT_MINUTES"] = "0.003"
    app = scene.app
    monkeypatch.setattr(daily, "Clients", lambda keys, settings, stop: MemoryClients(app, scene.batches))
    report = daily.run_day(app, daily.RunRequest(DAY, stop=stop))
    assert "signal" == report.stats.stopped
    assert {"void": 24} == scene.states()
    assert {} == scene.batches.made


def test_an_error_of_the_run_ends_the_submission(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away while a batch is prepared: nothing is posted, a request on its way ends, the run fails."""
    reserved = Event()

    def execute(context: RunContext) -> RunStats:
        reserved.wait(20)
        raise DatabaseUnavailable("gone")

    def reach(point: str) -> None:
        if point == "batch_opened":
            reserved.set()
            time.sleep(0.2)

    monkeypatch.setattr(failpoints, "hook", reach)
    monkeypatch.setattr(execution, "execute_locally", execute)
    app, made = scene.app, list[MemoryClients]()

    def clients(*_: object) -> MemoryClients:
        made.append(MemoryClients(app, scene.batches))
        return made[-1]

    monkeypatch.setattr(daily, "Clients", clients)
    request = daily.RunRequest(DAY)
    with pytest.raises(DatabaseUnavailable):
        daily.run_day(app, request, execute)
    assert {} == scene.batches.made
    assert {"void"} >= set(scene.states())
    assert made[-1].stop.is_set()
    assert not request.stop.is_set()


@pytest.mark.ci
def test_the_rest_of_a_full_budget_is_asked_after_the_batch(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ceilings of the batch are held at once; when it has settled, the money is there for the other tasks."""
    scene.environment.add_numbered_project(1, 60, ["anthropic"])
    limit = partial(scene.environment.budget.set_limits, 1)
    limit(scene.app.settings.default_monthly_budget_usd / 100, None)
    report = run(scene, monkeypatch)
    assert report.complete is True
    assert 84 == sum(modes(scene).values())
    assert set() == report.stats.blocked_users
    assert modes(scene)["batch"] < 84
