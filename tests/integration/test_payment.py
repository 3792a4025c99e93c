"""One paid call: what closes its attempt, whatever happens between reservation and settlement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from llm_monitoring import projects, registry
from llm_monitoring.db.database import Database, Rejected, Transaction
from llm_monitoring.db.failures import DatabaseUnavailable
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import ProviderName, Usage
from llm_monitoring.ledger import payment as payment_module
from llm_monitoring.ledger.attempts import Attempt, Settlement, new_id
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.payment import Paid, Payment, PaymentService, SettlementDelayed, Unsettled
from llm_monitoring.providers import Answer, ModelInfo, ProviderError, ProviderUnavailable, Question, Reply

MODEL = "gpt-6.1-terra"
ANSWER = Answer("Quipu.", MODEL, Usage(1_000, 500))


@dataclass
class Sender:
    """A provider that replies, or raises `error`."""

    error: BaseException | None = None
    name: ProviderName = "openai"

    def send(self, question: Question) -> Reply:
        if self.error is not None:
            raise self.error
        return Reply(200, b"{}", 5)

    def read(self, reply: Reply) -> Answer:
        raise NotImplementedError

    def list_models(self) -> list[ModelInfo]:
        raise NotImplementedError

    def close(self) -> None: ...


@dataclass
class Case:
    """A ledger with one user, and what a call to it has stored."""

    db: Database
    errors: RowErrors = field(default_factory=RowErrors)
    failures: list[str] = field(default_factory=list)
    saved: list[str | None] = field(default_factory=list)
    refuse: int = 0

    def save(self, tx: Transaction, paid: Paid) -> str:
        self.saved.append(None if paid.refused is None else paid.refused.code)
        if self.refuse > len(self.saved) - 1:
            raise Rejected("the host refuses it")
        return paid.answer.text

    def save_error(self, tx: Transaction, error: ProviderError) -> None:
        self.failures.append(error.kind)

    def pay(self, provider: Sender) -> str:
        budget = Budget(self.db)
        model = registry.find_model(self.db, "openai", MODEL)
        assert model is not None
        question, tariff = Question("¿Qué programa?", MODEL, 500), model.tariff(None)
        quote = tariff.quote(question, *budget.pricing_times())
        attempt = Attempt(new_id(), "probe", 1, "openai", MODEL, "user", quote.ceiling_usd)
        payment = Payment(attempt, quote.price, self.save, self.save_error)
        return PaymentService(budget, self.errors).execute(payment, question, provider, tariff)

    def row(self) -> dict[str, Any]:
        row = self.db.one(
            "SELECT a.*, r.attempt_id IS NOT NULL AS has_receipt "
            "FROM llm_call_attempts a LEFT JOIN llm_call_receipts r ON r.attempt_id = a.id"
        )
        assert row is not None
        return row


@pytest.fixture
def case(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setattr(payment_module, "read_reply", lambda provider, reply: ANSWER)
    with Database(database_url, lock_seconds=0.2) as db:
        projects.add_user(db, "a@example.com")
        Budget(db).ensure_account(1)
        yield Case(db)


def reading_raises(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def read(provider: ProviderName, reply: Reply) -> Answer:
        raise error

    monkeypatch.setattr(payment_module, "read_reply", read)


def test_a_payment_returns_what_was_saved(case: Case) -> None:
    """The caller gets the result of `save`, which ran in the transaction of the settlement."""
    assert "Quipu." == case.pay(Sender())
    assert "settled" == case.row()["state"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("has_receipt", "waits"), [(True, "off"), (False, "on")])
def test_a_settlement_waits_for_the_disk_unless_its_receipt_is_there(case: Case, has_receipt: bool, waits: str) -> None:
    """What a crash of the database takes back is settled again from the receipt; a failure without one is not."""
    budget = Budget(case.db)
    attempt = Attempt(new_id(), "probe", 1, "openai", MODEL, "user", Decimal(1))
    budget.reserve(attempt)
    budget.mark_sent(attempt)
    if has_receipt:
        budget.keep_receipt(attempt.id, Reply(200, b"{}", 1), b"{}")

    def close(tx: Transaction) -> Any:
        budget.close(tx, attempt.id, Settlement("void"))
        return tx.one("SELECT current_setting('synchronous_commit') AS waits")

    assert {"waits": waits} == case.db.transact(close)


def test_a_flush_waits_for_all_that_is_committed(case: Case) -> None:
    """After it, what was written before is on the disk."""
    case.db.execute("SELECT set_config('synchronous_commit', 'off', FALSE)")
    case.db.execute("UPDATE users SET email = email")
    written = case.db.one("SELECT pg_current_wal_insert_lsn() AS place")
    assert written is not None
    Budget(case.db).flush()
    assert {"flushed": True} == case.db.one("SELECT pg_current_wal_flush_lsn() >= %(place)s AS flushed", written)


def test_an_unexpected_error_of_a_call_costs_its_ceiling(case: Case) -> None:
    """Whether the request was billed is not known: the attempt is closed as unknown, and the error goes on."""
    with pytest.raises(MemoryError):
        case.pay(Sender(MemoryError()))
    row = case.row()
    assert "unknown" == row["state"]
    assert row["ceiling_usd"] == row["charged_usd"] > 0
    assert ["unavailable"] == case.failures


def test_an_unexpected_error_of_reading_costs_the_ceiling(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that breaks the code that reads it is kept, charged its ceiling, and left alone by recovery."""
    reading_raises(monkeypatch, KeyError("output"))
    with pytest.raises(KeyError, match="output"):
        case.pay(Sender())
    row = case.row()
    assert "unknown" == row["state"]
    assert row["ceiling_usd"] == row["charged_usd"]
    assert row["has_receipt"]
    assert [] == Budget(case.db).open_attempts()


