"""What each line of a batch's results means for its call, and what a missing line means."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from llm_monitoring.db import Rejected
from llm_monitoring.ledger.payment import PaymentService
from llm_monitoring.providers import BatchLine, BatchRequest
from tests.integration.batches.in_memory import ANSWER_USD, Result, Scene, answered, broken, not_run, refused
from tests.integration.batches.test_states import is_balanced, submitted


def unreadable(request: BatchRequest) -> BatchLine:
    """A reply that is charged and holds no answer."""
    line = answered(request)
    assert line.reply is not None
    return BatchLine(request.custom_id, "replied", b"[]", type(line.reply)(200, b"[]", 0), None)


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("result", "state", "reason", "receipts"),
    [
        (not_run, "void", {"expired": 24}, 0),
        (refused, "void", {"bad_request": 24}, 0),
        (broken, "unknown", {"unavailable": 24}, 24),
        (unreadable, "unknown", {"bad_response": 24}, 24),
    ],
)
def test_a_line_without_an_answer(
    scene: Scene, result: Result, state: str, reason: dict[str, int], receipts: int
) -> None:
    """What is surely not billed is void; what may be billed is charged its ceiling, with its line as the receipt."""
    scene.batches.result = result
    submitted(scene)
    scene.collect()
    assert {state: 24} == scene.states()
    assert reason == scene.reasons()
    assert receipts == scene.environment.count("llm_call_receipts")
    assert is_balanced(scene)


def every_third(others: Result) -> Result:
    """Answers to two of three requests, by the id of the call."""

    def result(request: BatchRequest) -> BatchLine:
        return others(request) if int(request.custom_id[-4:], 16) % 3 == 0 else answered(request)

    return result


def test_mixed_lines_are_charged_one_by_one(scene: Scene) -> None:
    """The ledger holds exactly what the provider bills, and the answers that came."""
    scene.batches.result = every_third(not_run)
    submitted(scene)
    collected = scene.collect()
    assert scene.batches.billed == collected.answers == 24 - collected.not_billed
    assert scene.batches.billed * ANSWER_USD == scene.environment.charged()
    assert [("forgotten", "completed")] == scene.batch_states()


def test_a_missing_line_may_have_been_billed(scene: Scene) -> None:
    """The provider counts more billed requests than lines came: the rest is unknown, at its ceiling."""
    submitted(scene)
    first = [row["id"] for row in scene.environment.rows("SELECT id FROM llm_call_attempts WHERE state = 'sent'")][:20]
    scene.batches.keeps = {str(each) for each in first}
    scene.collect()
    assert {"settled": 20, "unknown": 4} == scene.states()


@pytest.mark.ci
def test_a_missing_line_of_a_request_that_is_not_billed_is_void(scene: Scene) -> None:
    """As many lines as the provider bills have come: a request without one did not run."""
    scene.batches.result = every_third(not_run)
    submitted(scene)
    (made,) = scene.batches.made.values()
    scene.batches.keeps = {each.custom_id for each in made.requests if scene.batches.result(each).outcome == "replied"}
    scene.collect()
    assert {"settled": len(scene.batches.keeps), "void": 24 - len(scene.batches.keeps)} == scene.states()


def test_a_batch_that_failed_as_a_whole_costs_nothing(scene: Scene) -> None:
    """The provider refused it when it read the requests: no call ran."""
    scene.batches.end_state = "failed"
    submitted(scene)
    scene.collect()
    assert {"void": 24} == scene.states()
    assert [("forgotten", "failed")] == scene.batch_states()


@pytest.mark.ci
def test_a_cut_download_closes_no_call_without_a_line(scene: Scene) -> None:
    """What came whole is charged and stored; the rest waits for a complete download."""
    scene.batches.cut = 10
    submitted(scene)
    scene.collect()
    assert {"settled": 10, "sent": 14} == scene.states()
    scene.batches.cut = None
    assert 14 == scene.collect().answers
    assert {"settled": 24} == scene.states()
    assert 24 * ANSWER_USD == scene.environment.charged()


@pytest.mark.ci
def test_a_line_of_no_call_of_ours_is_left_alone(scene: Scene) -> None:
    """It says nothing of them: those that the provider bills may be any of ours."""

    def foreign(request: BatchRequest) -> BatchLine:
        return replace(answered(request), custom_id="foreign")

    scene.batches.result = foreign
    submitted(scene)
    scene.collect()
    assert {"unknown"} == set(scene.states())


@pytest.mark.ci
def test_the_outputs_of_a_batch_are_deleted(scene: Scene) -> None:
    """Also those that the provider names only once the batch has ended."""
    submitted(scene)
    scene.collect()
    assert ["remote-0"] == scene.batches.forgotten


def test_the_raw_line_is_the_receipt(scene: Scene) -> None:
    """Each answer keeps its line as it came."""
    submitted(scene)
    scene.collect()
    bodies = [bytes(row["body"]) for row in scene.environment.rows("SELECT body FROM llm_call_receipts")]
    assert 24 == len(bodies)
    assert all(body.startswith(b'{"custom_id"') for body in bodies)


def test_a_call_that_the_database_refuses_stays_open_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are closed; the batch is collected when the refused one can be closed as well."""
    submitted(scene)
    settle, refusals = PaymentService.settle, [1]

    def refuse_once(self: PaymentService, *arguments: object) -> object:
        if refusals:
            refusals.pop()
            raise Rejected("the host refuses it")
        return settle(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PaymentService, "settle", refuse_once)
    scene.collect()
    assert {"settled": 23, "sent": 1} == scene.states()
    assert [("ended", None)] == scene.batch_states()
    scene.collect()
    assert {"settled": 24} == scene.states()
    assert [("forgotten", "completed")] == scene.batch_states()


