"""Prices in time, from the registry to the ledger: what begins on a day, who decided it, what a dead run left."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring import projects, registry
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import ProviderName
from llm_monitoring.keys.clients import Clients
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import BudgetExceeded
from llm_monitoring.ledger.payment import Paid, Payment, PaymentService
from llm_monitoring.providers import ModelInfo, Question, Reply
from llm_monitoring.registry import PriceUpdate, admin
from llm_monitoring.registry.admin import Author, Since
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.recovery import recover
from llm_monitoring.settings.fields import load_settings
from tests.admission import admits, unsaved
from tests.faults.recorded import Counts

ME = Author("test", "a test")
DECEMBER = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
JANUARY = datetime(2027, 1, 2, 4, tzinfo=UTC)
FLASH = Counts("google", "gemini-3.8-flash", 1_000, 500)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Replier:
    """A provider that answers every question with one body, and moves the clock before, on request."""

    def __init__(self, counts: Counts, **changes: Any) -> None:
        self.name: ProviderName = counts.provider
        self.body = json.dumps(json.loads(counts.body) | changes).encode()
        self.calls = 0

    def send(self, question: Question) -> Reply:
        self.calls += 1
        return Reply(200, self.body, 5)

    def list_models(self) -> list[ModelInfo]:
        raise NotImplementedError

    def close(self) -> None: ...


@pytest.fixture
def ledger(database_url: str) -> Iterator[Budget]:
    with Database(database_url) as db:
        budget = Budget(db, Decimal(100), clock=Clock(JANUARY))
        projects.add_user(db, "a@example.com")
        budget.ensure_account(1)
        yield budget


def quoted(ledger: Budget, counts: Counts, base_url: str | None = None) -> tuple[Attempt, Question, registry.Tariff]:
    """A call of these counts as the daily run would make it now."""
    model = registry.find_model(ledger.db, counts.provider, counts.model)
    assert model is not None
    question, tariff = Question("x" * 1_000, counts.model, 500), model.tariff(base_url)
    quote = tariff.quote(question, *ledger.pricing_times())
    call = Attempt(
        uuid.uuid4(),
        "probe",
        1,
        counts.provider,
        counts.model,
        "user",
        quote.ceiling_usd,
        rates=registry.write_rates(quote.price),
    )
    return call, question, tariff


def pay(ledger: Budget, counts: Counts, base_url: str | None = None, **changes: Any) -> Decimal:
    call, question, tariff = quoted(ledger, counts, base_url)
    payments = PaymentService(ledger, RowErrors(), {counts.provider: base_url} if base_url else {})
    return payments.execute(payment(call), question, Replier(counts, **changes), tariff).charged_usd


def payment(call: Attempt) -> Payment[Paid]:
    """The call at the price that it was admitted with."""
    assert call.rates is not None
    return unsaved(call, registry.read_rates(json.loads(call.rates)))


def move(ledger: Budget, now: datetime) -> None:
    assert isinstance(ledger.clock, Clock)
    ledger.clock.now = now


def attempt(ledger: Budget) -> dict[str, Any]:
    (row,) = ledger.db.all("SELECT * FROM llm_call_attempts ORDER BY reserved_at DESC LIMIT 1")
    return row


def decide(ledger: Budget, input_usd: str, output_usd: str, since: date | None = None) -> None:
    entry = admin.find(ledger.db, "google", "gemini-3.8-flash")
    prices = PriceUpdate(input=Decimal(input_usd), output=Decimal(output_usd))
    admin.set_prices(ledger.db, entry, prices, ME, Since(since or ledger.today(), ledger.today()))


def test_a_known_rise_is_charged_from_its_day_on(ledger: Budget) -> None:
    """A rise that the price list names with its day is charged on that day, though no one entered it."""
    assert Decimal("0.00525") == pay(ledger, FLASH)


def test_the_day_before_a_rise_costs_what_it_did(ledger: Budget) -> None:
    """Before the day of a rise the price of the registry holds."""
    move(ledger, datetime(2026, 12, 31, 23, 30, tzinfo=UTC))
    assert Decimal("0.002625") == pay(ledger, FLASH)


def test_a_budget_holds_across_a_rise(ledger: Budget) -> None:
    """The ceiling follows the rise: a budget of 0.02 lets nothing above 0.02 through."""
    ledger.set_limits(1, Decimal("0.02"), None)
    calls = 0
    with suppress(BudgetExceeded):
        while calls < 10:
            pay(ledger, FLASH)
            calls += 1
    (row,) = ledger.standings()
    assert row.spent_usd <= Decimal("0.02")
    assert calls * Decimal("0.00525") == row.spent_usd


def test_a_call_that_is_sent_after_midnight_costs_the_new_price(ledger: Budget) -> None:
    """Reserved a second before the rise and sent after it: reserved and charged at the dearer price."""
    move(ledger, DECEMBER)
    call, question, tariff = quoted(ledger, FLASH)
    move(ledger, datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC))
    paid = PaymentService(ledger, RowErrors()).execute(payment(call), question, Replier(FLASH), tariff)
    assert Decimal("0.00525") == paid.charged_usd <= call.ceiling_usd


def test_an_attempt_keeps_its_rates(ledger: Budget) -> None:
    """The ledger holds the rates that a call was settled by."""
    pay(ledger, FLASH)
    assert ("1.5000000000", "7.5000000000", "0.1500000000") == tuple(
        attempt(ledger)["rates"]["tiers"][0][name] for name in ("input", "output", "cached")
    )


def left_by_a_dead_run(ledger: Budget, counts: Counts) -> TaskExecutor:
    """A call of which the reply was kept and not settled, and the executor of the next start."""
    call, _, tariff = quoted(ledger, counts)
    assert admits(ledger, call)
    assert ledger.mark_sent(call, registry.write_rates(tariff.at(ledger.clock())))
    reply = Reply(200, counts.body, 5)
    ledger.keep_receipt(call.id, reply, reply.body)
    settings = load_settings({})
    return TaskExecutor(
        ledger, Clients(KeyStore(ledger.db, None, {}), settings), registry.Catalogue(()), {}, settings, None
    )


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE llm_model_registry SET cost_per_1m_input_tokens = cost_per_1m_input_tokens / 10",
        "UPDATE llm_model_registry SET is_current = FALSE, cost_per_1m_input_tokens = 0, cost_per_1m_output_tokens = 0",
        "DELETE FROM llm_model_registry",
    ],
)
def test_a_receipt_of_a_dead_run_is_settled_by_the_rates_of_its_admission(ledger: Budget, change: str) -> None:
    """A price that was lowered or removed meanwhile changes nothing of what a call costs."""
    executor = left_by_a_dead_run(ledger, Counts("openai", "gpt-6.1-terra", 1_000, 500))
    ledger.db.execute(change)
    recover(executor)
    found = attempt(ledger)
    assert "settled" == found["state"]
    assert Decimal("0.0035") == found["charged_usd"]


def test_an_admin_who_decides_after_a_rise_is_believed(ledger: Budget) -> None:
    """Input and output entered by an admin on or after the day of a rise hold in place of it."""
    decide(ledger, "1.2", "6")
    assert Decimal("0.0042") == pay(ledger, FLASH)


def test_an_admin_who_decided_before_a_rise_is_not(ledger: Budget) -> None:
    """A price confirmed in December does not hold back the rise of January."""
    move(ledger, DECEMBER)
    decide(ledger, "0.75", "3.75")
    move(ledger, JANUARY)
    assert Decimal("0.00525") == pay(ledger, FLASH)


def test_a_price_edited_in_the_registry_stays_below_no_known_rise(ledger: Budget) -> None:
    """A lower price that is written into the registry's columns does not end a known rise; a dearer one counts."""
    edit = "UPDATE llm_model_registry SET cost_per_1m_output_tokens = {} WHERE model_id = 'gemini-3.8-flash'"
    ledger.db.execute(edit.format(1))
    low = pay(ledger, FLASH)
    ledger.db.execute(edit.format(10))
    assert Decimal("0.00525") == low
    assert Decimal("0.0065") == pay(ledger, FLASH)


