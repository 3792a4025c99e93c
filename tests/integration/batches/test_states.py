"""Each state of a batch: what a start makes of it, whatever ended the process before."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from llm_monitoring import failpoints
from llm_monitoring.db import Rejected
from llm_monitoring.failpoints import BatchPoint
from llm_monitoring.providers import BadRequest, ProviderUnavailable
from llm_monitoring.runs import records as runs
from llm_monitoring.runs.batches.records import uncollected
from llm_monitoring.runs.recovery import recover
from tests.integration.batches.in_memory import ANSWER_USD, DAY, Scene

LOST = ProviderUnavailable("the connection broke off", billed="maybe")


class Killed(SystemExit):
    """The process ended here."""


def submitted(scene: Scene) -> None:
    """Submit the day's batch in a run of its own."""
    executor = scene.executor(runs.start(scene.environment.db, DAY))
    scene.batch_run(executor).submit()


def kill_at(monkeypatch: pytest.MonkeyPatch, point: BatchPoint) -> None:
    def hook(reached: str) -> None:
        if reached == point:
            raise Killed(point)

    monkeypatch.setattr(failpoints, "hook", hook)


def revive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "hook", None)


def is_balanced(scene: Scene) -> bool:
    audit = scene.environment.audit()
    return audit.clean and not audit.open_attempts


def test_an_answered_batch_is_charged_to_the_cent(scene: Scene) -> None:
    """Every answer is stored and charged half the standard price, and the batch is deleted at the provider."""
    submitted(scene)
    collected = scene.collect()
    assert 24 == collected.answers
    assert {"settled": 24} == scene.states()
    assert 24 * ANSWER_USD == scene.environment.charged()
    assert [("forgotten", "completed")] == scene.batch_states()
    assert ["remote-0"] == scene.batches.forgotten
    assert is_balanced(scene)


@pytest.mark.parametrize(
    ("opened_at", "expected"), [("opened_at", "opened_at"), ("now() + INTERVAL '11 years'", "now() - INTERVAL '1 day'")]
)
def test_a_batch_that_was_posted_in_the_future_comes_back(scene: Scene, opened_at: str, expected: str) -> None:
    """A clock that had jumped would keep it out for ever; its time becomes an earlier one, so that it can be found."""
    scene.batches.ends_after = None
    submitted(scene)
    scene.environment.db.execute(
        f"UPDATE llm_batches SET posted_at = now() + INTERVAL '11 years', opened_at = {opened_at}"
    )
    scene.collect()
    assert 1 == scene.environment.count(f"llm_batches WHERE abs(extract(epoch FROM posted_at - ({expected}))) < 60")


@pytest.mark.ci
def test_a_batch_that_runs_is_left_alone_by_recovery(scene: Scene) -> None:
    """Its calls are neither charged their ceilings nor listed as left open, and recovery ends."""
    scene.batches.ends_after = None
    submitted(scene)
    scene.collect()
    assert 0 == recover(scene.executor(None)).total
    run_id = runs.start(scene.environment.db, DAY)
    runs.finish(scene.environment.db, run_id, "completed", valid=0, failed=0, pending=0, message=None)
    assert {"sent": 24} == scene.states()
    assert [] == scene.environment.audit().left_open


def test_tasks_that_are_out_are_not_asked_again(scene: Scene) -> None:
    """Neither a second batch nor a single call asks a task with an open call in a batch."""
    scene.batches.ends_after = None
    submitted(scene)
    submitted(scene)
    assert {"sent": 24} == scene.states()
    assert 1 == len(uncollected(scene.environment.db))


POINTS: dict[BatchPoint, dict[str, int]] = {
    "batch_opened": {},
    "batch_reserved": {"void": 24},
    "batch_uploaded": {"void": 24},
    "batch_posting": {"void": 24},
    "batch_posted": {"settled": 24},
    "batch_running": {"settled": 24},
}


