"""Modes in the database: seeds, constraints, the admin's commands, attempts and answers with their mode."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from llm_monitoring import projects, registry
from llm_monitoring.cli.root import root
from llm_monitoring.db import Database, Rejected, RowErrors
from llm_monitoring.domain import Mode, provider_name
from llm_monitoring.ledger import Attempt, Budget, PaymentService
from llm_monitoring.model_review.findings import price_drifts
from llm_monitoring.model_review.suggested_prices import suggest
from llm_monitoring.providers import ModelInfo, Question, Reply
from llm_monitoring.registry import admin, write_rates
from tests.admission import unsaved
from tests.faults.recorded import Counts

TERRA = Counts("openai", "gpt-6.1-terra", 1_000, 500, cached=200)


def body(tier: str | None) -> bytes:
    named = b'{"service_tier": "%s", ' % tier.encode() if tier is not None else b"{"
    return named + TERRA.body[1:]


class Replying:
    """A provider with one reply; `questions` are those that it was sent."""

    name: Any = "openai"

    def __init__(self, reply: bytes) -> None:
        self.reply = reply
        self.questions: list[Question] = []

    def send(self, question: Question) -> Reply:
        self.questions.append(question)
        return Reply(200, self.reply, 5)

    def list_models(self) -> list[ModelInfo]:
        raise NotImplementedError

    def close(self) -> None: ...


def pay(db: Database, mode: Mode, reply: bytes) -> dict[str, Any]:
    """Pay for one call in a mode; return its row of the ledger."""
    budget, user = Budget(db, Decimal(100)), projects.add_user(db, f"{uuid.uuid4().hex}@example.com")
    model = registry.find_model(db, "openai", "gpt-6.1-terra")
    assert model is not None
    question, tariff = Question("?", model.model_id, 600, mode=mode), model.tariff(None)
    quote = tariff.quote(question, *budget.pricing_times())
    attempt = Attempt(uuid.uuid4(), "probe", user, "openai", model.model_id, "user", quote.ceiling_usd,
                      rates=write_rates(quote.price), mode=quote.mode)  # fmt: skip
    PaymentService(budget, RowErrors()).execute(unsaved(attempt, quote.price), question, Replying(reply), tariff)
    row = db.one("SELECT * FROM llm_call_attempts WHERE id = %(id)s", {"id": str(attempt.id)})
    assert row is not None
    return row


STANDARD = Decimal("0.00331")  # 800 input at 1, 200 cached at 0.05, 500 output at 5 USD a million


@pytest.mark.short(every=7)
@pytest.mark.parametrize(
    ("mode", "tier", "charged", "saved"),
    [
        ("standard", "default", STANDARD, 0),
        ("standard", "flex", STANDARD, 0),
        ("flex", "flex", STANDARD / 2, STANDARD / 2),
        ("flex", "default", STANDARD, 0),
        ("flex", None, STANDARD, 0),
        ("flex", "priority", 2 * STANDARD, 0),
        ("batch", "default", STANDARD / 2, STANDARD / 2),
    ],
)
def test_a_call_is_charged_by_the_tier_that_its_reply_names(
    db: Database, mode: Mode, tier: str | None, charged: Decimal, saved: Decimal
) -> None:
    """The ledger keeps how it was asked, what was served, and what that saved."""
    row = pay(db, mode, body(tier))
    assert charged == row["charged_usd"]
    assert Decimal(saved) == row["saved_usd"]
    assert mode == row["mode"]
    assert "settled" == row["state"]
    assert ("" if tier in (None, "default") else tier) == row["service_tier"]


def test_a_tier_without_a_price_is_charged_the_ceiling(db: Database) -> None:
    """An unknown tier of a flex reply is no discount."""
    row = pay(db, "flex", body("scale"))
    assert "unknown" == row["state"]
    assert row["ceiling_usd"] == row["charged_usd"]
    assert 0 == row["saved_usd"]


@pytest.mark.short(every=8)
@pytest.mark.parametrize("factor", ["0", "-0.5", "1.01", "NaN"])
@pytest.mark.parametrize("table", ["llm_model_registry", "llm_model_prices"])
@pytest.mark.parametrize("column", ["batch_factor", "flex_factor"])
def test_the_database_refuses_an_impossible_factor(db: Database, table: str, column: str, factor: str) -> None:
    """Whoever writes it: a mode costs more than nothing and no more than standard."""
    with pytest.raises(Rejected):
        db.execute(f"UPDATE {table} SET {column} = '{factor}'")


@pytest.mark.parametrize("table", ["llm_call_attempts", "llm_monitoring_results"])
def test_what_was_stored_before_is_standard(db: Database, table: str) -> None:
    """The default holds for older rows, and no other word is a mode."""
    row = db.one(
        "SELECT column_default FROM information_schema.columns WHERE table_name = %(t)s AND column_name = 'mode'",
        {"t": table},
    )
    assert row == {"column_default": "'standard'::text"}


def test_the_seeds_sell_what_is_known(db: Database) -> None:
    """Half price where the price list or the provider's page has the mode, and nowhere else."""
    rows = db.all(
        "SELECT llm_provider || '/' || model_id AS name, batch_factor, flex_factor FROM llm_model_registry "
        "WHERE is_available"
    )
    half = Decimal("0.5")
    assert {
        "openai/gpt-6.1-terra": (half, half),
        "openai/gpt-6-luna": (half, half),
        "anthropic/claude-sonnet-5-5": (half, None),
        "anthropic/claude-haiku-5-5": (half, None),
        "google/gemini-3.8-flash": (half, half),
        "google/gemini-3.5-flash-lite": (half, half),
        "perplexity/perplexity/sonar": (None, None),
    } == {row["name"]: (row["batch_factor"], row["flex_factor"]) for row in rows}


