"""What changes or breaks under a run, row by row: the rest of the day is as it would have been."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from llm_monitoring import projects
from llm_monitoring.cli.results.metrics import remarks
from llm_monitoring.db import database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.figures import periods
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.reporting import report_data
from llm_monitoring.runs import held_work
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.executor import TaskExecutor
from tests.environment import Environment
from tests.integration.one_run import PROMPTS, TODAY, fault, no_waiting, run, states

__all__ = ["no_waiting"]

REFUSE: str = """
CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN IF {condition} THEN RAISE EXCEPTION 'the host refuses'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def refuse(environment: Environment, table: str, condition: str, event: str = "INSERT OR UPDATE") -> None:
    """Put a trigger of the host's on a table."""
    environment.db.execute(REFUSE.format(table=table, condition=condition, event=event))


def four_projects(environment: Environment) -> None:
    for number in range(4):
        user = environment.add_user(f"{number}@example.com", ["openai"])
        environment.add_project(user, PROMPTS[:2], ["openai"], name=f"P{number}")


def answered(environment: Environment) -> dict[int, tuple[int, int]]:
    """Answers and figured answers of each project."""
    rows = environment.rows(
        "SELECT p.id, (SELECT count(*) FROM llm_monitoring_results r WHERE r.project_id = p.id) AS answers, "
        "       (SELECT coalesce(sum(total_queries), 0) FROM llm_monitoring_snapshots s "
        "        WHERE s.project_id = p.id) AS figured "
        "FROM llm_monitoring_projects p ORDER BY p.id"
    )
    return {row["id"]: (row["answers"], row["figured"]) for row in rows}


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("DELETE FROM llm_monitoring_projects WHERE id = 2", None),
        ("DELETE FROM users WHERE id = 2", None),
        ("DELETE FROM llm_monitoring_queries WHERE project_id = 2", (0, 0)),
        ("UPDATE llm_monitoring_queries SET is_active = FALSE WHERE project_id = 2", (0, 0)),
        ("UPDATE llm_monitoring_projects SET user_id = 3 WHERE id = 2", (0, 0)),
        ("UPDATE llm_monitoring_projects SET competitors = '[1e5000]' WHERE id = 2", (2, 2)),
    ],
)
def test_what_is_changed_under_a_run_stops_alone(
    environment: Environment, change: str, left: tuple[int, int] | None
) -> None:
    """A project, account or prompt that is taken away while a run works costs nobody else an answer or a figure."""
    four_projects(environment)
    report = run(environment, meanwhile=lambda: environment.db.execute(change))
    expected = {1: (2, 2), 2: left, 3: (2, 2), 4: (2, 2)}
    assert {number: found for number, found in expected.items() if found is not None} == answered(environment)
    assert 0 == report.stats.failed


