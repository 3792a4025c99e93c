"""What a host writes into the counters: nothing is admitted for it, and the next start puts it right and says so."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from llm_monitoring import projects
from llm_monitoring.db.database import Database, Rejected, Transaction
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import Usage
from llm_monitoring.errors import BadInput
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.balancing import balance
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import BudgetExceeded
from tests.admission import admits

HOST_RESET = "UPDATE user_llm_api_keys SET current_month_spend = 0, last_spend_reset = now()"
MONTHLY_RESET = "UPDATE user_llm_api_keys SET current_month_spend = 0, last_spend_reset = %(at)s"
NOW = datetime.now(UTC)
NEXT_MONTH = (NOW.replace(day=1, hour=0, minute=0, second=3) + timedelta(days=32)).replace(day=1)


class Undone(Exception):
    """Takes back what a test did to the server's roles."""


@pytest.fixture
def budget(db: Database) -> Budget:
    return Budget(db, Decimal("0.02"))


@pytest.fixture
def user(db: Database) -> int:
    return projects.add_user(db, "a@example.com")


def call(user_id: int, ceiling: str = "0.005", source: str = "user") -> Attempt:
    return Attempt(uuid.uuid4(), "probe", user_id, "openai", "m", source, Decimal(ceiling))


def settle(budget: Budget, made: Attempt, cost: str) -> None:
    assert budget.mark_sent(made)
    outcome = Settlement("settled", Decimal(cost), Usage(1, 1), "m")
    budget.db.transact(lambda tx: budget.close(tx, made.id, outcome))


def spend_all(budget: Budget, user_id: int, source: str = "user") -> int:
    """Spend until the budget refuses; return how many calls were made."""
    calls = 0
    with suppress(BudgetExceeded):
        while admits(budget, made := call(user_id, source=source)):
            settle(budget, made, "0.005")
            calls += 1
    return calls


def put_right(budget: Budget) -> list[tuple[str, Decimal | None, Decimal | None]]:
    errors = RowErrors()
    found = balance(budget, errors)
    assert [] == errors.found
    return [(each.reason, each.was, each.now) for each in found]


def ledger(budget: Budget) -> Decimal:
    row = budget.db.one("SELECT sum(charged_usd) AS usd FROM llm_call_attempts")
    assert row is not None
    return Decimal(row["usd"])


def test_resets_in_mid_month_give_no_second_budget(budget: Budget, user: int) -> None:
    """The host resets twice during a run: not one call more is admitted, and the next start sets the counter back."""
    assert 4 == spend_all(budget, user)
    for _ in range(2):
        budget.db.execute(HOST_RESET)
        assert 0 == spend_all(budget, user)
    assert [("host_lowered", Decimal(0), Decimal("0.02"))] == put_right(budget)
    assert Decimal("0.02") == ledger(budget)
    assert [] == budget.differences()
    assert [] == put_right(budget)


def test_a_month_that_the_host_sets_back_gives_no_second_budget(budget: Budget, user: int) -> None:
    """A reset that dates itself in an earlier month starts this month again from the ledger, not from nothing."""
    spend_all(budget, user)
    budget.db.execute(
        "UPDATE user_llm_api_keys SET current_month_spend = 0, last_spend_reset = now() - INTERVAL '40 days'"
    )
    assert 0 == spend_all(budget, user)
    assert Decimal("0.02") == budget.standings()[0].spent_usd


def test_spend_that_the_host_added_is_entered_in_the_ledger(budget: Budget, user: int) -> None:
    """The host's own spend counts at once, and becomes an entry of its own kind that the audit knows."""
    budget.reserve(made := call(user))
    settle(budget, made, "0.005")
    budget.db.execute("UPDATE user_llm_api_keys SET current_month_spend = current_month_spend + 0.011")
    assert not admits(budget, call(user))
    assert [("host_added", Decimal("0.005"), Decimal("0.016"))] == put_right(budget)
    rows = budget.db.all("SELECT kind, charged_usd AS usd FROM llm_call_attempts WHERE kind = 'host'")
    assert [{"kind": "host", "usd": Decimal("0.011")}] == rows
    audit = budget.audit()
    assert audit.clean is True
    assert [] == audit.over_admitted
    assert [] == audit.over_ceiling