def test_the_seeded_rise_of_gemini_keeps_its_modes(db: Database) -> None:
    """On the day on which its price doubles, flex costs half of the doubled price."""
    model = registry.find_model(db, "google", "gemini-3.8-flash")
    assert model is not None
    assert model.prices is not None
    price = model.prices.on(date(2027, 1, 1))
    assert Decimal("1.5") == price.tiers[0].input
    assert Decimal("0.5") == price.flex_factor


def test_a_changed_factor_is_in_the_changelog(db: Database) -> None:
    """Who lets a model be asked at half price is recorded."""
    db.execute("UPDATE llm_model_registry SET flex_factor = NULL WHERE model_id = 'gpt-6.1-terra'")
    (row,) = admin.history(db, "openai", "gpt-6.1-terra", 1)
    assert {"flex_factor": [Decimal("0.5"), None]} == row["changes"]


@pytest.fixture
def models(db: Database, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Runs a command on models and returns its exit code, output and errors."""
    monkeypatch.setenv("DATABASE_URL", db.dsn)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(root, ["models", *arguments])


def test_an_admin_enters_and_ends_the_modes_of_a_model(db: Database, models: Any) -> None:
    """`models price` sets a factor, a later day's price keeps it, and `--no-flex` ends it; `models show` lists them."""
    terra = ("openai", "gpt-6.1-terra", "--reason", "page", "--by", "ana")
    assert models("price", *terra, "--flex-factor", "0.6", "--no-batch").exit_code == 0
    dated = ("--input", "2", "--output", "10", "--no-tiers", "--from", "2999-01-01")
    assert models("price", *terra, *dated).exit_code == 0
    shown = json.loads(models("show", "openai", "gpt-6.1-terra", "--json").stdout)
    assert [(0.6, None), (0.6, None)] == [
        (each["flex_factor"] and float(each["flex_factor"]), each["batch_factor"]) for each in shown["prices"]
    ]
    assert "Tokens in the flex tier, times" in models("show", "openai", "gpt-6.1-terra").stdout
    assert models("price", *terra, "--no-flex").exit_code == 0
    row = db.one("SELECT flex_factor FROM llm_model_registry WHERE model_id = 'gpt-6.1-terra'")
    assert row == {"flex_factor": None}


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--flex-factor", "0"), "flex factor: a price of zero would make calls free"),
        (("--batch-factor", "1.5"), "batch factor: 1.5 is above 1"),
        (("--flex-factor", "0.5", "--no-flex"), "flex_factor is given and taken away"),
    ],
)
def test_an_impossible_factor_is_refused(models: Any, options: tuple[str, ...], message: str) -> None:
    """In one line, before anything is written."""
    result = models("price", "openai", "gpt-6.1-terra", *options, "--reason", "x")
    assert 2 == result.exit_code, result.output
    assert message in result.stderr, result.output


def test_the_first_prices_are_the_price_lists(db: Database) -> None:
    """No price, tier, fee or factor of a seeded model differs from the list that it was read from."""
    read = datetime(2026, 11, 23, tzinfo=UTC)
    entries = [replace(each, is_available=True) for each in registry.read_entries(db)]
    suggested = [suggest(provider_name(each.llm_provider), each.model_id, read) for each in entries]
    assert None not in suggested
    assert [] == [drift for pair in zip(entries, suggested, strict=True) for drift in price_drifts(*pair)]
