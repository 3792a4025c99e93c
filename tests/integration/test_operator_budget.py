"""The operator's keys: one monthly limit over all users, and who may use them at all."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest

from llm_monitoring import projects
from llm_monitoring.db.database import Database
from llm_monitoring.domain import KeyId, Secret, Usage
from llm_monitoring.keys.clients import Clients, NoKey
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import BlockedBy, BudgetExceeded
from llm_monitoring.settings.fields import load_settings
from tests.admission import admits, refused

NOW = datetime.now(UTC)
NEXT_MONTH = (NOW.replace(day=1) + timedelta(days=32)).replace(day=1)


@pytest.fixture
def budget(db: Database) -> Budget:
    return Budget(db, operator_budget_usd=Decimal("1.00"))


def user(db: Database) -> int:
    return projects.add_user(db, f"{uuid.uuid4().hex}@example.com")


def call(user_id: int, ceiling: str = "0.10", source: str = "operator") -> Attempt:
    return Attempt(uuid.uuid4(), "probe", user_id, "openai", "m", source, Decimal(ceiling))


def end(budget: Budget, made: Attempt, outcome: Settlement) -> None:
    assert budget.mark_sent(made)
    budget.db.transact(lambda tx: budget.close(tx, made.id, outcome))


def settled(cost: str) -> Settlement:
    return Settlement("settled", Decimal(cost), Usage(1, 1), "m")


def money(budget: Budget) -> tuple[Decimal, Decimal]:
    """Spent and reserved of the operator's account, and that the ledger agrees."""
    assert budget.operator_difference() is None
    assert [] == budget.differences()
    return budget.operator_standing()


def test_all_users_together_stay_within_the_operators_limit(budget: Budget) -> None:
    """Two users with a hundred dollars each can spend one dollar with the operator's keys, and not a cent more."""
    first, second = user(budget.db), user(budget.db)
    assert admits(budget, call(first, "0.60"))
    budget.reserve(made := call(second, "0.40"))
    end(budget, made, settled("0.40"))
    with refused(BlockedBy.BUDGET, retry=True):
        budget.reserve(call(first, "0.01"))
    assert (Decimal("0.40"), Decimal("0.60")) == money(budget)


def test_a_user_with_an_own_key_is_not_counted(budget: Budget) -> None:
    """The operator's limit is for the operator's keys alone."""
    assert admits(budget, call(user(budget.db), "5.00", "user"))
    assert (Decimal(0), Decimal(0)) == money(budget)


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("outcome", "spent"), [(settled("0.03"), "0.03"), (Settlement("void"), "0"), (Settlement("unknown"), "0.10")]
)
def test_each_end_moves_the_operators_account(budget: Budget, outcome: Settlement, spent: str) -> None:
    """Settled charges the cost, void nothing, unknown the ceiling, as in the user's account."""
    made = call(user(budget.db))
    budget.reserve(made)
    end(budget, made, outcome)
    assert (Decimal(spent), Decimal(0)) == money(budget)


def test_what_the_limit_can_never_cover_is_said(budget: Budget) -> None:
    """What is spent already leaves no room: the call is refused for good, with the variable's name."""
    made = call(user(budget.db), "1.00")
    budget.reserve(made)
    end(budget, made, settled("0.95"))
    with refused(BlockedBy.OPERATOR_BUDGET) as caught:
        budget.reserve(call(user(budget.db)))
    assert "LLM_OPERATOR_MONTHLY_BUDGET_USD" in str(caught.value)


def test_a_user_who_was_deleted_and_comes_back_starts_where_they_were(db: Database) -> None:
    """Neither a new account nor the old number with a new row gives a second budget."""
    budget = Budget(db, Decimal("0.50"), operator_budget_usd=Decimal("0.60"))
    first = user(db)
    budget.reserve(made := call(first, "0.50"))
    end(budget, made, settled("0.50"))
    db.execute("DELETE FROM users WHERE id = %(id)s", {"id": first})
    db.execute("INSERT INTO users (id, email) VALUES (%(id)s, 'again@example.com')", {"id": first})
    assert not admits(budget, call(first, "0.01", "user"))
    with refused(BlockedBy.OPERATOR_BUDGET):
        budget.reserve(call(user(db), "0.11"))
    assert admits(budget, call(user(db), "0.10"))


@pytest.mark.ci
def test_sixteen_threads_of_many_users_fill_the_operators_limit_and_never_pass_it(database_url: str) -> None:
    """Users' and operator's rows are taken in one order: no deadlock, no call too many, the counters are the sums."""
    with Database(database_url, size=16) as db, ThreadPoolExecutor(16) as pool:
        budget, barrier = Budget(db, operator_budget_usd=Decimal("1.00")), Barrier(16)
        users = [user(db) for _ in range(5)]

        def spend(number: int) -> int:
            barrier.wait(30)
            admitted = 0
            for turn in range(12):
                made = call(users[(number + turn) % 5], "0.013")
                try:
                    admitted += admits(budget, made)
                except BudgetExceeded:
                    continue
                if turn % 3 == 0:
                    end(budget, made, settled("0.013"))
            return admitted

        admitted = sum(pool.map(spend, range(16)))
        spent, reserved = money(budget)
    assert 76 == admitted
    assert Decimal("0.988") == spent + reserved