@pytest.mark.parametrize("first", ["start", "host", "call", "correction"])
def test_what_the_host_added_to_an_ended_month_is_kept(db: Database, user: int, first: str) -> None:
    """Whoever touches the account first in the new month, the old one keeps it; the next start reports it once."""
    now, later = Budget(db, Decimal(1), lambda: NOW), Budget(db, Decimal(1), lambda: NEXT_MONTH)
    now.reserve(made := call(user))
    settle(now, made, "0.005")
    db.execute("UPDATE user_llm_api_keys SET current_month_spend = current_month_spend + 0.011")
    if first == "host":
        db.execute(MONTHLY_RESET, {"at": NEXT_MONTH})
    elif first == "call":
        later.reserve(call(user))
    elif first == "correction":
        later.correct(user, Decimal("0.001"), "a test")
    assert [("host_added_before", Decimal("0.005"), Decimal("0.016"))] == put_right(later)
    (row,) = later.db.all("SELECT month, charged_usd AS usd FROM llm_call_attempts WHERE kind = 'host'")
    assert {"month": now.month(), "usd": Decimal("0.011")} == row
    assert [] == later.differences()
    db.execute("INSERT INTO llm_monitoring_analysis_runs (analysis_date, owner) VALUES (now(), 'a test')")
    assert [] == put_right(later)


@pytest.mark.parametrize("at", ["now() - INTERVAL '40 days'", "'-infinity'", "'0044-03-15 BC'"])
def test_a_counter_that_is_dated_back_is_no_spend_of_that_month(budget: Budget, user: int, at: str) -> None:
    """What the ledger has counted in this month is not entered a second time in an earlier one."""
    budget.reserve(made := call(user))
    settle(budget, made, "0.005")
    budget.db.execute(f"UPDATE user_llm_api_keys SET last_spend_reset = {at}")
    assert [] == put_right(budget)
    assert Decimal("0.005") == budget.standings()[0].spent_usd == ledger(budget)


def test_a_host_that_resets_its_counters_needs_no_right_on_the_ledger(db: Database, user: int) -> None:
    """A role that may write the counters alone starts a month, and what it had added is kept."""
    Budget(db, Decimal(1), lambda: NOW).ensure_account(user)
    db.execute("UPDATE user_llm_api_keys SET current_month_spend = 0.5")

    def reset(tx: Transaction) -> None:
        tx.execute("CREATE ROLE host_of_a_test")
        tx.execute("GRANT SELECT, UPDATE ON user_llm_api_keys TO host_of_a_test")
        tx.execute("SET LOCAL ROLE host_of_a_test")
        tx.execute(MONTHLY_RESET, {"at": NEXT_MONTH})
        tx.execute("RESET ROLE")
        (row,) = tx.all("SELECT kind, charged_usd AS usd FROM llm_call_attempts")
        assert {"kind": "host", "usd": Decimal("0.5")} == row
        raise Undone

    with suppress(Undone):
        db.transact(reset)


@pytest.mark.parametrize(
    ("limit", "thresholds"), [("0.60", [Decimal(80)]), ("0.50", [Decimal(80), Decimal(100)]), ("0.70", [])]
)
def test_a_threshold_that_a_lower_limit_reaches_is_recorded(
    budget: Budget, user: int, limit: str, thresholds: list[Decimal]
) -> None:
    """No call is settled after the limit was lowered: the next start records the alerts, each once."""
    budget.set_limits(user, Decimal(1), None)
    budget.reserve(made := call(user, "0.50"))
    settle(budget, made, "0.50")
    budget.db.execute("UPDATE user_llm_api_keys SET monthly_budget_usd = %(limit)s", {"limit": limit})
    for _ in range(2):
        assert [] == put_right(budget)
    rows = budget.db.all("SELECT threshold, spent_usd FROM llm_budget_alerts ORDER BY 1")
    assert [{"threshold": each, "spent_usd": Decimal("0.50")} for each in thresholds] == rows


def test_a_correction_is_how_a_month_is_lowered(budget: Budget, user: int) -> None:
    """What an admin takes back as a ledger entry stays taken back."""
    spend_all(budget, user)
    budget.correct(user, Decimal("-0.01"), "refund")
    assert [] == put_right(budget)
    assert 2 == spend_all(budget, user)


