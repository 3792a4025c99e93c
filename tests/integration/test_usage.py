"""The models' own totals: every run's calls are in them once, whatever happens to a run or to a connection."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal

import pytest

from llm_monitoring import projects, registry
from llm_monitoring.db.database import Database, Interrupted, Params, Transaction
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import Usage
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.runs import records
from tests.admission import admits

DAY = date(2026, 11, 23)
MODEL = "gpt-6.1-terra"


def pay(db: Database, run_id: int, cost: str) -> None:
    """One settled call of a run."""
    budget = Budget(db)
    user = db.one("SELECT min(id) AS id FROM users")
    owner = (user and user["id"]) or projects.add_user(db, "a@example.com")
    call = Attempt(uuid.uuid4(), "answer", owner, "openai", MODEL, "user", Decimal("0.10"), run_id)
    assert admits(budget, call)
    assert budget.mark_sent(call)
    outcome = Settlement("settled", Decimal(cost), Usage(100, 20), MODEL)
    db.transact(lambda tx: budget.close(tx, call.id, outcome))


def totals(db: Database) -> tuple[int, int, Decimal]:
    """Calls, tokens and USD of the model."""
    row = db.one(
        "SELECT total_queries, total_tokens_consumed, total_cost FROM llm_model_registry WHERE model_id = %(id)s",
        {"id": MODEL},
    )
    assert row is not None
    return row["total_queries"], row["total_tokens_consumed"], row["total_cost"]


def test_counted_once(db: Database) -> None:
    """Counting a run again adds nothing; the next run's calls are added to it."""
    first = records.start(db, DAY)
    pay(db, first, "0.03")
    registry.count_usage(db, first, RowErrors())
    registry.count_usage(db, first, RowErrors())
    assert (1, 120, Decimal("0.03")) == totals(db)
    records.finish(db, first, "completed", valid=1, failed=0, pending=0, message=None)
    second = records.start(db, DAY)
    pay(db, second, "0.04")
    registry.count_usage(db, second, RowErrors())
    assert (2, 240, Decimal("0.07")) == totals(db)


def test_lost_connection(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count whose connection is lost after its last statement is repeated whole and counts nothing twice."""
    run_id = records.start(db, DAY)
    pay(db, run_id, "0.03")
    execute = Transaction.execute
    lost: list[str] = []

    def deaf(self: Transaction, sql: str, params: Params | None = None) -> int:
        done = execute(self, sql, params)
        if sql.startswith("RELEASE") and not lost:
            lost.append(sql)
            raise Interrupted("server closed the connection unexpectedly")
        return done

    monkeypatch.setattr(Transaction, "execute", deaf)
    registry.count_usage(db, run_id, RowErrors())
    assert (1, 120, Decimal("0.03")) == totals(db)


def test_dead_run(db: Database) -> None:
    """What a run paid that died before it was counted is in the totals after the next run."""
    dead = records.start(db, DAY)
    pay(db, dead, "0.03")
    alive = records.start(db, DAY)
    pay(db, alive, "0.04")
    registry.count_usage(db, alive, RowErrors())
    assert (2, 240, Decimal("0.07")) == totals(db)