@pytest.mark.short(every=3)
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_while_submitting_loses_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, point: BatchPoint
) -> None:
    """What was not made is not charged, what was made is found and collected; nothing is charged without an answer."""
    kill_at(monkeypatch, point)
    with pytest.raises(Killed):
        submitted(scene)
    revive(monkeypatch)
    looked_until_closed(scene)
    assert POINTS[point] == scene.states()
    assert scene.batches.billed * ANSWER_USD == scene.environment.charged()
    assert is_balanced(scene)


def looked_until_closed(scene: Scene) -> None:
    """Collect as hourly starts would, until nothing is out."""
    for made in scene.batches.made.values():
        scene.batches.end(made)
    for _ in range(4):
        scene.collect()
        scene.age(1)
    assert not scene.is_out()


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "point",
    ["batch_ended", "batch_receipt_kept", "batch_line_settled", "batch_settled", "batch_collected", "batch_forgotten"],
)
def test_a_kill_while_collecting_charges_each_answer_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, point: BatchPoint
) -> None:
    """The next collection goes on where the last one ended."""
    submitted(scene)
    kill_at(monkeypatch, point)
    with pytest.raises(Killed):
        scene.collect()
    revive(monkeypatch)
    scene.collect()
    assert {"settled": 24} == scene.states()
    assert 24 * ANSWER_USD == scene.environment.charged()
    assert 24 == scene.environment.count("llm_monitoring_results WHERE mode = 'batch'")
    assert is_balanced(scene)


def test_every_failpoint_of_batches_is_tried() -> None:
    """These tests and those of the wait kill the process at each point."""
    collecting = {"batch_ended", "batch_receipt_kept", "batch_line_settled", "batch_settled", "batch_collected"}
    assert set(get_args(BatchPoint)) == {*POINTS, *collecting, "batch_forgotten", "batch_cancelled"}


def test_a_batch_in_doubt_is_found_and_collected(scene: Scene) -> None:
    """The connection broke off after the provider had made it: its results show that it is ours."""
    scene.batches.create_error, scene.batches.made_anyway = LOST, True
    submitted(scene)
    assert ["posting"] == [batch.state for batch in uncollected(scene.environment.db)]
    scene.collect()
    assert 1 == len(scene.batches.made)
    assert 0 == scene.collect().answers
    for made in scene.batches.made.values():
        scene.batches.end(made)
    assert 24 == scene.collect().answers
    assert is_balanced(scene)


@pytest.mark.ci
def test_a_batch_in_doubt_that_names_itself_is_found_at_once(scene: Scene) -> None:
    """A provider that returns our own id needs no results to be certain."""
    scene.batches.create_error, scene.batches.made_anyway, scene.batches.tells_ours = LOST, True, True
    submitted(scene)
    assert 24 == scene.collect().answers


@pytest.mark.ci
def test_a_foreign_batch_of_the_same_size_is_not_taken(scene: Scene) -> None:
    """Another program's batch with as many requests has other ids in its results; ours was never made."""
    scene.batches.create_error, scene.batches.made_anyway = LOST, True
    submitted(scene)
    for made in scene.batches.made.values():
        made.requests = [type(each)("someone-elses", each.question) for each in made.requests]
        scene.batches.end(made)
    for _ in range(3):
        scene.collect()
        scene.age(0.5)
    assert {"void": 24} == scene.states()
    assert [("collected", "absent")] == scene.batch_states()
    assert is_balanced(scene)


def test_absence_needs_two_looks_a_quarter_of_an_hour_apart(scene: Scene) -> None:
    """A list shows new batches late, so that one look proves nothing; the input file is deleted between them."""
    scene.batches.create_error, scene.batches.hidden, scene.batches.uploads = LOST, True, True
    submitted(scene)
    states = []
    for _ in range(5):
        scene.collect()
        states.append((scene.batch_states()[0][0], len(scene.batches.forgotten)))
        scene.age(0.2)  # twelve minutes
    assert [("posting", 0), ("posting", 0), ("posting", 1), ("posting", 1), ("forgotten", 2)] == states
    assert {"void": 24} == scene.states()