def test_what_was_reserved_before_the_hosts_own_month_change_is_given_back(db: Database, user: int) -> None:
    """Four calls reserved before midnight; the host resets three seconds after it: nothing stays reserved."""
    now, later = Budget(db, Decimal(1), lambda: NOW), Budget(db, Decimal(1), lambda: NEXT_MONTH)
    calls = [call(user) for _ in range(4)]
    assert all(admits(now, each) for each in calls)
    db.execute(MONTHLY_RESET, {"at": NEXT_MONTH})
    for each in calls:
        settle(now, each, "0.004")
    assert admits(later, call(user))
    (standing,) = later.standings()
    assert Decimal(0) == standing.spent_usd
    assert Decimal("0.005") == standing.reserved_usd
    assert [] == later.differences()


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("change", "reason"),
    [("reserved_spend_usd = 0.009", "reserved_changed"), ("reserved_spend_usd = 0", "reserved_changed")],
)
def test_a_reserved_counter_that_was_touched_is_set_right(budget: Budget, user: int, change: str, reason: str) -> None:
    """Whatever the host wrote, what is reserved is what the open calls hold; a close in between does not fail."""
    budget.reserve(made := call(user))
    budget.reserve(call(user))
    budget.db.execute(f"UPDATE user_llm_api_keys SET {change}")
    settle(budget, made, "0.001")
    assert [reason] == [each[0] for each in put_right(budget)]
    assert [] == budget.differences()


def test_an_account_in_the_future_comes_back(budget: Budget, user: int) -> None:
    """A clock that jumped ahead once, or a host's slip, keeps no account in 2038."""
    budget.reserve(made := call(user))
    settle(budget, made, "0.005")
    budget.db.execute("UPDATE user_llm_api_keys SET last_spend_reset = '2038-01-19', current_month_spend = 0.3")
    assert ["month_ahead"] == [each[0] for each in put_right(budget)]
    assert Decimal("0.005") == budget.standings()[0].spent_usd
    assert 3 == spend_all(budget, user)


ROUNDING = """
CREATE FUNCTION round_spend() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN NEW.current_month_spend := round(NEW.current_month_spend, 2); RETURN NEW; END $$;
CREATE TRIGGER round_spend BEFORE UPDATE ON user_llm_api_keys FOR EACH ROW EXECUTE FUNCTION round_spend()
"""
NARROW = "ALTER TABLE user_llm_api_keys ALTER COLUMN current_month_spend TYPE NUMERIC(10, 2)"


@pytest.mark.short(every=2)
@pytest.mark.parametrize("host", [ROUNDING, NARROW])
def test_a_host_that_rounds_is_named_and_gives_nothing_away(budget: Budget, user: int, host: str) -> None:
    """Calls that round to nothing are counted all the same, and the start says that the counter does not hold."""
    budget.db.execute(host)
    calls = 0
    while admits(budget, made := call(user, "0.004")):
        settle(budget, made, "0.004")
        calls += 1
    assert 5 == calls
    assert Decimal("0.020") == ledger(budget)
    budget.correct(user, Decimal("-0.003"), "refund")
    assert "not_kept" in [each[0] for each in put_right(budget)]


WITHOUT_RULES = "ALTER TABLE user_llm_api_keys DROP CONSTRAINT user_llm_api_keys_{}"


def test_no_amount_that_is_no_number_is_taken(budget: Budget, user: int) -> None:
    """NaN is refused as a limit, a counter and an entry's amount."""
    budget.reserve(call(user))
    for statement in (
        "UPDATE user_llm_api_keys SET monthly_budget_usd = 'NaN'",
        "UPDATE user_llm_api_keys SET current_month_spend = 'NaN'",
        "UPDATE user_llm_api_keys SET reserved_spend_usd = 'NaN'",
        "UPDATE user_llm_api_keys SET spending_alert_threshold = 'NaN'",
        "UPDATE llm_call_attempts SET ceiling_usd = 'NaN'",
        "UPDATE llm_operator_account SET spent_usd = 'NaN'",
    ):
        with pytest.raises(Rejected):
            budget.db.execute(statement)
    assert not admits(budget, call(user, "NaN"))
    with pytest.raises(BadInput, match="NaN"):
        budget.correct(user, Decimal("NaN"), "x")