def test_a_dated_price_of_an_admin_replaces_the_known_rise_of_its_day(ledger: Budget) -> None:
    """What an admin entered for the day of a rise holds from that day on."""
    move(ledger, DECEMBER)
    decide(ledger, "1", "5", date(2027, 1, 1))
    before = pay(ledger, FLASH)
    move(ledger, JANUARY)
    assert Decimal("0.002625") == before
    assert Decimal("0.0035") == pay(ledger, FLASH)


def test_the_columns_of_the_registry_follow_a_dated_price(ledger: Budget) -> None:
    """Once its day has begun, an admin's dated price is what the host reads in the registry."""
    move(ledger, DECEMBER)
    decide(ledger, "1", "5", date(2027, 1, 1))
    early = registry.adopt_due_prices(ledger.db, date(2026, 12, 31))
    due = registry.adopt_due_prices(ledger.db, date(2027, 1, 1))
    entry = admin.find(ledger.db, "google", "gemini-3.8-flash")
    assert 0 == early
    assert 1 == due
    assert Decimal(1) == entry.price.input
    assert date(2027, 1, 1) == entry.priced_on


def test_a_dated_price_keeps_the_dearer_of_what_is_not_given(ledger: Budget) -> None:
    """Cached input that a decision for the day of a rise leaves out costs what the rise says."""
    move(ledger, DECEMBER)
    decide(ledger, "1", "5", date(2027, 1, 1))
    (row,) = ledger.db.all("SELECT * FROM llm_model_prices WHERE source = 'admin'")
    assert Decimal("0.15") == row["cost_per_1m_cached_input_tokens"]


