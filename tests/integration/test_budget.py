"""The ledger on a real database: reservation, the states of an attempt, months, alerts, the audit."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database, Rejected, Transaction
from llm_monitoring.domain import Task, Usage
from llm_monitoring.errors import BadInput
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import WithdrawnFor
from tests.admission import admits, withdrawn

NOVEMBER = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC)


class Clock:
    """A clock that the test turns."""

    def __init__(self, now: datetime = NOVEMBER) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(db: Database, clock: Clock) -> Budget:
    return Budget(db, Decimal("1.00"), clock)


@pytest.fixture
def user(db: Database) -> int:
    return projects.add_user(db, "a@example.com")


def call(user_id: int, ceiling: str = "0.10", task: Task | None = None) -> Attempt:
    return Attempt(uuid.uuid4(), "answer", user_id, "openai", "m", "user", Decimal(ceiling), task=task)


def close(budget: Budget, made: Attempt, outcome: Settlement) -> Decimal | None:
    return budget.db.transact(lambda tx: budget.close(tx, made.id, outcome))


def money(budget: Budget, user_id: int) -> tuple[Decimal, Decimal]:
    """Spent and reserved, and that the ledger agrees."""
    assert budget.audit().differences == []
    found = next(each for each in budget.standings(start_month=False) if each.user_id == user_id)
    return found.spent_usd, found.reserved_usd


def settled(cost: str) -> Settlement:
    return Settlement("settled", Decimal(cost), Usage(10, 20), "m-1")


def sent(budget: Budget, user_id: int, ceiling: str = "0.10") -> Attempt:
    made = call(user_id, ceiling)
    assert admits(budget, made)
    assert budget.mark_sent(made)
    return made


def test_a_user_gets_an_account_with_the_defaults_at_the_first_touch(budget: Budget, user: int) -> None:
    """Who has no row is given one with the default budget."""
    assert admits(budget, call(user, "1.00"))
    assert money(budget, user) == (Decimal(0), Decimal("1.00"))


def test_an_unknown_user_cannot_spend(budget: Budget) -> None:
    """No account is made for somebody who does not exist."""
    with pytest.raises(BadInput, match="user 999 does not exist"):
        budget.reserve(call(999))


def test_what_does_not_fit_is_refused(budget: Budget, user: int) -> None:
    """The last cent can be reserved, and not one more."""
    assert admits(budget, call(user, "0.99"))
    assert not admits(budget, call(user, "0.0100000001"))
    assert admits(budget, call(user, "0.01"))
    assert money(budget, user) == (Decimal(0), Decimal("1.00"))


def test_only_the_first_to_mark_may_send(budget: Budget, user: int) -> None:
    """An attempt goes to the provider at most once."""
    made = call(user)
    budget.reserve(made)
    assert [budget.mark_sent(made), budget.mark_sent(made)] == [True, False]


def test_a_released_reservation_cannot_be_sent(budget: Budget, user: int) -> None:
    """What a recovery released is no longer the dead run's to send."""
    made = call(user)
    budget.reserve(made)
    budget.release(made.id, "owner_dead", "…")
    assert budget.mark_sent(made) is False
    assert money(budget, user) == (Decimal(0), Decimal(0))


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("outcome", "spent"),
    [
        (settled("0.0312345678"), "0.0312345678"),
        (Settlement("void", error_kind="rate_limited"), "0"),
        (Settlement("unknown", error_kind="unavailable"), "0.10"),
    ],
)
def test_each_end_charges_what_it_should(budget: Budget, user: int, outcome: Settlement, spent: str) -> None:
    """Settled charges the cost, void nothing, unknown the ceiling; the reservation is gone in every case."""
    made = sent(budget, user)
    assert close(budget, made, outcome) == Decimal(spent)
    assert money(budget, user) == (Decimal(spent), Decimal(0))


def test_an_attempt_is_settled_once(budget: Budget, user: int) -> None:
    """A second settlement changes nothing."""
    made = sent(budget, user)
    close(budget, made, settled("0.03"))
    assert close(budget, made, settled("0.03")) is None
    assert money(budget, user) == (Decimal("0.03"), Decimal(0))


def test_a_doubtful_charge_is_corrected_when_the_truth_arrives(budget: Budget, user: int) -> None:
    """An unknown attempt that proves to be billed is charged its cost in place of its ceiling."""
    made = sent(budget, user)
    close(budget, made, Settlement("unknown"))
    close(budget, made, settled("0.03"))
    assert money(budget, user) == (Decimal("0.03"), Decimal(0))