@pytest.mark.ci
def test_a_project_deleted_while_calls_are_out_costs_no_other_its_figures(environment: Environment) -> None:
    """What its calls cost is in the run's total, and the project is in no list of it any more."""
    four_projects(environment)
    deleted: list[int] = []

    answer = TaskExecutor.ask_prompt

    def deleting(self: TaskExecutor, item: WorkItem, *more: object) -> object:
        found = answer(self, item, *more)  # type: ignore[arg-type]
        if not deleted:
            deleted.append(environment.db.execute("DELETE FROM llm_monitoring_projects WHERE id = 2"))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskExecutor, "ask_prompt", deleting)
        report = run(environment, LLM_MAX_WORKERS="2")
    assert {1: (2, 2), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert [1, 3, 4] == [project.project_id for project in report.projects]
    assert environment.billed() == report.cost_usd


@pytest.mark.ci
def test_an_attempt_that_cannot_be_closed_ends_no_start(environment: Environment) -> None:
    """It stays open with its ceiling reserved, others are settled and asked, and the next start that can closes it."""
    four_projects(environment)
    refuse(environment, "llm_call_attempts", "NEW.user_id = 2 AND NEW.state NOT IN ('reserved', 'sent')")
    first = run(environment)
    assert {1: (2, 2), 2: (0, 0), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert {("settle_attempt", "Rejected")} <= {(each.stage, each.code) for each in first.row_errors}
    second = run(environment)
    assert {"settle_attempt"} == {each.stage for each in second.row_errors}
    open_now = environment.rows(
        "SELECT user_id, ceiling_usd FROM llm_call_attempts WHERE state IN ('reserved', 'sent')"
    )
    reserved = environment.rows("SELECT reserved_spend_usd AS usd FROM user_llm_api_keys WHERE user_id = 2")[0]["usd"]
    assert sum(row["ceiling_usd"] for row in open_now) == reserved > 0
    environment.db.execute("DROP TRIGGER refuse ON llm_call_attempts")
    run(environment)
    assert {1: (2, 2), 2: (2, 2), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert environment.charged() == environment.billed()


@pytest.mark.ci
def test_a_statement_that_is_cancelled_for_one_row_ends_no_start(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trigger of the host that outlasts the statement timeout for one user's calls stops neither run nor start."""
    four_projects(environment)
    monkeypatch.setattr(database, "CANCELLED_SECONDS", 0.05)
    environment.db.execute(
        REFUSE.format(
            condition="NEW.user_id = 2 AND NEW.state = 'settled'", event="UPDATE", table="llm_call_attempts"
        ).replace("RAISE EXCEPTION 'the host refuses'", "RAISE query_canceled")
    )
    for _ in range(2):
        run(environment, LLM_RUN_DEADLINE_MINUTES="0.05")
        assert {1: (2, 2), 2: (0, 0), 3: (2, 2), 4: (2, 2)} == answered(environment)


@pytest.mark.ci
def test_paging_goes_past_what_stays_open(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts that cannot be closed fill no page for ever: those behind them are closed by the same start."""
    four_projects(environment)
    run(environment)
    environment.db.execute("UPDATE llm_call_attempts SET state = 'sent', charged_usd = 0, closed_at = NULL")
    for user in range(1, 5):
        environment.budget.repair(user)
    pages = Budget.open_attempts
    monkeypatch.setattr(Budget, "open_attempts", lambda *args, **options: pages(*args, **options)[:1])
    refuse(environment, "llm_call_attempts", "NEW.user_id IN (1, 2)", "UPDATE")
    run(environment)
    left = environment.rows(
        "SELECT user_id, count(*) AS n FROM llm_call_attempts WHERE state = 'sent' GROUP BY 1 ORDER BY 1"
    )
    assert [(1, 2), (2, 2)] == [(row["user_id"], row["n"]) for row in left]


@pytest.mark.ci
def test_an_answer_whose_analysis_the_database_refuses_is_stored_unread(environment: Environment) -> None:
    """The answer is kept and paid exactly; once the host lets it through the next start reads it."""
    four_projects(environment)
    refuse(environment, "llm_monitoring_results", "NEW.project_id = 2 AND NEW.analysis_version IS NOT NULL")
    report = run(environment)
    unread = environment.rows("SELECT unread_reason FROM llm_monitoring_results WHERE project_id = 2")
    assert [{"unread_reason": "Rejected"}] * 2 == unread
    assert {1: (2, 2), 2: (2, 0), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert not report.complete
    assert 0 == report.stats.failed
    assert ["settled"] * 8 == states(environment)
    assert 2 == report.unread
    environment.db.execute("DROP TRIGGER refuse ON llm_monitoring_results")
    assert run(environment).complete
    assert {1: (2, 2), 2: (2, 2), 3: (2, 2), 4: (2, 2)} == answered(environment)


@pytest.mark.ci
def test_unread_answers_are_shown_next_to_figures(environment: Environment) -> None:
    """Metrics, report and export count them apart, as neither mention nor absence."""
    four_projects(environment)
    run(environment)
    environment.db.execute("UPDATE llm_monitoring_results SET unread_reason = 'IndexError' WHERE project_id = 2")
    found = periods.period_figures(environment.db, periods.PeriodRequest(2, periods.Period(TODAY, TODAY)))
    assert 2 == found.unread
    assert 0 == found.total.summary.figures.total_queries
    assert any("2 answers unread" in line and "reanalyse --project 2" in line for line in remarks(found))
    wanted = report_data.ReportRequest(2, periods.Period(TODAY, TODAY))
    shown = report_data.read(environment.db, wanted, TODAY, report_data.Access())
    assert [("unread", 2)] == [(each.reason, each.tasks) for each in shown.absences.failures]


@pytest.mark.ci
def test_a_receipt_of_an_unreadable_project_is_stored_unread(environment: Environment) -> None:
    """A dead run's reply is not thrown away because its project cannot be read now; it is read once it can be."""
    four_projects(environment)
    run(environment)
    environment.db.execute(
        "UPDATE llm_call_attempts SET state = 'sent', charged_usd = 0, closed_at = NULL WHERE user_id = 2"
    )
    environment.db.execute("DELETE FROM llm_monitoring_results WHERE project_id = 2")
    environment.budget.repair(2)
    before = environment.rows("SELECT competitors::text AS c FROM llm_monitoring_projects WHERE id = 2")[0]["c"]
    environment.db.execute("UPDATE llm_monitoring_projects SET competitors = '[1e5000]' WHERE id = 2")
    run(environment)
    unread = environment.rows("SELECT unread_reason, brand_name FROM llm_monitoring_results WHERE project_id = 2")
    assert [{"unread_reason": "project_unreadable", "brand_name": "Quipu"}] * 2 == unread
    environment.db.execute("UPDATE llm_monitoring_projects SET competitors = %(c)s::jsonb WHERE id = 2", {"c": before})
    assert run(environment).complete
    assert {1: (2, 2), 2: (2, 2), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert environment.charged() == environment.billed()


@pytest.mark.ci
def test_failures_that_cannot_be_written_stop_alone(environment: Environment) -> None:
    """Calls that brought no answer are closed all the same, and the other projects' failures are recorded."""
    four_projects(environment)
    environment.server.faults.set([fault("status", times=100, status=400)])
    refuse(environment, "llm_monitoring_failed_tasks", "NEW.project_id = 2")
    report = run(environment)
    assert {"record_failure"} == {each.stage for each in report.row_errors}
    assert 6 == environment.count("llm_monitoring_failed_tasks")
    assert ["void"] * 8 == states(environment)


@pytest.mark.ci
def test_figures_that_cannot_be_written_stop_alone(environment: Environment) -> None:
    """The project without figures is reported, its answers are kept, and the others have their figures."""
    four_projects(environment)
    refuse(environment, "llm_monitoring_snapshots", "NEW.project_id = 2")
    report = run(environment)
    assert {1: (2, 2), 2: (2, 0), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert [("write_figures", "Rejected")] == [(each.stage, each.code) for each in report.row_errors]
    environment.db.execute("DROP TRIGGER refuse ON llm_monitoring_snapshots")
    assert run(environment).complete
    assert {1: (2, 2), 2: (2, 2), 3: (2, 2), 4: (2, 2)} == answered(environment)


@pytest.mark.ci
def test_a_model_that_refuses_its_totals_stops_no_run(environment: Environment) -> None:
    """A model's own total that is full leaves the run and the other models' totals as they are."""
    four_projects(environment)
    environment.db.execute("UPDATE llm_model_registry SET total_queries = 2147483647 WHERE llm_provider = 'openai'")
    report = run(environment)
    assert ["count_usage"] == [each.stage for each in report.row_errors]
    assert ["warnings"] == [
        row["status"] for row in environment.rows("SELECT status FROM llm_monitoring_analysis_runs")
    ]


@pytest.mark.short("53100", "hangs")
@pytest.mark.parametrize("trouble", ["57014", "40001", "53100", "08001", "25006", "57P01", "hangs"])
def test_a_trigger_that_breaks_off_statements_stops_its_user_alone(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A host's trigger that ends one account's statements, or never ends, is no outage: the others' day is whole."""
    monkeypatch.setattr(database, "CANCELLED_SECONDS", 0.2)
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 0.3)
    four_projects(environment)
    raised = f"RAISE EXCEPTION 'no' USING ERRCODE = '{trouble}'"
    environment.db.execute(
        REFUSE.format(table="user_llm_api_keys", condition="NEW.user_id = 2", event="UPDATE").replace(
            "RAISE EXCEPTION 'the host refuses'", "PERFORM pg_sleep(3600)" if trouble == "hangs" else raised
        )
    )
    environment.db.statement_seconds = 0.3
    environment.db.discard_idle()
    report = run(environment)
    assert {1: (2, 2), 2: (0, 0), 3: (2, 2), 4: (2, 2)} == answered(environment)
    code, found = "Hanging" if trouble == "hangs" else "account_held", report.row_errors
    assert ("reserve_call", "User #2", code) == (found[0].stage, found[0].row, found[0].code)
    assert {2} == {dict(each.fields)["user_id"] for each in found}
    environment.db.execute("DROP TRIGGER refuse ON user_llm_api_keys")
    assert run(environment).complete


def test_a_receipt_that_arrives_after_its_call_was_charged_in_doubt_is_settled(environment: Environment) -> None:
    """The next start charges what it says and stores its answer: nothing paid is lost, nothing is asked again."""
    four_projects(environment)
    run(environment)
    asked = len(environment.server.bill.lines)
    environment.db.execute(
        "UPDATE llm_call_attempts SET state = 'unknown', charged_usd = ceiling_usd, error_kind = 'owner_dead' "
        "WHERE user_id = 2"
    )
    environment.db.execute("DELETE FROM llm_monitoring_results WHERE project_id = 2")
    environment.budget.repair(2)
    assert environment.charged() > environment.billed()
    assert run(environment).complete
    assert {1: (2, 2), 2: (2, 2), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert asked == len(environment.server.bill.lines)
    assert environment.billed() == environment.charged()


@pytest.mark.ci
def test_a_late_receipt_of_a_task_that_was_asked_again_corrects_its_charge_alone(environment: Environment) -> None:
    """The task keeps the answer that it has; both calls are charged what they cost, and looked at once."""
    four_projects(environment)
    run(environment)
    kept = environment.rows("SELECT id FROM llm_monitoring_results WHERE project_id = 2 ORDER BY id")
    environment.db.execute(
        "UPDATE llm_call_attempts SET state = 'unknown', charged_usd = ceiling_usd, error_kind = 'owner_dead' "
        "WHERE user_id = 2"
    )
    environment.budget.repair(2)
    run(environment)
    assert kept == environment.rows("SELECT id FROM llm_monitoring_results WHERE project_id = 2 ORDER BY id")
    assert environment.billed() == environment.charged()
    assert [] == environment.budget.open_attempts()


@pytest.mark.ci
@pytest.mark.parametrize("code", ["23514", "57014"])
def test_a_receipt_that_the_database_refuses_costs_no_answer(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """The answer is stored and charged without it, and that is reported."""
    monkeypatch.setattr(database, "CANCELLED_SECONDS", 0.2)
    four_projects(environment)
    environment.db.execute(
        REFUSE.format(table="llm_call_receipts", condition="TRUE", event="INSERT").replace(
            "refuses'", f"refuses' USING ERRCODE = '{code}'"
        )
    )
    report = run(environment)
    assert dict.fromkeys(range(1, 5), (2, 2)) == answered(environment)
    assert {"keep_receipt"} == {each.stage for each in report.row_errors}
    assert environment.billed() == environment.charged()


@pytest.mark.short(every=2)
@pytest.mark.parametrize("kind", ["none", "refusal"])
def test_a_call_above_its_ceiling_is_charged_in_full_and_reported(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Answers and billed refusals alike: never less than the bill, with a line a call and an entry in the audit."""
    four_projects(environment)
    made = TaskExecutor.new_attempt
    low = Decimal("0.00000001")
    monkeypatch.setattr(TaskExecutor, "new_attempt", lambda *args: replace(made(*args), ceiling_usd=low))
    if kind != "none":
        environment.server.faults.set([fault(kind, times=100)])
    run(environment)
    said = [line for line in caplog.messages if "por encima de su techo" in line]
    assert 8 == len(said)
    assert 8 == len(environment.audit().over_ceiling)
    assert environment.billed() == environment.charged() > 0


class Panic(BaseException):
    """What a panic in Rust becomes: no Exception."""


@pytest.mark.ci
def test_a_worker_that_panics_is_reported_back(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task fails alone and the run ends, long before its deadline."""
    four_projects(environment)
    answer = TaskExecutor.ask_prompt

    def panicking(self: TaskExecutor, item: WorkItem, *more: object) -> object:
        if item.task.project_id == 2:
            raise Panic("a Rust panic")
        return answer(self, item, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(TaskExecutor, "ask_prompt", panicking)
    before = threading.active_count()
    report = run(environment)
    assert {1: (2, 2), 2: (0, 0), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert 2 == report.stats.reasons["crashed"]
    assert before == threading.active_count()


def test_reanalysis_goes_past_an_answer_that_cannot_be_read(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are read, the answer keeps its reading, and the error is in the list of the work."""
    from llm_monitoring.analysis import Matcher
    from llm_monitoring.answers import reanalysis

    user = environment.add_user("a@example.com", ["openai"])
    project = environment.add_project(user, PROMPTS[:3], ["openai"])
    run(environment)
    environment.db.execute("UPDATE llm_monitoring_projects SET brand_aliases = '{Quipu S.L.}'")
    analyse, broken = Matcher.analyse, PROMPTS[1]
    text = environment.rows(f"SELECT full_response FROM llm_monitoring_results WHERE query_text = '{broken}'")[0]

    def breaking(self: Matcher, found: str, *more: object) -> object:
        if found == text["full_response"]:
            raise Panic("a Rust panic")
        return analyse(self, found, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Matcher, "analyse", breaking)
    watch = reanalysis.ReanalysisControl(errors=RowErrors())
    outcome = reanalysis.run(environment.db, reanalysis.plan(environment.db, project), watch, sentiment=False)
    assert outcome.finished
    assert 2 == outcome.changes.answers
    assert "read_answer" == watch.errors.found[0].stage
    assert "Panic" == watch.errors.found[0].code
    assert 1 == environment.count(
        "(SELECT DISTINCT rules_fingerprint FROM llm_monitoring_results "
        f"WHERE query_text <> '{broken}') AS fingerprints"
    )
    assert projects.find(environment.db, project).brand.aliases == ("Quipu S.L.",)