def test_the_change_of_a_dated_price_is_on_record(ledger: Budget) -> None:
    """Who entered a dated price, and why, is in the history."""
    move(ledger, DECEMBER)
    decide(ledger, "1", "5", date(2027, 1, 1))
    (change, *_) = admin.history(ledger.db, "google", "gemini-3.8-flash", 5)
    assert "test" == change["changed_by"]
    assert "a test" == change["reason"]
    assert [None, Decimal(1)] == change["changes"]["cost_per_1m_input_tokens from 2027-01-01 (admin)"]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("host", "model", "usd"),
    [
        ("https://eu.api.openai.com/v1", "gpt-6.1-terra", "0.00385"),
        ("https://US.api.openai.com./v1", "gpt-6.1-terra", "0.00385"),
        ("https://in.api.openai.com/v1", "gpt-5.4-mini", "0.0033"),
        ("https://api.openai.com/v1", "gpt-6.1-terra", "0.0035"),
        ("https://eu.api.openai.com.example.com/v1", "gpt-6.1-terra", "0.0035"),
        (None, "gpt-6.1-terra", "0.0035"),
    ],
)
def test_a_regional_endpoint_costs_its_premium(ledger: Budget, host: str | None, model: str, usd: str) -> None:
    """A regional host of OpenAI adds a tenth to the charge."""
    assert Decimal(usd) == pay(ledger, Counts("openai", model, 1_000, 500), host)


def test_a_regional_endpoint_raises_the_ceiling(ledger: Budget) -> None:
    """The ceiling of a call to a regional host holds the premium."""
    counts = Counts("openai", "gpt-6.1-terra", 1_000, 500)
    plain, *_ = quoted(ledger, counts)
    regional, *_ = quoted(ledger, counts, "https://eu.api.openai.com/v1")
    assert plain.ceiling_usd * Decimal("1.1") == regional.ceiling_usd


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("served", "usd"),
    [
        ("gemini-3.5-flash-lite", "0.00155"),
        ("gemini-3.5-flash-lite-001", "0.00155"),
        ("models/gemini-3.5-flash-lite", "0.00155"),
        ("", "0.00155"),
        ("gemini-3.1-pro-preview", "0.008"),
        ("gemini-3.8-flash", "0.00525"),
        ("gemini-3.8-flash-10-2026", "0.00525"),
    ],
)
def test_another_model_than_asked_is_charged_at_the_dearer_price(ledger: Budget, served: str, usd: str) -> None:
    """The same model under a dated name costs what it costs; another one of the registry the dearer of both prices."""
    asked = Counts("google", "gemini-3.5-flash-lite", 1_000, 500)
    assert Decimal(usd) == pay(ledger, asked, modelVersion=served)


def test_a_cheaper_model_served_is_charged_as_the_one_asked(ledger: Budget) -> None:
    """A cheaper model that a reply names does not lower the charge."""
    assert Decimal("0.00525") == pay(ledger, FLASH, modelVersion="gemini-3.5-flash-lite")


