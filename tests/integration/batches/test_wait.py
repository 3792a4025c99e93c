"""The wait of a run for its batches, by the pace of the projects."""

from __future__ import annotations

import pytest

from llm_monitoring import failpoints
from llm_monitoring.providers import ProviderUnavailable, RemoteBatch
from llm_monitoring.runs import records as runs
from llm_monitoring.runs.batches.batch_run import BatchRun
from tests.integration.batches.in_memory import DAY, Scene
from tests.integration.batches.test_states import Killed, is_balanced


def run_of(scene: Scene, deadline: float = 21_600.0) -> BatchRun:
    """The batches of a new run, submitted."""
    batches = scene.batch_run(scene.executor(runs.start(scene.environment.db, DAY)), deadline)
    batches.submit()
    return batches


def be_patient(scene: Scene) -> None:
    scene.environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'patient'")


def test_the_wait_ends_with_the_last_batch(scene: Scene) -> None:
    """Polls come less and less often: 60 s, then half as long again each time."""
    scene.batches.ends_after = 3
    batches = run_of(scene)
    batches.wait()
    assert 24 == batches.collected.answers
    assert 60 + 90 + 135 == scene.now


def test_a_punctual_batch_is_cancelled_at_the_end_of_the_wait(scene: Scene) -> None:
    """What it brought is collected, the rest is void, and its tasks are open for the standard price."""
    scene.batches.ends_after = None
    batches = run_of(scene)
    batches.wait()
    assert ["remote-0"] == scene.batches.cancelled
    assert {"void": 24} == scene.states()
    assert 5_400 <= scene.now < 5_400 + 900
    assert [("forgotten", "cancelled")] == scene.batch_states()
    assert {("anthropic", 1)} == batches.late_cells()


@pytest.mark.ci
def test_a_patient_batch_is_left_out(scene: Scene) -> None:
    """It is not cancelled: a later start collects it."""
    be_patient(scene)
    scene.batches.ends_after = None
    batches = run_of(scene)
    batches.wait()
    assert [] == scene.batches.cancelled
    assert {"sent": 24} == scene.states()
    assert 5_400 == scene.now
    scene.batches.ends_after = 0
    assert 24 == scene.collect().answers


def test_half_of_the_runs_time_is_left_for_single_calls(scene: Scene) -> None:
    """A short deadline shortens the wait."""
    be_patient(scene)
    scene.batches.ends_after = None
    run_of(scene, deadline=3_600).wait()
    assert 1_800 == scene.now


def test_a_stop_ends_the_wait_at_once(scene: Scene) -> None:
    """Nothing is cancelled: the next start goes on."""
    scene.batches.ends_after = None
    batches = run_of(scene)
    scene.stop.set()
    batches.wait()
    assert 0 == scene.now
    assert [] == scene.batches.cancelled
    assert {"sent": 24} == scene.states()


def test_a_cancelled_batch_that_does_not_end_is_left(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a quarter of an hour its tasks stay out: none is asked while its call is open."""
    scene.batches.ends_after = None
    monkeypatch.setattr(scene.batches, "cancel", lambda remote_id: None)
    run_of(scene).wait()
    assert 5_400 + 900 == scene.now
    assert {"sent": 24} == scene.states()


def test_a_kill_after_the_cancel_collects_what_ran(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start finds a cancelled batch and closes its calls."""
    scene.batches.ends_after = None

    def hook(point: str) -> None:
        if point == "batch_cancelled":
            raise Killed

    batches = run_of(scene)
    monkeypatch.setattr(failpoints, "hook", hook)
    with pytest.raises(Killed):
        batches.wait()
    monkeypatch.setattr(failpoints, "hook", None)
    scene.collect()
    assert {"void": 24} == scene.states()
    assert is_balanced(scene) is True


@pytest.mark.ci
def test_a_punctual_batch_of_a_dead_run_is_ended_by_the_next(scene: Scene) -> None:
    """A start of the same day waits for it, cancels it and asks its tasks."""
    scene.batches.ends_after = None
    run_of(scene)
    run_of(scene).wait()
    assert ["remote-0"] == scene.batches.cancelled
    assert {"void": 24} == scene.states()


@pytest.mark.ci
def test_a_cancellation_that_fails_is_asked_for_again(scene: Scene) -> None:
    """The provider does not take it the first time: the run asks again, and does not wait in vain."""
    scene.batches.ends_after = None
    batches, cancel = run_of(scene), scene.batches.cancel
    refusals = [ProviderUnavailable("try again", billed="maybe", status=503)]

    def refuse_once(remote_id: str) -> RemoteBatch:
        if refusals:
            raise refusals.pop()
        return cancel(remote_id)

    scene.batches.cancel = refuse_once  # type: ignore[method-assign]
    batches.wait()
    assert ["remote-0"] == scene.batches.cancelled
    assert {"void": 24} == scene.states()