def add_to_month(scene: Scene) -> None:
    """A month later: the accounts have begun a new month."""
    scene.environment.db.execute(
        "UPDATE user_llm_api_keys SET last_spend_reset = date_trunc('month', last_spend_reset) + INTERVAL '1 month',"
        " ledger_month = (date_trunc('month', last_spend_reset) + INTERVAL '1 month')::date,"
        " current_month_spend = 0, ledger_spend_usd = 0, reserved_spend_usd = 0"
    )


def test_a_late_answer_belongs_to_its_day_run_and_month(scene: Scene) -> None:
    """It is stored under the day and run that asked it, and charged in the month that reserved it."""
    submitted(scene)
    add_to_month(scene)
    collected = scene.collect()
    rows = scene.environment.rows("SELECT DISTINCT analysis_date, run_id FROM llm_monitoring_results")
    month = scene.environment.rows("SELECT current_month_spend AS usd FROM user_llm_api_keys WHERE user_id = 1")
    assert [(1, rows[0]["analysis_date"])] == sorted(collected.days)
    assert {rows[0]["run_id"]} == collected.run_ids
    assert Decimal(0) == month[0]["usd"]


@pytest.mark.ci
def test_the_totals_of_a_closed_run_follow_its_late_answers(scene: Scene) -> None:
    """Its cost and its answers are those that came after it too."""
    from llm_monitoring.runs import records

    submitted(scene)
    run_id = scene.environment.rows("SELECT max(id) AS id FROM llm_monitoring_analysis_runs")[0]["id"]
    records.finish(scene.environment.db, run_id, "completed", valid=0, failed=0, pending=24, message=None)
    scene.collect()
    row = records.find(scene.environment.db, run_id)
    assert 24 * ANSWER_USD == row["total_cost_usd"]
    assert 24 == row["valid_results"]
    assert 0 == row["pending_tasks"]


@pytest.mark.ci
def test_a_batch_of_a_deleted_prompt_is_still_charged(scene: Scene) -> None:
    """Its answer was paid; it is stored nowhere."""
    submitted(scene)
    scene.environment.db.execute("DELETE FROM llm_monitoring_queries WHERE id = 1")
    scene.collect()
    assert 24 * ANSWER_USD == scene.environment.charged()
    assert 23 == scene.environment.count("llm_monitoring_results")