def test_the_operators_month_starts_by_itself(db: Database) -> None:
    """The first call of a new month finds the whole limit; one in flight belongs to the month it was reserved in."""
    now = Budget(db, clock=lambda: NOW, operator_budget_usd=Decimal("1.00"))
    later = Budget(db, clock=lambda: NEXT_MONTH, operator_budget_usd=Decimal("1.00"))
    owner = user(db)
    now.reserve(made := call(owner, "0.90"))
    assert admits(later, call(owner, "0.80"))
    end(now, made, settled("0.70"))
    assert (Decimal(0), Decimal("0.80")) == money(later)
    rows = db.all("SELECT operator_month AS month, charged_usd AS usd FROM llm_call_attempts WHERE state = 'settled'")
    assert [{"month": NOW.date().replace(day=1), "usd": Decimal("0.70")}] == rows


def test_without_a_limit_the_account_is_kept_all_the_same(db: Database) -> None:
    """An operator who sets the limit in mid-month is held to what was spent before."""
    Budget(db).reserve(made := call(user(db), "3.00"))
    end(Budget(db), made, settled("3.00"))
    with refused(BlockedBy.OPERATOR_BUDGET):
        Budget(db, operator_budget_usd=Decimal("3.05")).reserve(call(user(db)))


def test_the_database_itself_refuses_a_call_beyond_the_operators_limit(budget: Budget) -> None:
    """The rule is a constraint of the ledger."""
    budget.reserve(call(user(budget.db)))
    with pytest.raises(Exception, match="llm_call_attempts_admitted_within_operator_budget"):
        budget.db.execute("UPDATE llm_call_attempts SET operator_committed_usd = 1.01")


def test_the_audit_finds_an_operators_account_that_was_touched(budget: Budget) -> None:
    """Counters that are not the sums of the calls break a rule."""
    budget.reserve(call(user(budget.db)))
    budget.db.execute("UPDATE llm_operator_account SET reserved_usd = 0")
    found = budget.audit()
    assert found.clean is False
    assert Decimal("0.10") == (found.operator_difference or {})["ledger_reserved"]


@pytest.mark.parametrize(
    ("allowed", "sources"),
    [(None, ["operator", "operator"]), (frozenset(), [None, None]), (frozenset({2}), [None, "operator"])],
)
def test_only_those_who_may_use_the_operators_key_get_it(
    db: Database, allowed: frozenset[int] | None, sources: list[str | None]
) -> None:
    """Planning, a single look-up and the worker's client agree on who may use it."""
    first, second = user(db), user(db)
    assert 1 == first
    assert 2 == second
    store = KeyStore(db, None, {"openai": Secret("sk-operator-0123456789")}, operator_keys_for=allowed)
    planned = store.available([1, 2])
    assert sources == [planned[each]["openai"].source if planned[each] else None for each in (1, 2)]
    found = [store.find(each, "openai") for each in (1, 2)]
    assert sources == [each.source if each else None for each in found]
    clients = Clients(store, load_settings({}, dotenv=False))
    for each, source in zip((1, 2), sources, strict=True):
        if source is None:
            with pytest.raises(NoKey, match="LLM_OPERATOR_KEYS_FOR"):
                clients.get(KeyId("openai", None), each)
            with pytest.raises(NoKey, match="LLM_OPERATOR_KEYS_FOR"):
                clients.batch(KeyId("openai", None), each)


def test_a_key_has_one_client_for_its_batches(db: Database) -> None:
    """The batch calls of a key are opened once, and never for another user."""
    owner, other = user(db), user(db)
    store = KeyStore(db, None, {"openai": Secret("sk-operator-0123456789")})
    with closing(Clients(store, load_settings({}, dotenv=False))) as clients:
        first = clients.batch(KeyId("openai", None), owner)
        assert "openai" == first.name
        assert first == clients.batch(KeyId("openai", None), other)
        with pytest.raises(NoKey, match="not user"):
            clients.batch(KeyId("openai", owner), other)


def test_a_default_of_zero_lets_nobody_spend_until_a_limit_is_set(db: Database) -> None:
    """A user without a row is blocked at 0 of 0 USD, and goes on once somebody sets a limit."""
    budget, owner = Budget(db, Decimal(0)), user(db)
    assert not admits(budget, call(owner, "0.01", "user"))
    (standing,) = budget.standings()
    assert standing.blocked is True
    assert Decimal(100) == standing.percent
    assert Decimal(0) == standing.budget_usd
    budget.set_limits(owner, Decimal("0.01"), None)
    assert admits(budget, call(owner, "0.01", "user"))


def test_the_month_of_a_call_is_the_databases(db: Database) -> None:
    """A machine with a clock in 2038 reserves at most in the month after the database's."""
    far = Budget(db, clock=lambda: datetime(2038, 1, 19, tzinfo=UTC))
    assert NEXT_MONTH.date() == far.month()
    row = db.one("SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month")
    assert {"month": Budget(db).month()} == row
    assert date(2038, 1, 1) != far.month()