@pytest.mark.ci
def test_a_late_batch_is_found_at_the_second_look(scene: Scene) -> None:
    """It is hidden at the first look and found at the second: nothing was voided meanwhile."""
    scene.batches.create_error, scene.batches.made_anyway, scene.batches.hidden = LOST, True, True
    submitted(scene)
    scene.age(0.3)
    scene.collect()
    scene.batches.hidden = False
    for made in scene.batches.made.values():
        scene.batches.end(made)
    scene.age(0.3)
    assert 24 == scene.collect().answers
    assert {"settled": 24} == scene.states()


def gone(scene: Scene) -> None:
    scene.batches.missing = True


def endless(scene: Scene) -> None:
    scene.batches.ends_after = None


@pytest.mark.short(every=2)
@pytest.mark.parametrize("trouble", [gone, endless])
def test_a_batch_that_never_comes_is_charged_its_ceilings(scene: Scene, trouble: Callable[[Scene], None]) -> None:
    """It may have been billed: after two days and an hour its calls are unknown, at their ceilings."""
    submitted(scene)
    trouble(scene)
    scene.age(48)
    scene.collect()
    assert {"sent": 24} == scene.states()
    scene.age(1.5)
    scene.collect()
    assert {"unknown": 24} == scene.states()
    assert "lost" == scene.batch_states()[0][1]
    assert scene.environment.charged() > 24 * ANSWER_USD
    assert is_balanced(scene)


@pytest.mark.ci
def test_a_new_batch_may_be_unknown_for_an_hour(scene: Scene) -> None:
    """A 404 right after the creation is no trouble; later it is reported."""
    submitted(scene)
    gone(scene)
    scene.age(0.9)
    assert [] == scene.collect().troubles
    scene.age(0.2)
    assert 1 == len(scene.collect().troubles)


@pytest.mark.ci
def test_a_changed_key_is_named(scene: Scene) -> None:
    """The provider does not know the batch under the new key, which the trouble says."""
    submitted(scene)
    gone(scene)
    scene.environment.give_keys(1, ["anthropic"])
    scene.age(2)
    ((_, trouble),) = scene.collect().troubles
    assert "not_known" == trouble.code
    assert trouble.other_key is True


def test_a_key_that_is_gone_keeps_the_batch(scene: Scene) -> None:
    """Its calls stay open for a key that may come back."""
    submitted(scene)
    executor = scene.executor(None)
    executor.clients.broken = True  # type: ignore[attr-defined]
    assert 1 == len(scene.collect(executor).troubles)
    assert {"sent": 24} == scene.states()
    assert 24 == scene.collect().answers


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE llm_batches SET state = 'posting' WHERE state = 'preparing'",
        "UPDATE llm_batches SET state = 'running', posted_at = now(), requests = 1 WHERE state = 'preparing'",
        "UPDATE llm_batches SET state = 'collected', ended_at = now() WHERE state = 'preparing'",
        "UPDATE llm_batches SET outcome = 'completed' WHERE state = 'preparing'",
        "UPDATE llm_batches SET state = 'collected', outcome = 'completed', ended_at = now() WHERE state = 'preparing'",
        "UPDATE llm_batches SET remote_id = 'x' WHERE state = 'preparing'",
        "UPDATE llm_call_attempts SET mode = 'standard' WHERE batch_id IS NOT NULL",
    ],
)
def test_the_database_refuses_a_state_that_lacks_something(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Each state requires what the next start goes on from."""
    kill_at(monkeypatch, "batch_reserved")
    with pytest.raises(Killed):
        submitted(scene)
    with pytest.raises(Rejected):
        scene.environment.db.execute(broken)


def test_a_refused_batch_costs_nothing(scene: Scene) -> None:
    """A creation that the provider refuses voids all its calls, and their tasks are asked one by one."""
    scene.batches.create_error = BadRequest("too many", billed="no", status=400)
    submitted(scene)
    assert {"void": 24} == scene.states()
    assert [("collected", "refused")] == scene.batch_states()
    assert {} == scene.reasons()
    assert is_balanced(scene) is True