@pytest.mark.parametrize("month_is_over", [False, True])
def test_no_month_costs_less_than_nothing(budget: Budget, user: int, clock: Clock, *, month_is_over: bool) -> None:
    """A doubtful charge was taken back by hand before it proves to be none: the month costs nothing, as billed."""
    made = sent(budget, user)
    close(budget, made, Settlement("unknown"))
    budget.correct(user, Decimal("-0.10"), "the provider billed nothing")
    if month_is_over:
        clock.now = DECEMBER
        assert admits(budget, call(user, "0.20"))
    close(budget, made, Settlement("void"))
    november = next(row for row in budget.history(user, 3) if row["month"] == date(2026, 11, 1))
    assert Decimal(0) == november["charged_usd"]
    assert Decimal(0) == money(budget, user)[0]


def test_a_reserved_attempt_cannot_be_settled(budget: Budget, user: int) -> None:
    """What was never sent cost nothing."""
    made = call(user)
    budget.reserve(made)
    assert close(budget, made, settled("0.03")) is None


def test_a_month_starts_by_itself(budget: Budget, user: int, clock: Clock) -> None:
    """The first reservation of a new month finds an empty counter; the old month keeps its attempts."""
    close(budget, sent(budget, user, "0.90"), settled("0.90"))
    assert not admits(budget, call(user, "0.20"))
    clock.now = DECEMBER
    assert admits(budget, call(user, "0.20"))
    assert money(budget, user) == (Decimal(0), Decimal("0.20"))
    months = budget.db.all("SELECT month, sum(charged_usd) AS usd FROM llm_call_attempts GROUP BY 1 ORDER BY 1")
    assert [(row["month"], row["usd"]) for row in months] == [
        (date(2026, 11, 1), Decimal("0.90")),
        (date(2026, 12, 1), Decimal(0)),
    ]


def test_a_call_in_flight_over_midnight_belongs_to_its_month(budget: Budget, user: int, clock: Clock) -> None:
    """What was reserved in November is charged to November, also where December has started."""
    made = sent(budget, user, "0.50")
    clock.now = DECEMBER
    assert admits(budget, call(user, "0.20"))
    close(budget, made, settled("0.40"))
    assert money(budget, user) == (Decimal(0), Decimal("0.20"))
    row = budget.db.one("SELECT month, charged_usd FROM llm_call_attempts WHERE state = 'settled'")
    assert row == {"month": date(2026, 11, 1), "charged_usd": Decimal("0.40")}


def test_a_clock_that_jumps_back_opens_no_old_month(budget: Budget, user: int, clock: Clock) -> None:
    """Once December has begun, a clock in November spends December's money."""
    clock.now = DECEMBER
    close(budget, sent(budget, user, "0.90"), settled("0.90"))
    clock.now = NOVEMBER
    assert not admits(budget, call(user, "0.20"))
    assert money(budget, user) == (Decimal("0.90"), Decimal(0))


def test_the_month_is_utc(db: Database) -> None:
    """A clock in another zone does not start the month early."""
    east = datetime.fromisoformat("2026-12-01T08:00:00+09:00")
    assert Budget(db, clock=lambda: east).month() == date(2026, 11, 1)


def test_a_lowered_limit_stops_the_next_call(budget: Budget, user: int) -> None:
    """A limit lowered below what is reserved admits nothing more and breaks nothing."""
    made = sent(budget, user, "0.60")
    budget.set_limits(user, Decimal("0.50"), None)
    assert not admits(budget, call(user, "0.0001"))
    close(budget, made, settled("0.60"))
    assert money(budget, user) == (Decimal("0.60"), Decimal(0))
    assert [each.user_id for each in budget.audit().over_budget] == [user]


def test_each_threshold_is_recorded_once_a_month(budget: Budget, user: int, clock: Clock) -> None:
    """The alert at the threshold and the one at 100 % come once, and again in the next month."""
    for cost in ("0.79", "0.05", "0.05", "0.11"):
        close(budget, sent(budget, user, cost), settled(cost))
    clock.now = DECEMBER
    close(budget, sent(budget, user, "0.85"), settled("0.85"))
    rows = budget.db.all("SELECT month, threshold, spent_usd FROM llm_budget_alerts ORDER BY 1, 2")
    assert [(row["month"].month, row["threshold"], row["spent_usd"]) for row in rows] == [
        (11, Decimal(80), Decimal("0.84")),
        (11, Decimal(100), Decimal("1.00")),
        (12, Decimal(80), Decimal("0.85")),
    ]