CLAUDE = Counts("anthropic", "claude-sonnet-5-5", 10_100, 100, written=10_000)
CLAUDE_USAGE = json.loads(CLAUDE.body)["usage"]
HOUR = {"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10_000}}
SHORT = {"input_tokens": 100, "output_tokens": 100, "cache_creation_input_tokens": 0}
COMPACTION = {"type": "compaction", "input_tokens": 50_000, "output_tokens": 900}
TERRA = Counts("openai", "gpt-6.1-terra", 1_000, 500)


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("counts", "changes", "usd"),
    [
        (CLAUDE, {}, "0.0262"),
        (CLAUDE, {"usage": CLAUDE_USAGE | HOUR}, "0.0412"),
        (
            CLAUDE,
            {"usage": CLAUDE_USAGE | SHORT | {"iterations": [COMPACTION, {"type": "message", **SHORT}]}},
            "0.1102",
        ),
        (TERRA, {"service_tier": "default"}, "0.0035"),
        (TERRA, {"service_tier": "priority"}, "0.007"),
        (TERRA, {"service_tier": "flex"}, "0.0035"),
    ],
)
def test_a_dearer_rate_that_a_reply_names_is_charged(
    ledger: Budget, counts: Counts, changes: dict[str, Any], usd: str
) -> None:
    """Cache entries of an hour, compaction and the priority tier cost what they cost; a cheaper tier the standard."""
    assert Decimal(usd) == pay(ledger, counts, **changes)


def test_a_tier_without_a_price_is_charged_the_ceiling(ledger: Budget) -> None:
    """A tier that the registry does not price is charged what was reserved."""
    pay(ledger, TERRA, service_tier="scale")
    row = attempt(ledger)
    assert "unknown" == row["state"]
    assert row["ceiling_usd"] == row["charged_usd"]
    assert 1_000 == row["input_tokens"]


def test_an_unknown_model_served_is_charged_the_ceiling(ledger: Budget, caplog: pytest.LogCaptureFixture) -> None:
    """A model that the registry does not hold costs the ceiling, which the log says."""
    call, question, tariff = quoted(ledger, FLASH)
    paid = PaymentService(ledger, RowErrors()).execute(
        payment(call), question, Replier(FLASH, modelVersion="gemini-9"), tariff
    )
    (event,) = [record for record in caplog.records if getattr(record, "event", "") == "call.unpriced"]
    assert call.ceiling_usd == paid.charged_usd
    assert "unknown" == attempt(ledger)["state"]
    assert "model" == vars(event)["part"]
    assert "gemini-9" == vars(event)["value"]


def test_what_has_no_price_costs_at_least_its_usage(ledger: Budget) -> None:
    """A usage beyond the ceiling, in a tier without a price, is charged by the standard price: never too little."""
    pay(ledger, Counts("openai", "gpt-6.1-terra", 200_000, 500), service_tier="scale")
    row = attempt(ledger)
    assert "settled" == row["state"]
    assert Decimal("0.2025") == row["charged_usd"]
    assert row["charged_usd"] > row["ceiling_usd"]


def test_a_newer_model_served_by_a_regional_endpoint_costs_its_premium(ledger: Budget) -> None:
    """The premium of the endpoint is the served model's, where the one asked has none."""
    ledger.db.execute(
        "INSERT INTO llm_model_registry (llm_provider, model_id, model_display_name, is_available, "
        "cost_per_1m_input_tokens, cost_per_1m_output_tokens) VALUES ('openai', 'gpt-4.1', 'GPT', TRUE, 0.5, 2)"
    )
    asked = Counts("openai", "gpt-4.1", 1_000, 500)
    assert Decimal("0.00385") == pay(ledger, asked, "https://eu.api.openai.com/v1", model="gpt-6.1-terra")


def test_another_model_is_charged_at_the_price_of_its_sending(ledger: Budget) -> None:
    """The price of a served model that has fallen since the call was sent is not the one that is billed."""
    decide(ledger, "0.1", "0.2", since=date(2099, 1, 1))
    move(ledger, datetime(2099, 1, 1, 0, 0, 1, tzinfo=UTC))
    asked = Counts("google", "gemini-3.5-flash-lite", 1_000, 500)
    assert Decimal("0.002625") <= pay(ledger, asked, modelVersion="gemini-3.8-flash")


def test_a_served_model_with_an_unreadable_price_loses_no_answer(ledger: Budget) -> None:
    """The answer is kept, and its ceiling charged."""
    ledger.db.execute("UPDATE llm_model_registry SET price_tiers = '[5]' WHERE model_id = 'gpt-6.1-sol'")
    call, question, tariff = quoted(ledger, TERRA)
    served = Replier(TERRA, model="gpt-6.1-sol")
    paid = PaymentService(ledger, RowErrors()).execute(payment(call), question, served, tariff)
    assert call.ceiling_usd == paid.charged_usd
    assert call.ceiling_usd == attempt(ledger)["charged_usd"]
