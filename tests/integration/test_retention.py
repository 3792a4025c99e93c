"""What a daily run prunes at its end, and what it leaves alone."""

from __future__ import annotations

import pytest

from llm_monitoring.answers import retention
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.row_errors import RowErrors
from tests.environment import Environment
from tests.integration.one_run import PROMPTS, run

SAVED = "SELECT * FROM llm_call_attempts ORDER BY id"
FIGURES = """SELECT brand_mentioned, mention_count, mention_contexts, position_in_list, sources, competitors_mentioned,
                    response_length, cost_usd, input_tokens FROM llm_monitoring_results ORDER BY id"""


def age(db: Database, days: int) -> None:
    db.execute("UPDATE llm_call_receipts SET received_at = now() - make_interval(days => %(days)s)", {"days": days})
    db.execute("UPDATE llm_monitoring_results SET created_at = now() - make_interval(days => %(days)s)", {"days": days})


def kept(environment: Environment) -> tuple[int, int]:
    return environment.count("llm_call_receipts"), environment.count(
        "llm_monitoring_results WHERE full_response IS NOT NULL"
    )


def snapshots(environment: Environment) -> list[Row]:
    return environment.rows("SELECT * FROM llm_monitoring_snapshots ORDER BY id")


def asked(environment: Environment) -> None:
    user = environment.add_user("a@example.com", ["openai"])
    environment.add_project(user, PROMPTS, ["openai"])
    run(environment)


def test_a_run_prunes_what_is_older_than_the_retention(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """Replies go, texts are emptied; ledger, figures and snapshots stay as they are."""
    asked(environment)
    age(environment.db, 31)
    before = environment.rows(SAVED), environment.rows(FIGURES), snapshots(environment)
    caplog.set_level("INFO")
    run(environment, LLM_RECEIPT_RETENTION_DAYS="40")
    assert kept(environment) == (4, 4)
    run(environment, LLM_RECEIPT_RETENTION_DAYS="30")
    assert kept(environment) == (0, 0)
    assert "🧹 Más de 30 días: 4 recibo(s) borrados, 4 texto(s) de respuesta vaciados" in caplog.messages
    assert [row["citations"] for row in environment.rows("SELECT citations FROM llm_monitoring_results")] == [[]] * 4
    after = environment.rows(SAVED), environment.rows(FIGURES), snapshots(environment)
    stamps = [{**row, "updated_at": None} for row in before[2]], [{**row, "updated_at": None} for row in after[2]]
    assert before[:2] == after[:2]
    assert stamps[0] == stamps[1]
    assert environment.audit().differences == []


@pytest.mark.ci
def test_what_is_open_or_not_ours_is_not_pruned(environment: Environment) -> None:
    """A reply that recovery may need and a host application's own answers stay."""
    asked(environment)
    age(environment.db, 400)
    ids = [row["id"] for row in environment.rows("SELECT id FROM llm_monitoring_results ORDER BY id")]
    environment.db.execute(f"UPDATE llm_monitoring_results SET attempt_id = NULL WHERE id = {ids[0]}")
    first = environment.rows("SELECT id FROM llm_call_attempts ORDER BY id")[0]["id"]
    environment.db.execute(f"UPDATE llm_call_attempts SET state = 'sent', charged_usd = 0 WHERE id = '{first}'")
    assert retention.prune(environment.db, 90, RowErrors()) == retention.Pruned(receipts=3, answers=3)
    assert kept(environment) == (1, 1)


@pytest.mark.ci
def test_pruning_goes_in_batches_and_stops_when_told(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction touches more than a batch, and a stop leaves the rest to the next run."""
    asked(environment)
    age(environment.db, 400)
    monkeypatch.setattr(retention, "BATCH", 1)
    turns = iter([True, True, False, False])
    assert retention.prune(environment.db, 90, RowErrors(), go_on=lambda: next(turns)) == retention.Pruned(
        receipts=2, answers=0
    )
    assert retention.prune(environment.db, 90, RowErrors()) == retention.Pruned(receipts=2, answers=4)
