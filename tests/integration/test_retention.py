"""What a daily run prunes at its end, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_monitoring.answers import retention
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.row_errors import RowErrors
from tests.integration.stage import Stage, staged
from tests.integration.test_runner import PROMPTS, run

SAVED = "SELECT * FROM llm_call_attempts ORDER BY id"
FIGURES = """SELECT brand_mentioned, mention_count, mention_contexts, position_in_list, sources, competitors_mentioned,
                    response_length, cost_usd, input_tokens FROM llm_monitoring_results ORDER BY id"""


@pytest.fixture
def stage(database_url: str) -> Iterator[Stage]:
    with staged(database_url) as made:
        yield made


def age(db: Database, days: int) -> None:
    db.execute("UPDATE llm_call_receipts SET received_at = now() - make_interval(days => %(days)s)", {"days": days})
    db.execute("UPDATE llm_monitoring_results SET created_at = now() - make_interval(days => %(days)s)", {"days": days})


def kept(stage: Stage) -> tuple[int, int]:
    return stage.count("llm_call_receipts"), stage.count("llm_monitoring_results WHERE full_response IS NOT NULL")


def snapshots(stage: Stage) -> list[Row]:
    return stage.rows("SELECT * FROM llm_monitoring_snapshots ORDER BY id")


def asked(stage: Stage) -> None:
    user = stage.add_user("a@example.com", ["openai"])
    stage.add_project(user, PROMPTS, ["openai"])
    run(stage)


def test_a_run_prunes_what_is_older_than_the_retention(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Replies go, texts are emptied; ledger, figures and snapshots stay as they are."""
    asked(stage)
    age(stage.db, 31)
    before = stage.rows(SAVED), stage.rows(FIGURES), snapshots(stage)
    caplog.set_level("INFO")
    run(stage, LLM_RECEIPT_RETENTION_DAYS="40")
    assert kept(stage) == (4, 4)
    run(stage, LLM_RECEIPT_RETENTION_DAYS="30")
    assert kept(stage) == (0, 0)
    assert "🧹 Más de 30 días: 4 recibo(s) borrados, 4 texto(s) de respuesta vaciados" in caplog.messages
    assert [row["citations"] for row in stage.rows("SELECT citations FROM llm_monitoring_results")] == [[]] * 4
    after = stage.rows(SAVED), stage.rows(FIGURES), snapshots(stage)
    stamps = [{**row, "updated_at": None} for row in before[2]], [{**row, "updated_at": None} for row in after[2]]
    assert (before[:2], stamps[0]) == (after[:2], stamps[1])
    assert stage.audit().differences == []


def test_what_is_open_or_not_ours_is_not_pruned(stage: Stage) -> None:
    """A reply that recovery may need and a host application's own answers stay."""
    asked(stage)
    age(stage.db, 400)
    ids = [row["id"] for row in stage.rows("SELECT id FROM llm_monitoring_results ORDER BY id")]
    stage.db.execute(f"UPDATE llm_monitoring_results SET attempt_id = NULL WHERE id = {ids[0]}")
    first = stage.rows("SELECT id FROM llm_call_attempts ORDER BY id")[0]["id"]
    stage.db.execute(f"UPDATE llm_call_attempts SET state = 'sent', charged_usd = 0 WHERE id = '{first}'")
    assert retention.prune(stage.db, 90, RowErrors()) == retention.Pruned(receipts=3, answers=3)
    assert kept(stage) == (1, 1)


def test_pruning_goes_in_batches_and_stops_when_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction touches more than a batch, and a stop leaves the rest to the next run."""
    asked(stage)
    age(stage.db, 400)
    monkeypatch.setattr(retention, "BATCH", 1)
    turns = iter([True, True, False, False])
    assert retention.prune(stage.db, 90, RowErrors(), go_on=lambda: next(turns)) == retention.Pruned(
        receipts=2, answers=0
    )
    assert retention.prune(stage.db, 90, RowErrors()) == retention.Pruned(receipts=2, answers=4)