def test_a_limit_that_is_no_number_stops_its_user_alone(budget: Budget, user: int) -> None:
    """A row that a host wrote before it was refused spends nothing, is named, and is mended by setting a limit."""
    other = projects.add_user(budget.db, "b@example.com")
    budget.ensure_account(user)
    rule = WITHOUT_RULES.format("budget_is_an_amount")
    budget.db.execute(f"{rule}; UPDATE user_llm_api_keys SET monthly_budget_usd = 'NaN'")
    check = "CHECK (monthly_budget_usd >= 0 AND monthly_budget_usd < 1e15) NOT VALID"
    budget.db.execute(f"ALTER TABLE user_llm_api_keys ADD CONSTRAINT user_llm_api_keys_budget_is_an_amount {check}")
    assert admits(budget, call(user)) is False
    assert 4 == spend_all(budget, other)
    assert [("no_limit", None, None)] == put_right(budget)
    assert [True, True] == [each.blocked for each in budget.standings()]
    budget.set_limits(user, Decimal("0.02"), None)
    assert 4 == spend_all(budget, user)


def test_a_counter_that_is_no_number_is_set_to_the_ledger(budget: Budget, user: int) -> None:
    """NaN in a counter blocks until the next start, which takes the ledger's sum."""
    budget.reserve(made := call(user))
    settle(budget, made, "0.005")
    budget.db.execute(WITHOUT_RULES.format("counters_are_amounts"))
    budget.db.execute("UPDATE user_llm_api_keys SET current_month_spend = 'NaN'")
    assert not admits(budget, call(user))
    assert [("no_amount", None, Decimal("0.005"))] == put_right(budget)
    assert 3 == spend_all(budget, user)


def test_the_operators_account_is_put_right_too(db: Database, user: int) -> None:
    """Its counters are the sums of its calls again, and its month is the current one."""
    budget = Budget(db, operator_budget_usd=Decimal(1))
    budget.reserve(made := call(user, source="operator"))
    settle(budget, made, "0.003")
    db.execute("UPDATE llm_operator_account SET spent_usd = 0, month = '2038-01-01'")
    assert [("month_ahead", Decimal(0), Decimal("0.003"))] == put_right(budget)
    assert budget.operator_difference() is None
    assert (Decimal("0.003"), Decimal(0)) == budget.operator_standing()


def test_a_row_that_refuses_to_start_its_month_stops_no_other(db: Database) -> None:
    """A host trigger that raises for one user, or a lock on that row: the others' month starts."""
    users = [projects.add_user(db, f"{each}@example.com") for each in "abc"]
    budget = Budget(db)
    for each in users:
        budget.ensure_account(each)
    db.execute("UPDATE user_llm_api_keys SET last_spend_reset = '2026-01-05', current_month_spend = 1")
    trigger: Callable[[int], str] = lambda user_id: (  # noqa: E731
        "CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON user_llm_api_keys FOR EACH ROW "
        f"WHEN (OLD.user_id = {user_id}) EXECUTE FUNCTION refuse()"
    )
    db.execute(trigger(users[0]))
    budget.standings()
    rows = db.all("SELECT current_month_spend AS usd FROM user_llm_api_keys ORDER BY user_id")
    assert [Decimal(1), Decimal(0), Decimal(0)] == [row["usd"] for row in rows]


def test_an_operators_account_that_is_gone_is_made_again(db: Database, user: int) -> None:
    """After its table was emptied the next start counts its calls again, and calls are admitted."""
    budget = Budget(db, operator_budget_usd=Decimal(1))
    budget.reserve(made := call(user, source="operator"))
    settle(budget, made, "0.003")
    db.execute("DELETE FROM llm_operator_account")
    put_right(budget)
    assert (Decimal("0.003"), Decimal(0)) == budget.operator_standing()
    assert admits(budget, call(user, source="operator"))


@pytest.mark.short(every=2)
@pytest.mark.parametrize("source", ["user", "operator"])
def test_a_month_far_ahead_is_no_budget_of_its_own(db: Database, user: int, source: str) -> None:
    """A host's slip into 2038 or 2039 during a run admits no call until the next start has put it back."""
    budget = Budget(db, operator_budget_usd=Decimal("0.02"))
    budget.set_limits(user, Decimal("0.02") if source == "user" else Decimal(50), None)
    assert 4 == spend_all(budget, user, source)
    for month in ("2038-01-01", "2039-02-01"):
        db.execute(f"UPDATE user_llm_api_keys SET last_spend_reset = '{month}', current_month_spend = 0")
        db.execute(f"UPDATE llm_operator_account SET month = '{month}', spent_usd = 0")
        assert 0 == spend_all(budget, user, source)
    put_right(budget)
    assert 0 == spend_all(budget, user, source)
    assert Decimal("0.02") == ledger(budget)
