"""Months that are over: late calls raise their alerts, and a month is corrected by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

from llm_monitoring import projects
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database
from llm_monitoring.errors import Invalid
from llm_monitoring.jobs.digest_text import Names
from llm_monitoring.jobs.observed_notices import budget_notice
from llm_monitoring.ledger.attempts import Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.notify.detectors import budget_alerts
from tests.integration.test_budget import DECEMBER, NOVEMBER, Clock, call, close, money, sent, settled

ENDED, PRESENT = date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOVEMBER)


@pytest.fixture
def budget(db: Database, clock: Clock) -> Budget:
    return Budget(db, Decimal("1.00"), clock)


@pytest.fixture
def user(db: Database) -> int:
    return projects.add_user(db, "a@example.com")


def alerts(budget: Budget) -> list[tuple[str, int, Decimal, Decimal]]:
    return [(each.month, int(each.threshold), each.spent_usd, each.budget_usd) for each in budget_alerts(budget.db)]


def spent_in(budget: Budget, month: date) -> Decimal:
    return next((Decimal(row["charged_usd"]) for row in budget.history(None, 12) if row["month"] == month), Decimal(0))


@pytest.mark.parametrize("december_has_begun", [False, True])
def test_a_call_settled_after_its_month_raises_its_alerts(
    budget: Budget, user: int, clock: Clock, december_has_begun: bool
) -> None:
    """They are of the call's month, with the limit that it was admitted with; the present month gets none."""
    made = sent(budget, user, "0.90")
    clock.now = DECEMBER
    if december_has_begun:
        budget.standings()
    budget.set_limits(user, Decimal("500.00"), None) if december_has_begun else None
    close(budget, made, settled("0.85"))
    assert [("2026-11-01", 80, Decimal("0.85"), Decimal("1.00"))] == alerts(budget)
    assert (
        "presupuesto de 2026-11 ha alcanzado el 80 %"
        in budget_notice(budget_alerts(budget.db)[0], PRESENT, Names.read(budget.db)).line
    )
    assert Decimal(0) == (budget.standings() and money(budget, user)[0])


def test_a_late_call_that_costs_nothing_raises_nothing(budget: Budget, user: int, clock: Clock) -> None:
    """A threshold that was lowered since says nothing of an ended month."""
    close(budget, sent(budget, user, "0.50"), settled("0.50"))
    made = sent(budget, user, "0.10")
    clock.now = DECEMBER
    budget.standings()
    budget.set_limits(user, None, Decimal(10))
    close(budget, made, Settlement("void"))
    assert [] == alerts(budget)


def test_an_ended_month_is_corrected(budget: Budget, user: int, clock: Clock) -> None:
    """Up and down, never below zero; the present month and its counters stay as they are."""
    close(budget, sent(budget, user, "0.50"), settled("0.50"))
    clock.now = DECEMBER
    close(budget, sent(budget, user, "0.10"), settled("0.07"))
    assert Decimal("0.62") == budget.correct(user, Decimal("0.12"), "billed later", month=ENDED)
    assert Decimal("0.02") == budget.correct(user, Decimal("-0.60"), "refunded", month=ENDED)
    with pytest.raises(Invalid, match="would make the spend negative"):
        budget.correct(user, Decimal("-0.03"), "too much", month=ENDED)
    assert Decimal("0.02") == spent_in(budget, ENDED)
    assert (Decimal("0.07"), Decimal(0)) == money(budget, user)


def test_an_account_still_in_the_ended_month_starts_the_present_one(budget: Budget, user: int, clock: Clock) -> None:
    """Its counter must not take the correction into the month that begins."""
    close(budget, sent(budget, user, "0.50"), settled("0.50"))
    clock.now = DECEMBER
    assert Decimal("0.40") == budget.correct(user, Decimal("-0.10"), "refunded", month=ENDED)
    assert (Decimal(0), Decimal(0)) == money(budget, user)


def test_the_same_correction_twice_is_one(budget: Budget, user: int, clock: Clock) -> None:
    """A commit of which the acknowledgement was lost is made again."""
    made = str(call(user).id)
    clock.now = DECEMBER
    for _ in range(2):
        assert Decimal("0.30") == budget.correct(user, Decimal("0.30"), "bill", made, ENDED)
    assert Decimal("0.30") == spent_in(budget, ENDED)


def test_the_command_takes_a_month(
    budget: Budget, user: int, clock: Clock, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`budget correct --month`: an ended month by name, and no month that has not come."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    close(budget, sent(budget, user, "0.50"), settled("0.50"))
    ran = CliRunner().invoke(root, ["budget", "correct", "1", "0.10", "--reason", "bill", "--month", "2025-10"])
    assert "+0.10 USD entered; 0.1000 USD are spent in 2025-10." in ran.output, ran.output
    refused = CliRunner().invoke(root, ["budget", "correct", "1", "0.10", "--reason", "bill", "--month", "9999-01"])
    assert "9999-01 has not come yet" in refused.output
    assert datetime(2025, 10, 1, tzinfo=UTC).date() in {row["month"] for row in budget.history(user, 24)}