def test_an_error_of_the_provider_closes_the_attempt_with_its_kind(case: Case) -> None:
    """What was surely not billed is void, and its failure is stored with it."""
    with pytest.raises(ProviderUnavailable):
        case.pay(Sender(ProviderUnavailable("HTTP 529", billed="no")))
    row = case.row()
    assert "void" == row["state"]
    assert "unavailable" == row["error_kind"]
    assert ["unavailable"] == case.failures


def test_a_database_that_is_away_leaves_the_attempt_to_the_next_start(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its receipt says what it costs, so no ceiling is charged for it."""
    reading_raises(monkeypatch, DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        case.pay(Sender())
    row = case.row()
    assert "sent" == row["state"]
    assert row["has_receipt"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("error", [None, ProviderUnavailable("HTTP 529", billed="no")])
def test_a_held_account_delays_the_settlement(case: Case, error: ProviderError | None) -> None:
    """While another session holds the account the end is kept; `finish` ends the call as it would have ended."""

    class Holding(Sender):
        def send(self, question: Question) -> Reply:
            cursor.execute("SELECT * FROM user_llm_api_keys FOR UPDATE")
            return super().send(question)

    with closing(psycopg2.connect(case.db.dsn)) as other, other.cursor() as cursor:
        with pytest.raises(SettlementDelayed) as caught:
            case.pay(Holding(error))
        assert "sent" == case.row()["state"]
        other.rollback()
    if error is None:
        assert "Quipu." == caught.value.finish()
    else:
        with pytest.raises(ProviderUnavailable):
            caught.value.finish()
    assert ("void" if error else "settled") == case.row()["state"]


def test_an_answer_that_is_refused_is_stored_unread(case: Case) -> None:
    """The second try of the settlement knows why the first was refused, and its result is returned."""
    case.refuse = 1
    assert "Quipu." == case.pay(Sender())
    assert [None, "Rejected"] == case.saved
    assert "settled" == case.row()["state"]


def test_a_settlement_that_is_refused_twice_stays_open(case: Case) -> None:
    """Its ceiling stays reserved, and the error names the attempt."""
    case.refuse = 2
    with pytest.raises(Unsettled, match="stays open: Rejected") as caught:
        case.pay(Sender())
    row = case.row()
    assert str(caught.value.attempt_id) == str(row["id"])
    assert "sent" == row["state"]
    assert Decimal(0) == row["charged_usd"]