def test_a_correction_is_a_ledger_entry(budget: Budget, user: int) -> None:
    """Corrections by hand move the month both ways, never below zero."""
    assert budget.correct(user, Decimal("0.30"), "bill of October") == Decimal("0.30")
    assert budget.correct(user, Decimal("-0.10"), "refund") == Decimal("0.20")
    with pytest.raises(BadInput, match="negative"):
        budget.correct(user, Decimal("-0.21"), "too much")
    assert money(budget, user) == (Decimal("0.20"), Decimal(0))


def test_a_task_has_one_open_attempt(budget: Budget, user: int) -> None:
    """The database refuses a second open call for a task, and frees it when the first ends."""
    task = Task(user, 1, 1, "openai", date(2026, 11, 23), 1, "?", "en")
    first = call(user, task=task)
    budget.reserve(first)
    with withdrawn(WithdrawnFor.TASK_TAKEN):
        budget.reserve(call(user, task=task))
    budget.release(first.id, "x", "x")
    assert admits(budget, call(user, task=task))


@pytest.fixture
def task(db: Database, user: int) -> Task:
    project = projects.add(db, projects.NewProject(user, "P", Entity("Quipu"), "software", [Entity("Holded")]))
    projects.add_prompts(db, project, ["¿Quipu?"])
    query = db.all("SELECT id FROM llm_monitoring_queries")[0]["id"]
    return Task(user, project, query, "openai", NOVEMBER.date(), 1, "¿Quipu?", "es")


def waits_for_a_lock(db: Database) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(db.all(waiting))


def test_a_call_waits_for_the_late_settlement_of_a_doubtful_one(budget: Budget, user: int, task: Task) -> None:
    """A call does not go out if a doubtful call of its task is being settled by its owner at that moment."""
    first, second = call(user, task=task), call(user, task=task)
    assert admits(budget, first)
    assert budget.mark_sent(first)
    close(budget, first, Settlement("unknown"))
    assert admits(budget, second)
    with ThreadPoolExecutor(1) as pool, closing(budget.db.connect()) as owner:
        owner.autocommit = False
        budget.close(Transaction(owner), first.id, settled("0.01"))
        marked = pool.submit(budget.mark_sent, second)
        while not waits_for_a_lock(budget.db) and not marked.done():
            time.sleep(0.002)
        owner.commit()
        assert not marked.result()


def test_a_call_goes_out_after_a_doubtful_one(budget: Budget, user: int, task: Task) -> None:
    """A task is asked again after a call that stays doubtful, also by a repeat of the statement."""
    first, second = call(user, task=task), call(user, task=task)
    assert admits(budget, first)
    assert budget.mark_sent(first)
    close(budget, first, Settlement("unknown"))
    assert admits(budget, second)
    assert budget.mark_sent(second)


def test_a_repeated_statement_reserves_once(budget: Budget, user: int) -> None:
    """The same attempt sent again after a lost connection takes its ceiling once."""
    made = call(user)
    assert [admits(budget, made), admits(budget, made)] == [True, True]
    assert money(budget, user) == (Decimal(0), Decimal("0.10"))


def test_the_audit_finds_a_counter_that_was_touched(budget: Budget, user: int) -> None:
    """Counters changed behind the ledger's back are listed with both figures."""
    close(budget, sent(budget, user), settled("0.03"))
    budget.db.execute("UPDATE user_llm_api_keys SET current_month_spend = 0.02")
    (difference,) = budget.audit().differences
    assert difference["user_id"] == user
    assert difference["counted_spent"] == Decimal("0.02")
    assert difference["ledger_spent"] == Decimal("0.03")


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE llm_call_attempts SET charged_usd = 1 WHERE state = 'void'",
        "UPDATE llm_call_attempts SET budget_usd = 0",
        "UPDATE llm_call_attempts SET state = 'settled', sent_at = NULL, charged_usd = 0",
        "UPDATE llm_call_attempts SET month = '2026-11-02'",
        "UPDATE user_llm_api_keys SET reserved_spend_usd = -1",
    ],
)
def test_the_database_itself_refuses_impossible_books(budget: Budget, user: int, change: str) -> None:
    """The ledger's rules are constraints, not conventions."""
    made = call(user)
    budget.reserve(made)
    budget.release(made.id, "x", "x")
    with pytest.raises(Rejected):
        budget.db.execute(change)
